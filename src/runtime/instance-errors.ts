// What the outside may be told when it asks something of an instance or of the runtime.

import { RouseError } from './errors.js';

/** There is no instance of this id, or its retention is over. */
export class InstanceNotFoundError extends RouseError {
  readonly code = 'INSTANCE_NOT_FOUND';
  readonly instanceId: string;

  constructor(instanceId: string) {
    super(`There is no instance "${instanceId}": it was never started, or ended and its retention is over.`);
    this.instanceId = instanceId;
  }
}

/** The instance has ended: it takes nothing any more. */
export class InstanceEndedError extends RouseError {
  readonly code = 'INSTANCE_ENDED';
  readonly instanceId: string;
  readonly status: string;

  constructor(instanceId: string, status: string) {
    super(`Instance "${instanceId}" is ${status} and takes nothing any more. Its result() and info() can still be read.`);
    this.instanceId = instanceId;
    this.status = status;
  }
}

/** The id is in use by an instance of another workflow or with another input. */
export class InstanceConflictError extends RouseError {
  readonly code = 'INSTANCE_CONFLICT';
  readonly instanceId: string;
  readonly difference: 'workflow' | 'input';

  constructor(instanceId: string, difference: 'workflow' | 'input') {
    super(
      `Instance "${instanceId}" exists with another ${difference}. A repeated start must be the same; use another id for another process.`,
    );
    this.instanceId = instanceId;
    this.difference = difference;
  }
}

/** The instance is stuck: it cannot do this until retry() succeeds. */
export class InstanceStuckError extends RouseError {
  readonly code = 'INSTANCE_STUCK';
  readonly instanceId: string;
  readonly reason: string;

  constructor(instanceId: string, reason: string) {
    super(`Instance "${instanceId}" is stuck (${reason}). Put right what is wrong and call retry(), or terminate() it.`);
    this.instanceId = instanceId;
    this.reason = reason;
  }
}

/** retry() was called on an instance that is not stuck. */
export class InstanceNotStuckError extends RouseError {
  readonly code = 'INSTANCE_NOT_STUCK';
  readonly instanceId: string;
  readonly status: string;

  constructor(instanceId: string, status: string) {
    super(`Instance "${instanceId}" is ${status}, not stuck: there is nothing to retry.`);
    this.instanceId = instanceId;
    this.status = status;
  }
}

/** A mailbox holds as many events as it may. */
export class MailboxFullError extends RouseError {
  readonly code = 'MAILBOX_FULL';
  readonly address: string;
  readonly limit: number;

  constructor(address: string, limit: number) {
    super(`The mailbox of ${address} holds ${limit} events, its limit (mailboxEventsMax). Send again when they have been received.`);
    this.address = address;
    this.limit = limit;
  }
}

/** No wait was ever opened with this callback token. */
export class TokenUnknownError extends RouseError {
  readonly code = 'TOKEN_UNKNOWN';

  constructor() {
    super('No wait was opened with this callback token. Pass the token that submit() was given, unchanged.');
  }
}

/** The wait of this callback token is over: it was answered, timed out or was cancelled. */
export class TokenUsedError extends RouseError {
  readonly code = 'TOKEN_USED';
  readonly instanceId: string;

  constructor(instanceId: string) {
    super(
      `The wait of this callback token is over: instance "${instanceId}" had its answer, timed out or was cancelled. A token works once.`,
    );
    this.instanceId = instanceId;
  }
}

/** The runtime has been stopped, or stopped itself. */
export class RuntimeStoppedError extends RouseError {
  readonly code = 'RUNTIME_STOPPED';

  constructor(options?: { cause?: unknown }) {
    super('The runtime has stopped and takes no more work. Create a new one on the same store.', options);
  }
}
