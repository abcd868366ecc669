// The shapes of the runtime's public face.

import type { EventType, Workflow } from '../runtime/definitions.js';
import type { Duration } from '../runtime/duration.js';
import type { Delivery, InputArgs } from '../runtime/effects.js';
import type { ErrorData } from '../runtime/error-data.js';
import type { PrimitiveState } from '../runtime/record.js';
import type { WaitInfo } from './workflow-actor.js';

export type Status = 'running' | 'sleeping' | 'completed' | 'failed' | 'cancelled' | 'stuck';

/** An instance as it is committed: what it is, what it waits for, and what it has exposed. Times in milliseconds. */
export interface InstanceInfo {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  /** `running`: a step is under way or about to be; `sleeping`: it waits for something else. */
  readonly status: Status;
  readonly waitingFor: readonly WaitInfo[];
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly error: ErrorData | null;
  readonly exposed: Readonly<Record<string, unknown>>;
  /** How often it has continued as a new generation (`continueAs`). */
  readonly generation: number;
  /** Its live tasks beside the body, and the body where it waits for one of them. */
  readonly tasks: readonly TaskInfo[];
  /** Pools, queues, semaphores and latches that hold something, or that somebody waits for. */
  readonly primitives: readonly PrimitiveInfo[];
}

/** A task of an instance. */
export interface TaskInfo {
  /** `0` is the body. */
  readonly id: string;
  /** Of its function, where that has one. */
  readonly name: string;
  /** The task that ends only after it; null for the body. */
  readonly parent: string | null;
  /** `receive "approval"`, `the end of task 3`, `an item of queue 2`; null while a step or nothing holds it up. */
  readonly waitsFor: string | null;
}

/** A pool, queue, semaphore or latch of an instance. */
export type PrimitiveInfo = PrimitiveState & { readonly id: string };

/** A handle of one instance. Its methods reject with InstanceNotFoundError when there is none of this id. */
export interface Instance<out O> {
  readonly id: string;
  /**
   * Waits, without polling, for the instance's end and gives its output.
   *
   * @throws WorkflowFailedError when it failed or was cancelled; the signal's reason when that is aborted
   */
  result(options?: { signal?: AbortSignal | undefined }): Promise<O>;
  /** The instance as it is committed. */
  info(): Promise<InstanceInfo>;
  /** Sends it an event; see `Runtime.send`. */
  send<Raw>(event: EventType<Raw, unknown>, payload: NoInfer<Raw>, options?: { id?: string | undefined }): Promise<Delivery>;
  /**
   * Throws CancelledError once at the current wait of each of its tasks; their cleanup may go on for long.
   *
   * @throws InstanceEndedError, InstanceStuckError
   */
  cancel(reason?: string): Promise<void>;
  /** Ends it at once, as cancelled, without running any cleanup. */
  terminate(reason?: string): Promise<void>;
  /**
   * Brings a stuck instance back after what was wrong has been put right.
   *
   * @throws InstanceNotStuckError, or why it still cannot go on
   */
  retry(): Promise<void>;
}

/** A keyed event that nobody received before it expired. */
export interface DeadLetter {
  readonly id: string;
  readonly address: string;
  readonly payload: unknown;
  readonly acceptedAt: number;
}

/** Whether the runtime lives and takes work, and figures about it. */
export interface Health {
  readonly live: boolean;
  readonly ready: boolean;
  readonly [figure: string]: unknown;
}

/** A running runtime. What resolves has been committed to disk; when the runtime has stopped, methods reject with RuntimeStoppedError. */
export interface Runtime extends AsyncDisposable {
  /**
   * Starts an instance. A repeated start with the same id, workflow and input gives the same instance.
   *
   * @throws InstanceConflictError, ValidationError, UnstorableValueError, PayloadTooLargeError, UnknownWorkflowError, InvalidIdError
   * @example
   * const order = await runtime.start(provision, { model: 'm1' }, { id: 'order-17' });
   */
  start<Raw, O>(workflow: Workflow<Raw, O>, ...args: InputArgs<NoInfer<Raw>>): Promise<Instance<O>>;
  /** The handle of an instance, whether there is one or not. With its workflow, the result is typed. */
  instance(id: string): Instance<unknown>;
  instance<O>(id: string, workflow: Workflow<never, O>): Instance<O>;
  /**
   * Sends an event to an instance. It may come before the instance receives it. With an `id`, a repeat is answered `duplicate`.
   *
   * @throws InstanceNotFoundError, InstanceEndedError, MailboxFullError, ValidationError, UnstorableValueError, PayloadTooLargeError
   */
  send<Raw>(
    instanceId: string,
    event: EventType<Raw, unknown>,
    payload: NoInfer<Raw>,
    options?: { id?: string | undefined },
  ): Promise<Delivery>;
  /**
   * Publishes an event under a key, for the receive that has waited longest there or comes first.
   *
   * @throws MailboxFullError, ValidationError, UnstorableValueError, PayloadTooLargeError
   */
  publish<Raw>(
    event: EventType<Raw, unknown>,
    key: string,
    payload: NoInfer<Raw>,
    options?: { id?: string | undefined },
  ): Promise<Delivery>;
  /**
   * Answers a `waitForCallback`.
   *
   * @throws TokenUsedError, TokenUnknownError, InstanceStuckError
   */
  complete(token: string, payload: unknown): Promise<void>;
  /** Answers a `waitForCallback` with an error, which is thrown there. */
  reject(token: string, error: unknown): Promise<void>;
  /** Every instance, as committed. */
  list(filter?: { status?: Status | undefined; workflow?: string | undefined }): AsyncIterable<InstanceInfo>;
  /** What an instance has exposed under a name; undefined when it has not. */
  query(instanceId: string, name: string): Promise<unknown>;
  /** Keyed events that expired before anyone received them. */
  deadLetters(): AsyncIterable<DeadLetter>;
  /** Sends a dead letter to its address again. */
  redeliver(deadLetterId: string): Promise<Delivery>;
  health(): Health;
  /**
   * Stops: no new work; steps under way get the grace (default 5 seconds) to end, are then aborted, and run again next time.
   */
  stop(options?: { grace?: Duration | undefined }): Promise<void>;
}
