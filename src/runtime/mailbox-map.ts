// The mailbox map: which receiver sleeps at which address, and which events wait there for one. It is to workflows
// what an event loop's map of descriptors is to sockets. It holds no timers and does no I/O.
//
// Invariants:
//   M1. An event is handed to at most one receiver, the one that has slept longest.
//   M2. An event is never dropped: it stays until a receiver takes it or its owner takes it out.
//   M3. First in, first out per address: nobody overtakes an event that waits, committed or not.

import { limits } from './limits.js';
import { LinkedMap } from './linked-map.js';
import type { MailboxEvent, MailboxRecord } from './mailbox-record.js';

/** A sleeping receive: one source of one request of one instance. */
export interface Receiver<O = unknown> {
  readonly address: string;
  /** Whose it is; the map does not look at it. */
  owner: O;
  /** Of which instance: numbers of one that could not be read may have been given out again. */
  readonly instanceId: string;
  readonly requestKey: string;
  /** Which of the request's sources. */
  readonly source: number;
  /** The request's number: the lowest has slept longest. */
  readonly seq: number;
}

/** What tells a receiver from all others. */
type ReceiverLike = Omit<Receiver, 'owner' | 'requestKey'>;

/** The events at an address that no receiver has taken, and the ids seen there. */
class Mailbox {
  readonly events = new LinkedMap<number, MailboxEvent>();
  readonly seen = new Map<string, number>();
  /** Events that are on their way to the disk, and may not be handed on yet. */
  underWay: Set<number> | null = null;
}

/** The receivers at one address, by how long they have slept. */
class ReceiverQueue<O> {
  #queue = new LinkedMap<string, Receiver<O>>();
  #isInOrder = true;

  get size(): number {
    return this.#queue.size;
  }

