// A clock that stands still until it is moved.

import { DeadlineHeap } from '../../runtime/deadlines.js';
import type { Clock, Timer } from '../../runtime/ports.js';

const { setImmediate } = globalThis;

export class VirtualClock implements Clock {
  readonly #timers = new DeadlineHeap<() => void>();
  /** Delays, by the time that has passed since the clock was made: setting the clock does not touch them. */
  readonly #delays = new DeadlineHeap<() => void>();
  #now: number;
  #passed = 0;
  #seq = 0;

  constructor(startAt: number) {
    this.#now = startAt;
  }

  readonly now = (): number => this.#now;

  readonly elapsed = (): number => this.#passed;

  setTimer(at: number, fire: () => void): Timer {
    const timer = this.#timers.add({ dueAt: at, seq: this.#seq++, task: 0, pos: 0 }, fire);
    return { cancel: () => this.#timers.cancel(timer) };
  }

  setDelay(ms: number, fire: () => void): Timer {
    const delay = this.#delays.add({ dueAt: this.#passed + ms, seq: this.#seq++, task: 0, pos: 0 }, fire);
    return { cancel: () => this.#delays.cancel(delay) };
  }

  letOthersRun(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /** When the next timer or delay fires. */
  get nextAt(): number | undefined {
    const timer = this.#timers.nextDueAt() ?? Infinity;
    const delay = (this.#delays.nextDueAt() ?? Infinity) - this.#passed + this.#now;
    const next = Math.min(timer, delay);
    return next === Infinity ? undefined : Math.max(next, this.#now);
  }

  /** Fires a timer or delay that is due; false when there is none. */
  fireDue(): boolean {
    const fire = this.#timers.takeDue(this.#now) ?? this.#delays.takeDue(this.#passed);
    fire?.();
    return fire !== undefined;
  }

  /** Lets time pass up to a later time; an earlier one changes nothing. */
  moveTo(at: number): void {
    this.#passed += Math.max(0, at - this.#now);
    this.#now = Math.max(this.#now, at);
  }

  /** Sets the time, forward or back, as somebody who sets a machine's clock: no time passes. */
  setTo(at: number): void {
    this.#now = at;
  }
}
