// What the two tables do differently: how deltas fold, and what stands in a checkpoint for a row.

import { type Head, LOOK_AT, toHead } from '../../../runtime/head.js';
import { limits } from '../../../runtime/limits.js';
import { applyMailboxDelta, type MailboxDelta, type MailboxRecord, toMailboxBase } from '../../../runtime/mailbox-record.js';
import type { Table } from '../../../runtime/ports.js';
import { applyDelta, type InstanceDelta, type InstanceRecord, toBaseDelta } from '../../../runtime/record.js';
import { decodeBody, type RowImage, toBody } from './shard-format.js';

export interface RowCodec<R> {
  readonly table: Table;
  /** Applies the next delta; undefined when nothing is left. */
  apply(key: string, record: R | undefined, delta: object): R | undefined;
  /** The row in the next checkpoint, which has a tail since the last one; undefined when nothing is left of it. */
  toImage(key: string, old: RowImage | undefined, tail: readonly string[]): RowImage | undefined;
}

export const instanceCodec: RowCodec<InstanceRecord> = {
  table: 'instance',
  apply: (id, record, delta) => applyDelta(id, record, delta as InstanceDelta),
  toImage(id, old, tail) {
    const before = old && bodyOf(id, old);
    if (old !== undefined && before === undefined) return damagedImage(old, tail, LOOK_AT);
    const deltas = (old?.deltas ?? 0) + tail.length;
    const isLong = deltas > limits.storeRowDeltasMax;
    const endedAt = isLong ? undefined : endOf(tail);
    if (endedAt !== undefined) return { key: id, head: toBytes(endedAt), body: toBody(id, before, tail), deltas };
    const appended = () => toBody(id, before, tail);
    const record = attempt(() => foldTexts(instanceCodec, id, before, tail));
    // What does not fold stays as it is: whoever reads it is told.
    if (record === 'damaged') return { key: id, head: toBytes(LOOK_AT), body: appended(), deltas };
    if (record === undefined) return undefined;
    const head = toBytes(toHead(record));
    if (isLong) return { key: id, head, body: toBody(id, undefined, [toBaseDelta(record)]), deltas: 1 };
    return { key: id, head, body: appended(), deltas };
  },
};

export const mailboxCodec: RowCodec<MailboxRecord> = {
  table: 'mailbox',
  apply: (address, record, delta) => applyMailboxDelta(address, record, delta as MailboxDelta),
  toImage(address, old, tail) {
    const before = old && bodyOf(address, old);
    if (old !== undefined && before === undefined) return damagedImage(old, tail, null);
    const record = attempt(() => foldTexts(mailboxCodec, address, before, tail));
    if (record === 'damaged')
      return { key: address, head: null, body: toBody(address, before, tail), deltas: (old?.deltas ?? 0) + tail.length };
    if (record === undefined) return undefined;
    return { key: address, head: null, body: toBody(address, undefined, [toMailboxBase(record)]), deltas: 1 };
  },
};

/** Folds a row: the JSON array of its body, when it has one, and the deltas since. */
export function foldTexts<R>(codec: RowCodec<R>, key: string, body: string | undefined, tail: readonly string[]): R | undefined {
  let record: R | undefined;
  if (body !== undefined) for (const delta of JSON.parse(body) as object[]) record = codec.apply(key, record, delta);
  for (const delta of tail) record = codec.apply(key, record, JSON.parse(delta) as object);
  return record;
}

function attempt<R>(fold: () => R | undefined): R | undefined | 'damaged' {
  try {
    return fold();
  } catch {
    return 'damaged';
  }
}

/** When the instance ended, if its last delta says so: then nothing else of it need be looked into. */
function endOf(tail: readonly string[]): number | undefined {
  const last = tail.at(-1);
  if (last?.includes('"z":[') !== true) return undefined;
  const { z, t } = JSON.parse(last) as { z?: [string, unknown, number?]; t: number };
  const endedAt = z === undefined ? undefined : (z[2] ?? t);
  return Number.isFinite(endedAt) ? endedAt : undefined;
}

function bodyOf(key: string, old: RowImage): string | undefined {
  return decodeBody(Buffer.from(old.body.buffer, old.body.byteOffset, old.body.byteLength), key);
}

/** A damaged row goes on as it is, its checksum wrong, and keeps what came since: nobody else is held up, and nothing is dropped. */
function damagedImage(old: RowImage, tail: readonly string[], head: Head | null): RowImage {
  const body = Buffer.concat([old.body.subarray(0, -1), Buffer.from(` ${tail.join(' ')}\n`)]);
  return { key: old.key, head: head === null ? null : toBytes(head), body, deltas: old.deltas + tail.length };
}

function toBytes(head: Head): Buffer {
  return Buffer.from(JSON.stringify(head));
}
