// What every store does with deltas, whatever it keeps them on.

import type { InstanceDelta } from '../../runtime/record.js';

/** Longer deltas are no removals, and are not looked into. */
const removalLengthMax = 64;

/** Whether a delta removes its row. Costs nothing for all but the shortest deltas; one that is no JSON is found when it is folded. */
export function isRemoval(delta: string): boolean {
  if (delta.length > removalLengthMax || !delta.includes('"d":1')) return false;
  try {
    return (JSON.parse(delta) as InstanceDelta).d === 1;
  } catch {
    return false;
  }
}

/** The deltas behind their texts. */
export function* parseDeltas(texts: Iterable<string>): Generator<InstanceDelta> {
  for (const text of texts) yield JSON.parse(text) as InstanceDelta;
}
