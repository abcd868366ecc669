// What goes wrong inside a workflow: mistakes of its author, and what can happen to an instance while it runs.

import type { ErrorData } from './error-data.js';
import { RouseError } from './errors.js';

// --- authoring mistakes told while a workflow runs (G15)

/** A generator yielded something that is not an effect, or misused an operation. */
export class AuthoringError extends RouseError {
  readonly code = 'AUTHORING';
}

/** An operation was made and never run: a `yield*` was forgotten. */
export class ForgottenYieldError extends RouseError {
  readonly code = 'FORGOTTEN_YIELD';
  readonly kind: string;
  readonly operation: string;
  readonly task: string;
  readonly where: string | null;

  constructor(kind: string, operation: string, task: string, where: string | null) {
    super(
      `${kind} "${operation}" was made in ${task} and never run${where === null ? '' : ` (${where})`}. ` +
        'Write yield* in front of it, or remove it.',
    );
    this.kind = kind;
    this.operation = operation;
    this.task = task;
    this.where = where;
  }
}

/** An effect was run outside a workflow. */
export class OutsideWorkflowError extends RouseError {
  readonly code = 'OUTSIDE_WORKFLOW';
  readonly what: string;

  constructor(what: string) {
    super(`${what} was run outside a workflow. Effects only work inside a workflow's generator, where the runtime runs them with yield*.`);
    this.what = what;
  }
}

/** A task or other primitive was used in an instance that did not make it. */
export class ForeignPrimitiveError extends RouseError {
  readonly code = 'FOREIGN_PRIMITIVE';
  readonly what: string;
  readonly instanceId: string;

  constructor(what: string, instanceId: string) {
    super(`${what} belongs to another instance than "${instanceId}". Tasks cannot be shared; send an event instead.`);
    this.what = what;
    this.instanceId = instanceId;
  }
}

/** The generator asked for something else than what its journal says it asked for before. */
export class NondeterminismError extends RouseError {
  readonly code = 'NONDETERMINISM';
  readonly instanceId: string;
  readonly position: number;
  readonly recorded: string;
  readonly requested: string;
  readonly where: string;

  constructor(details: { instanceId: string; position: number; recorded: string; requested: string; where: string }) {
    const { instanceId, position, recorded, requested, where } = details;
    super(
      `Instance "${instanceId}" diverged at journal entry ${position}: recorded ${recorded}, the code now asks ${requested} (${where}). ` +
        'Move clocks, random numbers and I/O into step(), or put the code back and start new instances with a new version; then retry().',
    );
    this.instanceId = instanceId;
    this.position = position;
    this.recorded = recorded;
    this.requested = requested;
    this.where = where;
  }
}

// --- what happens to a running instance

/** The instance or task was cancelled. Thrown once at the wait of each task. */
export class CancelledError extends RouseError {
  readonly code: string = 'CANCELLED';
  readonly reason: string | null;

  constructor(reason: string | null = null) {
    super(reason === null ? 'Cancelled.' : `Cancelled: ${reason}`);
    this.reason = reason;
  }
}

/** A wait or a step attempt took longer than its timeout. */
export class TimeoutError extends RouseError {
  readonly code = 'TIMEOUT';
  readonly what: string;
  readonly ms: number;

  constructor(what: string, ms: number) {
    super(`${what} timed out after ${ms} ms.`);
    this.what = what;
    this.ms = ms;
  }
}

/** Every task of the instance waits for another task of it, and nothing from outside can come. */
export class DeadlockError extends RouseError {
  readonly code = 'DEADLOCK';
  readonly waits: readonly string[];

  constructor(waits: readonly string[]) {
    super(`No task can ever go on: ${waits.join('; ')}.`);
    this.waits = waits;
  }
}

/** A queue takes no more items, or has no more to give: it was closed. */
export class QueueClosedError extends RouseError {
  readonly code = 'QUEUE_CLOSED';
  readonly queue: string;
  readonly instanceId: string;

