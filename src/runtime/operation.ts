// What a generator can `yield*`: operations. Running one yields an effect, a request in plain data plus the local
// code that serves it; the interpreter answers it now or after a while.
//
// Invariants:
//   O1. An operation made inside a task and never run is known to that task (a forgotten yield*).
//   O2. An operation can be run again: all state of a run is in its iterator.

import { callerLocation, type MadeOperation, stepping } from './context.js';
import type { AnyEvent, AnyWorkflow } from './definitions.js';
import { DefinitionError } from './errors.js';
import type { Execution } from './execution.js';
import { limits } from './limits.js';
import type { Primitive } from './primitive.js';
import type { EventSource } from './record.js';
import type { StepContext, StepOptions } from './step-options.js';
import type { Outcome, TaskNode, Wait } from './task-node.js';
import { LimitError, OutsideWorkflowError } from './workflow-errors.js';

declare const brand: unique symbol;

/** What a workflow's generator yields to the runtime. Made by operations only. */
export interface Effect {
  readonly [brand]: 'effect';
}

/** Something to `yield*` inside a workflow; gives a `T` when it is done. */
export interface Operation<out T> {
  [Symbol.iterator](): Iterator<Effect, T, unknown>;
}

/** What an operation gives. */
export type Result<Op> = Op extends Operation<infer R> ? R : never;

/** The user's function of a step, arguments last: a plain step has none. */
export type StepRun = (context: StepContext, args: unknown) => unknown;

interface Common {
  readonly name: string;
  /** What the workflow sees for the stored outcome; the outcome itself when absent. */
  readonly finish?: (value: unknown) => unknown;
}

export type EffectBody = Common &
  (
    | {
        readonly kind: 'step' | 'activity';
        /** Encoded; those of an ephemeral instance go by reference, as `given`. */
        readonly args: string | null;
        readonly given?: unknown;
        readonly run: StepRun;
        readonly options: StepOptions | undefined;
      }
    | { readonly kind: 'receive' | 'receiveAny'; readonly sources: readonly EventSource[]; readonly timeoutMs: number | null }
    | { readonly kind: 'sleep'; readonly ms: number | null; readonly until: number | null }
    | { readonly kind: 'callback'; readonly timeoutMs: number | null; readonly submit: (token: string, context: StepContext) => unknown }
    | { readonly kind: 'child'; readonly childId: string; readonly owned: boolean }
    | {
        readonly kind: 'startChild';
        readonly workflow: AnyWorkflow;
        readonly input: unknown;
        readonly id: string | undefined;
        readonly isCalled: boolean;
      }
    | {
        readonly kind: 'send';
        readonly event: AnyEvent;
        readonly instanceId: string;
        readonly payload: unknown;
        readonly id: string | undefined;
      }
    | {
        readonly kind: 'publish';
        readonly event: AnyEvent;
        readonly key: string;
        readonly payload: unknown;
        readonly id: string | undefined;
      }
    | { readonly kind: 'now' | 'random' | 'uuid' | 'instanceId' }
    | { readonly kind: 'expose'; readonly value: unknown }
    | { readonly kind: 'compensate'; readonly undo: () => Operation<unknown> }
    | { readonly kind: 'continueAs'; readonly input: unknown; readonly keepExposed: boolean }
    | { readonly kind: 'spawn'; readonly body: () => Operation<unknown> }
    | { readonly kind: 'join' | 'cancelTask'; readonly task: TaskNode; readonly owner: object; readonly reason?: string | undefined }
    | { readonly kind: 'create'; readonly make: (owner: Execution) => Primitive }
    | { readonly kind: 'operate'; readonly on: Primitive; readonly mayWait: boolean; readonly run: (task: TaskNode) => Outcome | Wait }
    | {
        readonly kind: 'all' | 'allSettled' | 'race' | 'any';
        readonly operations: readonly Operation<unknown>[];
        readonly keys: readonly string[] | null;
      }
    | {
        readonly kind: 'timeout';
        readonly ms: number;
        readonly operation: Operation<unknown>;
        readonly orElse: { readonly value: unknown } | null;
      }
  );

export type EffectKind = EffectBody['kind'];
/** The effects whose kind may be one of `K`. */
export type EffectOf<K extends EffectKind> = EffectBody extends infer B extends EffectBody
  ? B extends unknown
    ? B['kind'] & K extends never
      ? never
      : B
    : never
  : never;

