// Pools: tasks of which at most so many run at once.
//
// Invariants:
//   L1. A slot is taken when its task is made, and free again when that task has ended, however it ended.
//   L2. Who asks for a slot gets it in the order of asking; a map asks again, behind the others, for each of its items.

import { DefinitionError } from './errors.js';
import type { Execution } from './execution.js';
import { Group, type OwnRequest } from './group.js';
import { effectOperation, type Operation } from './operation.js';
import { assertCount, Primitive } from './primitive.js';
import type { PrimitiveState } from './record.js';
import { makeTask } from './task-handle.js';
import { fail, type Outcome, succeed, type TaskNode, type TaskWatcher, type Wait } from './task-node.js';
import type { Task } from './tasks.js';
import { type Place, WaitingLine } from './waiting-line.js';
import { AuthoringError } from './workflow-errors.js';

/** Runs tasks of one instance, at most `size` at once; first come, first served. */
export interface Pool {
  readonly size: number;
  /** Slots in which nothing runs. */
  readonly free: number;
  /** Tasks that run. */
  readonly running: number;
  /** Spawns and maps that wait for a slot. */
  readonly waiting: number;
  /** Starts a task as `spawn` does, waiting for a slot while all are taken. */
  spawn<T>(body: () => Operation<T>): Operation<Task<T>>;
  /**
   * Runs an operation for each item and gives the results in the order of the items, which are taken from the iterable
   * one by one as slots come free. When one fails, the others are cancelled and waited for, and its error is thrown.
   */
  map<T, R>(items: Iterable<T>, fn: (item: T, index: number) => Operation<R>): Operation<R[]>;
  /**
   * Waits until nothing runs in the pool and nobody waits for a slot.
   *
   * @throws AuthoringError when called from a task of the pool, which would wait for itself
   */
  waitAll(): Operation<void>;
  /** Changes the size. When it shrinks, what runs goes on to its end; when it grows, those who wait go on. */
  resize(size: number): Operation<void>;
}

/**
 * Makes a pool that runs at most `size` tasks at once.
 *
 * @throws DefinitionError when `size` is not a whole number from 0
 * @example
 * const pool = yield* createPool(50);
 * const pages = yield* pool.map(urls, (url) => fetchPage({ url }));
 */
export function createPool(size: number): Operation<Pool> {
  assertCount(size, 'the size of createPool()');
  return effectOperation<Pool>({ kind: 'create', name: 'pool', make: (owner) => new PoolState(owner, size) });
}

/** Somebody who asks for a slot. */
interface SlotTaker {
  /** Makes the task for the slot; null when none is needed any more. */
  take(): TaskNode | null;
}

class PoolState extends Primitive implements Pool, TaskWatcher {
  readonly kind = 'pool';
  #size: number;
  readonly #running = new Set<TaskNode>();
  readonly #line = new WaitingLine<SlotTaker>();
  readonly #waitingForAll = new WaitingLine();
  #isAdmitting = false;

