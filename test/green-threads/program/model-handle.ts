// The model's handle of a task.

import type { Operation, Task, TaskEnd } from '../../../src/index.js';
import type { ModelScheduler } from './model-scheduler.js';
import { type Answer, asking, bad, good, type ModelTask, modelError } from './model-task.js';

export class ModelHandle<T> implements Task<T> {
  readonly #scheduler: ModelScheduler;
  readonly #target: ModelTask;

  constructor(scheduler: ModelScheduler, target: ModelTask) {
    this.#scheduler = scheduler;
    this.#target = target;
  }

  get id(): string {
    return String(this.#target.id);
  }

  join(): Operation<T> {
    const target = this.#target;
    return asking({
      what: `the end of ${target.title}`,
      attempt: (task): Answer | null => {
        if (target.end === null) return isAtOrAbove(target, task) ? bad(modelError('AuthoringError')) : null;
        target.isJoined = true;
        return target.end.answer;
      },
    });
  }

  cancel(): Operation<void> {
    const target = this.#target;
    return asking({
      what: `the end of ${target.title}`,
      attempt: (task): Answer | null => {
        if (task === target) return bad(modelError('AuthoringError'));
        this.#scheduler.cancel(target);
        return target.end === null ? null : good(undefined);
      },
    });
  }

  onDone(fn: (end: TaskEnd) => void): void {
    const { end, observers } = this.#target;
    if (end === null) observers.push(({ status }) => fn({ status }));
    else fn({ status: end.status });
  }
}

/** Whether a task waits for itself when it waits for that one. */
function isAtOrAbove(target: ModelTask, task: ModelTask | null): boolean {
  for (let each = task; each !== null; each = each.above) if (each === target) return true;
  return false;
}
