// The base of every error that rouse throws, and the errors about definitions and values. One class per decision that a caller can take; `code` is stable and
// documented in DESIGN.md's error table. Errors are data as well: what a caller needs to decide stands in
// fields, and the message says what happened, to whom, and what to do next.

import { describeFound } from './found.js';

/** The base of every error that rouse itself throws. `code` is stable across versions; messages are not. */
export abstract class RouseError extends Error {
  abstract readonly code: string;

  override get name(): string {
    return this.constructor.name;
  }
}

/** A definition (workflow, event, activity, runtime option) is not well-formed. */
export class DefinitionError extends RouseError {
  readonly code = 'DEFINITION';
}

/** Two workflows given to one runtime have the same name and version. */
export class DuplicateWorkflowError extends RouseError {
  readonly code = 'DUPLICATE_WORKFLOW';
  readonly workflow: string;
  readonly version: number;

  constructor(workflow: string, version: number) {
    super(`Two workflows are named "${workflow}" in version ${version}. Give one of them another name, or raise its version.`);
    this.workflow = workflow;
    this.version = version;
  }
}

/** A workflow that this runtime was not given. */
export class UnknownWorkflowError extends RouseError {
  readonly code = 'UNKNOWN_WORKFLOW';
  readonly workflow: string;
  readonly version: number;

  constructor(workflow: string, version: number) {
    super(`This runtime does not know the workflow "${workflow}" in version ${version}. Add it to createRuntime({ workflows: [...] }).`);
    this.workflow = workflow;
    this.version = version;
  }
}

/** An event type that is none, or that this runtime was not given by name. */
export class UnknownEventError extends RouseError {
  readonly code = 'UNKNOWN_EVENT';
  readonly event: string;

  constructor(event: string) {
    super(
      `This runtime does not know the event ${event}. Make it with event('name') and, to use it by name, add it to createRuntime({ events: [...] }).`,
    );
    this.event = event;
  }
}

/** A duration that cannot be read. */
export class InvalidDurationError extends RouseError {
  readonly code = 'INVALID_DURATION';
  readonly duration: unknown;

  constructor(duration: unknown, reason: string) {
    super(
      `${describe(duration)} is not a duration: ${reason}. Use milliseconds, or a string such as '500 ms', '30s', '5 minutes' or '3 days'.`,
    );
    this.duration = duration;
  }
}

/** An instance id that is not 1 to 256 characters without control characters. */
export class InvalidIdError extends RouseError {
  readonly code = 'INVALID_ID';
  readonly id: unknown;

  constructor(id: unknown, what: string, reason: string) {
    super(`${describe(id)} cannot be ${what}: ${reason}.`);
    this.id = id;
  }
}

/** A value failed its schema. `issues` are the schema's own. */
export class ValidationError extends RouseError {
  readonly code = 'VALIDATION';
  readonly what: string;
  readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[];

  constructor(what: string, issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[]) {
    super(`${what} does not fit its schema: ${issues.map(describeIssue).join('; ')}.`);
    this.what = what;
    this.issues = issues;
  }
}

/** A schema answered with a promise where the answer is needed at once: inside a workflow. */
export class SchemaAsyncError extends RouseError {
  readonly code = 'SCHEMA_ASYNC';
  readonly what: string;

  constructor(what: string) {
    super(
      `The schema of ${what} validates asynchronously, which a workflow cannot wait for. Validate in a step(), or use a synchronous schema.`,
    );
    this.what = what;
  }
}

/** A value that cannot be stored: a function, promise, generator, getter or instance of an unregistered class. */
export class UnstorableValueError extends RouseError {
  readonly code = 'UNSTORABLE_VALUE';
  readonly path: string;
  readonly found: string;

  constructor(path: string, found: string) {
    super(
      `${path} is ${found}, which cannot be stored. Storable are JSON, Date, Map, Set, BigInt, Error, Uint8Array, undefined, NaN, ±Infinity and -0.`,
    );
    this.path = path;
    this.found = found;
  }
}

/** A stored value is not in the format that this version writes. */
export class DecodeError extends RouseError {
  readonly code = 'DECODE';
}

/** A value is larger or deeper than the limit says. */
export class PayloadTooLargeError extends RouseError {
  readonly code = 'PAYLOAD_TOO_LARGE';
  readonly what: string;
  readonly size: number;
  readonly limit: number;

  constructor(what: string, size: number, limit: number, unit: 'bytes' | 'levels' = 'bytes') {
    super(
      `${what} has ${size} ${unit}; the limit (payload${unit === 'bytes' ? 'BytesMax' : 'DepthMax'}) is ${limit}. Store the large part elsewhere and pass a reference to it.`,
    );
    this.what = what;
    this.size = size;
    this.limit = limit;
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  return typeof value === 'object' ? describeFound(value) : String(value);
}

function describeIssue(issue: { readonly message: string; readonly path?: readonly unknown[] | undefined }): string {
  const path = (issue.path ?? [])
    .map((part) => String(part !== null && typeof part === 'object' && 'key' in part ? part.key : part))
    .join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}
