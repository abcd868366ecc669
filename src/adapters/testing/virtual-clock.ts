// A clock that stands still until it is moved.

import { DeadlineHeap } from '../../runtime/deadlines.js';
import type { Clock } from '../../runtime/ports.js';

export class VirtualClock implements Clock {
  readonly #timers = new DeadlineHeap<() => void>();
  #now: number;
  #seq = 0;

  constructor(startAt: number) {
    this.#now = startAt;
  }

  readonly now = (): number => this.#now;

  setTimer(at: number, fire: () => void): { cancel(): void } {
    const timer = this.#timers.add({ dueAt: Math.max(at, this.#now), seq: this.#seq++, task: 0, pos: 0 }, fire);
    return { cancel: () => this.#timers.cancel(timer) };
  }

  /** When the next timer fires. */
  get nextAt(): number | undefined {
    return this.#timers.nextDueAt();
  }

  /** Fires a timer that is due; false when there is none. */
  fireDue(): boolean {
    const fire = this.#timers.takeDue(this.#now);
    fire?.();
    return fire !== undefined;
  }

  /** Moves to a later time; an earlier one changes nothing. */
  moveTo(at: number): void {
    this.#now = Math.max(this.#now, at);
  }

  /** Sets the time, forward or back, as somebody who sets a machine's clock. */
  setTo(at: number): void {
    this.#now = at;
  }
}
