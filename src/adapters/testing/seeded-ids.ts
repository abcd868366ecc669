// Ids and randomness from a seed: the same in every run of a test.

import type { Ids } from '../../runtime/ports.js';
import { seededRandom } from './seeded-random.js';

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

export function seededIds(seed: number): Ids {
  const random = seededRandom(seed);
  const text = (length: number): string => Array.from({ length }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('');
  const hex = (length: number): string => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');
  return {
    id: () => text(21),
    token: () => text(32),
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
    random,
  };
}
