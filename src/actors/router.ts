// Routes events: to the receiver that has slept longest, or into a mailbox; and brings together receivers and events
// that waited for each other. Runs inside the commit of whoever sends.
//
// Invariants:
//   T1. An event is accepted and consumed in one commit when its receiver waits and nobody is ahead of it.
//   T2. An event sent by a workflow is consumed by a commit of its receiver, after its sender's is on disk: two
//       instances never share an endless turn.
//   T3. What cannot be accepted changes nothing and is told to the sender.

import { DEAD_LETTERS, describeAddress, directAddress, keyedAddress, parseAddress } from '../runtime/addresses.js';
import { ByReference, type Carried, unpack } from '../runtime/carried.js';
import type { Deadline } from '../runtime/deadlines.js';
import type { Delivery } from '../runtime/effects.js';
import { InstanceEndedError, InstanceNotFoundError, MailboxFullError } from '../runtime/instance-errors.js';
import { limits } from '../runtime/limits.js';
import { LinkedMap } from '../runtime/linked-map.js';
import type { Receiver } from '../runtime/mailbox-map.js';
import { eventText, type MailboxEvent, type MailboxRecord } from '../runtime/mailbox-record.js';
import type { Instances } from './instances.js';
import { Mail } from './mail.js';
import type { Slot } from './slot.js';
import type { Sleeper } from './slots.js';
import type { Due, World } from './world.js';

/** Events that are to go to an ephemeral instance when their senders' commits are on disk. */
interface OnItsWay {
  count: number;
  readonly ids: Set<string>;
}

/** Ids are forgotten an hour late, so that many go together. */
const IDS_PAUSE_MS = 3_600_000;
const IDS_AT_ONCE = 500;

export class Router {
  readonly #world: World;
  readonly #instances: Instances;
  /** Events on their way to ephemeral instances, by address. */
  readonly #later = new Map<string, OnItsWay>();
  /** The addresses of the mailboxes of events sent to an instance. */
  readonly #mailboxesOf = new Map<string, string[]>();
  readonly #expiries = new Map<string, Deadline<Due>>();
  /** Where ids were accepted, those first where it is longest ago: as many as mailboxes, not as ids. */
  readonly #ids = new LinkedMap<string, { readonly address: string; readonly at: number }>();

  constructor(world: World, instances: Instances) {
    this.#world = world;
    this.#instances = instances;
  }

  /** Sends to an instance. */
  send(instanceId: string, mail: Mail): Delivery {
    const address = directAddress(mail.event, instanceId);
    if (this.#isDuplicate(address, mail)) return { status: 'duplicate' };
    const slot = this.#world.slots.get(instanceId);
    if (slot === undefined) throw new InstanceNotFoundError(instanceId);
    if (!slot.isActive) throw new InstanceEndedError(instanceId, slot.status);
    if (mail.isInner && slot.isEphemeral) return this.#deliverLater(address, mail, slot);
    return this.#deliver(address, mail, slot);
  }

  /** Publishes under a key. */
  publish(key: string, mail: Mail): Delivery {
    const address = keyedAddress(mail.event, key);
    if (this.#isDuplicate(address, mail)) return { status: 'duplicate' };
    if (mail.isVolatile && this.isForEphemeral(address)) return this.#deliverLater(address, mail, null);
    return this.#deliver(address, mail, null);
  }

  /** Whether an address is an ephemeral instance's own: what happens there is not written. */
  isOfEphemeral(address: string): boolean {
    return !this.#isStoredAt(address);
  }

  /** Whether what is published at an address now goes to an ephemeral instance, which takes it by reference. */
  isForEphemeral(address: string): boolean {
    const { mailboxes } = this.#world;
    return mailboxes.count(address) === 0 && this.#isEphemeral(mailboxes.firstReceiver(address));
  }

  /** Hands events that are on disk to the receivers that wait for them, each in a commit of its own. Returns whether any is left. */
  match(address: string, budget: number): boolean {
    const { mailboxes } = this.#world;
    for (let left = budget; ; left--) {
      const event = mailboxes.firstEvent(address, { durable: true });
      const receiver = mailboxes.firstReceiver(address);
      if (event === undefined || receiver === undefined) return false;
      if (left === 0) return true;
      this.#world.inCommit(() => {
        if (!this.#hand(receiver, event.payload)) return;
        this.#take(address, [event]);
      });
    }
  }

  /** Makes sure that the oldest keyed event at an address comes up when it expires. */
  watchExpiry(address: string): void {
    if (this.#expiries.has(address)) return;
    const first = this.#world.mailboxes.firstEvent(address, { durable: false });
    if (first === undefined || first.expiresAt === null) return;
    const key = { dueAt: first.expiresAt, seq: first.seq, task: 0, pos: 0 };
    this.#expiries.set(address, this.#world.deadlines.add(key, { kind: 'expiry', address }));
  }

  /** Moves what has expired at an address to the dead letters. */
  expire(address: string): void {
    this.#expiries.delete(address);
    const { mailboxes, now, logger } = this.#world;
    const expired: MailboxEvent[] = [];
    for (const event of mailboxes.events(address)) {
      if (event.expiresAt === null || event.expiresAt > now) break;
      expired.push(event);
    }
    if (expired.length > 0) {
      this.#world.inCommit(() => {
        this.#take(address, expired);
        for (const event of expired) this.#bury(address, event);
      });
      logger.log('warn', `${expired.length} unclaimed event(s) became dead letters.`, { address: describeAddress(address) });
    }
    this.watchExpiry(address);
  }

