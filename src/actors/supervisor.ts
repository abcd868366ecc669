// The supervisor: the actor that starts, wakes, passivates and ends instance actors and routes events to them. Every
// message to it is one step: it changes memory, makes commits, and is over; what follows from a commit comes as
// another message when the commit is on disk.

import { type ActorLogic, type ActorScope, createActor, type EventObject, type Snapshot } from 'xstate';
import { RuntimeStoppedError } from '../runtime/instance-errors.js';
import type { Timer } from '../runtime/ports.js';
import type { Request } from '../runtime/record.js';
import { StoreCorruptError, StoreFailedError } from '../runtime/store-errors.js';
import type { AttemptEvent, Caller, PendingCommit } from './commit.js';
import { Committer, isFatal } from './committer.js';
import { Consequences } from './consequences.js';
import { Instances } from './instances.js';
import { recover } from './recovery.js';
import { forgetFinished } from './retention.js';
import { Router } from './router.js';
import type { Slot, SlotRequest } from './slot.js';
import type { Sleeper } from './slots.js';
import { SupervisedHost } from './supervised-host.js';
import { type Due, type RequestDue, World, type WorldOptions } from './world.js';

/** What the supervisor can be told. */
export type SupervisorEvent =
  | { readonly type: 'rouse.request'; readonly name: string; readonly target: string; readonly run: () => void; readonly caller: Caller }
  | { readonly type: 'rouse.durable'; readonly commits: readonly PendingCommit[] }
  | { readonly type: 'rouse.failed'; readonly commits: readonly PendingCommit[]; readonly error: unknown }
  | { readonly type: 'rouse.recover' }
  | { readonly type: 'rouse.tick' }
  | AttemptEvent;

type Scope = ActorScope<Snapshot<unknown>, EventObject>;

/** Meetings and deadlines handled in one message before others get their turn. */
const BUDGET = 200;
/** Rounds of a message in which what follows is followed at once. */
const ROUNDS = 10;
const UNWRITTEN_BUDGET = 2_000;
const PAUSE_FIRST_MS = 1_000;
const PAUSE_LAST_MS = 30_000;

export class Supervisor {
  readonly world: World;
  readonly instances: Instances;
  readonly router: Router;
  readonly consequences: Consequences;
  readonly #scope: Scope;
  #timer: Timer | null = null;
  #timerAt = Infinity;
  /** For the pause before a step's next attempt that is over first. */
  #attemptTimer: Timer | null = null;
  #attemptAt = Infinity;
  /** After a failed write: nothing that would write but what callers ask is tried until it is over. */
  #pause: Timer | null = null;
  #pauseMs = PAUSE_FIRST_MS;
  /** Deadlines that came up meanwhile. */
  readonly #held: Due[] = [];
  #redo: AttemptEvent[] = [];
  readonly #resume = new Map<Slot, readonly Request[]>();
  #watchers: (() => void)[] = [];
  /** Why the runtime stopped by itself. */
  failure: StoreFailedError | null = null;
  onFailure: (() => void) | null = null;

  constructor(options: WorldOptions, scope: Scope) {
    this.#scope = scope;
    this.world = new World(options);
    this.instances = new Instances(this.world, scope, (slot) => new SupervisedHost(slot, this.world, this.instances, this.router));
    this.router = new Router(this.world, this.instances);
    this.consequences = new Consequences({
      world: this.world,
      instances: this.instances,
      router: this.router,
      attempted: (event) => this.send(event),
    });
    this.world.committer = new Committer(options.store, {
      durable: (commits) => this.send({ type: 'rouse.durable', commits }),
      failed: (commits, error) => this.send({ type: 'rouse.failed', commits, error }),
    });
  }

