// What is about to happen in the simulated world: calls of the disk, answers to them, steps that return. Which of them
// is next is decided by dice: that is the order in which a real machine might have finished them.

import type { Dice } from '../kill/dice.js';

export interface Happening {
  readonly what: string;
  readonly run: () => void;
}

export class Happenings {
  #pending: Happening[] = [];
  #isOver = false;

  get size(): number {
    return this.#pending.length;
  }

  add(what: string, run: () => void): void {
    if (!this.#isOver) this.#pending.push({ what, run });
  }

  /** Takes out one of them, the oldest a little more often than others. */
  take(dice: Dice): Happening | undefined {
    const index = dice.chance(0.4) ? 0 : dice.below(this.#pending.length);
    return this.#pending.splice(index, 1)[0];
  }

  /** Nothing of it will happen any more, nor anything else. */
  end(): void {
    this.#isOver = true;
    this.#pending = [];
  }
}
