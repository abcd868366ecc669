// Queues: items handed from task to task, each to exactly one.
//
// Invariants:
//   N1. While a getter waits the queue is empty, and while a putter waits it is full.
//   N2. An item that was handed to a getter who has not run since, and never will, is given next again.

import { DefinitionError } from './errors.js';
import type { Execution } from './execution.js';
import { describeValue } from './found.js';
import { createBuffer, type Item, type ItemBuffer, type QueueOrder } from './item-buffers.js';
import { limits } from './limits.js';
import { effectOperation, type Operation } from './operation.js';
import { assertCount, Primitive } from './primitive.js';
import type { PrimitiveState } from './record.js';
import { fail, type Outcome, succeed, type TaskNode, type Wait } from './task-node.js';
import { WaitingLine } from './waiting-line.js';
import { AuthoringError, LimitError, QueueClosedError } from './workflow-errors.js';

/** Items that tasks of one instance hand to each other, each to one getter; getters and putters are served in the order in which they came. */
export interface Queue<T> {
  /** Items in the queue. */
  readonly size: number;
  /**
   * Puts an item in, waiting while the queue is full; with capacity 0, until a getter has taken it.
   *
   * @throws QueueClosedError; LimitError when an unbounded queue holds as many items as may be
   */
  put(item: T): Operation<void>;
  /**
   * Takes the next item out, waiting for one while there is none.
   *
   * @throws QueueClosedError when the queue is closed and empty
   */
  get(): Operation<T>;
  /** Puts an item in when there is room at once; gives whether it did. */
  tryPut(item: T): Operation<boolean>;
  /** Takes the next item out when there is one at once. */
  tryGet(): Operation<{ readonly item: T } | undefined>;
  /** Takes no more items: putters are refused, getters get what is left and are then told. */
  close(): Operation<void>;
}

/** How a queue orders its items. */
export interface QueueOptions<T> {
  /** `fifo` (default): first in, first out; `lifo`: last in, first out; `priority`: the lowest number first. */
  order?: QueueOrder | undefined;
  /** The number of an item in a priority queue; without it the items are the numbers. */
  priority?: ((item: T) => number) | undefined;
}

/**
 * Makes a queue. Without a capacity it takes up to `queueItemsMax` items; with capacity 0 an item goes from hand to hand.
 *
 * Items go by reference and may be anything, a task or a latch to answer on included: replay puts them in again.
 *
 * @throws DefinitionError for a capacity that is not a whole number from 0, or an order that is none
 * @example
 * const jobs = yield* createQueue<Job>(10);
 * yield* spawn(function* () { while (true) yield* run(yield* jobs.get()); });
 * yield* jobs.put({ url });
 */
export function createQueue<T>(capacity: number = Number.POSITIVE_INFINITY, options: QueueOptions<T> = {}): Operation<Queue<T>> {
  if (capacity !== Number.POSITIVE_INFINITY) assertCount(capacity, 'the capacity of createQueue()');
  const { order = 'fifo', priority } = options;
  if (order !== 'fifo' && order !== 'lifo' && order !== 'priority')
    throw new DefinitionError(`The order of createQueue() is 'fifo', 'lifo' or 'priority', not ${describeValue(order)}.`);
  if (priority !== undefined && (typeof priority !== 'function' || order !== 'priority'))
    throw new DefinitionError("The priority of createQueue() is a function, and goes with order: 'priority'.");
  const rank = order === 'priority' ? ((priority ?? itself) as (item: unknown) => number) : null;
  return effectOperation<Queue<T>>({
    kind: 'create',
    name: 'queue',
    make: (owner) => new QueueState<T>(owner, { capacity, order, rank }),
  });
}

function itself(item: unknown): number {
  return item as number;
}

class QueueState<T> extends Primitive implements Queue<T> {
  readonly kind = 'queue';
  readonly #capacity: number;
  readonly #order: QueueOrder;
  readonly #rank: ((item: unknown) => number) | null;
  readonly #items: ItemBuffer;
  readonly #getters = new WaitingLine();
  readonly #putters = new WaitingLine<Item>();
  #seq = 0;
  #isClosed = false;

  constructor(owner: Execution, options: { capacity: number; order: QueueOrder; rank: ((item: unknown) => number) | null }) {
    super(owner);
    this.#capacity = options.capacity;
    this.#order = options.order;
    this.#rank = options.rank;
    this.#items = createBuffer(options.order);
  }

  get size(): number {
    return this.#items.size;
  }

