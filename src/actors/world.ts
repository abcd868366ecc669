// What the parts of the supervisor share: the state of everything that it runs, and the commit that it is making.
//
// Invariants:
//   W1. Everything that one message to the supervisor changes goes into commits of its own, made within that message.
//   W2. Memory is ahead of the disk by the commits on their way, and by nothing else.

import type { InspectionEvent, Observer } from 'xstate';
import { type Deadline, DeadlineHeap, type DeadlineKey } from '../runtime/deadlines.js';
import type { EventDefinition, WorkflowDefinition } from '../runtime/definitions.js';
import { UnknownWorkflowError } from '../runtime/errors.js';
import { Fifo } from '../runtime/fifo.js';
import { MailboxMap } from '../runtime/mailbox-map.js';
import { workflowId } from '../runtime/options.js';
import type { Clock, Ids, Logger, OpenStore } from '../runtime/ports.js';
import { type Caller, PendingCommit } from './commit.js';
import type { Committer } from './committer.js';
import { Requests } from './requests.js';
import { type KeepFinished, Retention } from './retention.js';
import { type Sleeper, Slots } from './slots.js';
import { StepRunner } from './step-runner.js';

/** What comes up at a deadline. */
export type Due = RequestDue | { readonly kind: 'expiry'; readonly address: string };

export interface RequestDue {
  readonly kind: 'request' | 'retry';
  owner: Sleeper;
  readonly key: string;
}

/** A request that waits for a child's end, or for a callback. */
export interface RequestRef {
  owner: Sleeper;
  readonly key: string;
}

export interface WorldOptions {
  readonly workflows: ReadonlyMap<string, WorkflowDefinition>;
  /** The event types that the outside may use by name. */
  readonly events: ReadonlyMap<string, EventDefinition>;
  readonly store: OpenStore;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly logger: Logger;
  readonly passivateAfterMs: number;
  readonly maxResident: number;
  readonly keepFinished: KeepFinished;
  readonly strict: boolean;
  /** Told of every inspection event of XState, for those who watch actors. */
  readonly inspect?: Observer<InspectionEvent> | ((event: InspectionEvent) => void) | undefined;
}

const PLACES_MAX = 10_000;

export class World {
  readonly options: WorldOptions;
  readonly slots: Slots;
  readonly requests: Requests;
  readonly retention: Retention;
  readonly mailboxes = new MailboxMap<Sleeper>();
  readonly deadlines = new DeadlineHeap<Due>();
  /** Pauses before a step's next attempt, by the time that has passed: setting the clock does not touch them. */
  readonly pauses = new DeadlineHeap<Due>();
  readonly tokens = new Map<string, RequestRef>();
  readonly childWaits = new Map<string, RequestRef[]>();
  readonly runner: StepRunner;
  /** Addresses at which a receiver and an event on disk have met. */
  meetings: string[] = [];
  /** Children that have ended while somebody waits for them. */
  endedChildren: string[] = [];
  /** Commits of ephemeral instances that have nothing to write: what follows from them is to be done. */
  readonly unwritten = new Fifo<PendingCommit>();
  isStopping = false;
  #commit: PendingCommit | null = null;
  /** One that was not used. */
  #spare: PendingCommit | null = null;
  #committer: Committer | null = null;
  #seq = 0;
  readonly #placesTold = new Set<string>();

  readonly logger: Logger;

  constructor(options: WorldOptions) {
    this.options = options;
    this.logger = unfailing(options.logger);
    this.runner = new StepRunner(options.clock);
    this.slots = new Slots(this);
    this.requests = new Requests(this);
    this.retention = new Retention(options.keepFinished);
  }

  get now(): number {
    return this.options.clock.now();
  }

  get store(): OpenStore {
    return this.options.store;
  }

