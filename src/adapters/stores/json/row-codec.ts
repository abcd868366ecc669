// What the two tables do differently: how deltas fold, and what stands in a checkpoint for a row.

import { applyMailboxDelta, foldMailbox, type MailboxRecord, toMailboxBase } from '../../../runtime/mailbox-record.js';
import type { Table } from '../../../runtime/ports.js';
import { applyDelta, foldInstance, type InstanceRecord, toBaseDelta, toHeadDelta } from '../../../runtime/record.js';
import { cutToHead, parseDeltas } from '../rows.js';

export interface RowCodec<R> {
  readonly table: Table;
  /** The record that these deltas add up to, or undefined when nothing is left of it. */
  fold(key: string, deltas: Iterable<string>): R | undefined;
  /** What a checkpoint keeps apart, to be read without the body; empty for none. */
  toHead(record: R): string;
  toBase(record: R): string;
  /** The record's head, from the head of its base and the deltas since. */
  foldHead(key: string, deltas: Iterable<string>): R | undefined;
}

export const instanceCodec: RowCodec<InstanceRecord> = {
  table: 'instance',
  fold: (id, deltas) => foldInstance(id, parseDeltas(deltas)),
  toHead: toHeadDelta,
  toBase: toBaseDelta,
  foldHead(id, deltas) {
    let record: InstanceRecord | undefined;
    for (const delta of parseDeltas(deltas)) record = applyDelta(id, record, delta);
    return record && cutToHead(record);
  },
};

export const mailboxCodec: RowCodec<MailboxRecord> = {
  table: 'mailbox',
  fold: (address, deltas) => foldMailbox(address, parseDeltas(deltas)),
  toHead: () => '',
  toBase: toMailboxBase,
  foldHead(address, deltas) {
    let record: MailboxRecord | undefined;
    for (const delta of parseDeltas(deltas)) record = applyMailboxDelta(address, record, delta);
    return record;
  },
};
