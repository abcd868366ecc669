// What an embedder defines: workflows and event types.

import { type Duration, toMs } from './duration.js';
import { DefinitionError } from './errors.js';
import { describeValue } from './found.js';
import { limits } from './limits.js';
import { assertName } from './names.js';
import type { Operation } from './operation.js';
import type { StandardSchemaV1 } from './schema.js';

/** A definition: name, version and generator function. `Raw` is what a starter passes, `O` what `result()` gives. */
export interface Workflow<in Raw, out O> {
  readonly name: string;
  readonly version: number;
  readonly __types?: (input: Raw) => O;
}

/** Any workflow, whatever its input and output. */
export interface AnyWorkflow extends Workflow<never, unknown> {}

/** An event type. `Raw` is what a sender passes, `P` what receive returns (after the schema). */
export interface EventType<in Raw, out P = Raw> {
  readonly name: string;
  readonly __raw?: (raw: Raw) => void;
  readonly __payload?: () => P;
  /** Narrows what `receiveAny([...])` gave. */
  matches(received: Received<unknown>): received is Received<P>;
}

/** Any event type, whatever its payload. */
export interface AnyEvent {
  readonly name: string;
  readonly __payload?: () => unknown;
}

/** What `receiveAny([...])` gives: which event, and its payload. */
export interface Received<P> {
  readonly event: string;
  readonly payload: P;
}

/** The payload that an event type's receiver gets. */
export type PayloadOf<E> = E extends { readonly __payload?: () => infer P } ? P : never;

/** Options of an event type. */
export interface EventOptions {
  /** How long a keyed event waits for a receiver before it becomes a dead letter. Default 30 days. */
  expiresAfter?: Duration | undefined;
}

/** The inside of a workflow, for the runtime. */
export class WorkflowDefinition implements AnyWorkflow {
  readonly name: string;
  readonly version: number;
  readonly body: (input: unknown) => Operation<unknown>;
  readonly input: StandardSchemaV1 | undefined;
  readonly output: StandardSchemaV1 | undefined;
  readonly isDurable: boolean;

  constructor(options: WorkflowOptions, body: (input: unknown) => Operation<unknown>) {
    this.name = options.name;
    this.version = options.version ?? 1;
    this.input = options.input;
    this.output = options.output;
    this.isDurable = options.durable ?? true;
    this.body = body;
    Object.freeze(this);
  }
}

/** The inside of an event type, for the runtime. */
export class EventDefinition implements AnyEvent {
  readonly name: string;
  readonly schema: StandardSchemaV1 | undefined;
  readonly expiryMs: number;

  constructor(name: string, schema: StandardSchemaV1 | undefined, expiryMs: number) {
    this.name = name;
    this.schema = schema;
    this.expiryMs = expiryMs;
    Object.freeze(this);
  }

  matches(received: Received<unknown>): boolean {
    return received.event === this.name;
  }
}

interface WorkflowOptions {
  name: string;
  version?: number | undefined;
  input?: StandardSchemaV1 | undefined;
  output?: StandardSchemaV1 | undefined;
  durable?: boolean | undefined;
}

/**
 * Defines a workflow: one generator function that is a whole process, read top to bottom.
 *
 * The body runs again from its journal after a restart, so everything that touches the world goes through
 * an operation: `step` or an `activity` for I/O, `now`, `random`, `uuid` for what differs at each call.
 * With a schema (Standard Schema: zod, valibot, arktype, ...) for `input` or `output`, a starter passes the
 * schema's input type and the body gets its output type; what is stored is what the schema gave.
 *
 * With `durable: false` instances are ephemeral, green threads of this process: nothing of them is written, their values
 * go by reference and may be anything, and they end with the process.
 *
 * @throws DefinitionError for an ill-formed name, version, schema or an async body
 * @example
 * export const greet = workflow('greet', function* (name: string) {
 *   const text = yield* compose({ name });
 *   return text;
 * });
 */
