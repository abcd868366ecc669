// What tasks of one instance share to wait for each other: pools, queues, semaphores, latches. Their operations are
// not recorded: replay derives them again from the order of outcomes (C4).
//
// Invariants, for each of them:
//   V1. First come, first served.
//   V2. Whoever leaves while waiting leaves no trace: no place in the line, nothing taken. Who was handed something
//       and has not run since gives it back.

import { DefinitionError } from './errors.js';
import type { Execution } from './execution.js';
import { describeValue } from './found.js';
import { effectOperation, type Operation } from './operation.js';
import type { PrimitiveState } from './record.js';
import type { Outcome, TaskNode, Wait } from './task-node.js';
import type { Place, WaitingLine } from './waiting-line.js';

export abstract class Primitive {
  readonly id: number;
  readonly owner: Execution;
  abstract readonly kind: PrimitiveState['kind'];
  /** Its state has changed in this turn. */
  isChanged = false;

  constructor(owner: Execution) {
    this.owner = owner;
    this.id = ++owner.sharing.primitivesMade;
  }

  /** For messages: `queue 2`. */
  get title(): string {
    return `${this.kind} ${this.id}`;
  }

  /** It as plain data; null while it holds nothing and nobody. */
  abstract state(): PrimitiveState | null;

  /** To be called at each change of its state. */
  protected changed(): void {
    if (this.isChanged) return;
    this.isChanged = true;
    this.owner.sharing.changedPrimitive(this);
  }

  /** An operation on it, refused in any other instance. */
  protected operation<T>(name: string, run: (task: TaskNode) => Outcome | Wait): Operation<T> {
    return effectOperation<T>({ kind: 'operate', name, on: this, mayWait: true, run });
  }

  /** Waits at a place in one of its lines, until that is given up. */
  protected waitAt<B>(line: WaitingLine<B>, place: Place<B>, what: string): Wait {
    this.changed();
    return {
      what,
      abandon: () => {
        line.leave(place);
        this.changed();
        return true;
      },
    };
  }

  /** Lets all who wait in a line go on, in the order in which they came. */
  protected wakeAll<B>(line: WaitingLine<B>, outcome: () => Outcome): void {
    for (let next = line.shift(); next !== null; next = line.shift()) this.owner.scheduler.wake(next.task, outcome());
  }

  /** One that never waits. */
  protected instant<T>(name: string, run: (task: TaskNode) => Outcome): Operation<T> {
    return effectOperation<T>({ kind: 'operate', name, on: this, mayWait: false, run });
  }
}

/**
 * Refuses what is not a number of things.
 *
 * @throws DefinitionError
 */
export function assertCount(value: unknown, what: string): asserts value is number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return;
  throw new DefinitionError(`${what} must be a whole number from 0, not ${describeValue(value)}.`);
}
