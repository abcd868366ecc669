// The operations of tasks: green threads inside one instance, and the ways to wait for several things.

import { type Duration, toMs } from './duration.js';
import { sleep } from './effects.js';
import { DefinitionError } from './errors.js';
import { assertName } from './names.js';
import { adopt, assertOperation, effectOperation, type Operation, type Result } from './operation.js';

type Results<T> = { -readonly [K in keyof T]: Result<T[K]> };

/** How a task ended. */
export interface TaskEnd {
  readonly status: 'done' | 'failed' | 'cancelled';
}

/** A green thread inside an instance. */
export interface Task<out T> {
  readonly id: string;
  /**
   * Waits for the task and gives what it returned.
   *
   * @throws what the task threw, or CancelledError
   */
  join(): Operation<T>;
  /** Throws CancelledError at the task's wait, and returns when the task has ended. */
  cancel(reason?: string): Operation<void>;
  /** Calls a function when the task has ended; it may not wait. */
  onDone(fn: (end: TaskEnd) => void): void;
}

/**
 * Starts a task beside this one, which runs when this one next waits. Whoever spawned it ends only when it has ended;
 * an error of a task that nobody joins fails its scope.
 *
 * @example
 * const task = yield* spawn(function* () { return yield* fetchPrice({ sku }); });
 * const price = yield* task.join();
 */
export function spawn<T>(body: () => Operation<T>): Operation<Task<T>> {
  if (typeof body !== 'function')
    throw new DefinitionError('spawn() takes a function that makes the generator, not the generator: spawn(() => job(3)).');
  return effectOperation<Task<T>>({ kind: 'spawn', name: body.name, body });
}

/**
 * Starts a task that runs after a delay, fixed once as an absolute deadline. Cancelled before, it never runs.
 *
 * @throws InvalidDurationError
 * @example
 * const reminder = yield* spawnAfter('1 day', () => remind({ who }));
 * yield* receive(answer);
 * yield* reminder.cancel();
 */
export function spawnAfter<T>(delay: Duration, body: () => Operation<T>): Operation<Task<T>> {
  if (typeof body !== 'function')
    throw new DefinitionError('spawnAfter() takes a function that makes the generator: spawnAfter(delay, () => job(3)).');
  const ms = toMs(delay, 'spawnAfter()');
  return effectOperation<Task<T>>({ kind: 'spawn', name: body.name, body: () => delayed(ms, body) });
}

function* delayed<T>(ms: number, body: () => Operation<T>): Operation<T> {
  yield* sleep(ms);
  return yield* body();
}

/**
 * Runs operations side by side and gives all results, in order or by key. When one fails, the others are cancelled and
 * waited for, and its error is thrown.
 */
export function all<T extends readonly Operation<unknown>[] | []>(operations: T): Operation<Results<T>>;
export function all<T extends Record<string, Operation<unknown>>>(operations: T): Operation<Results<T>>;
export function all(operations: readonly Operation<unknown>[] | Record<string, Operation<unknown>>): Operation<never> {
  return effectOperation<never>({ kind: 'all', name: 'all', ...members(operations, 'all') });
}

/** How one of several operations ended. */
export type Settled<T> = { readonly status: 'fulfilled'; readonly value: T } | { readonly status: 'rejected'; readonly reason: unknown };

/** Runs operations side by side and gives how each of them ended, in order or by key; an error of one ends no other. */
export function allSettled<T extends readonly Operation<unknown>[] | []>(
  operations: T,
): Operation<{ -readonly [K in keyof T]: Settled<Result<T[K]>> }>;
export function allSettled<T extends Record<string, Operation<unknown>>>(
  operations: T,
): Operation<{ -readonly [K in keyof T]: Settled<Result<T[K]>> }>;
export function allSettled(operations: readonly Operation<unknown>[] | Record<string, Operation<unknown>>): Operation<never> {
  return effectOperation<never>({ kind: 'allSettled', name: 'allSettled', ...members(operations, 'allSettled') });
}

