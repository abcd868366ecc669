// Semaphores: a number of permits that tasks take and give back.

import type { Execution } from './execution.js';
import { adopt, assertOperation, composedOperation, effectOperation, type Operation } from './operation.js';
import { assertCount, Primitive } from './primitive.js';
import type { PrimitiveState } from './record.js';
import { fail, type Outcome, succeed, type TaskNode, type Wait } from './task-node.js';
import { WaitingLine } from './waiting-line.js';
import { AuthoringError } from './workflow-errors.js';

/** Permits that tasks of one instance take and give back; first come, first served. */
export interface Semaphore {
  /** Permits that nobody has. */
  readonly free: number;
  /** Takes a permit, waiting for one while all are taken. */
  acquire(): Operation<void>;
  /** Takes a permit if one is free; gives whether it did. */
  tryAcquire(): Operation<boolean>;
  /**
   * Gives a permit back, to whoever has waited longest.
   *
   * @throws AuthoringError when none is taken
   */
  release(): Operation<void>;
  /** Runs an operation with a permit, which is given back however it ends. */
  use<T>(operation: Operation<T>): Operation<T>;
}

/**
 * Makes a semaphore with so many permits, all of them free.
 *
 * @throws DefinitionError when `permits` is not a whole number from 0
 * @example
 * const printer = yield* createSemaphore(1);
 * yield* printer.use(print({ page }));
 */
export function createSemaphore(permits: number): Operation<Semaphore> {
  assertCount(permits, 'the permits of createSemaphore()');
  return effectOperation<Semaphore>({ kind: 'create', name: 'semaphore', make: (owner) => new SemaphoreState(owner, permits) });
}

class SemaphoreState extends Primitive implements Semaphore {
  readonly kind = 'semaphore';
  readonly #permits: number;
  readonly #line = new WaitingLine();
  #taken = 0;

  constructor(owner: Execution, permits: number) {
    super(owner);
    this.#permits = permits;
  }

  get free(): number {
    return this.#permits - this.#taken;
  }

  acquire(): Operation<void> {
    return this.operation('acquire', (task) => this.#acquire(task));
  }

  tryAcquire(): Operation<boolean> {
    return this.instant('tryAcquire', () => succeed(this.#take()));
  }

  release(): Operation<void> {
    return this.instant('release', () => {
      if (this.#taken === 0) return fail(this.#nothingTaken());
      this.#handOn();
      return succeed(undefined);
    });
  }

  use<T>(operation: Operation<T>): Operation<T> {
    assertOperation(operation, 'use()');
    adopt(operation);
    return composedOperation('use', `use of ${this.title}`, () => using(this, operation));
  }

  state(): PrimitiveState | null {
    if (this.#taken === 0) return null;
    return { kind: 'semaphore', permits: this.#permits, free: this.free, waiting: this.#line.size };
  }

  #take(): boolean {
    if (this.#taken >= this.#permits) return false;
    this.#taken++;
    this.changed();
    return true;
  }

  #acquire(task: TaskNode): Outcome | Wait {
    if (this.#take()) return succeed(undefined);
    return this.waitAt(this.#line, this.#line.join(task, null), `a permit of ${this.title}`);
  }

  /** A permit that somebody had goes to the next in line. */
  #handOn(): void {
    const next = this.#line.shift();
    if (next === null) this.#taken--;
    else this.owner.scheduler.hand(next.task, undefined, () => this.#takeBack());
    this.changed();
  }

  /** Somebody may have released it in the name of the one who never got it. */
  #takeBack(): void {
    if (this.#taken > 0) this.#handOn();
  }

  #nothingTaken(): AuthoringError {
    return new AuthoringError(
      `release() of ${this.title} in instance "${this.owner.instanceId}": none of its ${this.#permits} permits is taken. ` +
        'Release once for each acquire, or write yield* semaphore.use(...).',
    );
  }
}

function* using<T>(semaphore: Semaphore, operation: Operation<T>): Operation<T> {
  yield* semaphore.acquire();
  try {
    return yield* operation;
  } finally {
    yield* semaphore.release();
  }
}
