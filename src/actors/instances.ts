// The life of instances: they begin, wake, turn, sleep, get stuck and end. Everything here happens in memory and in
// the commit that is being made; what follows from a commit that is on disk is in consequences.ts.
//
// Invariants:
//   I1. An instance is awake or its record is whole on disk: only then can it leave memory.
//   I2. Faults of loading, decoding and replaying are counted, not a body's own errors; too many make it stuck.
//   I3. A stuck instance is kept with everything it has, and reached by nothing until retry().

import type { ActorScope, EventObject, Snapshot } from 'xstate';
import { ByReference, type Carried, textOfCarried, unpack } from '../runtime/carried.js';
import { decode } from '../runtime/codec.js';
import type { WorkflowDefinition } from '../runtime/definitions.js';
import { type ErrorData, encodeError } from '../runtime/error-data.js';
import { DecodeError, UnknownWorkflowError } from '../runtime/errors.js';
import type { SettleStatus } from '../runtime/execution.js';
import { limits } from '../runtime/limits.js';
import { LinkedMap } from '../runtime/linked-map.js';
import type { InstanceRecord, RequestUpdate } from '../runtime/record.js';
import { requestKey } from '../runtime/record.js';
import { updateText } from '../runtime/request-text.js';
import { SmallMap } from '../runtime/small-map.js';
import type { Continuation, InstanceEnd, TurnDelta } from '../runtime/turn-delta.js';
import { CancelledError, NondeterminismError } from '../runtime/workflow-errors.js';
import type { InstanceHost } from './instance-process.js';
import { InstanceProcess } from './instance-process.js';
import type { Requests } from './requests.js';
import { type Resident, Slot } from './slot.js';
import { LightActor, spawnInstance } from './workflow-actor.js';
import type { World } from './world.js';

type SupervisorScope = ActorScope<Snapshot<unknown>, EventObject>;

export interface Birth {
  readonly id: string;
  readonly workflow: WorkflowDefinition;
  readonly input: Carried;
  readonly depth: number;
  readonly parent: Slot | null;
  /** By `call`: nobody but that wait knows it. */
  readonly isCalled: boolean;
}

/** The requests of everyone who has ended. */
const none: Slot['requests'] = new SmallMap();

export class Instances {
  readonly requests: Requests;
  readonly #world: World;
  readonly #scope: SupervisorScope;
  readonly #makeHost: (slot: Slot) => InstanceHost;
  /** Awake instances that only sleep, the longest asleep first, and since when. */
  readonly #sleepers = new LinkedMap<Slot, { readonly slot: Slot; readonly since: number }>();
  #residents = 0;

  constructor(world: World, scope: SupervisorScope, makeHost: (slot: Slot) => InstanceHost) {
    this.#world = world;
    this.#scope = scope;
    this.#makeHost = makeHost;
    this.requests = world.requests;
  }

  get residents(): number {
    return this.#residents;
  }

  /** Begins an instance in this commit; its first turn runs here, or later with `begin` when it is a child. */
  create(birth: Birth): Slot {
    const { id, workflow, depth, parent, input } = birth;
    const parentGeneration = parent?.generation ?? 0;
    const head = {
      id,
      workflow: workflow.name,
      version: workflow.version,
      depth,
      parent: parent?.id ?? null,
      generation: 0,
      parentGeneration,
    };
    const slot = new Slot(head, !workflow.isDurable);
    slot.input = input;
    slot.startedAt = this.#world.now;
    this.#world.slots.set(slot);
    slot.isCalled = birth.isCalled;
    if (slot.isEphemeral) {
      slot.firstInput = input;
      return slot;
    }
    const above = `${JSON.stringify(head.parent ?? 0)}${parentGeneration === 0 ? '' : `,0,${parentGeneration}`}`;
    slot.beginText = `[${JSON.stringify(slot.workflow)},${slot.version},${textOfCarried(input)},${depth},${above}]`;
    return slot;
  }

  /** Writes the beginning of an instance whose first turn comes after this commit. */
  bear(slot: Slot): void {
    const { commit, now } = this.#world;
    commit.addBorn(slot);
    if (slot.isEphemeral) return;
    commit.change('instance', slot.id, `{"t":${now},"n":${slot.beginText}}`);
    slot.beginText = null;
    commit.touchSlot(slot);
  }

