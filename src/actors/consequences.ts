// What follows from commits: when they are on disk, callers are told, steps start, children begin and parents hear of
// their children's ends; when they could not be written, callers are told why and memory goes back to what is on disk.
//
// Invariants:
//   Q1. Nothing that a turn asked of the outside happens before its commit is on disk.
//   Q2. After a failed write memory equals the disk, and what had happened (outcomes of steps) is tried again.

import { ByReference, type Carried, unpack } from '../runtime/carried.js';
import { encode, revive } from '../runtime/codec.js';
import { type ErrorData, encodeError, toErrorData } from '../runtime/error-data.js';
import { limits } from '../runtime/limits.js';
import { type InstanceRecord, type Request, requestKey } from '../runtime/record.js';
import { nextDelayMs, type StepOptions } from '../runtime/step-options.js';
import type { InstanceEnd } from '../runtime/turn-delta.js';
import { CancelledError, EphemeralLostError, InterruptedTooOftenError, WorkflowFailedError } from '../runtime/workflow-errors.js';
import type { AttemptEvent, PendingCommit, Turn } from './commit.js';
import { Ephemerals } from './ephemerals.js';
import type { Instances } from './instances.js';
import type { Router } from './router.js';
import { isInFlight, isRunning, isStep, type Slot } from './slot.js';
import type { Attempt, AttemptResult } from './step-runner.js';
import { pausesOfSuspects } from './suspects.js';
import type { World } from './world.js';

/** What is to be taken up again after a failed write. */
export interface Undone {
  readonly attempts: readonly AttemptEvent[];
  /** Instances, and the steps that they have on disk to run. */
  readonly slots: readonly { readonly slot: Slot; readonly steps: readonly Request[] }[];
}

const ONE_ATTEMPT: StepOptions = { retry: false };

export interface ConsequencesOptions {
  readonly world: World;
  readonly instances: Instances;
  readonly router: Router;
  /** Tells the supervisor of an attempt's result. */
  readonly attempted: (event: AttemptEvent) => void;
}

export class Consequences {
  readonly #world: World;
  readonly #instances: Instances;
  readonly #router: Router;
  readonly #ephemerals: Ephemerals;
  readonly #attempted: (event: AttemptEvent) => void;
  /** Those of which it could not be written that their steps were in flight at a crash. */
  readonly #uncounted = new Set<Slot>();

  constructor(options: ConsequencesOptions) {
    this.#world = options.world;
    this.#instances = options.instances;
    this.#router = options.router;
    this.#ephemerals = new Ephemerals(options.world, options.router);
    this.#attempted = options.attempted;
  }

  /** A commit is on disk. */
  durable(commit: PendingCommit): void {
    for (const slot of commit.slots ?? []) slot.uncommitted--;
    if (commit.isInLine) for (const slot of commit.ephemerals ?? []) slot.uncommitted--;
    for (const caller of commit.callers ?? []) caller.resolve();
    for (const turn of commit.turns ?? []) this.#turnDurable(turn);
    for (const slot of commit.slots ?? []) this.#instances.rests(slot);
    for (const { address, seq } of commit.puts ?? []) this.#putDurable(address, seq);
    for (const slot of commit.born ?? []) this.beginBorn(slot);
    for (const slot of commit.cancels ?? []) this.#cancelNoted(slot);
    for (const fn of commit.after ?? []) fn();
  }

