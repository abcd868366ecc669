// The model's pool: a number of slots. Spawns and maps that want one stand in one line. A map takes one item ahead, so that
// it does not stand there for nothing.

import type { Operation, Pool, Task } from '../../../src/index.js';
import { ModelGroup } from './model-group.js';
import { ModelHandle } from './model-handle.js';
import type { ModelScheduler } from './model-scheduler.js';
import { type Answer, asking, bad, doing, good, type ModelTask, modelError, type Request } from './model-task.js';

export class ModelPool implements Pool {
  readonly #scheduler: ModelScheduler;
  readonly #tasks = new Set<ModelTask>();
  #size: number;

  constructor(scheduler: ModelScheduler, size: number) {
    this.#scheduler = scheduler;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  get running(): number {
    return this.#tasks.size;
  }

  get free(): number {
    return Math.max(0, this.#size - this.running);
  }

  get waiting(): number {
    return this.#scheduler.tickets.filter(({ request }) => request instanceof SlotRequest && request.pool === this).length;
  }

  spawn<T>(body: () => Operation<T>): Operation<Task<T>> {
    return asking(
      new SlotRequest(this, this.#scheduler, (scope) => this.#scheduler.create(body, { scope, above: scope, isMember: false })),
    );
  }

  map<T, R>(items: Iterable<T>, fn: (item: T, index: number) => Operation<R>): Operation<R[]> {
    return new Mapping(this, this.#scheduler, items[Symbol.iterator](), fn as Mapper).asked();
  }

  waitAll(): Operation<void> {
    return asking({
      what: 'a pool',
      attempt: (task) => {
        if (task !== null && this.#isAbove(task)) return bad(modelError('AuthoringError'));
        return this.running === 0 && this.waiting === 0 ? good(undefined) : null;
      },
    });
  }

  resize(size: number): Operation<void> {
    return doing(() => {
      this.#size = size;
      return good(undefined);
    });
  }

  /** Whether another may run; if so it has the slot until it has ended. */
  occupy(make: () => ModelTask): ModelTask | null {
    if (this.#tasks.size >= this.#size) return null;
    const task = make();
    this.#tasks.add(task);
    task.whenOver.push(() => this.#tasks.delete(task));
    return task;
  }

  #isAbove(task: ModelTask): boolean {
    for (let each: ModelTask | null = task; each !== null; each = each.above) if (this.#tasks.has(each)) return true;
    return false;
  }
}

type Mapper = (item: unknown, index: number) => Operation<unknown>;

/** Waits for a slot, and makes a task that has it. It begins when whoever asked is on the way: a spawn returns first. */
class SlotRequest implements Request {
  readonly what = 'a slot';
  readonly pool: ModelPool;
  readonly #scheduler: ModelScheduler;
  readonly #make: (scope: ModelTask | null) => ModelTask;
  whenStarted: () => void = () => {};
  #made: ModelTask | null = null;

  constructor(pool: ModelPool, scheduler: ModelScheduler, make: (scope: ModelTask | null) => ModelTask) {
    this.pool = pool;
    this.#scheduler = scheduler;
    this.#make = make;
  }

  attempt(scope: ModelTask | null): Answer | null {
    this.#made = this.pool.occupy(() => this.#make(scope));
    return this.#made === null ? null : good(new ModelHandle(this.#scheduler, this.#made));
  }

  after(): void {
    if (this.#made !== null) this.#scheduler.start(this.#made);
    this.whenStarted();
  }
}

/** A map has one item in its hand, and stands in line with it. */
class Mapping {
  readonly #pool: ModelPool;
  readonly #scheduler: ModelScheduler;
  readonly #group: ModelGroup;
  readonly #items: Iterator<unknown>;
  readonly #fn: Mapper;
  #next: IteratorResult<unknown> | null = null;
  #request: SlotRequest | null = null;
  #count = 0;

  constructor(pool: ModelPool, scheduler: ModelScheduler, items: Iterator<unknown>, fn: Mapper) {
    this.#pool = pool;
    this.#scheduler = scheduler;
    this.#group = new ModelGroup(scheduler, 'all', null);
    this.#items = items;
    this.#fn = fn;
  }

  asked<R>(): Operation<R[]> {
    this.#group.whenDecided = () => this.#stop();
    return this.#group.asked(() => this.#pull());
  }

  #pull(): void {
    this.#next = this.#items.next();
    this.#group.isOpen = this.#next.done !== true;
    if (!this.#group.isOpen) return;
    this.#request = new SlotRequest(this.#pool, this.#scheduler, () => this.#makeMember());
    this.#request.whenStarted = () => {
      this.#pull();
      this.#group.decideAtEnd();
    };
    this.#scheduler.tickets.push({ task: null, request: this.#request });
  }

  #makeMember(): ModelTask {
    const item: unknown = this.#next?.value;
    const index = this.#count++;
    return this.#group.add(() => this.#fn(item, index));
  }

  #stop(): void {
    if (!this.#group.isOpen) return;
    this.#group.isOpen = false;
    if (this.#request !== null) this.#scheduler.drop(this.#request);
    this.#items.return?.();
  }
}