  constructor(operation: string, queue: string, instanceId: string) {
    super(
      `${operation}() of ${queue} in instance "${instanceId}": the queue is closed. Put before close(), and stop getting when this is thrown.`,
    );
    this.queue = queue;
    this.instanceId = instanceId;
  }
}

/** Every operation given to `any` failed. `errors` are theirs, in order. */
export class AllFailedError extends RouseError {
  readonly code = 'ALL_FAILED';
  readonly errors: readonly unknown[];

  constructor(errors: readonly unknown[]) {
    super(
      `All ${errors.length} operations failed: ${errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ')}.`,
    );
    this.errors = errors;
  }
}

/** Throw it from a step to stop retrying at once. */
export class NonRetryableError extends RouseError {
  readonly code = 'NON_RETRYABLE';

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

/** A step was in flight at too many crashes: it is taken to be what kills the process. */
export class InterruptedTooOftenError extends RouseError {
  readonly code = 'INTERRUPTED_TOO_OFTEN';
  readonly step: string;
  readonly interrupted: number;

  constructor(step: string, interrupted: number) {
    super(
      `Step "${step}" was in flight at ${interrupted} crashes and is not started again. Mend what it does to the process, then retry().`,
    );
    this.step = step;
    this.interrupted = interrupted;
  }
}

/** How an ephemeral instance ended is not known any more: it ended with its process, or too many others have ended since. */
export class EphemeralLostError extends RouseError {
  readonly code = 'EPHEMERAL_LOST';
  readonly instanceId: string;

  constructor(instanceId: string) {
    super(
      `How ephemeral instance "${instanceId}" ended is not known: it ended with its process, or its parent has not asked for very many of them. Start it again, or make its workflow durable.`,
    );
    this.instanceId = instanceId;
  }
}

/** One or more compensations failed while an error left the body. `cause` is that first error. */
export class CompensationError extends RouseError {
  readonly code = 'COMPENSATION_FAILED';
  readonly failures: readonly { readonly name: string; readonly message: string }[];

  constructor(failures: readonly { readonly name: string; readonly message: string }[], options: { cause: unknown }) {
    super(`${failures.length} compensation(s) failed: ${failures.map((f) => `${f.name}: ${f.message}`).join('; ')}.`, options);
    this.failures = failures;
  }
}

/** The workflow ended in an error or was cancelled. `error` is that error as data; of an ephemeral one `cause` is the error itself. */
export class WorkflowFailedError extends RouseError {
  readonly code = 'WORKFLOW_FAILED';
  readonly instanceId: string;
  readonly workflow: string;
  readonly error: ErrorData;

  constructor(instanceId: string, workflow: string, error: ErrorData, options?: { cause: unknown }) {
    super(`Workflow "${workflow}" (instance "${instanceId}") ended with ${error.name}: ${error.message}`, options);
    this.instanceId = instanceId;
    this.workflow = workflow;
    this.error = error;
  }
}

/** The journal of an instance has as many entries as it may. */
export class JournalFullError extends RouseError {
  readonly code = 'JOURNAL_FULL';
  readonly instanceId: string;
  readonly limit: number;

  constructor(instanceId: string, limit: number) {
    super(
      `The journal of instance "${instanceId}" reached ${limit} entries, its limit (journalEntriesMax). Let its workflow continueAs(input) in time, or split the process into children.`,
    );
    this.instanceId = instanceId;
    this.limit = limit;
  }
}

/** Some other bound of limits.ts was reached. */
export class LimitError extends RouseError {
  readonly code = 'LIMIT';
  readonly limitName: string;
  readonly limit: number;

  constructor(limitName: string, limit: number, what: string, wayOut: string) {
    super(`${what}: the limit (${limitName}) is ${limit}. ${wayOut}`);
    this.limitName = limitName;
    this.limit = limit;
  }
}