  /** Commits could not be written: memory goes back to what is on disk, and callers are told. */
  undo(commits: readonly PendingCommit[], error: unknown): Undone {
    const slots = new Set<Slot>();
    const addresses = new Set<string>();
    for (const commit of commits) {
      for (const turn of commit.turns ?? []) this.#turnUndone(turn, slots);
      for (const slot of commit.ephemerals ?? []) slots.add(slot);
      for (const slot of commit.slots ?? []) slots.add(slot);
      for (const address of commit.addresses ?? []) addresses.add(address);
      for (const slot of commit.born ?? []) if (slot.isEphemeral) this.#ephemerals.unborn(slot, error);
      for (const slot of commit.cancels ?? []) slot.cancelAsked = null;
    }
    for (const commit of commits) for (const fn of commit.undone ?? []) fn();
    for (const slot of slots) this.#instances.reload(slot, error);
    for (const address of addresses) this.#router.reload(address);
    for (const commit of commits) for (const caller of commit.callers ?? []) caller.reject(error);
    return {
      attempts: commits.flatMap((commit) => commit.redo ?? []),
      slots: [...slots].filter((slot) => this.#world.slots.has(slot.id)).map((slot) => ({ slot, steps: stepsToRun(slot) })),
    };
  }

  /** Takes up again what an instance has on disk and nobody would repeat: its first turn, a cancellation, its steps. */
  resume(slot: Slot, steps: readonly Request[]): void {
    if (!slot.isActive || slot.stuck !== null) return;
    const known = slot.isEphemeral ? slot : this.#instances.read(slot);
    if (known?.status !== 'active') return;
    // One that is on its way to the disk counts as well.
    slot.cancelAsked ??= known.cancelAsked;
    if (slot.requests.size === 0) this.beginBorn(slot);
    this.#cancelNoted(slot);
    if (this.#uncounted.delete(slot)) this.countInterruptions([slot]);
    else for (const request of steps) this.startStep(slot, request);
  }

  /** Once this commit is on disk: takes up the steps that an instance has now, its first turn, its cancellation. */
  afterwards(slot: Slot): void {
    const steps = stepsToRun(slot);
    // Not the steps that it has by then: these may not be on disk yet, and are started by their own commits.
    this.#world.commit.addAfter(() => this.resume(slot, steps));
  }

  readonly #done = (attempt: Attempt, result: AttemptResult): void => {
    const { owner, key, effect, request } = attempt.options;
    const drop = (): void => attempt.abort(new CancelledError('no longer needed'));
    this.#attempted({ type: 'rouse.attempted', instanceId: owner.id, key, seq: request.seq, effect, result, drop });
  };

  /** Starts an attempt of an open step, unless one is under way. Its instance is awake. */
  startStep(slot: Slot, request: Request): void {
    if (this.#world.isStopping) return;
    const key = requestKey(request.task, request.pos);
    const current = slot.requests.get(key)?.request;
    // Another generation may have a request of the same key, which is started by its own commit.
    if (current === undefined || current.seq !== request.seq || slot.stuck !== null) return;
    // The attempt that was to be started has ended already: the next one begins after its pause.
    if (current.attempt !== request.attempt || current.retryAt !== null) return;
    const effect = this.#instances.wake(slot)?.process.execution.open.get(key)?.body;
    if (effect === undefined || (effect.kind !== 'step' && effect.kind !== 'activity')) return;
    this.#world.runner.start({ owner: slot, key, request: current, effect, done: this.#done });
  }

  /** Records what an attempt came to: the step's outcome, or when to try again. In a commit of its own. */
  applyAttempt(event: AttemptEvent): void {
    const { key, effect, result } = event;
    const slot = this.#world.slots.get(event.instanceId);
    const request = slot?.requests.get(key)?.request;
    if (slot === undefined || request?.seq !== event.seq) {
      event.drop();
      return;
    }
    this.#world.inCommit(() => {
      if (!slot.isEphemeral) this.#world.commit.addRedo(event);
      if (result.ok) {
        this.#instances.settle(slot, key, 'ok', result.carried);
        return;
      }
      const failed = request.attempt + 1;
      // Of an ephemeral instance a step is plain I/O: it is tried again only where the workflow says so.
      const options = slot.isEphemeral && effect.options?.retry === undefined ? ONE_ATTEMPT : effect.options;
      const delayMs = nextDelayMs(options, failed, result.error, this.#world.options.ids.random());
      if (delayMs === null) this.#instances.settle(slot, key, 'error', result.carried);
      else this.#instances.updateRequest(slot, key, { attempt: failed, retryAt: this.#world.now + delayMs });
    });
  }

  /** After a crash: counts the steps that were in flight, all in one commit, and starts them when that is on disk. */
  countInterruptions(slots: readonly Slot[]): void {
    if (slots.length === 0) return;
    const pauses = pausesOfSuspects(slots, this.#world.now);
    this.#world.inCommit(() => {
      for (const slot of slots) this.#countInterruptionsOf(slot, pauses);
      this.#world.commit.addUndone(() => {
        for (const slot of slots) this.#uncounted.add(slot);
      });
    });
  }

  /** Starts every step of an instance that is to run now. */
  startSteps(slot: Slot): void {
    for (const request of stepsToRun(slot)) this.startStep(slot, request);
  }

  /** Runs the first turn of an instance, or of its next generation, whose beginning is on disk. */
  beginBorn(slot: Slot): void {
    if (this.#world.isStopping || !slot.isActive || slot.stuck !== null || slot.requests.size > 0) return;
    this.#world.inCommit(() => {
      try {
        const workflow = this.#world.workflow(slot.workflow, slot.version);
        const input = slot.isEphemeral ? slot.input : this.#storedInput(slot);
        if (input !== null) this.#instances.begin(slot, workflow, input);
      } catch (error) {
        this.#instances.setStuck(slot, error);
      }
    });
    this.#cancelNoted(slot);
  }

  /** Tells those who wait for a child what became of it. */
  tellParents(childId: string): void {
    const child = this.#world.slots.get(childId);
    const waits = this.#world.childWaits.get(childId) ?? [];
    const [first] = waits;
    const name = (first && this.#world.slots.of(first.owner)?.requests.get(first.key)?.request.name) ?? 'unknown';
    const end = child?.isEphemeral === true ? ephemeralEnd(child) : this.#storedEnd(childId, name);
    if (end === null) return;
    for (const { owner, key } of [...waits]) {
      const slot = this.#world.slots.of(owner);
      if (slot === undefined) continue;
      this.#world.inCommit(() => {
        const told = slot.isEphemeral ? end : toStored(end, childId);
        const isTold = this.#instances.settle(slot, key, told.status, told.carried);
        if (isTold && child?.isEphemeral === true) this.#world.commit.addAfter(() => this.#ephemerals.told(child));
      });
    }
  }

  /** What it would have let go of is still asked for. */
  #turnUndone({ slot, orphans }: Turn, slots: Set<Slot>): void {
    slots.add(slot);
    if (orphans !== null) slot.endedEphemerals = new Set([...orphans, ...(slot.endedEphemerals ?? [])]);
  }

  #turnDurable(turn: Turn): void {
    const { slot, end } = turn;
    if (!slot.isEphemeral) {
      slot.uncommitted--;
      slot.input = null;
    }
    for (const request of turn.dropped) if (isStep(request)) this.#world.runner.abort(slot, request, 'no longer needed');
    slot.resident?.actor.send({ type: 'rouse.committed', end });
    if (turn.orphans !== null) this.#ephemerals.orphaned(turn.orphans);
    if (end !== null) {
      this.#ended(slot, end);
      return;
    }
    for (const request of turn.added) if (isStep(request)) this.startStep(slot, request);
    this.#instances.rests(slot);
  }

  #ended(slot: Slot, end: InstanceEnd): void {
    this.#instances.leave(slot);
    if (this.#router.hasMail(slot.id)) this.#world.inCommit(() => this.#router.clearMailboxes(slot.id));
    if (slot.isEphemeral) this.#ephemerals.ended(slot);
    else this.#world.retention.add({ id: slot.id, endedAt: slot.endedAt ?? this.#world.now });
    if (this.#world.childWaits.has(slot.id)) this.#world.endedChildren.push(slot.id);
    const waiters = slot.waiters ?? [];
    slot.waiters = null;
    for (const waiter of waiters) waiter.ended(end.status, end.carried);
  }

  #storedInput(slot: Slot): string | null {
    const record = this.#instances.read(slot);
    return record === undefined ? null : JSON.stringify(record.input);
  }

  /** How an instance with a record has ended; null while it has not, or cannot be read. What is nowhere ended with a process. */
  #storedEnd(childId: string, workflow: string): ChildEnd | null {
    const record = this.#read(childId);
    if (record === undefined) return this.#world.slots.has(childId) ? null : lost(childId, workflow);
    if (record.status === 'active') return null;
    if (record.status === 'completed') return { status: 'ok', carried: JSON.stringify(record.output) };
    return failure(record.id, record.workflow, revive(record.error) as ErrorData);
  }

  /** A record that cannot be read holds up whoever waits for it, until the next start, and nobody else. */
  #read(instanceId: string): InstanceRecord | undefined {
    try {
      return this.#world.store.readInstance(instanceId);
    } catch (error) {
      this.#world.logger.log('error', `The record of instance "${instanceId}" cannot be read.`, { instanceId, error });
      return undefined;
    }
  }

  #putDurable(address: string, seq: number): void {
    const { mailboxes, meetings } = this.#world;
    mailboxes.setDurable(address, seq);
    if (mailboxes.firstReceiver(address) !== undefined) meetings.push(address);
  }

  /** Applies a cancellation that was asked for; to one that has not begun, after its first turn. */
  #cancelNoted(slot: Slot): void {
    if (slot.cancelAsked === null || !slot.isActive || slot.stuck !== null || slot.requests.size === 0) return;
    const { reason } = slot.cancelAsked;
    slot.cancelAsked = null;
    this.#world.inCommit(() => this.#instances.cancel(slot, reason));
  }

  #countInterruptionsOf(slot: Slot, pauses: ReadonlyMap<Request, number>): void {
    const { now } = this.#world;
    for (const [key, { request }] of [...slot.requests]) {
      if (!isInFlight(request, now)) continue;
      const interrupted = request.interrupted + 1;
      const pauseMs = pauses.get(request) ?? 0;
      this.#instances.updateRequest(slot, key, { interrupted, retryAt: pauseMs === 0 ? null : now + pauseMs });
      if (interrupted <= limits.interruptionsMax) continue;
      this.#instances.setStuck(slot, new InterruptedTooOftenError(request.name, interrupted));
      return;
    }
    this.afterwards(slot);
  }
}

