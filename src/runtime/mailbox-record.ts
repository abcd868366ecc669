// The record of one mailbox: the events that wait at an address and the event ids that it has seen. Like an
// instance's record it is the fold of its deltas, and is itself written as one.
//
// A delta is JSON:
//   p    events put in: [seq, at, payload, id or 0, expiresAt or 0, origin or 0]
//   x    events taken out, by seq
//   s    caller-supplied event ids remembered: [id, at]
//   f    ids forgotten
//   d    1: the row is removed

import { type Carried, textOfCarried } from './carried.js';
import { DecodeError } from './errors.js';
import type { Json } from './record.js';

export interface MailboxEvent {
  /** Over all mailboxes, the order in which events were accepted. */
  readonly seq: number;
  readonly at: number;
  /** Encoded, but where it is an ephemeral instance's. */
  readonly payload: Carried;
  /** The id its sender gave it, for deduplication. */
  readonly id: string | null;
  readonly expiresAt: number | null;
  /** Of a dead letter: the address it was sent to. */
  readonly origin: string | null;
}

export interface MailboxRecord {
  readonly address: string;
  /** By seq, in the order of arrival. */
  readonly events: Map<number, MailboxEvent>;
  /** Event id -> when it was accepted. */
  readonly seen: Map<string, number>;
}

export type MailboxDelta = { [key: string]: Json };

/** Applies a delta to a mailbox, in place. Returns undefined when nothing is left of it. */
export function applyMailboxDelta(address: string, record: MailboxRecord | undefined, delta: MailboxDelta): MailboxRecord | undefined {
  if (delta.d === 1) return undefined;
  const target = record ?? { address, events: new Map(), seen: new Map() };
  for (const item of list(delta.p)) {
    const event = toEvent(item);
    target.events.set(event.seq, event);
  }
  for (const seq of list(delta.x)) target.events.delete(seq as number);
  // Forgotten first: an id may be remembered anew in the delta that forgets it.
  for (const id of list(delta.f)) target.seen.delete(id as string);
  for (const item of list(delta.s)) {
    const [id, at] = list(item);
    if (typeof id !== 'string' || !Number.isFinite(at))
      throw new DecodeError(`Mailbox ${JSON.stringify(address)} remembers an id that is none.`);
    target.seen.set(id, at as number);
  }
  return target.events.size === 0 && target.seen.size === 0 ? undefined : target;
}

/** The mailbox that these deltas add up to. */
export function foldMailbox(address: string, deltas: Iterable<MailboxDelta>): MailboxRecord | undefined {
  let record: MailboxRecord | undefined;
  for (const delta of deltas) record = applyMailboxDelta(address, record, delta);
  return record;
}

/** The whole mailbox as the text of one delta. */
export function toMailboxBase(record: MailboxRecord): string {
  const events = [...record.events.values()].map(eventText);
  return `{"p":[${events.join(',')}],"s":${JSON.stringify([...record.seen])}}`;
}

/** An event as it stands in a delta. */
export function eventText(event: MailboxEvent): string {
  const rest = JSON.stringify([event.id ?? 0, event.expiresAt ?? 0, event.origin ?? 0]);
  return `[${event.seq},${event.at},${textOfCarried(event.payload)},${rest.slice(1)}`;
}

function toEvent(item: Json): MailboxEvent {
  const [seq, at, payload, id, expiresAt, origin] = list(item) as [number, number, Json, string | 0, number, string | 0];
  const isEvent = Number.isSafeInteger(seq) && Number.isFinite(at) && payload !== undefined && isTextOrNone(id);
  if (!isEvent || !Number.isFinite(expiresAt) || !isTextOrNone(origin)) throw new DecodeError('A stored event is none.');
  return {
    seq,
    at,
    payload: JSON.stringify(payload),
    id: id === 0 ? null : id,
    expiresAt: expiresAt === 0 ? null : expiresAt,
    origin: origin === 0 ? null : origin,
  };
}

function isTextOrNone(value: unknown): boolean {
  return value === 0 || typeof value === 'string';
}

function list(value: Json | undefined): Json[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new DecodeError('A stored mailbox has something else where a list should be.');
  return value;
}