  put(item: T): Operation<void> {
    return this.operation('put', (task) => this.#put(item, task));
  }

  get(): Operation<T> {
    return this.operation('get', (task) => this.#takeNow() ?? this.#waitForItem(task));
  }

  tryPut(item: T): Operation<boolean> {
    return this.instant('tryPut', () => this.#tryPut(item));
  }

  tryGet(): Operation<{ readonly item: T } | undefined> {
    return this.instant('tryGet', () => {
      const taken = this.#takeNow();
      if (taken === null) return succeed(undefined);
      return taken.ok ? succeed({ item: taken.value }) : taken;
    });
  }

  close(): Operation<void> {
    return this.instant('close', () => this.#close());
  }

  state(): PrimitiveState | null {
    if (this.#items.size + this.#getters.size + this.#putters.size === 0) return null;
    return {
      kind: 'queue',
      order: this.#order,
      capacity: Number.isFinite(this.#capacity) ? this.#capacity : null,
      size: this.#items.size,
      getters: this.#getters.size,
      putters: this.#putters.size,
      isClosed: this.#isClosed,
    };
  }

  #put(value: T, task: TaskNode): Outcome | Wait {
    const item = this.#toItem(value);
    if (!('seq' in item)) return item;
    return this.#accept(item) ?? this.#waitForRoom(item, task);
  }

  #tryPut(value: T): Outcome {
    const item = this.#toItem(value);
    if (!('seq' in item)) return item;
    const answer = this.#accept(item);
    return answer === null || answer.ok ? succeed(answer !== null) : answer;
  }

  /** The item with its place in the order; or why it is refused. */
  #toItem(value: unknown): Item | Outcome {
    if (this.#isClosed) return fail(this.#closedError('put'));
    if (this.#rank === null) return { value, rank: 0, seq: this.#seq++ };
    try {
      const rank: unknown = this.#rank(value);
      if (typeof rank === 'number' && !Number.isNaN(rank)) return { value, rank, seq: this.#seq++ };
      return fail(new AuthoringError(`The priority of an item put into ${this.title} is ${describeValue(rank)}; it must be a number.`));
    } catch (error) {
      return fail(error);
    }
  }

  /** Hands the item to a getter, or keeps it where there is room; null where there is none. */
  #accept(item: Item): Outcome | null {
    if (!this.#handToGetter(item)) {
      if (this.#items.size >= this.#capacity) return null;
      if (this.#items.size >= limits.queueItemsMax) return fail(this.#fullError());
      this.#items.add(item);
    }
    this.changed();
    return succeed(undefined);
  }

  #handToGetter(item: Item): boolean {
    const getter = this.#getters.shift();
    if (getter === null) return false;
    this.owner.scheduler.hand(getter.task, item.value, () => this.#putBack(item));
    return true;
  }

  #putBack(item: Item): void {
    if (!this.#handToGetter(item)) this.#items.putBack(item);
    this.changed();
  }

  /** What a getter gets at once; null when it has to wait. */
  #takeNow(): Outcome | null {
    const item = this.#items.take() ?? this.#takeFromPutter();
    if (item !== undefined) {
      this.#letPuttersIn();
      this.changed();
      return succeed(item.value);
    }
    return this.#isClosed ? fail(this.#closedError('get')) : null;
  }

  /** With capacity 0 an item never lies in the queue. */
  #takeFromPutter(): Item | undefined {
    const putter = this.#putters.shift();
    if (putter === null) return undefined;
    this.owner.scheduler.wake(putter.task, succeed(undefined));
    return putter.brought;
  }

  #letPuttersIn(): void {
    while (this.#items.size < this.#capacity) {
      const item = this.#takeFromPutter();
      if (item === undefined) return;
      this.#items.add(item);
    }
  }

  #waitForItem(task: TaskNode): Wait {
    return this.waitAt(this.#getters, this.#getters.join(task, null), `an item of ${this.title}`);
  }

  #waitForRoom(item: Item, task: TaskNode): Wait {
    return this.waitAt(this.#putters, this.#putters.join(task, item), `room in ${this.title}`);
  }

  #close(): Outcome {
    this.#isClosed = true;
    this.changed();
    this.wakeAll(this.#getters, () => fail(this.#closedError('get')));
    this.wakeAll(this.#putters, () => fail(this.#closedError('put')));
    return succeed(undefined);
  }

  #closedError(operation: string): QueueClosedError {
    return new QueueClosedError(operation, this.title, this.owner.instanceId);
  }

  #fullError(): LimitError {
    return new LimitError(
      'queueItemsMax',
      limits.queueItemsMax,
      `The unbounded ${this.title} of instance "${this.owner.instanceId}" holds too many items to put another`,
      'Give it a capacity, so that putters wait for getters.',
    );
  }
}