  send(event: SupervisorEvent): void {
    (this.#scope.self as { send(event: SupervisorEvent): void }).send(event);
  }

  /** Takes over what the store has: accepted events first, then overdue deadlines, then steps. */
  recover(): void {
    this.send({ type: 'rouse.recover' });
    if (this.failure !== null) throw this.failure.cause instanceof StoreCorruptError ? this.failure.cause : this.failure;
  }

  /** Calls back once, after the next message; for the test kit. */
  onNextMessage(fn: () => void): void {
    this.#watchers.push(fn);
  }

  receive(event: SupervisorEvent): void {
    try {
      this.world.slots.endMessage();
      this.#handle(event);
      this.world.slots.endMessage();
    } catch (error) {
      // A fault of ours: nobody knows what memory is worth now. Told to everyone, it is recovered from by a new start.
      this.#fail('commits' in event ? event.commits : [], error);
    }
    if (this.#watchers.length === 0) return;
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const watcher of watchers) watcher();
  }

  #handle(event: SupervisorEvent): void {
    if (this.failure !== null) {
      if (event.type === 'rouse.request') event.caller.reject(this.failure);
      return;
    }
    switch (event.type) {
      case 'rouse.request':
        this.#request(event);
        break;
      case 'rouse.attempted':
        this.consequences.applyAttempt(event);
        break;
      case 'rouse.durable':
        this.#durable(event.commits);
        break;
      case 'rouse.failed':
        this.#failed(event.commits, event.error);
        break;
      case 'rouse.recover':
        recover(this);
        this.#tick(Infinity);
        break;
      case 'rouse.tick':
        this.#timer = null;
        this.#timerAt = Infinity;
        break;
    }
    this.#followUnwritten();
    this.#tick(BUDGET);
    // What deadlines, meetings and ended children brought about for ephemeral instances.
    for (let left = ROUNDS; left > 0 && this.world.unwritten.size > 0; left--) {
      this.#followUnwritten();
      this.#tick(BUDGET);
    }
  }

