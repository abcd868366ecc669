// The actor of an instance: XState logic around a workflow's generator. Under the supervisor it is a child whose turns
// go into the supervisor's commits; alone, under createActor, it runs its own steps and timers (standalone.ts).
//
// Invariants:
//   A1. A snapshot shows what is committed, never a turn that may still fail.
//   A2. Stopping the actor drops its generator where it sleeps: no `finally` of the workflow runs.

import { type ActorLogic, type ActorRefFrom, type ActorScope, createActor, type EventObject, type Snapshot } from 'xstate';
import { type Carried, unpack } from '../runtime/carried.js';
import { type AnyEvent, toWorkflowDefinition, type Workflow, type WorkflowDefinition } from '../runtime/definitions.js';
import { type ErrorData, fromErrorData, toErrorData } from '../runtime/error-data.js';
import { DefinitionError } from '../runtime/errors.js';
import type { SettleStatus } from '../runtime/execution.js';
import type { Request } from '../runtime/record.js';
import type { InstanceEnd } from '../runtime/turn-delta.js';
import type { InstanceProcess } from './instance-process.js';
import { isRunning } from './slot.js';
import { StandaloneHost, type StandalonePlace, type StandalonePorts } from './standalone.js';

/** What an instance actor can be told. The outside sends `rouse.event` and `rouse.cancel`; the others are the runtime's. */
export type WorkflowActorEvent =
  | { readonly type: 'rouse.event'; readonly event: AnyEvent; readonly payload: unknown; readonly key?: string }
  | { readonly type: 'rouse.cancel'; readonly reason?: string | null; readonly at?: number }
  | { readonly type: 'rouse.match'; readonly address: string }
  | { readonly type: 'rouse.begin'; readonly at: number }
  | { readonly type: 'rouse.settle'; readonly at: number; readonly key: string; readonly status: SettleStatus; readonly carried: Carried }
  | { readonly type: 'rouse.committed'; readonly end: InstanceEnd | null };

/** What an instance waits for, as people are shown it. */
export interface WaitInfo {
  readonly kind: string;
  readonly name: string;
  readonly key: string | null;
  readonly since: number;
  readonly dueAt: number | null;
}

/** An instance as its actor shows it: committed state only. */
export interface InstanceView {
  readonly id: string;
  readonly workflow: string;
  readonly phase: 'running' | 'sleeping';
  readonly waitingFor: readonly WaitInfo[];
}

/** The snapshot of an instance actor; `instance` is null when it was restored from JSON and has ended. */
export type WorkflowSnapshot<O> = Snapshot<O> & { readonly instance: InstanceView | null };

/** The XState logic of a workflow. */
export type WorkflowLogic<I = unknown, O = unknown> = ActorLogic<WorkflowSnapshot<O>, WorkflowActorEvent, I>;
type Scope = ActorScope<WorkflowSnapshot<unknown>, WorkflowActorEvent>;
type SupervisorScope = ActorScope<Snapshot<unknown>, EventObject>;

/** How the supervisor hands an instance to its actor. */
class SupervisedInput {
  readonly process: InstanceProcess;

  constructor(process: InstanceProcess) {
    this.process = process;
  }
}

/** XState logic that runs a workflow, by itself with these ports; the public `fromWorkflow` is wired in index.ts. */
export function fromWorkflow<Raw, O>(workflow: Workflow<Raw, O>, ports: StandalonePorts): WorkflowLogic<Raw, O> {
  return makeLogic(toWorkflowDefinition(workflow), ports) as unknown as WorkflowLogic<Raw, O>;
}

const supervisedLogics = new WeakMap<WorkflowDefinition, WorkflowLogic>();

/** The logic of the supervisor's children: one per workflow. */
function supervisedLogic(workflow: WorkflowDefinition): WorkflowLogic {
  const known = supervisedLogics.get(workflow);
  if (known !== undefined) return known;
  const logic = makeLogic(workflow, null);
  supervisedLogics.set(workflow, logic);
  return logic;
}

function makeLogic(workflow: WorkflowDefinition, ports: StandalonePorts | null): WorkflowLogic {
  return {
    getInitialSnapshot: (scope, input) => {
      if (input instanceof SupervisedInput) return new InstanceSnapshot(input.process, 'active').shape;
      return new InstanceSnapshot(StandaloneHost.begin(workflow, input, toPlace(scope as Scope, ports)), 'active').shape;
    },
    restoreSnapshot: (persisted, scope) => {
      const { status, record } = persisted as unknown as PersistedSnapshot;
      if (status !== 'active') return new EndedSnapshot(persisted as Snapshot<unknown>) as unknown as WorkflowSnapshot<unknown>;
      return new InstanceSnapshot(StandaloneHost.restore(workflow, record, toPlace(scope as Scope, ports)), 'active').shape;
    },
    start: (snapshot) => {
      const process = toProcess(snapshot);
      if (process?.host instanceof StandaloneHost) process.host.start();
    },
    transition: (snapshot, event) => {
      const process = toProcess(snapshot);
      if (process === null) return snapshot;
      const next = transition(snapshot, process, event);
      if (process.host instanceof StandaloneHost) process.host.assertSound();
      return next;
    },
    getPersistedSnapshot: (snapshot) => persist(snapshot),
  };
}