  /** Makes sure that an id accepted at an address is forgotten in time, though no other event comes there. */
  watchId(address: string, at: number): void {
    this.#ids.add(address, { address, at });
  }

  /** Forgets the ids that are too old, those of many addresses in one commit. */
  forgetIds(now: number): void {
    const { mailboxes, slots } = this.#world;
    if ((this.nextForgettingAt ?? Infinity) > now) return;
    this.#world.inCommit(() => {
      for (let left = IDS_AT_ONCE; left > 0; left--) {
        const first = this.#ids.first;
        if (first === undefined || now - first.at <= limits.seenIdsMs) break;
        this.#ids.delete(first.address);
        const forgotten = mailboxes.forgetOld(first.address, now);
        const { isDirect, target } = parseAddress(first.address);
        if (forgotten.length > 0)
          this.#change(first.address, `{"f":${JSON.stringify(forgotten)}}`, isDirect ? (slots.known(target) ?? null) : null);
      }
    });
  }

  /** When ids are to be forgotten. */
  get nextForgettingAt(): number | undefined {
    const first = this.#ids.first;
    return first === undefined ? undefined : first.at + limits.seenIdsMs + IDS_PAUSE_MS;
  }

  /** Sends a dead letter to its address again, as if it came now. */
  redeliver(seq: number): Delivery | null {
    const letter = [...this.#world.mailboxes.events(DEAD_LETTERS)].find((event) => event.seq === seq);
    if (letter?.origin === undefined || letter.origin === null) return null;
    const { event } = parseAddress(letter.origin);
    const expiryMs = (letter.expiresAt ?? letter.at) - letter.at;
    const payload = unpack(letter.payload);
    const mail = new Mail({ event, payload, id: undefined, expiryMs, isInner: false, isVolatile: false });
    const delivery = this.#deliver(letter.origin, mail, null);
    this.#take(DEAD_LETTERS, [letter]);
    return delivery;
  }

  /** Notes that events sent to an instance have a mailbox at this address. */
  keepMailbox(instanceId: string, address: string): void {
    const known = this.#mailboxesOf.get(instanceId);
    if (known === undefined) this.#mailboxesOf.set(instanceId, [address]);
    else if (!known.includes(address)) known.push(address);
  }

  /** Whether an instance has been sent what it has not received. */
  hasMail(instanceId: string): boolean {
    return this.#mailboxesOf.get(instanceId)?.some((address) => this.#world.mailboxes.count(address) > 0) === true;
  }

  /** Drops what was sent to an instance and never received; the ids it has seen stay. */
  clearMailboxes(instanceId: string): void {
    for (const address of this.#mailboxesOf.get(instanceId) ?? []) {
      const events = [...this.#world.mailboxes.events(address)];
      if (events.length > 0) this.#take(address, events);
    }
  }

  /** Removes the mailboxes of an instance whose retention is over. */
  removeMailboxes(slot: Slot): void {
    for (const address of this.#mailboxesOf.get(slot.id) ?? []) {
      this.#world.mailboxes.unload(address);
      this.#ids.delete(address);
      if (!slot.isEphemeral) this.#change(address, '{"d":1}', null);
    }
    this.#mailboxesOf.delete(slot.id);
  }

  /** Reads a mailbox anew from the store, after a commit that changed it has failed. */
  reload(address: string): void {
    this.#dropExpiry(address);
    const record = this.#world.store.readMailbox(address);
    if (record === undefined) this.#world.mailboxes.unload(address);
    else this.#reloaded(record);
    if (isKeyed(address)) this.watchExpiry(address);
    const canMeet = this.#world.mailboxes.firstReceiver(address) !== undefined && this.#world.mailboxes.count(address) > 0;
    if (canMeet) this.#world.meetings.push(address);
  }

  #reloaded(record: MailboxRecord): void {
    const { address, seen } = record;
    this.#world.mailboxes.load(record);
    if (address === DEAD_LETTERS) return;
    const { isDirect, target } = parseAddress(address);
    if (isDirect) this.keepMailbox(target, address);
    const lastSeenAt = [...seen.values()].at(-1);
    if (lastSeenAt !== undefined) this.watchId(address, lastSeenAt);
  }

  #isDuplicate(address: string, mail: Mail): boolean {
    if (mail.id === undefined) return false;
    return this.#world.mailboxes.hasSeen(address, mail.id, this.#world.now) || this.#later.get(address)?.ids.has(mail.id) === true;
  }

  /** What goes from a workflow to an ephemeral one is nowhere stored: it goes when the sender's turn cannot be undone any more (T2). */
  #deliverLater(address: string, mail: Mail, slot: Slot | null): Delivery {
    const { mailboxes, commit } = this.#world;
    const later = this.#later.get(address)?.count ?? 0;
    if (mailboxes.count(address) + later >= limits.mailboxEventsMax)
      throw new MailboxFullError(describeAddress(address), limits.mailboxEventsMax);
    const isAwaited = mailboxes.count(address) + later === 0 && mailboxes.firstReceiver(address) !== undefined;
    this.#noteLater(address, mail, 1);
    commit.addUndone(() => this.#noteLater(address, mail, -1));
    commit.addAfter(() => {
      this.#noteLater(address, mail, -1);
      if (slot?.isActive === false || this.#isDuplicate(address, mail)) return;
      this.#world.inCommit(() => this.#deliverNow(address, mail, slot));
    });
    return { status: isAwaited ? 'delivered' : 'buffered' };
  }

  #noteLater(address: string, { id }: Mail, change: 1 | -1): void {
    const later = this.#later.get(address) ?? { count: 0, ids: new Set() };
    this.#later.set(address, later);
    later.count += change;
    if (id !== undefined && change === 1) later.ids.add(id);
    if (id !== undefined && change === -1) later.ids.delete(id);
    if (later.count === 0) this.#later.delete(address);
  }

  /** Its sender was told that it was accepted: what keeps it from that is an error of nobody but the log's. */
  #deliverNow(address: string, mail: Mail, slot: Slot | null): void {
    try {
      this.#deliver(address, mail, slot);
    } catch (error) {
      this.#world.logger.log('error', 'An event sent to an ephemeral instance found nobody who could take it.', {
        address: describeAddress(address),
        error,
      });
    }
  }

  #deliver(address: string, mail: Mail, slot: Slot | null): Delivery {
    const { mailboxes } = this.#world;
    const waiting = mailboxes.count(address);
    const isAtOnce = !mail.isInner || mail.isVolatile || slot?.isEphemeral === true;
    if (isAtOnce && waiting === 0 && this.#handToFirst(address, mail)) {
      if (mail.id !== undefined) this.#remember(address, mail.id, '', slot);
      return { status: 'delivered' };
    }
    if (waiting >= limits.mailboxEventsMax) throw new MailboxFullError(describeAddress(address), limits.mailboxEventsMax);
    const receiver = waiting === 0 ? mailboxes.firstReceiver(address) : undefined;
    this.#put(address, mail, slot);
    return { status: receiver === undefined ? 'buffered' : 'delivered' };
  }

  #isEphemeral(receiver: Receiver<Sleeper> | undefined): boolean {
    const owner = receiver?.owner;
    return typeof owner === 'object' && owner.isEphemeral;
  }

  #handToFirst(address: string, mail: Mail): boolean {
    const { mailboxes } = this.#world;
    for (let receiver = mailboxes.firstReceiver(address); receiver !== undefined; receiver = mailboxes.firstReceiver(address)) {
      if (this.#hand(receiver, mail.carried(this.#isEphemeral(receiver)))) return true;
    }
    return false;
  }

  /** Gives a payload to a receiver. False when its instance has turned out to be stuck, and is parked no more. */
  #hand(receiver: Receiver<Sleeper>, payload: Carried): boolean {
    const slot = this.#world.slots.of(receiver.owner);
    const request = slot?.requests.get(receiver.requestKey)?.request;
    if (slot === undefined || slot.stuck !== null || request === undefined) {
      this.#world.mailboxes.unpark(receiver);
      return false;
    }
    const carried = request.kind === 'receiveAny' ? withSource(receiver.source, payload) : payload;
    return this.#instances.settle(slot, receiver.requestKey, 'ok', carried);
  }

  #put(address: string, mail: Mail, slot: Slot | null): void {
    const at = this.#world.now;
    const event: MailboxEvent = {
      seq: this.#world.nextSeq(),
      at,
      payload: mail.carried(slot?.isEphemeral === true),
      id: mail.id ?? null,
      expiresAt: slot === null ? at + mail.expiryMs : null,
      origin: null,
    };
    this.#world.mailboxes.put(address, event);
    const put = slot?.isEphemeral === true ? '' : `"p":[${eventText(event)}]`;
    if (mail.id !== undefined) this.#remember(address, mail.id, put === '' ? '' : `${put},`, slot);
    else this.#change(address, `{${put}}`, slot);
    this.#world.commit.addPut(address, event.seq);
    if (slot === null) this.watchExpiry(address);
  }

  /** When the event that was to expire first is taken out, the next one is watched. */
  #unwatchExpiry(address: string, taken: readonly MailboxEvent[]): void {
    const watched = this.#expiries.get(address);
    if (watched === undefined || !taken.some((event) => event.seq === watched.seq)) return;
    this.#dropExpiry(address);
    this.watchExpiry(address);
  }

  #dropExpiry(address: string): void {
    const watched = this.#expiries.get(address);
    if (watched !== undefined) this.#world.deadlines.cancel(watched);
    this.#expiries.delete(address);
  }

  #remember(address: string, id: string, before: string, slot: Slot | null): void {
    const at = this.#world.now;
    this.watchId(address, at);
    const { forgotten } = this.#world.mailboxes.remember(address, id, at);
    const forget = forgotten.length === 0 ? '' : `,"f":${JSON.stringify(forgotten)}`;
    this.#change(address, `{${before}"s":[[${JSON.stringify(id)},${at}]]${forget}}`, slot);
  }

  #take(address: string, events: readonly MailboxEvent[]): void {
    for (const event of events) this.#world.mailboxes.take(address, event.seq);
    this.#unwatchExpiry(address, events);
    if (this.#isStoredAt(address)) this.#change(address, `{"x":[${events.map((event) => event.seq).join(',')}]}`, null);
  }

  /** The mailboxes of ephemeral instances are nowhere but in memory. */
  #isStoredAt(address: string): boolean {
    const { isDirect, target } = address === DEAD_LETTERS ? { isDirect: false, target: '' } : parseAddress(address);
    return !isDirect || this.#world.slots.known(target)?.isEphemeral !== true;
  }

  #bury(address: string, event: MailboxEvent): void {
    const { mailboxes } = this.#world;
    const oldest =
      mailboxes.count(DEAD_LETTERS) >= limits.deadLettersMax ? mailboxes.firstEvent(DEAD_LETTERS, { durable: false }) : undefined;
    if (oldest !== undefined) {
      this.#take(DEAD_LETTERS, [oldest]);
      this.#world.logger.log('error', 'The oldest dead letter was dropped: there are as many as may be kept.', { origin: oldest.origin });
    }
    const letter = { ...event, seq: this.#world.nextSeq(), origin: address };
    mailboxes.put(DEAD_LETTERS, letter);
    this.#change(DEAD_LETTERS, `{"p":[${eventText(letter)}]}`, null);
  }

  #change(address: string, delta: string, slot: Slot | null): void {
    if (slot !== null) this.keepMailbox(slot.id, address);
    if (slot?.isEphemeral === true) return;
    this.#world.commit.change('mailbox', address, delta);
    this.#world.commit.touchMailbox(address);
  }
}

/** Of a `receiveAny`: which of its sources it is, and the payload. */
function withSource(source: number, payload: Carried): Carried {
  return payload instanceof ByReference ? new ByReference([source, payload.value]) : `[${source},${payload}]`;
}

/** Events that nobody may ever claim lie at keyed addresses only. */
function isKeyed(address: string): boolean {
  return address !== DEAD_LETTERS && !parseAddress(address).isDirect;
}
