// What every store does with deltas, whatever it keeps them on: folding them, and cutting a record down to its head.

import type { InstanceDelta, InstanceRecord } from '../../runtime/record.js';

/** Longer deltas are no removals, and are not looked into. */
const removalLengthMax = 64;

/** Whether a delta removes its row. Costs nothing for all but the shortest deltas. */
export function isRemoval(delta: string): boolean {
  if (delta.length > removalLengthMax || !delta.includes('"d":1')) return false;
  return (JSON.parse(delta) as InstanceDelta).d === 1;
}

/** The deltas behind their texts. */
export function* parseDeltas(texts: Iterable<string>): Generator<InstanceDelta> {
  for (const text of texts) yield JSON.parse(text) as InstanceDelta;
}

/** Takes from a record what its head does not have, in place: the rest is read when the instance wakes. */
export function cutToHead(record: InstanceRecord): InstanceRecord {
  record.input = null;
  record.output = null;
  record.error = null;
  if (record.journal.length > 0) record.journal = [];
  record.firstInput = null;
  if (record.tasks.size > 0) record.tasks = new Map();
  if (record.primitives.size > 0) record.primitives = new Map();
  if (record.exposed.size > 0) record.exposed = new Map();
  return record;
}
