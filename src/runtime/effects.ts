// The operations of single effects: what a workflow asks of the world, of the clock and of other instances.

import { encode } from './codec.js';
import { stepping } from './context.js';
import {
  type AnyEvent,
  EventDefinition,
  type EventType,
  type PayloadOf,
  type Received,
  toWorkflowDefinition,
  type Workflow,
  type WorkflowDefinition,
} from './definitions.js';
import { type Duration, toMs } from './duration.js';
import { DefinitionError, UnknownEventError } from './errors.js';
import { assertInstanceId, assertKey, assertName } from './names.js';
import { composedOperation, effectOperation, type Operation, type StepRun } from './operation.js';
import type { EventSource } from './record.js';
import { assertStepOptions, type StepContext, type StepOptions } from './step-options.js';

/** What became of an event: a receiver got it, it waits in a mailbox, or its id was seen before. */
export interface Delivery {
  readonly status: 'delivered' | 'buffered' | 'duplicate';
}

type Optional<T> = T | undefined;
type Args<A> = undefined extends A ? [args?: A, options?: StepOptions] : [args: A, options?: StepOptions];
/** Where `receiveAny` listens: an event sent to this instance, or an event with a key. */
export type Source = AnyEvent | { readonly event: AnyEvent; readonly key: string };
type EventOf<S> = S extends { readonly event: infer E extends AnyEvent } ? E : S extends AnyEvent ? S : never;
interface StartOptions {
  id?: Optional<string>;
}
export type InputArgs<Raw, Options = StartOptions> = undefined extends Raw
  ? [input?: Raw, options?: Options]
  : [input: Raw, options?: Options];

/**
 * Runs a function with side effects once, as far as anyone can promise it: its outcome is recorded and is what
 * every replay sees; a crash before the record repeats it, with the same `ctx.idempotencyKey`.
 *
 * @throws what the function threw last, when its retries are used up
 * @example
 * const body = yield* step('fetch', (ctx) => fetch(url, { signal: ctx.signal }).then((r) => r.json()));
 */
export function step<T>(name: string, fn: (ctx: StepContext) => T | Promise<T>, options?: StepOptions): Operation<T> {
  assertName(name, 'the name of a step');
  assertFunction(fn, `step "${name}"`);
  assertStepOptions(options, `step "${name}"`);
  return effectOperation<T>({ kind: 'step', name, args: null, run: fn, options });
}

/**
 * Defines a step by name, to be used in many places. Its arguments are recorded, so that a repeated attempt gets the same.
 *
 * @example
 * const deploy = activity('deploy', async (args: { ip: string }, ctx) => post('/deploy', args, ctx.idempotencyKey));
 * // in a workflow:
 * yield* deploy({ ip });
 */
export function activity<A, T>(
  name: string,
  fn: (args: A, ctx: StepContext) => T | Promise<T>,
  options?: StepOptions,
): (...args: Args<A>) => Operation<T> {
  assertName(name, 'the name of an activity');
  assertFunction(fn, `activity "${name}"`);
  assertStepOptions(options, `activity "${name}"`);
  const run: StepRun = (context, given) => fn(given as A, context);
  return (...[args, own]: Args<A>) => {
    if (own !== undefined) assertStepOptions(own, `activity "${name}"`);
    const merged = own === undefined ? options : { ...options, ...own };
    if (stepping.task?.isEphemeral === true)
      return effectOperation<T>({ kind: 'activity', name, args: null, given: args, run, options: merged });
    const encoded = args === undefined ? null : encode(args, `the arguments of activity "${name}"`);
    return effectOperation<T>({ kind: 'activity', name, args: encoded, run, options: merged });
  };
}

/**
 * Sleeps until an event arrives, sent to this instance or, with `key`, published under that key, and returns its payload.
 *
 * While it sleeps it costs no more than a map entry: the daemon may restart, days may pass. An event that came
 * earlier is kept for it.
 *
 * @throws TimeoutError when `timeout` passes first; the event, should it come later, is kept
 * @example
 * const answer = yield* receive(approval, { key: ticket, timeout: '3 days' });
 */
export function receive<E extends AnyEvent>(
  event: E,
  options: { key?: Optional<string>; timeout?: Optional<Duration> } = {},
): Operation<PayloadOf<E>> {
  const source = toSource(options.key === undefined ? event : { event, key: options.key });
  const timeoutMs = options.timeout === undefined ? null : toMs(options.timeout, `the timeout of receive "${source.event}"`);
  return effectOperation<PayloadOf<E>>({ kind: 'receive', name: source.event, sources: [source], timeoutMs });
}

/**
 * Sleeps until one of several events arrives. Given an object, returns `{ key, value }`, which narrows by key;
 * given a list, `{ event, payload }`, which `event.matches(received)` narrows. The others stay where they are.
 *
 * @example
 * const first = yield* receiveAny({ yes: approval, stop: { event: shutdown, key: host } });
 * if (first.key === 'yes') return first.value.approved;
 */