  constructor(owner: Execution, size: number) {
    super(owner);
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  get free(): number {
    return Math.max(0, this.#size - this.#running.size);
  }

  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#line.size;
  }

  spawn<T>(body: () => Operation<T>): Operation<Task<T>> {
    if (typeof body !== 'function')
      throw new DefinitionError('pool.spawn() takes a function that makes the generator: pool.spawn(() => job(3)).');
    return this.operation('spawn', (task) => this.#spawn(task, body));
  }

  map<T, R>(items: Iterable<T>, fn: (item: T, index: number) => Operation<R>): Operation<R[]> {
    if (typeof (items as Iterable<T> | null)?.[Symbol.iterator] !== 'function' || typeof fn !== 'function')
      throw new DefinitionError('pool.map() takes an iterable and a function that makes the operation for an item.');
    return this.operation('map', (task) => this.#map(task, items, fn as (item: unknown, index: number) => Operation<unknown>));
  }

  waitAll(): Operation<void> {
    return this.operation('waitAll', (task) => this.#waitAll(task));
  }

  resize(size: number): Operation<void> {
    assertCount(size, 'the size of resize()');
    return this.instant('resize', () => {
      this.#size = size;
      this.admit();
      return succeed(undefined);
    });
  }

  state(): PrimitiveState | null {
    if (this.#running.size + this.#line.size === 0) return null;
    return { kind: 'pool', size: this.#size, running: this.#running.size, waiting: this.#line.size };
  }

  /** Takes a place in line for a slot. */
  join(task: TaskNode, taker: SlotTaker): Place<SlotTaker> {
    return this.#line.join(task, taker);
  }

  withdraw(place: Place<SlotTaker>): void {
    this.#line.leave(place);
    this.#changedLine();
  }

  /** A task of the pool has ended. */
  taskEnded(task: TaskNode): void {
    this.#running.delete(task);
    this.admit();
  }

  /** Gives free slots to those in line. A map that got one asks for the next in here: then the outer call goes on. */
  admit(): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    while (this.#running.size < this.#size && this.#line.first !== null) {
      const task = this.#line.shift()?.brought.take() ?? null;
      if (task === null || task.state === 'ended') continue;
      task.ownRare.watcher = this;
      this.#running.add(task);
    }
    this.#isAdmitting = false;
    this.#changedLine();
  }

  #changedLine(): void {
    this.changed();
    if (this.#running.size > 0 || this.#line.size > 0) return;
    this.wakeAll(this.#waitingForAll, () => succeed(undefined));
  }

  #spawn(spawner: TaskNode, body: () => Operation<unknown>): Outcome | Wait {
    const { scheduler } = this.owner;
    let answer: Outcome | null = null;
    const take = (): TaskNode | null => {
      // The spawner goes on before its task begins, as after a spawn that did not have to wait.
      const hasWaited = spawner.state === 'waiting';
      if (hasWaited) scheduler.wake(spawner, succeed(undefined));
      const full = scheduler.refuseMore(1, spawner);
      const spawned = full === null ? scheduler.spawn(body, spawner, null, body.name) : null;
      answer = spawned === null ? fail(full) : succeed(makeTask(this.owner, spawned));
      if (hasWaited) spawner.resume = answer;
      return spawned;
    };
    const place = this.join(spawner, { take });
    this.admit();
    if (answer !== null) return answer;
    return {
      what: `a slot of ${this.title}`,
      abandon: () => {
        this.withdraw(place);
        return true;
      },
    };
  }

  #map(task: TaskNode, items: Iterable<unknown>, fn: (item: unknown, index: number) => Operation<unknown>): Outcome | Wait {
    const group = new Group(this.owner.scheduler, task, { policy: 'map', what: `a map of ${this.title}` });
    try {
      const mapping = new Mapping(this, { task, group, iterator: items[Symbol.iterator](), fn });
      group.begin([], mapping);
      if (!mapping.begin()) return succeed([]);
      return group.outcome ?? group;
    } catch (error) {
      return fail(error);
    }
  }

  #waitAll(task: TaskNode): Outcome | Wait {
    for (let above: TaskNode | null = task; above !== null; above = above.above) {
      if (this.#running.has(above)) return fail(this.#waitsForItself(task, above));
    }
    if (this.#running.size === 0 && this.#line.size === 0) return succeed(undefined);
    return this.waitAt(this.#waitingForAll, this.#waitingForAll.join(task, null), `the end of all tasks of ${this.title}`);
  }

  #waitsForItself(task: TaskNode, member: TaskNode): AuthoringError {
    const who = task === member ? task.title : `${task.title}, below ${member.title},`;
    return new AuthoringError(
      `waitAll() of ${this.title} in instance "${this.owner.instanceId}" was called by ${who} which runs in that pool: it would wait for itself. ` +
        'Call it from a task outside the pool.',
    );
  }
}

interface MappingOptions {
  readonly task: TaskNode;
  readonly group: Group;
  readonly iterator: Iterator<unknown>;
  readonly fn: (item: unknown, index: number) => Operation<unknown>;
}

/** One `map`: it holds one item that waits for its slot, and asks for the next when that has one. */
class Mapping implements SlotTaker, OwnRequest {
  readonly #pool: PoolState;
  readonly #options: MappingOptions;
  #next: { readonly item: unknown } | null = null;
  #index = 0;
  #place: Place<SlotTaker> | null = null;
  #isOver = false;

  constructor(pool: PoolState, options: MappingOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  /** Asks for the first slot; false when there is nothing to map. */
  begin(): boolean {
    this.#advance();
    if (this.#next === null) return false;
    this.#ask();
    return true;
  }

  take(): TaskNode | null {
    this.#place = null;
    if (this.#isOver || this.#next === null) return null;
    const { group, fn } = this.#options;
    const { scheduler } = this.#pool.owner;
    const full = scheduler.refuseMore(1, this.#options.task);
    if (full !== null) {
      group.requestSettled(fail(full));
      return null;
    }
    const { item } = this.#next;
    const index = this.#index++;
    const member = scheduler.spawn(() => fn(item, index), null, { group, where: null }, fn.name);
    group.add(member);
    this.#askForMore();
    return member;
  }

  /** The map is decided: no more items are taken. */
  drop(): void {
    this.#isOver = true;
    if (this.#place !== null) this.#pool.withdraw(this.#place);
    this.#place = null;
    if (this.#next !== null) this.#closeIterator();
    this.#next = null;
  }

  /** What decided the map is what its caller is told; an error of closing comes second. */
  #closeIterator(): void {
    try {
      this.#options.iterator.return?.();
    } catch (error) {
      this.#options.task.log('error', `The iterable of a map of ${this.#pool.title} threw when it was closed.`, { error });
    }
  }

  #askForMore(): void {
    const { group } = this.#options;
    try {
      this.#advance();
    } catch (error) {
      group.requestSettled(fail(error));
      return;
    }
    if (this.#isOver) return;
    if (this.#next === null) group.complete();
    else this.#ask();
  }

  /** The place is noted before it is served: whoever is served asks again. */
  #ask(): void {
    this.#place = this.#pool.join(this.#options.task, this);
    this.#pool.admit();
  }

  #advance(): void {
    this.#next = null;
    const { done, value } = this.#options.iterator.next();
    if (done !== true) this.#next = { item: value };
  }
}
