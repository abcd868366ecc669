// A bridge from what Node hands out one after another (connections, datagrams, lines) to a workflow that waits for one.

import { type EventEmitter, on } from 'node:events';
import { type Operation, step } from '../../src/index.js';

/** What an async iterator gives (a stream's, a generator's), taken item by item. */
export class Incoming<T> {
  readonly #items: AsyncIterator<T>;
  readonly #arrived: IteratorResult<T>[] = [];
  #arrival: Promise<void> | undefined;

  constructor(items: AsyncIterator<T>) {
    this.#items = items;
  }

  /** The arguments of each event of this name, until the emitter closes. */
  static events<T extends unknown[]>(emitter: EventEmitter, name: string): Incoming<T> {
    return new Incoming<T>(on(emitter, name, { close: ['close'] }) as AsyncIterator<unknown[]> as AsyncIterator<T>);
  }

  /** Waits for the next item; undefined when there are no more. A wait that is given up takes nothing away. */
  next(): Operation<T | undefined> {
    return step('next', ({ signal }) => this.#take(signal));
  }

  async #take(signal: AbortSignal): Promise<T | undefined> {
    for (;;) {
      const item = this.#arrived.shift();
      if (item !== undefined) {
        signal.addEventListener('abort', () => this.#arrived.unshift(item)); // too late after all: it is the next one's
        return item.done === true ? undefined : item.value;
      }
      this.#arrival ??= this.#fetch();
      await this.#arrival;
      signal.throwIfAborted();
    }
  }

  /** One at a time, however many wait: nothing is read before somebody wants it. */
  async #fetch(): Promise<void> {
    this.#arrived.push(await this.#items.next());
    this.#arrival = undefined;
  }
}