  /** Runs the first turn; of a generation that continues in memory, with the input that it has. */
  begin(slot: Slot, workflow: WorkflowDefinition, input: Carried): void {
    const resident = slot.resident ?? this.#settleIn(slot, new InstanceProcess(slot.id, workflow, this.#makeHost(slot), unpack(input)));
    this.#sleepers.delete(slot);
    resident.actor.send({ type: 'rouse.begin', at: this.#world.now });
    this.#faulted(slot, resident);
  }

  /**
   * Answers an open request of an instance, waking it where it is asleep. False when the request is not open, or its
   * instance turns out to be stuck: nothing was taken.
   */
  settle(slot: Slot, key: string, status: SettleStatus, carried: Carried, notBefore = 0): boolean {
    if (!slot.requests.has(key) || slot.stuck !== null) return false;
    const resident = this.wake(slot);
    if (resident === null) return false;
    const entry = slot.requests.get(key);
    this.requests.remove(slot, key);
    resident.actor.send({ type: 'rouse.settle', at: Math.max(this.#world.now, notBefore), key, status, carried });
    if (resident.process.fault === null) return true;
    if (entry !== undefined) this.requests.keep(slot, key, entry);
    this.#faulted(slot, resident);
    return false;
  }

  /** Throws CancelledError into an instance; false when it is stuck. */
  cancel(slot: Slot, reason: string | null): boolean {
    if (slot.stuck !== null) return false;
    if (slot.isCancelled) return true;
    if (slot.requests.size === 0) {
      if (slot.cancelAsked === null) this.noteCancel(slot, reason);
      return true;
    }
    const resident = this.wake(slot);
    if (resident === null) return false;
    slot.isCancelled = true;
    resident.actor.send({ type: 'rouse.cancel', at: this.#world.now, reason });
    this.#faulted(slot, resident);
    this.rests(slot);
    return slot.stuck === null;
  }

  /** An instance that has not had its first turn is cancelled after it: there is nothing yet to throw into. */
  noteCancel(slot: Slot, reason: string | null): void {
    const { commit, now } = this.#world;
    commit.addCancel(slot);
    slot.cancelAsked = { reason };
    if (slot.isEphemeral) return;
    commit.change('instance', slot.id, `{"t":${now},"c":[${JSON.stringify(reason)}]}`);
    commit.touchSlot(slot);
  }

  /** Ends an instance without running anything of it. */
  terminate(slot: Slot, error: CancelledError): void {
    // Who refers to it is in its record.
    if (slot.isUnread) this.#world.slots.reread(slot);
    if (!slot.isActive) return;
    const { commit, now } = this.#world;
    const carried = slot.isEphemeral ? new ByReference(error) : encodeError(error);
    if (typeof carried === 'string') {
      commit.change('instance', slot.id, `{"t":${now},"z":["cancelled",${carried}]}`);
      slot.uncommitted++;
    }
    this.#endAt(slot, { status: 'cancelled', carried }, now);
  }

  /** Ends an ephemeral instance that cannot go on: there is no record to go back to, or to keep it stuck in. */
  #fail(slot: Slot, cause: unknown): void {
    this.#world.inCommit(() => this.#endAt(slot, { status: 'failed', carried: new ByReference(cause) }, this.#world.now));
  }

  #endAt(slot: Slot, end: InstanceEnd, at: number): void {
    const dropped = [...slot.requests.values()].map((entry) => entry.request);
    this.#closed(slot, end, at);
    if (slot.isEphemeral) this.#world.commit.addEphemeral(slot);
    this.#world.commit.addTurn({ slot, added: [], dropped, end, orphans: slot.endedEphemerals });
    slot.endedEphemerals = null;
  }

  /** The instance in memory; null when it cannot be brought back and is stuck now. */
  wake(slot: Slot): Resident | null {
    if (slot.resident !== null) {
      this.#sleepers.delete(slot);
      return slot.resident;
    }
    return this.#orStuck(slot, () => this.#settleIn(slot, this.#restore(slot))) ?? null;
  }

  /** The record of an instance; undefined when it cannot be read, and the instance is stuck now. */
  read(slot: Slot): InstanceRecord | undefined {
    return this.#orStuck(slot, () => this.#world.store.readInstance(slot.id));
  }

  /** Tries a few times (I2); what would fail the same way each time is not tried again. */
  #orStuck<T>(slot: Slot, run: () => T): T | undefined {
    let error: unknown;
    for (let attempt = 0; attempt <= limits.restartsMax; attempt++) {
      try {
        return run();
      } catch (fault) {
        error = fault;
        if (fault instanceof NondeterminismError || fault instanceof UnknownWorkflowError || fault instanceof DecodeError) break;
      }
    }
    this.setStuck(slot, error);
    return undefined;
  }

  /** Notes that an instance cannot go on, in this commit. */
  setStuck(slot: Slot, cause: unknown): void {
    if (slot.isEphemeral) {
      this.#fail(slot, cause);
      return;
    }
    const text = encodeError(cause);
    const error = decode(text) as ErrorData;
    slot.stuck = error;
    slot.isCancelled = false;
    for (const entry of slot.requests.values()) this.requests.disarm(slot, entry);
    this.leave(slot);
    this.#world.inCommit(() => {
      const { commit, now } = this.#world;
      const begin = slot.beginText === null ? '' : `,"n":${slot.beginText}`;
      slot.beginText = null;
      commit.change('instance', slot.id, `{"t":${now}${begin},"s":${text}}`);
      commit.touchSlot(slot);
    });
    this.#world.logger.log('error', `Instance "${slot.id}" is stuck: ${error.message}`, {
      instanceId: slot.id,
      workflow: slot.workflow,
      code: error.code,
    });
  }