export function receiveAny<const T extends Record<string, Source>>(
  sources: T,
): Operation<{ [K in keyof T & string]: { readonly key: K; readonly value: PayloadOf<EventOf<T[K]>> } }[keyof T & string]>;
export function receiveAny<T extends readonly [Source, ...Source[]]>(
  sources: readonly [...T],
): Operation<{ [K in keyof T]: Received<PayloadOf<EventOf<T[K]>>> }[number]>;
export function receiveAny(sources: Record<string, Source> | readonly Source[]): Operation<never> {
  const keys = Array.isArray(sources) ? null : Object.keys(sources);
  const list = (Array.isArray(sources) ? sources : Object.values(sources)).map(toSource);
  if (list.length === 0) throw new DefinitionError('receiveAny() needs at least one source.');
  const finish = (value: unknown): unknown => {
    const [index, payload] = value as [number, unknown];
    return keys === null ? { event: list[index]?.event, payload } : { key: keys[index], value: payload };
  };
  const name = list
    .map((source) => source.event)
    .join(' | ')
    .slice(0, 200);
  return effectOperation<never>({ kind: 'receiveAny', name, sources: list, timeoutMs: null, finish });
}

/**
 * Sleeps for a duration, fixed once as an absolute deadline: restarts do not lengthen it.
 *
 * @throws InvalidDurationError
 * @example
 * yield* sleep('3 days');
 */
export function sleep(duration: Duration): Operation<void> {
  return effectOperation<void>({ kind: 'sleep', name: 'sleep', ms: toMs(duration, 'sleep()'), until: null });
}

/**
 * Sleeps until a point in time; one that has passed wakes at once.
 *
 * @throws InvalidDurationError
 */
export function sleepUntil(at: Date | number): Operation<void> {
  const until = typeof at === 'number' ? at : (at as Date | null)?.getTime?.();
  if (typeof until !== 'number' || !Number.isFinite(until))
    throw new DefinitionError(`sleepUntil() takes a valid Date or milliseconds, not ${String(at)}.`);
  return effectOperation<void>({ kind: 'sleep', name: 'sleepUntil', ms: null, until: Math.ceil(until) });
}

/**
 * Hands a one-time token to another system, and sleeps until that system answers it through
 * `runtime.complete(token, payload)` or `runtime.reject(token, error)`.
 *
 * The token is on disk and the wait is open before `submit` runs, so an answer is never too early. `submit` is a step.
 *
 * @throws TimeoutError, what `submit` threw, or the error given to `reject`
 * @example
 * const paid = yield* waitForCallback<Receipt>('payment', (token) => gateway.charge({ amount, callback: token }));
 */
export function waitForCallback<P>(
  name: string,
  submit: (token: string, ctx: StepContext) => unknown,
  options: { timeout?: Optional<Duration> } = {},
): Operation<P> {
  assertName(name, 'the name of a callback');
  assertFunction(submit, `callback "${name}"`);
  const timeoutMs = options.timeout === undefined ? null : toMs(options.timeout, `the timeout of callback "${name}"`);
  return effectOperation<P>({ kind: 'callback', name, submit, timeoutMs });
}

/**
 * Sends an event to another instance, in the same commit as this turn.
 *
 * @throws InstanceNotFoundError, InstanceEndedError, MailboxFullError, ValidationError
 */
export function send<Raw>(
  instanceId: string,
  event: EventType<Raw, unknown>,
  payload: NoInfer<Raw>,
  options: { id?: Optional<string> } = {},
): Operation<Delivery> {
  const definition = toEventDefinition(event);
  assertInstanceId(instanceId);
  return effectOperation<Delivery>({
    kind: 'send',
    name: definition.name,
    event: definition,
    instanceId,
    payload,
    id: eventId(options.id),
  });
}

/**
 * Publishes an event under a key, in the same commit as this turn.
 *
 * @throws MailboxFullError, ValidationError
 */
export function publish<Raw>(
  event: EventType<Raw, unknown>,
  key: string,
  payload: NoInfer<Raw>,
  options: { id?: Optional<string> } = {},
): Operation<Delivery> {
  const definition = toEventDefinition(event);
  assertKey(key, `the key of event "${definition.name}"`);
  return effectOperation<Delivery>({ kind: 'publish', name: definition.name, event: definition, key, payload, id: eventId(options.id) });
}

/** The time of this turn, in milliseconds; the same in every replay. */
export function now(): Operation<number> {
  return effectOperation<number>({ kind: 'now', name: 'now' });
}

/** A random number from 0 up to 1; the same in every replay. */
export function random(): Operation<number> {
  return effectOperation<number>({ kind: 'random', name: 'random' });
}