/** What a parent is told. */
interface ChildEnd {
  readonly status: 'ok' | 'error';
  readonly carried: Carried;
}

/** What a parent is thrown when its child did not complete. */
function failure(id: string, workflow: string, error: ErrorData): ChildEnd {
  return { status: 'error', carried: encodeError(new WorkflowFailedError(id, workflow, error)) };
}

function lost(childId: string, workflow: string): ChildEnd {
  const { name, message } = new EphemeralLostError(childId);
  return failure(childId, workflow, { name, message, code: 'EPHEMERAL_LOST' });
}

function ephemeralEnd({ id, workflow, end }: Slot): ChildEnd | null {
  if (end === null) return null;
  if (end.status === 'completed') return { status: 'ok', carried: end.carried };
  const cause = unpack(end.carried);
  return { status: 'error', carried: new ByReference(new WorkflowFailedError(id, workflow, toErrorData(cause), { cause })) };
}

/** What an instance with a record is told is stored: what cannot be is an error. */
function toStored(end: ChildEnd, childId: string): ChildEnd {
  if (typeof end.carried === 'string') return end;
  if (end.status === 'error') return { status: 'error', carried: encodeError(end.carried.value) };
  try {
    return { status: end.status, carried: encode(end.carried.value, `the output of instance "${childId}"`) };
  } catch (error) {
    return { status: 'error', carried: encodeError(error) };
  }
}

function stepsToRun(slot: Slot): Request[] {
  return [...slot.requests.values()].map((entry) => entry.request).filter(isRunning);
}
