// What a program is played on: the operations of rouse, or those of the model, which look the same.

import type { Latch, Operation, Pool, Queue, Semaphore, Task } from '../../../src/index.js';

/** What goes through queues. */
export interface Item {
  /** Who put it: no two items of a run have the same. */
  readonly label: string;
  readonly rank: number;
}

export type QueueOptions = { readonly order: 'fifo' | 'lifo' } | { readonly order: 'priority'; readonly priority: (item: Item) => number };

export type Members = readonly Operation<unknown>[] | Readonly<Record<string, Operation<unknown>>>;

export interface Operations {
  sleep(ms: number): Operation<void>;
  receive(): Operation<unknown>;
  spawn(body: () => Operation<unknown>): Operation<Task<unknown>>;
  spawnAfter(ms: number, body: () => Operation<unknown>): Operation<Task<unknown>>;
  all(members: Members): Operation<unknown>;
  allSettled(members: Members): Operation<unknown>;
  race(members: Members): Operation<unknown>;
  any(members: Members): Operation<unknown>;
  timeout(ms: number, member: Operation<unknown>, options?: { orElse: unknown }): Operation<unknown>;
  createPool(size: number): Operation<Pool>;
  createQueue(capacity: number | undefined, options: QueueOptions): Operation<Queue<Item>>;
  createSemaphore(permits: number): Operation<Semaphore>;
  createLatch(): Operation<Latch<unknown>>;
}
