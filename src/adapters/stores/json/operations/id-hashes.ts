// A set of ids as 52 bits of each: a million of them take eight megabytes. It never misses an id that was added; one that
// was not is taken for added once in thousands of millions.

import { hashKey } from '../shard-table.js';

const lowBits = 2 ** 20;

export class IdHashes {
  #hashes = new Float64Array(1_024);
  #size = 0;
  #isSorted = true;

  add(id: string): void {
    if (this.#size === this.#hashes.length) {
      const grown = new Float64Array(this.#size * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[this.#size] = toHash(id);
    this.#size += 1;
    this.#isSorted = false;
  }

  has(id: string): boolean {
    const hashes = this.#sorted();
    const wanted = toHash(id);
    let low = 0;
    for (let high = hashes.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((hashes[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return hashes[low] === wanted;
  }

  #sorted(): Float64Array {
    const hashes = this.#hashes.subarray(0, this.#size);
    if (!this.#isSorted) hashes.sort();
    this.#isSorted = true;
    return hashes;
  }
}

function toHash(id: string): number {
  return hashKey(id) * lowBits + (hashKey(`${id}\n`) % lowBits);
}
