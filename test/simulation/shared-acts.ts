// Acts of programs around what tasks of one instance share: pools, queues, semaphores and latches. Each checks that
// what it shares was shared rightly.

import { all, createLatch, createPool, createQueue, createSemaphore, type Operation, QueueClosedError, spawn } from '../../src/index.js';
import type { Outside } from './outside.js';
import type { Act, ActOf } from './scenario.js';

/** Where an act runs. */
export interface Place {
  readonly outside: Outside;
  /** The instance. */
  readonly id: string;
  /** Runs acts as a part of it, under a name. */
  readonly run: (acts: readonly Act[], name: string) => Operation<string>;
}

export function* runPool({ size, branches }: ActOf<'pool'>, { outside, id, run }: Place): Operation<string> {
  const pool = yield* createPool(size);
  const [first, ...rest] = branches;
  const task = yield* pool.spawn(() => run(first ?? [], 'first'));
  const results = yield* pool.map(rest, (acts, index) => run(acts, String(index)));
  yield* pool.waitAll();
  if (pool.running !== 0 || pool.free !== size) outside.broken('D7', `a pool of ${id} has ${pool.running} running and ${pool.free} free`);
  return [yield* task.join(), ...results].join('+');
}

export function* runSemaphore({ size, branches }: ActOf<'semaphore'>, { outside, id, run }: Place): Operation<string> {
  const semaphore = yield* createSemaphore(size);
  let holders = 0;
  const hold = function* (operation: Operation<string>): Operation<string> {
    holders += 1;
    if (holders > size) outside.broken('D9', `${holders} tasks of ${id} hold a semaphore of ${size}`);
    try {
      return yield* operation;
    } finally {
      holders -= 1;
    }
  };
  const results = yield* all(branches.map((acts, index) => semaphore.use(hold(run(acts, String(index))))));
  if (semaphore.free !== size) outside.broken('D7', `a semaphore of ${id} has ${semaphore.free} free of ${size}`);
  return results.join('+');
}

/** Each branch is a consumer that runs its acts for each item; all items are consumed once. */
export function* runQueue({ capacity, items, branches }: ActOf<'queue'>, { outside, id, run }: Place): Operation<string> {
  const queue = yield* createQueue<number>(capacity);
  const got: number[] = [];
  const consume = function* (acts: readonly Act[], index: number): Operation<void> {
    try {
      for (;;) {
        const item = yield* queue.get();
        got.push(item);
        yield* run(acts, `${index}.${item}`);
      }
    } catch (error) {
      if (!(error instanceof QueueClosedError)) throw error;
    }
  };
  const consumers = [];
  for (const [index, acts] of branches.entries()) consumers.push(yield* spawn(() => consume(acts, index)));
  for (let item = 0; item < items; item += 1) yield* queue.put(item);
  yield* queue.close();
  for (const consumer of consumers) yield* consumer.join();
  const isWhole = got.length === items && new Set(got).size === items;
  if (!isWhole) outside.broken('D9', `a queue of ${id} gave [${got}] of ${items} items`);
  return got.join('+');
}

export function* runLatch({ acts, waiters }: ActOf<'latch'>, { outside, id, run }: Place): Operation<string> {
  const latch = yield* createLatch<string>();
  const tasks = [];
  for (let waiter = 0; waiter < waiters; waiter += 1) tasks.push(yield* spawn(() => latch.wait()));
  const value = yield* run(acts, 'in');
  yield* latch.open(value);
  const got: string[] = [];
  for (const task of tasks) got.push(yield* task.join());
  if (got.some((each) => each !== value)) outside.broken('D9', `a latch of ${id} was opened with ${value}, and gave [${got}]`);
  return value;
}