  get first(): Receiver<O> | undefined {
    if (!this.#isInOrder) this.#putInOrder();
    return this.#queue.first;
  }

  /** They come in order but after a recovery or a retry; then the queue is laid anew, once, when it is next asked. */
  add(receiver: Receiver<O>): void {
    if ((this.#queue.last?.seq ?? -1) > receiver.seq) this.#isInOrder = false;
    this.#queue.add(receiverId(receiver), receiver);
  }

  #putInOrder(): void {
    const sorted = [...this.#queue.values()].sort((a, b) => a.seq - b.seq || a.source - b.source);
    this.#queue = new LinkedMap();
    for (const receiver of sorted) this.#queue.add(receiverId(receiver), receiver);
    this.#isInOrder = true;
  }

  get(like: ReceiverLike): Receiver<O> | undefined {
    return this.#queue.get(receiverId(like));
  }

  remove(receiver: Receiver<O>): void {
    this.#queue.delete(receiverId(receiver));
  }
}

/** What remembering an event id made the mailbox forget. */
export interface Remembered {
  readonly forgotten: readonly string[];
}

const FORGET_AT_ONCE_MAX = 100;

export class MailboxMap<O = unknown> {
  /** Most addresses have one receiver: it stands there by itself. */
  readonly #receivers = new Map<string, Receiver<O> | ReceiverQueue<O>>();
  readonly #mailboxes = new Map<string, Mailbox>();
  #bufferedCount = 0;

  /** Events that wait, at all addresses. */
  get buffered(): number {
    return this.#bufferedCount;
  }

  /** Addresses with a receiver. */
  get parkedAddresses(): number {
    return this.#receivers.size;
  }

  /** Takes over what a store has of a mailbox; all of it is on disk. */
  load(record: MailboxRecord): void {
    const mailbox = new Mailbox();
    for (const [seq, event] of record.events) mailbox.events.add(seq, event);
    for (const [id, at] of record.seen) mailbox.seen.set(id, at);
    this.unload(record.address);
    this.#mailboxes.set(record.address, mailbox);
    this.#bufferedCount += mailbox.events.size;
  }

  /** Forgets the mailbox at an address, not its receivers. */
  unload(address: string): void {
    this.#bufferedCount -= this.#mailboxes.get(address)?.events.size ?? 0;
    this.#mailboxes.delete(address);
  }

  /** Registers a sleeping receiver behind those that have slept longer. */
  park(receiver: Receiver<O>): void {
    const { address } = receiver;
    const found = this.#receivers.get(address);
    if (found === undefined) {
      this.#receivers.set(address, receiver);
    } else if (found instanceof ReceiverQueue) {
      found.add(receiver);
    } else {
      const queue = new ReceiverQueue<O>();
      queue.add(found);
      queue.add(receiver);
      this.#receivers.set(address, queue);
    }
  }

  unpark(receiver: Receiver<O>): void {
    const { address } = receiver;
    const found = this.#receivers.get(address);
    if (found instanceof ReceiverQueue) {
      found.remove(receiver);
      if (found.size === 0) this.#receivers.delete(address);
    } else if (found !== undefined && receiverId(found) === receiverId(receiver)) {
      this.#receivers.delete(address);
    }
  }

  /** The receiver of a request's source at this address, when it is parked there. */
  receiver(like: ReceiverLike): Receiver<O> | undefined {
    const found = this.#receivers.get(like.address);
    if (found instanceof ReceiverQueue) return found.get(like);
    return found !== undefined && receiverId(found) === receiverId(like) ? found : undefined;
  }

  /** The receiver that has slept longest. */
  firstReceiver(address: string): Receiver<O> | undefined {
    const found = this.#receivers.get(address);
    return found instanceof ReceiverQueue ? found.first : found;
  }

  /** The event that waits longest; with `durable` only one that is on disk. */
  firstEvent(address: string, options: { durable: boolean }): MailboxEvent | undefined {
    const mailbox = this.#mailboxes.get(address);
    const event = mailbox?.events.first;
    if (mailbox === undefined || event === undefined) return undefined;
    return options.durable && mailbox.underWay?.has(event.seq) === true ? undefined : event;
  }

  events(address: string): Iterable<MailboxEvent> {
    return this.#mailboxes.get(address)?.events.values() ?? [];
  }

  count(address: string): number {
    return this.#mailboxes.size === 0 ? 0 : (this.#mailboxes.get(address)?.events.size ?? 0);
  }

  put(address: string, event: MailboxEvent): void {
    const mailbox = this.#at(address);
    mailbox.events.add(event.seq, event);
    mailbox.underWay ??= new Set();
    mailbox.underWay.add(event.seq);
    this.#bufferedCount++;
  }

  /** Takes an event out. */
  take(address: string, seq: number): void {
    const mailbox = this.#mailboxes.get(address);
    if (mailbox?.events.delete(seq) !== true) return;
    this.#bufferedCount--;
    mailbox.underWay?.delete(seq);
    if (mailbox.events.size === 0 && mailbox.seen.size === 0) this.#mailboxes.delete(address);
  }

  /** Notes that an event is on disk, or need not be. */
  setDurable(address: string, seq: number): void {
    const mailbox = this.#mailboxes.get(address);
    if (mailbox?.underWay?.delete(seq) === true && mailbox.underWay.size === 0) mailbox.underWay = null;
  }

  hasSeen(address: string, id: string, now: number): boolean {
    const at = this.#mailboxes.get(address)?.seen.get(id);
    return at !== undefined && now - at <= limits.seenIdsMs;
  }

  /** Remembers an event id, and forgets those that are too old or too many. */
  remember(address: string, id: string, now: number): Remembered {
    const { seen } = this.#at(address);
    seen.delete(id);
    const forgotten: string[] = [];
    for (const [old, at] of seen) {
      const isOver = now - at > limits.seenIdsMs || seen.size >= limits.seenIdsMax;
      if (!isOver || forgotten.length >= FORGET_AT_ONCE_MAX) break;
      seen.delete(old);
      forgotten.push(old);
    }
    seen.set(id, now);
    return { forgotten };
  }

  /** Forgets the ids at an address that are too old. */
  forgetOld(address: string, now: number): string[] {
    const mailbox = this.#mailboxes.get(address);
    const forgotten: string[] = [];
    for (const [id, at] of mailbox?.seen ?? []) {
      if (now - at <= limits.seenIdsMs) break;
      mailbox?.seen.delete(id);
      forgotten.push(id);
    }
    if (mailbox !== undefined && mailbox.events.size === 0 && mailbox.seen.size === 0) this.#mailboxes.delete(address);
    return forgotten;
  }

  /** Every address with events or receivers, for those who look. */
  *addresses(): Iterable<{ address: string; receivers: number; events: number }> {
    for (const address of new Set([...this.#receivers.keys(), ...this.#mailboxes.keys()])) {
      const found = this.#receivers.get(address);
      const receivers = found === undefined ? 0 : found instanceof ReceiverQueue ? found.size : 1;
      yield { address, receivers, events: this.count(address) };
    }
  }

  /** Addresses at which a receiver and an event meet. */
  *meetings(): Iterable<string> {
    for (const [address, mailbox] of this.#mailboxes) if (mailbox.events.size > 0 && this.#receivers.has(address)) yield address;
  }

  #at(address: string): Mailbox {
    const found = this.#mailboxes.get(address);
    if (found !== undefined) return found;
    const mailbox = new Mailbox();
    this.#mailboxes.set(address, mailbox);
    return mailbox;
  }
}

function receiverId({ seq, source, instanceId }: ReceiverLike): string {
  return `${seq}:${source}:${instanceId}`;
}