export function workflow<I = void, O = unknown>(name: string, body: (input: I) => Operation<O>): Workflow<I, O>;
export function workflow<Raw, I, OIn, O>(
  options: {
    name: string;
    version?: number | undefined;
    durable?: boolean | undefined;
    input: StandardSchemaV1<Raw, I>;
    output: StandardSchemaV1<OIn, O>;
  },
  body: (input: NoInfer<I>) => Operation<NoInfer<OIn>>,
): Workflow<Raw, O>;
export function workflow<Raw, I, O>(
  options: {
    name: string;
    version?: number | undefined;
    durable?: boolean | undefined;
    input: StandardSchemaV1<Raw, I>;
    output?: undefined;
  },
  body: (input: NoInfer<I>) => Operation<O>,
): Workflow<Raw, O>;
export function workflow<I, OIn, O>(
  options: {
    name: string;
    version?: number | undefined;
    durable?: boolean | undefined;
    input?: undefined;
    output: StandardSchemaV1<OIn, O>;
  },
  body: (input: I) => Operation<NoInfer<OIn>>,
): Workflow<I, O>;
export function workflow<I, O>(
  options: { name: string; version?: number | undefined; durable?: boolean | undefined; input?: undefined; output?: undefined },
  body: (input: I) => Operation<O>,
): Workflow<I, O>;
export function workflow(nameOrOptions: string | WorkflowOptions, body: (input: never) => Operation<unknown>): AnyWorkflow {
  const options = typeof nameOrOptions === 'string' ? { name: nameOrOptions } : nameOrOptions;
  if (options === null || typeof options !== 'object') throw new DefinitionError('workflow() takes a name or options first.');
  assertName(options.name, 'the name of a workflow');
  const version = options.version ?? 1;
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new DefinitionError(`The version of workflow "${options.name}" is ${String(version)}; it must be a whole number from 1.`);
  }
  if (options.durable !== undefined && typeof options.durable !== 'boolean')
    throw new DefinitionError(`durable of workflow "${options.name}" is ${describeValue(options.durable)}; it must be true or false.`);
  assertSchema(options.input, `input of workflow "${options.name}"`);
  assertSchema(options.output, `output of workflow "${options.name}"`);
  assertBody(options.name, body);
  return new WorkflowDefinition(options, body as (input: unknown) => Operation<unknown>);
}

/**
 * Defines an event type: something that happens outside, or in another instance, and rouses who receives it.
 *
 * With a schema, senders pass its input type and receivers get its output type.
 *
 * @throws DefinitionError for an ill-formed name or schema
 * @example
 * export const approval = event<{ approved: boolean }>('approval');
 */
export function event<P>(name: string): EventType<P, P>;
export function event<P>(name: string, schema: undefined, options: EventOptions): EventType<P, P>;
export function event<Raw, P>(name: string, schema: StandardSchemaV1<Raw, P>, options?: EventOptions): EventType<Raw, P>;
export function event(name: string, schema?: StandardSchemaV1, options: EventOptions = {}): AnyEvent {
  assertName(name, 'the name of an event');
  assertSchema(schema, `event "${name}"`);
  const expiryMs =
    options.expiresAfter === undefined ? limits.eventExpiryMs : toMs(options.expiresAfter, `expiresAfter of event "${name}"`);
  return new EventDefinition(name, schema, expiryMs);
}

/** The inside of what `workflow()` gave. */
export function toWorkflowDefinition(value: unknown): WorkflowDefinition {
  if (value instanceof WorkflowDefinition) return value;
  throw new DefinitionError('This is not a workflow. Make one with workflow(name, function* (input) { ... }).');
}

function assertSchema(schema: unknown, what: string): void {
  if (schema === undefined) return;
  const standard = (schema as { '~standard'?: { validate?: unknown } } | null)?.['~standard'];
  if (typeof standard?.validate !== 'function')
    throw new DefinitionError(`The schema of ${what} is not a Standard Schema (zod, valibot, arktype, ...).`);
}

function assertBody(name: string, body: unknown): void {
  if (typeof body !== 'function')
    throw new DefinitionError(`The body of workflow "${name}" is not a function. Write function* (input) { ... }.`);
  if (Object.prototype.toString.call(body).startsWith('[object Async')) {
    throw new DefinitionError(
      `The body of workflow "${name}" is async. Write function* and yield* in place of async and await; put I/O in a step().`,
    );
  }
}
