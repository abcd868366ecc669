// The handle of a task, and what others do with it: join, cancel, watch its end.

import type { Execution } from './execution.js';
import { type EffectOf, effectOperation, type Operation } from './operation.js';
import { notify } from './scheduler.js';
import { EndWait, fail, type Outcome, succeed, type TaskNode, type Wait } from './task-node.js';
import type { Task, TaskEnd } from './tasks.js';
import { AuthoringError, ForeignPrimitiveError } from './workflow-errors.js';

/** The handle that `spawn` gives. */
export function makeTask(execution: Execution, task: TaskNode): Task<never> {
  return new TaskHandle(execution, task);
}

class TaskHandle implements Task<never> {
  readonly #execution: Execution;
  readonly #task: TaskNode;

  constructor(execution: Execution, task: TaskNode) {
    this.#execution = execution;
    this.#task = task;
  }

  get id(): string {
    return String(this.#task.id);
  }

  join(): Operation<never> {
    return effectOperation<never>({ kind: 'join', name: 'join', task: this.#task, owner: this.#execution });
  }

  cancel(reason?: string): Operation<void> {
    return effectOperation<void>({ kind: 'cancelTask', name: 'cancel', task: this.#task, owner: this.#execution, reason });
  }

  onDone(fn: (end: TaskEnd) => void): void {
    if (this.#task.state === 'ended') {
      notify(this.#task, fn);
      return;
    }
    const rare = this.#task.ownRare;
    rare.observers ??= [];
    rare.observers.push(fn);
  }
}

/** Answers or begins an effect on a task. */
export function performOnTask(execution: Execution, task: TaskNode, body: EffectOf<'join' | 'cancelTask'>): Outcome | Wait {
  const target = body.task;
  if (body.owner !== execution) return fail(new ForeignPrimitiveError(`Task ${target.id}`, execution.instanceId));
  if (target === task)
    return fail(
      new AuthoringError(
        `${task.title} of instance "${task.instanceId}" cannot ${body.kind === 'join' ? 'join' : 'cancel'} itself: it would wait for ever.`,
      ),
    );
  if (body.kind === 'join') return join(target, task);
  execution.scheduler.cancel(target, body.reason ?? null);
  const { interrupt } = task.rare;
  if (interrupt !== null) {
    // It has cancelled a scope that it belongs to: this is the wait at which it is told.
    task.ownRare.interrupt = null;
    return fail(interrupt.error);
  }
  if (target.state === 'ended') return succeed(undefined);
  return new EndWait(target, task, false);
}

function join(target: TaskNode, task: TaskNode): Outcome | Wait {
  if (target.state === 'ended') {
    target.isJoined = true;
    return target.outcome ?? succeed(undefined);
  }
  for (let above = task.above; above !== null; above = above.above) if (above === target) return fail(joinsAbove(target, task));
  return new EndWait(target, task, true);
}

function joinsAbove(target: TaskNode, task: TaskNode): AuthoringError {
  return new AuthoringError(
    `${task.title} of instance "${task.instanceId}" cannot join ${target.title}, which ends only after it: both would wait for ever.`,
  );
}
