// A slot: what the supervisor knows of one instance, awake or not. It is ahead of the disk by the commits on their
// way, and is read anew from the store when one of them fails.

import type { ActorRefFrom } from 'xstate';
import type { Deadline } from '../runtime/deadlines.js';
import type { ErrorData } from '../runtime/error-data.js';
import type { Receiver } from '../runtime/mailbox-map.js';
import type { InstanceRecord, RecordStatus, Request } from '../runtime/record.js';
import { SmallMap } from '../runtime/small-map.js';
import type { InstanceProcess } from './instance-process.js';
import type { Attempt } from './step-runner.js';
import type { WorkflowLogic } from './workflow-actor.js';
import type { Due } from './world.js';

/** A request as the supervisor keeps it, with what is to be undone when it closes. */
export interface SlotRequest {
  request: Request;
  receivers: readonly Receiver[] | null;
  deadline: Deadline<Due> | null;
}

/** An awake instance. */
export interface Resident {
  readonly actor: ActorRefFrom<WorkflowLogic>;
  readonly process: InstanceProcess;
}

/** Somebody who waits for an instance's end. */
export interface ResultWaiter {
  ended(status: RecordStatus, text: string): void;
  reject(error: unknown): void;
}

export class Slot {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  readonly depth: number;
  readonly parent: string | null;
  status: RecordStatus = 'active';
  stuck: ErrorData | null = null;
  endedAt: number | null = null;
  requests = new SmallMap<string, SlotRequest>();
  /** Attempts of its steps that are under way; they outlive a failed write. */
  attempts: SmallMap<string, Attempt> | null = null;
  resident: Resident | null = null;
  /** Commits on their way that change it. */
  uncommitted = 0;
  /** Its encoded input, until that is on disk. */
  inputText: string | null = null;
  isCancelled = false;
  /** The `n` part of its first delta, until its first turn. */
  beginText: string | null = null;
  /** Those who wait for its end. */
  waiters: ResultWaiter[] | null = null;
  /** Addresses of events sent to it, that have a mailbox. */
  mailboxes: Set<string> | null = null;

  constructor(head: Pick<InstanceRecord, 'id' | 'workflow' | 'version' | 'depth' | 'parent'>) {
    this.id = head.id;
    this.workflow = head.workflow;
    this.version = head.version;
    this.depth = head.depth;
    this.parent = head.parent;
  }

  get isActive(): boolean {
    return this.status === 'active';
  }

  /** Whether a step is to run or runs: not in the pause before its next attempt. */
  get hasRunningStep(): boolean {
    for (const { request } of this.requests.values()) if (isStep(request) && request.retryAt === null) return true;
    return false;
  }

  /** The status that people are shown. */
  get shownStatus(): string {
    if (!this.isActive) return this.status;
    if (this.stuck !== null) return 'stuck';
    return this.hasRunningStep || this.requests.size === 0 ? 'running' : 'sleeping';
  }
}

export function isStep(request: Request): boolean {
  return request.kind === 'step' || request.kind === 'activity';
}