/** A random UUID; the same in every replay. */
export function uuid(): Operation<string> {
  return effectOperation<string>({ kind: 'uuid', name: 'uuid' });
}

/** The id of this instance. */
export function instanceId(): Operation<string> {
  return effectOperation<string>({ kind: 'instanceId', name: 'instanceId' });
}

/**
 * Shows a value under a name to `runtime.query` and `info().exposed`, from this turn's commit on.
 *
 * @throws UnstorableValueError, PayloadTooLargeError
 */
export function expose(name: string, value: unknown): Operation<void> {
  assertName(name, 'the name of an exposed value');
  return effectOperation<void>({ kind: 'expose', name, value, finish: () => undefined });
}

/**
 * Ends the body as `return` does, and begins it anew with this input, as the next generation of the same instance: with
 * an empty journal, so that a loop may go on for ever. `finally` blocks run, and tasks are waited for; the instance's
 * mailboxes and children stay, what was noted by `compensate` is forgotten. What is exposed stays, or not.
 *
 * @throws AuthoringError outside the body, ValidationError, UnstorableValueError
 * @example
 * const ticker = workflow('ticker', function* (at: number) {
 *   yield* sleepUntil(at);
 *   yield* collect();
 *   return yield* continueAs(at + 60_000);
 * });
 */
export function continueAs(input: unknown, options: { keepExposed?: Optional<boolean> } = {}): Operation<never> {
  return effectOperation<never>({ kind: 'continueAs', name: 'continueAs', input, keepExposed: options.keepExposed ?? true });
}

/**
 * Notes how to undo what was just done. When an error leaves the body, what was noted runs in reverse order.
 *
 * @example
 * const ip = yield* requestServer({ model });
 * yield* compensate(() => releaseServer({ ip }));
 */
export function compensate(undo: () => Operation<unknown>): Operation<void> {
  assertFunction(undo, 'compensate()');
  return effectOperation<void>({ kind: 'compensate', name: 'compensate', undo });
}

/**
 * Starts another workflow as an instance of its own, in the same commit as this turn. It goes on when this one ends.
 *
 * @throws UnknownWorkflowError, ValidationError, InstanceConflictError
 */
export function startChild<Raw, O>(
  workflow: Workflow<Raw, O>,
  ...args: InputArgs<NoInfer<Raw>>
): Operation<{ readonly id: string; result(): Operation<O> }> {
  return startsChild(toWorkflowDefinition(workflow), args as [unknown, StartOptions?], false) as Operation<{
    readonly id: string;
    result(): Operation<O>;
  }>;
}

function startsChild(
  definition: WorkflowDefinition,
  [input, options]: [unknown, StartOptions?],
  isCalled: boolean,
): Operation<{ readonly id: string; result(): Operation<never> }> {
  if (options?.id !== undefined) assertInstanceId(options.id);
  const finish = (id: unknown) => ({ id, result: () => childResult(definition.name, id as string, isCalled) });
  return effectOperation({ kind: 'startChild', name: definition.name, workflow: definition, input, id: options?.id, isCalled, finish });
}

/**
 * Runs another workflow as an instance of its own and waits for its result. When this wait is cancelled, so is that instance.
 *
 * @throws WorkflowFailedError when it failed or was cancelled
 */
export function call<Raw, O>(workflow: Workflow<Raw, O>, ...args: InputArgs<NoInfer<Raw>>): Operation<O> {
  const definition = toWorkflowDefinition(workflow);
  return composedOperation<O>('call', definition.name, function* () {
    const child = yield* startsChild(definition, args as [unknown, StartOptions?], true);
    return yield* child.result();
  });
}

function childResult(workflow: string, childId: string, owned: boolean): Operation<never> {
  return effectOperation<never>({ kind: 'child', name: workflow, childId, owned });
}

/** The inside of what `event()` gave. */
export function toEventDefinition(event: unknown): EventDefinition {
  if (event instanceof EventDefinition) return event;
  throw new UnknownEventError(typeof event === 'string' ? `"${event}"` : String((event as { name?: unknown } | null)?.name ?? event));
}

function toSource(source: Source): EventSource {
  if (source instanceof EventDefinition) return { event: source.name, key: null };
  const { event, key } = (source ?? {}) as { event?: unknown; key?: unknown };
  const definition = toEventDefinition(event ?? source);
  assertKey(key, `the key of event "${definition.name}"`);
  return { event: definition.name, key: key as string };
}

/** The caller's event id, checked. */
export function eventId(id: string | undefined): string | undefined {
  if (id !== undefined) assertKey(id, 'an event id');
  return id;
}

function assertFunction(fn: unknown, what: string): void {
  if (typeof fn !== 'function') throw new DefinitionError(`${what} needs a function, not ${fn === null ? 'null' : typeof fn}.`);
}
