// The public face of rouse, and the place where actors and adapters meet.

import type { InspectionEvent, Observer } from 'xstate';
import type { Runtime } from './actors/public.js';
import { RuntimeCore } from './actors/runtime.js';
import { type WorkflowLogic, fromWorkflow as workflowLogic } from './actors/workflow-actor.js';
import { systemClock } from './adapters/clock/system-clock.js';
import { randomIds } from './adapters/ids/random-ids.js';
import { consoleLogger } from './adapters/logger/console-logger.js';
import { jsonStore } from './adapters/stores/json/json-store.js';
import type { Workflow } from './runtime/definitions.js';
import { checkOptions, type RuntimeOptions, toStorePort } from './runtime/options.js';

/** What is XState's of the options. */
export interface InspectOptions {
  /** Told of every inspection event of XState: the supervisor and each awake instance. It slows each message; pass it only while someone looks. */
  inspect?: Observer<InspectionEvent> | ((event: InspectionEvent) => void) | undefined;
}

/**
 * Opens the store, recovers what was committed, and runs it: accepted events are delivered first, then overdue
 * deadlines fire, then steps that were in flight run again.
 *
 * @throws DefinitionError, DuplicateWorkflowError, StoreLockedError, StoreCorruptError, StoreFormatError, StoreUnavailableError
 * @example
 * const runtime = await createRuntime({ workflows: [provision], store: jsonStore('/var/lib/orders') });
 * process.once('SIGTERM', () => runtime.stop({ grace: '5s' }));
 */
export async function createRuntime(options: RuntimeOptions & InspectOptions): Promise<Runtime> {
  const checked = checkOptions(options);
  const logger = options.logger ?? consoleLogger();
  const store = await toStorePort(options.store ?? jsonStore('.rouse')).open({ logger });
  return RuntimeCore.start({
    ...checked,
    store,
    logger,
    clock: systemClock(),
    ids: randomIds(),
    inspect: options.inspect,
    strict: options.strict ?? process.env.NODE_ENV !== 'production',
  });
}

/**
 * XState logic that runs a workflow: as the runtime's child actors do, and by itself under `createActor`, where it
 * persists (`getPersistedSnapshot`) and restores. By itself it has no store and no other instances: what is not
 * persisted is lost, and `send`, `publish` and `startChild` are refused.
 *
 * @example
 * const actor = createActor(fromWorkflow(approve), { id: 'order-1', input: order }).start();
 * actor.send({ type: 'rouse.event', event: approval, payload: { approved: true } });
 * const output = await toPromise(actor);
 */
export function fromWorkflow<Raw, O>(workflow: Workflow<Raw, O>): WorkflowLogic<Raw, O> {
  return workflowLogic(workflow, { ids: randomIds(), now: systemClock().now });
}

// --- the runtime
export type { DeadLetter, Health, Instance, InstanceInfo, PrimitiveInfo, Runtime, Status, TaskInfo } from './actors/public.js';
export type {
  WaitInfo,
  WorkflowActorEvent,
  WorkflowLogic,
  WorkflowSnapshot,
} from './actors/workflow-actor.js';
// --- stores
export { jsonStore } from './adapters/stores/json/json-store.js';
export { memoryStore } from './adapters/stores/memory-store.js';
// --- definitions
export {
  type AnyEvent,
  type AnyWorkflow,
  type EventOptions,
  type EventType,
  event,
  type PayloadOf,
  type Received,
  type Workflow,
  workflow,
} from './runtime/definitions.js';
export type { Duration } from './runtime/duration.js';
export {
  activity,
  call,
  compensate,
  continueAs,
  type Delivery,
  expose,
  instanceId,
  now,
  publish,
  random,
  receive,
  receiveAny,
  type Source,
  send,
  sleep,
  sleepUntil,
  startChild,
  step,
  uuid,
  waitForCallback,
} from './runtime/effects.js';
// --- errors
export type { ErrorData } from './runtime/error-data.js';
export {
  DecodeError,
  DefinitionError,
  DuplicateWorkflowError,
  InvalidDurationError,
  InvalidIdError,
  PayloadTooLargeError,
  RouseError,
  SchemaAsyncError,
  UnknownEventError,
  UnknownWorkflowError,
  UnstorableValueError,
  ValidationError,
} from './runtime/errors.js';
export {
  InstanceConflictError,
  InstanceEndedError,
  InstanceNotFoundError,
  InstanceNotStuckError,
  InstanceStuckError,
  MailboxFullError,
  RuntimeStoppedError,
  TokenUnknownError,
  TokenUsedError,
} from './runtime/instance-errors.js';
export { createLatch, type Latch } from './runtime/latch.js';
// --- operations
export type { Effect, Operation, Result } from './runtime/operation.js';
export type { RuntimeOptions } from './runtime/options.js';
export { createPool, type Pool } from './runtime/pool.js';
export type { Logger, LogLevel, Store } from './runtime/ports.js';
export { createQueue, type Queue, type QueueOptions } from './runtime/queue.js';
export type { StandardSchemaV1 } from './runtime/schema.js';
export { createSemaphore, type Semaphore } from './runtime/semaphore.js';
export type { RetryPolicy, StepContext, StepOptions } from './runtime/step-options.js';
export {
  StoreCorruptError,
  StoreFailedError,
  StoreFormatError,
  StoreFullError,
  StoreLockedError,
  StoreReadError,
  StoreUnavailableError,
  StoreWriteError,
} from './runtime/store-errors.js';
export { all, allSettled, any, race, type Settled, spawn, spawnAfter, type Task, type TaskEnd, timeout } from './runtime/tasks.js';
export {
  AllFailedError,
  AuthoringError,
  CancelledError,
  CompensationError,
  DeadlockError,
  EphemeralLostError,
  ForeignPrimitiveError,
  ForgottenYieldError,
  InterruptedTooOftenError,
  JournalFullError,
  LimitError,
  NondeterminismError,
  NonRetryableError,
  OutsideWorkflowError,
  QueueClosedError,
  TimeoutError,
  WorkflowFailedError,
} from './runtime/workflow-errors.js';
export { log } from './runtime/workflow-log.js';