/**
 * Runs operations side by side and gives what the first one gives; an object's as `{ key, value }`. The others are
 * cancelled, and their `finally` waited for.
 */
export function race<T extends readonly Operation<unknown>[] | []>(
  operations: T & (T['length'] extends 0 ? never : unknown),
): Operation<Result<T[number]>>;
export function race<T extends Record<string, Operation<unknown>>>(
  operations: T,
): Operation<{ [K in keyof T & string]: { readonly key: K; readonly value: Result<T[K]> } }[keyof T & string]>;
export function race(operations: readonly Operation<unknown>[] | Record<string, Operation<unknown>>): Operation<never> {
  const { operations: list, keys } = members(operations, 'race');
  if (list.length === 0) throw new DefinitionError('race() needs at least one operation: an empty race would never end.');
  return effectOperation<never>({ kind: 'race', name: 'race', operations: list, keys });
}

/**
 * Runs operations side by side and gives what the first one gives that does not fail; an object's as `{ key, value }`.
 * The others are cancelled, and their `finally` waited for.
 *
 * @throws AllFailedError with the errors, in order, when every one fails
 */
export function any<T extends readonly Operation<unknown>[] | []>(
  operations: T & (T['length'] extends 0 ? never : unknown),
): Operation<Result<T[number]>>;
export function any<T extends Record<string, Operation<unknown>>>(
  operations: T,
): Operation<{ [K in keyof T & string]: { readonly key: K; readonly value: Result<T[K]> } }[keyof T & string]>;
export function any(operations: readonly Operation<unknown>[] | Record<string, Operation<unknown>>): Operation<never> {
  const { operations: list, keys } = members(operations, 'any');
  if (list.length === 0) throw new DefinitionError('any() needs at least one operation: none could succeed.');
  return effectOperation<never>({ kind: 'any', name: 'any', operations: list, keys });
}

/**
 * Bounds an operation, nested generators included. When the time is up the operation is cancelled and waited for;
 * then TimeoutError is thrown or, when `orElse` is present, its value given. With a `name`, nested ones are told apart:
 * it is the error's `what`, and shown by `info()`.
 *
 * @throws TimeoutError
 * @example
 * const quote = yield* timeout('10s', askSupplier({ part }), { orElse: null });
 */
export function timeout<T>(duration: Duration, operation: Operation<T>, options?: { name?: string | undefined }): Operation<T>;
export function timeout<T, const E>(
  duration: Duration,
  operation: Operation<T>,
  options: { orElse: E; name?: string | undefined },
): Operation<T | E>;
export function timeout<T>(
  duration: Duration,
  operation: Operation<T>,
  options: { orElse?: unknown; name?: string | undefined } = {},
): Operation<unknown> {
  assertOperation(operation, 'timeout()');
  adopt(operation);
  if (options.name !== undefined) assertName(options.name, 'the name of a timeout');
  const orElse = 'orElse' in options ? { value: options.orElse } : null;
  const name = options.name ?? 'timeout';
  return effectOperation({ kind: 'timeout', name, ms: toMs(duration, `timeout "${name}"`), operation, orElse });
}

function members(
  operations: readonly Operation<unknown>[] | Record<string, Operation<unknown>>,
  what: string,
): { operations: readonly Operation<unknown>[]; keys: readonly string[] | null } {
  if (operations === null || typeof operations !== 'object')
    throw new DefinitionError(`${what}() takes a list or an object of operations.`);
  const isList = Array.isArray(operations);
  const list: readonly Operation<unknown>[] = isList ? [...(operations as readonly Operation<unknown>[])] : Object.values(operations);
  for (const operation of list) {
    assertOperation(operation, `${what}()`);
    adopt(operation);
  }
  return { operations: list, keys: isList ? null : Object.keys(operations) };
}