  /** What follows from turns that had nothing to write follows at once, up to a bound that lets others run. */
  #followUnwritten(): void {
    const { unwritten } = this.world;
    for (let left = UNWRITTEN_BUDGET; left > 0; left--) {
      const commit = unwritten.first;
      if (commit === undefined) return;
      unwritten.removeFirst();
      this.consequences.durable(commit);
    }
  }

  /** Nothing is under way: no step, no commit, no meeting. */
  get isQuiet(): boolean {
    const { world } = this;
    return (
      world.runner.size === 0 &&
      world.committer.isIdle &&
      world.unwritten.size === 0 &&
      world.meetings.length === 0 &&
      world.endedChildren.length === 0 &&
      this.#redo.length === 0 &&
      this.#resume.size === 0
    );
  }

  /** Stops taking part in anything. */
  stop(): void {
    this.world.rejectUnfollowed(this.failure ?? new RuntimeStoppedError());
    this.#timer?.cancel();
    this.#timer = null;
    this.#attemptTimer?.cancel();
    this.#pause?.cancel();
    this.world.runner.abortAll('the runtime stops');
    this.instances.stopAll();
  }

  #request(event: Extract<SupervisorEvent, { type: 'rouse.request' }>): void {
    try {
      this.world.inCommit(event.run, event.caller);
    } catch (error) {
      // It may rest on what is still being written: a refusal waits for that, as an answer does.
      this.world.committer.barrier({ resolve: () => event.caller.reject(error), reject: (cause) => event.caller.reject(cause) });
    }
  }

  #durable(commits: readonly PendingCommit[]): void {
    this.#pauseMs = PAUSE_FIRST_MS;
    for (const commit of commits) this.consequences.durable(commit);
  }

  #failed(commits: readonly PendingCommit[], error: unknown): void {
    if (isFatal(error)) {
      this.#fail(commits, error);
      return;
    }
    const { attempts, slots } = this.consequences.undo(commits, error);
    this.#redo = this.#redo.concat(attempts);
    for (const { slot, steps } of slots) {
      slot.isHeld = true;
      this.#resume.set(slot, steps);
    }
    this.#pause?.cancel();
    this.#pause = this.world.options.clock.setDelay(this.#pauseMs, () => {
      this.#pause = null;
      this.send({ type: 'rouse.tick' });
    });
    this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE_LAST_MS);
    this.world.logger.log('error', 'The store could not write; what is under way is tried again.', { error });
  }

  /** The store cannot be trusted any more: everyone is told, and the runtime stands still until it is started anew. */
  #fail(commits: readonly PendingCommit[], error: unknown): void {
    this.failure =
      error instanceof StoreFailedError
        ? error
        : new StoreFailedError(error instanceof Error ? error.message : String(error), { cause: error });
    for (const commit of [...commits, ...this.world.committer.abandon()])
      for (const caller of commit.callers ?? []) caller.reject(this.failure);
    this.world.rejectWaiters(this.failure);
    this.stop();
    this.world.logger.log('error', this.failure.message, { error });
    this.onFailure?.();
  }

  /** What is to be done by itself: meetings, ended children, deadlines, passivation; and the timer for the next of them. */
  #tick(budget: number): void {
    const { world } = this;
    if (this.failure !== null || world.isStopping) return;
    const { now } = world;
    if (this.#pause === null) this.#takeUpAgain();
    this.#meet(budget);
    if (world.endedChildren.length > 0) this.#tellParents();
    this.#fireDeadlines(budget, now);
    if (this.#pause === null) forgetFinished(world, this.router, Math.min(budget, BUDGET));
    if (this.#pause === null) this.router.forgetIds(now);
    this.instances.passivate(now, Math.min(budget, BUDGET));
    this.#setTimer(now);
  }

  /** What the failed write undid: the outcomes that had arrived, and what those instances have on disk to do. */
  #takeUpAgain(): void {
    if (this.#redo.length === 0 && this.#resume.size === 0) return;
    const slots = [...this.#resume];
    const attempts = this.#redo.splice(0);
    this.#resume.clear();
    for (const [slot, steps] of slots) {
      slot.isHeld = false;
      this.world.slots.settle(slot);
      const isRedone = (request: Request): boolean => attempts.some((event) => event.instanceId === slot.id && event.seq === request.seq);
      this.consequences.resume(
        slot,
        steps.filter((request) => !isRedone(request)),
      );
    }
    for (const event of attempts) this.consequences.applyAttempt(event);
  }

  #tellParents(): void {
    const ended = this.world.endedChildren;
    this.world.endedChildren = [];
    for (const child of ended) {
      if (this.#mayGoOn(this.world.childWaits.get(child) ?? [])) this.consequences.tellParents(child);
      else this.world.endedChildren.push(child);
    }
  }

  /** In the pause after a failed write only those go on who write nothing. */
  #mayGoOn(waits: readonly { readonly owner: Sleeper }[]): boolean {
    return this.#pause === null || waits.every(({ owner }) => typeof owner === 'object' && owner.isEphemeral);
  }

  #meet(budget: number): void {
    const { meetings } = this.world;
    if (meetings.length === 0) return;
    this.world.meetings = [];
    for (const address of meetings) {
      const isHeld = this.#pause !== null && !this.router.isOfEphemeral(address);
      if (isHeld || this.router.match(address, budget)) this.world.meetings.push(address);
    }
  }

  #fireDeadlines(budget: number, now: number): void {
    const { deadlines, pauses } = this.world;
    const elapsed = this.world.options.clock.elapsed();
    if (this.#pause === null) for (const due of this.#held.splice(0)) this.#fire(due);
    for (let left = budget; left > 0; left--) {
      const due = pauses.takeDue(elapsed) ?? deadlines.takeDue(now);
      if (due === undefined) return;
      if (this.#pause === null || ('owner' in due && this.#mayGoOn([due]))) this.#fire(due);
      else this.#held.push(due);
    }
  }

  #fire(due: Due): void {
    switch (due.kind) {
      case 'request':
        this.#fireRequest(due);
        break;
      case 'retry':
        this.#fireRetry(due);
        break;
      case 'expiry':
        this.router.expire(due.address);
        break;
    }
  }

  #fireRequest({ owner, key }: RequestDue): void {
    const slot = this.world.slots.of(owner);
    const entry = slot?.requests.get(key);
    if (slot === undefined || entry?.deadline?.isCancelled !== true) return;
    entry.deadline = null;
    this.world.inCommit(() => this.instances.settle(slot, key, 'due', 'null', entry.request.dueAt ?? 0));
  }

  /** The pause before a step's next attempt is over. Not written: recovery sees the time for itself. */
  #fireRetry({ owner, key }: RequestDue): void {
    const slot = this.world.slots.of(owner);
    const entry = slot?.requests.get(key);
    if (slot === undefined || entry?.deadline?.isCancelled !== true) return;
    this.instances.requests.update(slot, key, { ...entry.request, retryAt: null });
    // The pause may have been shorter than the writing of it: the next attempt begins when the last one's end is on disk.
    this.world.committer.barrier({
      resolve: () => this.consequences.startStep(slot, entry.request),
      reject: () => this.#retryLater(slot, key, entry),
    });
  }

  /** What was being written has failed. Unless this instance was part of it, and is as the disk has it, the retry is due again. */
  #retryLater(slot: Slot, key: string, entry: SlotRequest): void {
    if (slot.requests.get(key) !== entry) return;
    this.instances.requests.update(slot, key, { ...entry.request, retryAt: this.world.now });
  }

  #setTimer(now: number): void {
    const { world } = this;
    this.#setAttemptTimer();
    const isPaused = this.#pause !== null;
    const waits = world.meetings.length > 0 || world.endedChildren.length > 0 || this.#redo.length > 0 || this.#resume.size > 0;
    const hasLeft = world.unwritten.size > 0 || (waits && !isPaused);
    const forgettingAt = isPaused ? Infinity : Math.min(this.router.nextForgettingAt ?? Infinity, world.retention.nextDueAt ?? Infinity);
    const work = hasLeft ? now : Math.min(world.deadlines.nextDueAt() ?? Infinity, forgettingAt);
    const at = Math.min(work, this.instances.nextPassivationAt ?? Infinity);
    if (at === this.#timerAt) return;
    if (this.#timer !== null && this.#timerAt <= at && this.#timerAt > now) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerAt = at;
    if (at === Infinity) return;
    this.#timer = world.options.clock.setTimer(at, () => this.send({ type: 'rouse.tick' }));
  }

  #setAttemptTimer(): void {
    const { clock } = this.world.options;
    const at = this.world.pauses.nextDueAt() ?? Infinity;
    if (at === this.#attemptAt) return;
    this.#attemptTimer?.cancel();
    this.#attemptTimer = null;
    this.#attemptAt = at;
    if (at === Infinity) return;
    this.#attemptTimer = clock.setDelay(Math.max(0, at - clock.elapsed()), () => {
      this.#attemptAt = Infinity;
      this.send({ type: 'rouse.tick' });
    });
  }
}

/** Makes and starts the supervisor actor. */
export function startSupervisor(options: WorldOptions): Supervisor {
  let supervisor: Supervisor | null = null;
  const logic: ActorLogic<Snapshot<unknown>, EventObject, undefined> = {
    getInitialSnapshot: (scope) => {
      supervisor = new Supervisor(options, scope as unknown as Scope);
      return { status: 'active', output: undefined, error: undefined };
    },
    transition: (snapshot, event) => {
      if (event.type.startsWith('rouse.')) supervisor?.receive(event as unknown as SupervisorEvent);
      return event.type === 'xstate.stop' ? { ...snapshot, status: 'stopped', output: undefined, error: undefined } : snapshot;
    },
    getPersistedSnapshot: (snapshot) => snapshot,
  };
  createActor(logic, { id: 'rouse', ...(options.inspect !== undefined && { inspect: options.inspect }) }).start();
  if (supervisor === null) throw new Error('The supervisor actor did not start.');
  return supervisor;
}
