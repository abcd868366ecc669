// The model's queues, semaphores and latches: a few lines of state each, and for every wait the condition under which
// it is over. Order, leaving and giving back are the affair of the tickets.

import type { Latch, Operation, Queue, Semaphore } from '../../../src/index.js';
import type { ModelScheduler } from './model-scheduler.js';
import { type Answer, asking, bad, doing, good, modelError, type Request } from './model-task.js';
import type { Item, QueueOptions } from './operations.js';

interface Arrived {
  readonly item: Item;
  readonly number: number;
}

export class ModelQueue implements Queue<Item> {
  readonly name: string;
  readonly #scheduler: ModelScheduler;
  readonly #capacity: number;
  readonly #order: QueueOptions['order'];
  /** In the order in which they came. */
  #items: Arrived[] = [];
  #arrived = 0;
  #isClosed = false;

  constructor(scheduler: ModelScheduler, options: { id: number; capacity: number; order: QueueOptions['order'] }) {
    this.name = `queue ${options.id}`;
    this.#scheduler = scheduler;
    this.#capacity = options.capacity;
    this.#order = options.order;
  }

  get size(): number {
    return this.#items.length;
  }

  put(item: Item): Operation<void> {
    return asking(new Put(this, item));
  }

  tryPut(item: Item): Operation<boolean> {
    return doing(() => {
      const answer = this.accept(item);
      return answer === null || answer.ok ? good(answer !== null) : answer;
    });
  }

  get(): Operation<Item> {
    return asking(new Get(this));
  }

  tryGet(): Operation<{ readonly item: Item } | undefined> {
    return doing(() => {
      const answer = this.take();
      if (answer === null) return good(undefined);
      return answer.ok ? good({ item: (answer.value as Arrived).item }) : answer;
    });
  }

  close(): Operation<void> {
    return doing(() => {
      this.#isClosed = true;
      return good(undefined);
    });
  }

  /** An item comes in, when there is room for it: a getter that waits is room too. */
  accept(item: Item): Answer | null {
    if (this.#isClosed) return bad(modelError('QueueClosedError'));
    if (this.size >= Math.max(this.#capacity, this.#waiting(Get).length)) return null;
    this.#letIn(item);
    return good(undefined);
  }

  /** An item goes out, when there is one: that of a putter who waits for a getter counts too. */
  take(): Answer | null {
    if (this.size === 0) this.#takeFromPutter();
    const next = this.#next();
    if (next !== undefined) {
      this.#items = this.#items.filter((each) => each !== next);
      return good(next);
    }
    return this.#isClosed ? bad(modelError('QueueClosedError')) : null;
  }

  /** An item that was on its way to somebody who left: it is where it would be if nobody had been there. */
  takeBack(arrived: Arrived): void {
    this.#items.push(arrived);
    if (this.#order !== 'lifo') this.#items.sort((a, b) => a.number - b.number);
  }

  #letIn(item: Item): void {
    this.#items.push({ item, number: this.#arrived++ });
  }

  /** Without a capacity nobody gets in until a getter comes. */
  #takeFromPutter(): void {
    const first = this.#waiting(Put)[0];
    const ticket = this.#scheduler.tickets.find(({ request }) => request === first);
    if (first === undefined || ticket === undefined) return;
    this.#letIn(first.item);
    this.#scheduler.answer(ticket, good(undefined));
  }

  #next(): Arrived | undefined {
    if (this.#order === 'fifo') return this.#items[0];
    if (this.#order === 'lifo') return this.#items.at(-1);
    const lowest = Math.min(...this.#items.map(({ item }) => item.rank));
    return this.#items.find(({ item }) => item.rank === lowest);
  }

  #waiting<T extends Get | Put>(kind: abstract new (...args: never[]) => T): T[] {
    const requests = this.#scheduler.tickets.map(({ request }) => request);
    return requests.filter((request): request is T => request instanceof kind && request.queue === this);
  }
}

class Put implements Request {
  readonly queue: ModelQueue;
  readonly item: Item;

  constructor(queue: ModelQueue, item: Item) {
    this.queue = queue;
    this.item = item;
  }

  get what(): string {
    return `room in ${this.queue.name}`;
  }

  attempt(): Answer | null {
    return this.queue.accept(this.item);
  }
}

class Get implements Request {
  readonly queue: ModelQueue;
  #taken: Arrived | null = null;

  constructor(queue: ModelQueue) {
    this.queue = queue;
  }

  get what(): string {
    return `an item of ${this.queue.name}`;
  }

  attempt(): Answer | null {
    const answer = this.queue.take();
    if (answer === null || !answer.ok) return answer;
    this.#taken = answer.value as Arrived;
    return good(this.#taken.item);
  }

  takeBack(): void {
    if (this.#taken !== null) this.queue.takeBack(this.#taken);
  }
}

export class ModelSemaphore implements Semaphore {
  readonly #permits: number;
  #free: number;

  constructor(permits: number) {
    this.#permits = permits;
    this.#free = permits;
  }

  get free(): number {
    return this.#free;
  }

  acquire(): Operation<void> {
    return asking({ what: 'a permit', attempt: () => this.#take(), takeBack: () => this.#give() });
  }

  tryAcquire(): Operation<boolean> {
    return doing(() => good(this.#take() !== null));
  }

  release(): Operation<void> {
    return doing(() => this.#give());
  }

  use<T>(operation: Operation<T>): Operation<T> {
    const acquired = this.acquire();
    const giveBack = this.release();
    return {
      *[Symbol.iterator]() {
        yield* acquired;
        try {
          return yield* operation;
        } finally {
          yield* giveBack;
        }
      },
    };
  }

  #take(): Answer | null {
    if (this.#free === 0) return null;
    this.#free--;
    return good(undefined);
  }

  #give(): Answer {
    if (this.#free === this.#permits) return bad(modelError('AuthoringError'));
    this.#free++;
    return good(undefined);
  }
}

export class ModelLatch implements Latch<unknown> {
  #answer: Answer | null = null;

  get isOpen(): boolean {
    return this.#answer !== null;
  }

  wait(): Operation<unknown> {
    return asking({ what: 'a latch', attempt: () => this.#answer });
  }

  open(value: unknown): Operation<void> {
    return doing(() => this.#set(good(value)));
  }

  fail(error: unknown): Operation<void> {
    return doing(() => this.#set(bad(error)));
  }

  reset(): Operation<void> {
    return doing(() => {
      this.#answer = null;
      return good(undefined);
    });
  }

  #set(answer: Answer): Answer {
    if (this.#answer !== null) return bad(modelError('AuthoringError'));
    this.#answer = answer;
    return good(undefined);
  }
}
