// Decisions of a trial, from its seed. Each part of a trial has dice of its own: what one part does with its decisions
// does not depend on how fast the others are.

import { seededIds } from '../../src/adapters/testing/seeded-ids.js';

export class Dice {
  readonly #seed: number;
  readonly #random: () => number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededIds(seed).random;
  }

  /** Other dice, for the part of this number. */
  part(number: number): Dice {
    return new Dice(Math.imul(this.#seed, 0x9e3779b1) + number + 1);
  }

  /** A whole number from 0 up to, not including, `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }
}