  get committer(): Committer {
    if (this.#committer === null) throw new Error('The world has no committer yet.');
    return this.#committer;
  }

  set committer(committer: Committer) {
    this.#committer = committer;
  }

  /** Whether a place was not told of before. */
  isNewPlace(place: string): boolean {
    if (this.#placesTold.has(place) || this.#placesTold.size >= PLACES_MAX) return false;
    this.#placesTold.add(place);
    return true;
  }

  nextSeq(): number {
    return ++this.#seq;
  }

  /** Numbers go on behind those that the store has. */
  sawSeq(seq: number): void {
    if (seq > this.#seq) this.#seq = seq;
  }

  /** The commit that is being made. */
  get commit(): PendingCommit {
    if (this.#commit === null) throw new Error('No commit is being made.');
    return this.#commit;
  }

  /**
   * Runs what belongs to one commit, and sends it off. The caller, when there is one, is told when it is on disk; when
   * nothing was changed, when everything before it is.
   */
  inCommit(run: () => void, caller?: Caller): void {
    const outer = this.#commit;
    const commit = outer ?? this.#spare ?? new PendingCommit();
    this.#spare = null;
    this.#commit = commit;
    try {
      run();
    } finally {
      this.#commit = outer;
      if (outer === null) this.#sendOff(commit);
    }
    if (caller === undefined) return;
    if (commit.changes.length > 0 || commit.hasConsequences) commit.addCaller(caller);
    else if (commit.ephemerals !== null) caller.resolve();
    else this.committer.barrier(caller);
  }

  #sendOff(commit: PendingCommit): void {
    if (commit.changes.length > 0 || restsOnWrites(commit)) {
      commit.isInLine = true;
      for (const slot of commit.ephemerals ?? []) slot.uncommitted++;
      this.committer.add(commit);
    } else if (commit.hasConsequences) this.unwritten.add(commit);
    else if (commit.isUntouched) this.#spare = commit;
  }

  /** Notes when a request is due: a pause, or a deadline. */
  addDue(key: DeadlineKey, due: RequestDue): Deadline<Due> {
    if (due.kind === 'request') return this.deadlines.add(key, due);
    const { clock } = this.options;
    return this.pauses.add({ ...key, dueAt: clock.elapsed() + key.dueAt - clock.now() }, due);
  }

  cancelDue(deadline: Deadline<Due>): void {
    if (deadline.what.kind === 'retry') this.pauses.cancel(deadline);
    else this.deadlines.cancel(deadline);
  }

  /** Of ephemeral instances, what was to follow and never will. */
  rejectUnfollowed(error: unknown): void {
    for (let commit = this.unwritten.first; commit !== undefined; commit = this.unwritten.first) {
      this.unwritten.removeFirst();
      for (const caller of commit.callers ?? []) caller.reject(error);
    }
  }

  rejectWaiters(error: unknown): void {
    for (const slot of this.slots.values()) {
      const waiters = slot.waiters ?? [];
      slot.waiters = null;
      for (const waiter of waiters) waiter.reject(error);
    }
  }

  /** The deltas of an instance that are on their way to the disk. */
  uncommittedDeltas(instanceId: string): string[] {
    const commits = [...this.committer.pending(), ...(this.#commit === null ? [] : [this.#commit])];
    return commits.flatMap((commit) =>
      commit.changes.filter((change) => change.table === 'instance' && change.key === instanceId).map((change) => change.delta),
    );
  }

  workflow(name: string, version: number): WorkflowDefinition {
    const found = this.options.workflows.get(workflowId(name, version));
    if (found === undefined) throw new UnknownWorkflowError(name, version);
    return found;
  }
}

/** It has nothing to write, but an instance of it has something on its way to the disk: that may fail, and take it along. */
function restsOnWrites({ hasConsequences, ephemerals }: PendingCommit): boolean {
  return hasConsequences && (ephemerals ?? []).some((slot) => slot.uncommitted > 0);
}

/** A logger that throws must take nobody down; there is nowhere left to tell it. */
function unfailing(logger: Logger): Logger {
  return {
    log(level, message, fields) {
      try {
        logger.log(level, message, fields);
      } catch {
        // Nothing can be done for a log that cannot be written.
      }
    },
  };
}
