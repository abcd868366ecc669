// The instances that exist, by id. Of one that is awake, or has something on its way, there is a slot. All others are
// asleep: what they are is on disk, and memory has nothing of them but where they are reached, by their ids, in the
// mailbox map, the deadlines, the tokens and the waits for children.
//
// Invariants:
//   L1. An instance that has no slot is as its record says. It gets one as soon as anybody has to do with it.
//   L2. A slot goes at the end of a message, when it says nothing that its record does not. Nobody but those who keep
//       it from going may hold on to it beyond a message.

import { decode } from '../runtime/codec.js';
import type { Deadline } from '../runtime/deadlines.js';
import { type ErrorData, encodeError } from '../runtime/error-data.js';
import { InstanceNotFoundError } from '../runtime/instance-errors.js';
import { limits } from '../runtime/limits.js';
import { type InstanceRecord, requestKey } from '../runtime/record.js';
import { StoreCorruptError } from '../runtime/store-errors.js';
import { Slot } from './slot.js';
import type { Due, World } from './world.js';

/** An instance as those refer to it who may have to do with it: by its id while it is asleep. */
export type Sleeper = Slot | string;

const noDeadlines: ReadonlyMap<string, Deadline<Due>> = new Map();

export class Slots {
  readonly #world: World;
  readonly #slots = new Map<string, Slot>();
  /** Those that may have nothing more to say than their records. */
  #settling: Slot[] = [];
  /** Their removal is on its way to the disk. */
  readonly #leaving = new Set<string>();
  /** The deadlines of those asleep. */
  readonly #deadlines = new Map<string, Deadline<Due> | Deadline<Due>[]>();
  #asleep = 0;
  /** The record that was read last, for whoever replays it in the same message. */
  #justRead: InstanceRecord | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /** Instances, asleep ones among them. */
  get size(): number {
    return this.#slots.size + this.#asleep;
  }

  has(id: string): boolean {
    return this.#slots.has(id) || this.#isAsleep(id);
  }

  /** The slot of an instance that has one: ephemeral ones, and those that are awake or on their way, among others. */
  known(id: string): Slot | undefined {
    return this.#slots.get(id);
  }

  /** All slots that there are. */
  values(): Iterable<Slot> {
    return this.#slots.values();
  }