/** Base of the library's operations: knows whether it was run. */
abstract class LibraryOperation<T> implements Operation<T>, MadeOperation {
  abstract readonly kind: string;
  abstract readonly label: string;
  readonly where: string | null;
  readonly #maker = stepping.task;

  constructor() {
    this.where = stepping.capture ? callerLocation() : null;
    const unrun = this.#maker?.unrun;
    if (unrun === undefined) return;
    if (unrun.size >= limits.operationsUnrunMax) throw tooManyUnrun();
    unrun.set(this, true);
  }

  /** It is run, or handed to an operation that will run it. */
  use(): void {
    this.#maker?.unrun.delete(this);
  }

  [Symbol.iterator](): Iterator<Effect, T, unknown> {
    this.use();
    return this.run();
  }

  protected abstract run(): Iterator<Effect, T, unknown>;
}

function tooManyUnrun(): LimitError {
  return new LimitError(
    'operationsUnrunMax',
    limits.operationsUnrunMax,
    'A task made too many operations that it has not run',
    'Write yield* in front of them.',
  );
}

class EffectOperation<T> extends LibraryOperation<T> {
  readonly #body: EffectBody;

  constructor(body: EffectBody) {
    super();
    this.#body = body;
  }

  get kind(): string {
    return this.#body.kind;
  }

  get label(): string {
    return labelOf(this.#body);
  }

  protected run(): Iterator<Effect, T, unknown> {
    return new EffectRequest(this.#body) as unknown as Iterator<Effect, T, unknown>;
  }
}

/**
 * Yields its effect, itself, once, and gives back what it is resumed with. One object for iterator and request, and not
 * a generator: it is on the hot path.
 */
export class EffectRequest {
  readonly body: EffectBody;
  /** Known in a dry replay with capture. */
  where: string | null = null;
  #asked = false;

  constructor(body: EffectBody) {
    this.body = body;
  }

  next(value?: unknown): { done: boolean; value: unknown } {
    if (this.#asked) return { done: true, value };
    if (stepping.task === null) throw new OutsideWorkflowError(`${this.body.kind} "${labelOf(this.body)}"`);
    this.#asked = true;
    if (stepping.capture) this.where = callerLocation();
    return { done: false, value: this };
  }

  throw(error: unknown): never {
    throw error;
  }

  return(value: unknown): { done: boolean; value: unknown } {
    return { done: true, value };
  }
}

class ComposedOperation<T> extends LibraryOperation<T> {
  readonly kind: string;
  readonly label: string;
  readonly #body: () => Operation<T>;

  constructor(kind: string, label: string, body: () => Operation<T>) {
    super();
    this.kind = kind;
    this.label = label;
    this.#body = body;
  }

  protected run(): Iterator<Effect, T, unknown> {
    return this.#body()[Symbol.iterator]();
  }
}

/** How an effect is called in messages. */
function labelOf(body: EffectBody): string {
  switch (body.kind) {
    case 'join':
    case 'cancelTask':
      return body.task.title;
    case 'operate':
      return `${body.name} of ${body.on.title}`;
    default:
      return body.name;
  }
}

/** An operation of one effect. */
export function effectOperation<T>(body: EffectBody): Operation<T> {
  return new EffectOperation<T>(body);
}

/** An operation made of others. */
export function composedOperation<T>(kind: string, label: string, body: () => Operation<T>): Operation<T> {
  return new ComposedOperation(kind, label, body);
}

/** Marks an operation as taken over by another one, which will run it. */
export function adopt(operation: unknown): void {
  if (operation instanceof LibraryOperation) operation.use();
}

/** Whether this can be run by `yield*` as a workflow's body or task: a generator or one of the library's operations. */
export function isOperation(value: unknown): value is Operation<unknown> {
  if (value === null || typeof value !== 'object') return false;
  if (value instanceof LibraryOperation) return true;
  const candidate = value as { next?: unknown; throw?: unknown; [Symbol.iterator]?: unknown };
  return typeof candidate[Symbol.iterator] === 'function' && typeof candidate.next === 'function' && typeof candidate.throw === 'function';
}

/** Refuses what an operation was expected in place of. */
export function assertOperation(operation: unknown, what: string): void {
  if (isOperation(operation)) return;
  const found = operation instanceof Promise ? 'a promise (wrap the I/O in step())' : operation === null ? 'null' : `a ${typeof operation}`;
  throw new DefinitionError(`${what} takes operations, not ${found}.`);
}
