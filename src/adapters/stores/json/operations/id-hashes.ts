// A set of ids as 52 bits of each: a million of them take eight megabytes. It never misses an id that was added; one that
// was not is taken for added once in thousands of millions. It is kept in sorted runs, so that no sorting takes long.

import { hashKey } from '../shard-table.js';

const lowBits = 2 ** 20;
const runLength = 65_536;

export class IdHashes {
  /** All but the last are full and sorted. */
  readonly #runs: Float64Array[] = [];
  #lastLength = runLength;
  #isLastSorted = true;

  add(id: string): void {
    if (this.#lastLength === runLength) {
      this.#runs.at(-1)?.sort();
      this.#runs.push(new Float64Array(runLength));
      this.#lastLength = 0;
    }
    const last = this.#runs.at(-1);
    if (last !== undefined) last[this.#lastLength] = toHash(id);
    this.#lastLength += 1;
    this.#isLastSorted = false;
  }

  has(id: string): boolean {
    if (!this.#isLastSorted) this.#runs.at(-1)?.subarray(0, this.#lastLength).sort();
    this.#isLastSorted = true;
    const hash = toHash(id);
    return this.#runs.some((run, index) => includes(index === this.#runs.length - 1 ? run.subarray(0, this.#lastLength) : run, hash));
  }
}

function includes(sorted: Float64Array, hash: number): boolean {
  let low = 0;
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < hash) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === hash;
}

function toHash(id: string): number {
  return hashKey(id) * lowBits + (hashKey(`${id}\n`) % lowBits);
}
