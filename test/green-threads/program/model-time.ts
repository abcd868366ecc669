// The model's time: deadlines in the order in which they are due, and of those that are due together, in the order in
// which they were asked.

import type { Operation } from '../../../src/index.js';
import type { ModelScheduler } from './model-scheduler.js';
import { type Answer, asking, good, type Request } from './model-task.js';

export interface Deadline {
  readonly at: number;
  fire(): void;
}

export class ModelTime {
  readonly #scheduler: ModelScheduler;
  #deadlines: Deadline[] = [];
  #now = 0;

  constructor(scheduler: ModelScheduler) {
    this.#scheduler = scheduler;
  }

  get isPending(): boolean {
    return this.#deadlines.length > 0;
  }

  /** Whether a deadline is due now. */
  get isDue(): boolean {
    return this.#deadlines.some(({ at }) => at <= this.#now);
  }

  /** Goes to the next deadline, if it is due by then, and else to that time. Gives whether there was one. */
  fireNext(until: number): boolean {
    const next = this.#deadlines.toSorted((a, b) => a.at - b.at)[0];
    if (next === undefined || next.at > until) {
      this.#now = until;
      return false;
    }
    this.#now = next.at;
    this.drop(next);
    next.fire();
    this.#scheduler.settle();
    return true;
  }

  after(ms: number, fire: () => void): Deadline {
    const deadline = { at: this.#now + ms, fire };
    this.#deadlines.push(deadline);
    return deadline;
  }

  drop(deadline: Deadline): void {
    this.#deadlines = this.#deadlines.filter((each) => each !== deadline);
  }

  stop(): void {
    this.#deadlines = [];
  }

  sleep(ms: number): Operation<void> {
    return asking(this.request(ms));
  }

  /** A wait for so long. */
  request(ms: number): Request {
    let isDue = false;
    let deadline: Deadline | null = null;
    return {
      what: 'a deadline',
      attempt: (): Answer | null => (isDue ? good(undefined) : null),
      begin: () => {
        deadline = this.after(ms, () => {
          isDue = true;
        });
      },
      leave: () => {
        if (deadline !== null) this.drop(deadline);
        return false;
      },
    };
  }
}
