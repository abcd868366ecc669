// What becomes of what was not synced, when the power goes.

import { seededRandom } from './seeded-random.js';

/** How much of what was not synced is still there: nothing, everything, or a part that a seed decides. */
export type Kept = 'nothing' | 'everything' | number;

/** Asked for each thing that may be lost: true keeps it. */
export type Luck = () => boolean;

export function toLuck(kept: Kept): Luck {
  if (typeof kept === 'string') return () => kept === 'everything';
  const random = seededRandom(kept);
  return () => random() < 0.5;
}
