// A slot: what the supervisor knows of one instance, awake or not. It is ahead of the disk by the commits on their
// way, and is read anew from the store when one of them fails.

import type { Carried } from '../runtime/carried.js';
import { revive } from '../runtime/codec.js';
import type { Deadline } from '../runtime/deadlines.js';
import type { ErrorData } from '../runtime/error-data.js';
import type { Receiver } from '../runtime/mailbox-map.js';
import type { InstanceRecord, RecordStatus, Request } from '../runtime/record.js';
import { isStepKind } from '../runtime/request-text.js';
import { SmallMap } from '../runtime/small-map.js';
import type { InstanceEnd } from '../runtime/turn-delta.js';
import type { InstanceProcess } from './instance-process.js';
import type { Sleeper } from './slots.js';
import type { Attempt } from './step-runner.js';
import type { InstanceActor } from './workflow-actor.js';
import type { Due } from './world.js';

/** A request as the supervisor keeps it, with what is to be undone when it closes. */
export interface SlotRequest {
  request: Request;
  receivers: readonly Receiver<Sleeper>[] | null;
  deadline: Deadline<Due> | null;
}

/** An awake instance. */
export interface Resident {
  readonly actor: InstanceActor;
  readonly process: InstanceProcess;
}

/** Somebody who waits for an instance's end. */
export interface ResultWaiter {
  ended(status: RecordStatus, carried: Carried): void;
  reject(error: unknown): void;
}

type SlotHead = Pick<InstanceRecord, 'id' | 'workflow' | 'version' | 'depth' | 'parent' | 'generation' | 'parentGeneration'>;

export class Slot {
  readonly id: string;
  workflow: string;
  version: number;
  depth: number;
  parent: string | null;
  parentGeneration: number;
  readonly isEphemeral: boolean;
  /** How often it has continued. */
  generation: number;
  status: RecordStatus = 'active';
  stuck: ErrorData | null = null;
  /** Of an ephemeral one; that of others is in their record. */
  startedAt = 0;
  endedAt: number | null = null;
  requests = new SmallMap<string, SlotRequest>();
  /** Those of them that are steps to be run now: counted, since every turn asks. */
  runningSteps = 0;
  /** Attempts of its steps that are under way; they outlive a failed write. */
  attempts: SmallMap<string, Attempt> | null = null;
  resident: Resident | null = null;
  /** Commits on their way that change it. */
  uncommitted = 0;
  /** Its input, until that is on disk; that of an ephemeral one as long as it lives. */
  input: Carried | null = null;
  /** How an ephemeral one has ended: nothing else knows. */
  end: InstanceEnd | null = null;
  /** A cancellation of an ephemeral one that has not begun yet. */
  cancelAsked: { readonly reason: string | null } | null = null;
  /** Ephemeral instances that its body has started and that have ended. */
  endedEphemerals: Set<Slot> | null = null;
  /** Of an ephemeral one: its first input, what it has exposed at its end, and whether anybody has asked how it ended. */
  firstInput: Carried | null = null;
  exposed: ReadonlyMap<string, unknown> | null = null;
  isAsked = false;
  /** Started by `call`: nobody but that wait knows it. */
  isCalled = false;
  isCancelled = false;
  /** The `n` part of its first delta, until its first turn. */
  beginText: string | null = null;
  /** Those who wait for its end. */
  waiters: ResultWaiter[] | null = null;
  /** A write of it has failed, and it is to be taken up again. */
  isHeld = false;
  /** It is among those that are asked whether they can go. */
  isSettling = false;
  /** Its record could not be read. */
  isUnread = false;

  constructor(head: SlotHead, isEphemeral = false) {
    this.id = head.id;
    this.workflow = head.workflow;
    this.version = head.version;
    this.depth = head.depth;
    this.parent = head.parent;
    this.parentGeneration = head.parentGeneration;
    this.generation = head.generation;
    this.isEphemeral = isEphemeral;
  }

  /** Takes over what a record says, but its requests. */
  take(record: InstanceRecord): void {
    this.workflow = record.workflow;
    this.version = record.version;
    this.depth = record.depth;
    this.parent = record.parent;
    this.parentGeneration = record.parentGeneration;
    this.generation = record.generation;
    this.status = record.status;
    this.stuck = record.stuck === null ? null : (revive(record.stuck) as ErrorData);
    this.endedAt = record.endedAt;
    this.cancelAsked = record.cancelAsked;
    this.isCancelled = record.journal.some((entry) => entry.status === 'cancel');
  }

  /** Whether its record says all that there is to say. */
  get canGo(): boolean {
    if (this.isEphemeral || this.resident !== null || this.uncommitted > 0 || this.isHeld || this.isUnread) return false;
    if ((this.waiters?.length ?? 0) > 0 || (this.attempts?.size ?? 0) > 0 || (this.endedEphemerals?.size ?? 0) > 0) return false;
    if (!this.isActive) return true;
    if (this.stuck !== null || this.cancelAsked !== null || this.runningSteps > 0 || this.requests.size === 0) return false;
    // A deadline that came up, and is held back, is not in the heap any more.
    for (const { deadline } of this.requests.values()) if (deadline?.isCancelled === true) return false;
    return true;
  }

  get isActive(): boolean {
    return this.status === 'active';
  }

  /** Whether a step is to run or runs: not in the pause before its next attempt. */
  get hasRunningStep(): boolean {
    return this.runningSteps > 0;
  }

  /** The status that people are shown. */
  get shownStatus(): string {
    if (!this.isActive) return this.status;
    if (this.stuck !== null) return 'stuck';
    return this.hasRunningStep || this.requests.size === 0 ? 'running' : 'sleeping';
  }
}

export function isStep(request: Request): boolean {
  return isStepKind(request.kind);
}

/** A step that is to run or runs. */
export function isRunning(request: Request): boolean {
  return isStep(request) && request.retryAt === null;
}

/** A step in flight; also one whose pause before the next attempt is over: whether it had been started nobody knows. */
export function isInFlight(request: Request, now: number): boolean {
  return isStep(request) && (request.retryAt ?? 0) <= now;
}

export function hasStepInFlight(slot: Slot, now: number): boolean {
  for (const { request } of slot.requests.values()) if (isInFlight(request, now)) return true;
  return false;
}