function toPlace(scope: Scope, ports: StandalonePorts | null): StandalonePlace {
  if (ports === null) throw new DefinitionError('An instance actor under the supervisor is made by the supervisor only.');
  return { scope, ports };
}

/**
 * The actor of an ephemeral instance while nobody inspects: what it is told goes straight to its process. It can be
 * told the same things, and is a tenth of the cost.
 */
export class LightActor {
  readonly #process: InstanceProcess;

  constructor(process: InstanceProcess) {
    this.#process = process;
  }

  send(event: WorkflowActorEvent): void {
    if (event.type === 'rouse.begin') this.#process.begin(event.at);
    else if (event.type === 'rouse.settle') this.#process.settle(event.at, event.key, event.status, event.carried);
    else if (event.type === 'rouse.cancel') this.#process.cancel(event.at ?? 0, event.reason ?? null);
  }
}

/** The actor of an awake instance. */
export type InstanceActor = ActorRefFrom<WorkflowLogic> | LightActor;

/** Makes and starts the child actor of an instance. */
export function spawnInstance(scope: SupervisorScope, process: InstanceProcess): ActorRefFrom<WorkflowLogic> {
  return createActor(supervisedLogic(process.workflow), {
    input: new SupervisedInput(process),
    id: process.id,
    parent: scope.self,
  }).start();
}

function toProcess(snapshot: WorkflowSnapshot<unknown>): InstanceProcess | null {
  const candidate: unknown = snapshot;
  return candidate instanceof InstanceSnapshot ? candidate.process : null;
}

function transition(
  snapshot: WorkflowSnapshot<unknown>,
  process: InstanceProcess,
  event: WorkflowActorEvent | { readonly type: 'xstate.stop' },
): WorkflowSnapshot<unknown> {
  switch (event.type) {
    case 'rouse.begin':
      process.begin(event.at);
      return snapshot;
    case 'rouse.settle':
      process.settle(event.at, event.key, event.status, event.carried);
      return snapshot;
    case 'rouse.committed':
      return committed(process, event.end);
    case 'xstate.stop':
      if (process.host instanceof StandaloneHost) process.host.stop();
      return new InstanceSnapshot(process, 'stopped').shape;
    default:
      if (process.host instanceof StandaloneHost) process.host.told(event);
      else if (event.type === 'rouse.cancel') process.cancel(event.at ?? 0, event.reason ?? null);
      return snapshot;
  }
}

function committed(process: InstanceProcess, end: InstanceEnd | null): WorkflowSnapshot<unknown> {
  if (end === null) return new InstanceSnapshot(process, 'active').shape;
  return new InstanceSnapshot(process, end.status === 'completed' ? 'done' : 'error', end.carried).shape;
}

/** A class with getters: what nobody looks at is not computed. XState's union of shapes is met by `shape`. */
class InstanceSnapshot {
  readonly status: 'active' | 'done' | 'error' | 'stopped';
  readonly #process: InstanceProcess;
  readonly #end: Carried | undefined;

  constructor(process: InstanceProcess, status: 'active' | 'done' | 'error' | 'stopped', end?: Carried) {
    this.#process = process;
    this.status = status;
    this.#end = end;
  }

  get process(): InstanceProcess {
    return this.#process;
  }

  get output(): unknown {
    return this.status === 'done' && this.#end !== undefined ? unpack(this.#end) : undefined;
  }

  get error(): unknown {
    return this.status === 'error' && this.#end !== undefined ? unpackError(this.#end) : undefined;
  }

  get instance(): InstanceView {
    const requests = this.#process.host.requests();
    const runs = requests.some(isRunning);
    return {
      id: this.#process.id,
      workflow: this.#process.workflow.name,
      phase: runs ? 'running' : 'sleeping',
      waitingFor: requests.map(toWaitInfo),
    };
  }

  get shape(): WorkflowSnapshot<unknown> {
    return this as unknown as WorkflowSnapshot<unknown>;
  }

  toJSON(): object {
    return { status: this.status, output: this.output, error: this.error, instance: this.instance };
  }
}

function unpackError(carried: Carried): unknown {
  return typeof carried === 'string' ? fromErrorData(unpack(carried) as ErrorData) : carried.value;
}

class EndedSnapshot {
  readonly status: string;
  readonly output: unknown;
  readonly error: unknown;
  readonly instance = null;

  constructor(persisted: Snapshot<unknown>) {
    this.status = persisted.status;
    this.output = persisted.output;
    this.error = persisted.status === 'error' ? fromErrorData(persisted.error as ErrorData) : undefined;
  }
}

interface PersistedSnapshot {
  readonly status: string;
  readonly record: object;
}

function persist(snapshot: WorkflowSnapshot<unknown>): Snapshot<unknown> {
  const { status, output } = snapshot;
  const error = snapshot.status === 'error' ? toErrorData(snapshot.error) : undefined;
  const record = toProcess(snapshot)?.host.persisted();
  return { status, output, error, record } as unknown as Snapshot<unknown>;
}

/** What people are shown of a request. A step that waits for its next attempt is due then. */
export function toWaitInfo(request: Request): WaitInfo {
  return { kind: request.kind, name: request.name, key: request.key, since: request.since, dueAt: request.retryAt ?? request.dueAt };
}