  /**
   * Brings a stuck instance back, in this commit.
   *
   * @throws why it still cannot go on
   */
  retry(slot: Slot): void {
    if (slot.isUnread) this.#world.slots.reread(slot);
    // One without requests has not had its first turn: there is nothing to replay, only a workflow to be known.
    this.#world.workflow(slot.workflow, slot.version);
    const process = slot.requests.size === 0 ? null : this.#restore(slot);
    slot.stuck = null;
    for (const [key, { request }] of slot.requests) {
      if (request.interrupted > 0) this.updateRequest(slot, key, { interrupted: 0 });
      else this.requests.update(slot, key, request);
    }
    if (process !== null) this.#settleIn(slot, process);
    const { commit, now } = this.#world;
    commit.change('instance', slot.id, `{"t":${now},"s":0}`);
    commit.touchSlot(slot);
  }

  /** Changes a request's attempts, in this commit. */
  updateRequest(slot: Slot, key: string, update: RequestUpdate): void {
    const entry = slot.requests.get(key);
    if (entry === undefined) return;
    const request = { ...entry.request, ...update };
    this.requests.update(slot, key, request);
    const open = slot.resident?.process.execution.open.get(key);
    if (open !== undefined) open.data = request;
    if (slot.isEphemeral) return;
    const { commit, now } = this.#world;
    commit.change('instance', slot.id, `{"t":${now},"u":[${updateText(request.task, request.pos, update)}]}`);
    commit.touchSlot(slot);
  }

  /** Takes over what a turn changed: the host's part of `turned`. */
  turned(slot: Slot, delta: TurnDelta, at: number): void {
    const { commit } = this.#world;
    if (!slot.isEphemeral) {
      const text = slot.beginText === null ? delta.text(at) : delta.text(at, slot.beginText);
      slot.beginText = null;
      commit.change('instance', slot.id, text);
      slot.uncommitted++;
    }
    for (const request of delta.dropped) this.requests.remove(slot, requestKey(request.task, request.pos));
    if (delta.end !== null) this.#closed(slot, delta.end, at);
    else if (delta.continuation !== null) this.#continued(slot, delta.continuation);
    else for (const request of delta.added) this.requests.add(slot, request);
    if (slot.isEphemeral) commit.addEphemeral(slot);
    if (slot.isEphemeral && delta.onlyWaits && slot.uncommitted === 0 && slot.resident?.actor instanceof LightActor) return;
    const orphans = delta.isLast ? slot.endedEphemerals : null;
    if (delta.isLast) slot.endedEphemerals = null;
    commit.addTurn({ slot, added: delta.isLast ? [] : delta.added, dropped: delta.dropped, end: delta.end, orphans });
    // One that continues without ever waiting could never be told: it ends between two generations.
    if (delta.continuation !== null && slot.cancelAsked !== null) this.terminate(slot, new CancelledError(slot.cancelAsked.reason));
  }

