// Ids and randomness from a seed: the same in every run of a test.

import type { Ids } from '../../runtime/ports.js';

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

export function seededIds(seed: number): Ids {
  const random = mulberry32(seed);
  const text = (length: number): string => Array.from({ length }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('');
  const hex = (length: number): string => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');
  return {
    id: () => text(21),
    token: () => text(32),
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
    random,
  };
}

/** A small generator of good enough quality for tests: 32 bits of state, one multiply-and-shift mix a number. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
