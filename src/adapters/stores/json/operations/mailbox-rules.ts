// What must hold of every mailbox that the runtime writes.
//
// Not rules: that an event with an id is among the ids seen (they are forgotten after a day, events wait for longer), or
// that the ids of waiting events differ (for the same reason).

import { DEAD_LETTERS, parseAddress } from '../../../../runtime/addresses.js';
import type { MailboxEvent, MailboxRecord } from '../../../../runtime/mailbox-record.js';
import { isCount, isData, isText, isTime } from './value-rules.js';

/** Says in words which rules a mailbox breaks. */
export function* faultsOfMailbox(record: MailboxRecord): Generator<string> {
  if (!isAddress(record.address)) yield 'its address is none';
  let last = -1;
  for (const event of record.events.values()) {
    const fault = faultOfEvent(record.address, event);
    if (fault !== null) yield `event ${String(event.seq)} ${fault}`;
    if (event.seq <= last) yield `event ${event.seq} came after event ${last}`;
    last = event.seq;
  }
  for (const [id, at] of record.seen) if (!isText(id) || !isTime(at)) yield `the id ${JSON.stringify(id)} was seen at no time`;
}

function faultOfEvent(address: string, { seq, at, payload, id, expiresAt, origin }: MailboxEvent): string | null {
  if (!isCount(seq)) return 'has no number';
  if (!isTime(at)) return 'was accepted at no time';
  if (typeof payload !== 'string' || !isData(JSON.parse(payload))) return 'has a payload that cannot be read';
  if (id !== null && !isText(id)) return 'has an id that is no text';
  if (expiresAt !== null && !isTime(expiresAt)) return 'expires at no time';
  if (address === DEAD_LETTERS) return isAddress(origin) ? null : 'is a dead letter that was sent nowhere';
  if (origin !== null) return 'is a dead letter outside the dead letters';
  if (!parseAddress(address).isDirect && expiresAt === null) return 'never expires, though it was published under a key';
  return null;
}

function isAddress(address: unknown): boolean {
  if (address === DEAD_LETTERS) return true;
  if (typeof address !== 'string' || !/^[@#][^\n]/.test(address)) return false;
  return address.includes('\n') && parseAddress(address).target !== '';
}