  /** Notes that all of an instance is on disk: from now on it may leave memory. */
  rests(slot: Slot): void {
    if (slot.isEphemeral || slot.uncommitted > 0) return;
    if (slot.resident === null) this.#world.slots.settle(slot);
    else if (slot.isActive && !slot.hasRunningStep) this.#sleepers.add(slot, { slot, since: this.#world.now });
  }

  /** When the longest asleep is to leave memory. */
  get nextPassivationAt(): number | undefined {
    const first = this.#sleepers.first;
    return first === undefined ? undefined : first.since + this.#world.options.passivateAfterMs;
  }

  /** Takes out of memory who has slept long enough, and the longest asleep while there are too many; not all in one go. */
  passivate(now: number, budget: number): void {
    const { options } = this.#world;
    for (let left = budget; left > 0; left--) {
      const { first } = this.#sleepers;
      if (first === undefined) return;
      // One that has slept since later than now: the clock was set back.
      const isFresh = first.since <= now && first.since + options.passivateAfterMs > now;
      if (isFresh && this.#residents <= options.maxResident) return;
      this.leave(first.slot);
    }
  }

  /** Lets go of the actor of an instance; its generator is dropped where it sleeps, and no `finally` runs. */
  leave(slot: Slot): void {
    this.#sleepers.delete(slot);
    this.#world.slots.settle(slot);
    if (slot.resident === null) return;
    const { actor } = slot.resident;
    slot.resident = null;
    if (!slot.isEphemeral) this.#residents--;
    if (!(actor instanceof LightActor)) this.#scope.stopChild(actor);
  }

  /** Reads an instance anew from the store, after a commit that changed it has failed. */
  reload(slot: Slot, cause: unknown): void {
    if (slot.isEphemeral) {
      slot.uncommitted = 0;
      // One that has ended and told so stays as it is: nothing of it can be taken back.
      if (slot.end === null || slot.resident !== null) this.#fail(slot, cause);
      return;
    }
    this.leave(slot);
    this.requests.removeAll(slot);
    slot.uncommitted = 0;
    slot.beginText = null;
    slot.requests = new SmallMap();
    this.#world.slots.reload(slot, cause);
  }

  /** Stops every actor, for a runtime that stops. */
  stopAll(): void {
    for (const slot of this.#world.slots.values()) this.leave(slot);
  }

  #restore(slot: Slot): InstanceProcess {
    const workflow = this.#world.workflow(slot.workflow, slot.version);
    const record = this.#world.slots.read(slot.id);
    if (record === undefined) throw new DecodeError(`The record of instance "${slot.id}" is not in the store.`);
    return InstanceProcess.restore(record, workflow, this.#makeHost(slot));
  }

  #settleIn(slot: Slot, process: InstanceProcess): Resident {
    const isLight = slot.isEphemeral && this.#world.options.inspect === undefined;
    slot.resident = { actor: isLight ? new LightActor(process) : spawnInstance(this.#scope, process), process };
    if (!slot.isEphemeral) this.#residents++;
    return slot.resident;
  }

  #continued(slot: Slot, { input }: Continuation): void {
    this.requests.removeAll(slot);
    slot.generation++;
    slot.isCancelled = false;
    if (slot.isEphemeral) slot.input = input;
  }

  #closed(slot: Slot, end: InstanceEnd, at: number): void {
    this.requests.removeAll(slot);
    slot.requests = none;
    slot.status = end.status;
    if (slot.isEphemeral) {
      slot.end = end;
      slot.exposed = slot.resident?.process.execution.exposed ?? slot.exposed;
    }
    slot.endedAt = at;
    slot.stuck = null;
  }

  /** A turn that threw is a fault of ours, not of the body: the instance is kept as it was before it. */
  #faulted(slot: Slot, resident: Resident): void {
    const { fault } = resident.process;
    if (fault === null) return;
    resident.process.fault = null;
    this.setStuck(slot, fault);
  }
}