  /** An instance; one that is asleep gets a slot. One whose record cannot be read is stuck, until it can. */
  get(id: string): Slot | undefined {
    const known = this.#slots.get(id);
    if (known !== undefined || !this.#isAsleep(id)) return known;
    this.#asleep--;
    const slot = this.#rouse(id);
    this.#slots.set(id, slot);
    this.settle(slot);
    return slot;
  }

  of(sleeper: Sleeper): Slot | undefined {
    return typeof sleeper === 'string' ? this.get(sleeper) : sleeper;
  }

  set(slot: Slot): void {
    this.#slots.set(slot.id, slot);
  }

  /** An instance is there no more. */
  delete(id: string): void {
    this.#slots.delete(id);
  }

  /** Its record is being removed by this commit. */
  remove(slot: Slot): void {
    const { id } = slot;
    this.#slots.delete(id);
    this.#leaving.add(id);
    this.#world.commit.addAfter(() => this.#leaving.delete(id));
    this.#world.commit.addUndone(() => this.#leaving.delete(id));
  }

  /** Counts one that a store has, and of which the head was taken over. */
  addAsleep(): void {
    this.#asleep++;
  }

  /** Notes a deadline of one that is asleep. */
  keepDeadline(id: string, deadline: Deadline<Due>): void {
    const kept = this.#deadlines.get(id);
    if (kept === undefined) this.#deadlines.set(id, deadline);
    else if (Array.isArray(kept)) kept.push(deadline);
    else this.#deadlines.set(id, [kept, deadline]);
  }

  /** At the end of the message, lets go of a slot that says nothing more than its record. */
  settle(slot: Slot): void {
    if (slot.isSettling || slot.isEphemeral) return;
    slot.isSettling = true;
    this.#settling.push(slot);
  }

  /** A message begins, or is over: slots go that are not needed any more. */
  endMessage(): void {
    this.#justRead = null;
    if (this.#settling.length === 0) return;
    const settling = this.#settling;
    this.#settling = [];
    for (const slot of settling) {
      slot.isSettling = false;
      if (this.#slots.get(slot.id) === slot && slot.canGo) this.#fallAsleep(slot);
    }
  }

  /** The committed record of an instance, its own copy. */
  read(id: string): InstanceRecord | undefined {
    const read = this.#justRead;
    this.#justRead = null;
    return read?.id === id ? read : this.#world.store.readInstance(id);
  }

  /**
   * Gives a slot whose record could not be read what its record says, now that it can be.
   *
   * @throws why it still cannot
   */
  reread(slot: Slot): void {
    const record = this.#world.store.readInstance(slot.id);
    if (record === undefined) throw new InstanceNotFoundError(slot.id);
    const { stuck } = slot;
    slot.isUnread = false;
    this.#fill(slot, { ...record, stuck: null });
    // It stays stuck, and reached by nobody, until retry() has replayed it.
    for (const entry of slot.requests.values()) this.#world.requests.disarm(slot, entry);
    slot.stuck = stuck;
    if (record.endedAt === null) return;
    slot.stuck = null;
    this.settle(slot);
    this.#world.retention.add({ id: slot.id, endedAt: record.endedAt });
    if (this.#world.childWaits.has(slot.id)) this.#world.endedChildren.push(slot.id);
  }

  /** After a failed write: a slot is as its record says. What cannot be read is stuck, and can be read later. */
  reload(slot: Slot, cause: unknown): void {
    let record: InstanceRecord | undefined;
    try {
      record = this.#world.store.readInstance(slot.id);
    } catch (error) {
      this.set(slot);
      slot.isUnread = true;
      slot.stuck = decode(encodeError(error)) as ErrorData;
      // What could not be written may have been its end.
      slot.status = 'active';
      slot.endedAt = null;
      this.#logUnread(slot.id, error);
      return;
    }
    if (record?.status !== 'active') {
      for (const waiter of slot.waiters ?? []) waiter.reject(cause);
      slot.waiters = null;
    }
    if (record === undefined) {
      this.delete(slot.id);
      return;
    }
    this.set(slot);
    slot.isUnread = false;
    slot.input = null;
    slot.take(record);
    for (const request of record.pending.values()) this.#world.requests.add(slot, request);
  }

  #isAsleep(id: string): boolean {
    return !this.#leaving.has(id) && this.#world.store.hasInstance(id);
  }

  #rouse(id: string): Slot {
    let fault: unknown;
    for (let attempt = 0; attempt <= limits.restartsMax; attempt++) {
      try {
        const record = this.#world.store.readInstance(id);
        if (record === undefined) throw new Error('it has no beginning');
        const slot = new Slot(record);
        this.#fill(slot, record);
        this.#justRead = record;
        return slot;
      } catch (error) {
        fault = error;
      }
    }
    return this.#unreadable(id, fault);
  }

  #fill(slot: Slot, record: InstanceRecord): void {
    slot.take(record);
    const deadlines = this.#takeDeadlines(slot.id);
    for (const request of record.pending.values()) {
      this.#world.sawSeq(request.seq);
      this.#world.requests.adopt(slot, request, deadlines.get(requestKey(request.task, request.pos)) ?? null);
    }
  }

  #unreadable(id: string, cause: unknown): Slot {
    const slot = new Slot({ id, workflow: 'unknown', version: 0, depth: 0, parent: null, generation: 0, parentGeneration: 0 });
    const text = encodeError(cause);
    slot.isUnread = true;
    slot.stuck = decode(text) as ErrorData;
    // What is damaged stays as it is found: nothing can be added to it.
    if (!(cause instanceof StoreCorruptError)) {
      this.#world.inCommit(() => {
        this.#world.commit.change('instance', id, `{"t":${this.#world.now},"s":${text}}`);
        this.#world.commit.touchSlot(slot);
      });
    }
    for (const deadline of this.#takeDeadlines(id).values()) this.#world.cancelDue(deadline);
    this.#logUnread(id, cause);
    return slot;
  }

  #logUnread(instanceId: string, error: unknown): void {
    this.#world.logger.log('error', `The record of instance "${instanceId}" cannot be read: it is stuck.`, { instanceId, error });
  }

  /** By the keys of their requests. */
  #takeDeadlines(id: string): ReadonlyMap<string, Deadline<Due>> {
    const kept = this.#deadlines.get(id);
    if (kept === undefined) return noDeadlines;
    this.#deadlines.delete(id);
    const byKey = new Map<string, Deadline<Due>>();
    for (const deadline of Array.isArray(kept) ? kept : [kept]) if ('key' in deadline.what) byKey.set(deadline.what.key, deadline);
    return byKey;
  }

  /** From now on whoever refers to it has its id. */
  #fallAsleep(slot: Slot): void {
    for (const entry of slot.requests.values()) {
      this.#world.requests.letGo(slot, entry);
      if (entry.deadline !== null) this.keepDeadline(slot.id, entry.deadline);
    }
    this.#slots.delete(slot.id);
    this.#asleep++;
  }
}
