// The orders in which a queue gives its items.

import { Fifo } from './fifo.js';

/** An item in a queue; `rank` orders it in a priority queue, `seq` among its equals. */
export interface Item {
  readonly value: unknown;
  readonly rank: number;
  readonly seq: number;
}

export interface ItemBuffer {
  readonly size: number;
  add(item: Item): void;
  /** Takes out the item that is to be given next. */
  take(): Item | undefined;
  /** Takes an item back that was given last: it is to be given next again. */
  putBack(item: Item): void;
}

export type QueueOrder = 'fifo' | 'lifo' | 'priority';

export function createBuffer(order: QueueOrder): ItemBuffer {
  if (order === 'lifo') return new LifoBuffer();
  return order === 'priority' ? new PriorityBuffer() : new FifoBuffer();
}

class FifoBuffer implements ItemBuffer {
  readonly #items = new Fifo<Item>();

  get size(): number {
    return this.#items.size;
  }

  add(item: Item): void {
    this.#items.add(item);
  }

  take(): Item | undefined {
    const { first } = this.#items;
    this.#items.removeFirst();
    return first;
  }

  /** Before it stand only items that were put back as well, and had come before it. */
  putBack(item: Item): void {
    const before: Item[] = [];
    for (let { first } = this.#items; first !== undefined && first.seq < item.seq; { first } = this.#items) {
      before.push(first);
      this.#items.removeFirst();
    }
    this.#items.addFirst(item);
    for (let last = before.pop(); last !== undefined; last = before.pop()) this.#items.addFirst(last);
  }
}

class LifoBuffer implements ItemBuffer {
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    this.#items.push(item);
  }

  take(): Item | undefined {
    return this.#items.pop();
  }

  putBack(item: Item): void {
    this.#items.push(item);
  }
}

/** The lowest rank first; among equals, the first come. A binary heap. */
class PriorityBuffer implements ItemBuffer {
  readonly #heap: Item[] = [];

  get size(): number {
    return this.#heap.length;
  }

  add(item: Item): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Item;
      if (!isBefore(item, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = item;
  }

  take(): Item | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.#sink(last);
    return first;
  }

  putBack(item: Item): void {
    this.add(item);
  }

  /** Finds the place of an item that was put at the top. */
  #sink(item: Item): void {
    const heap = this.#heap;
    let at = 0;
    for (let child = 1; child < heap.length; child = at * 2 + 1) {
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Item)) child++;
      const smallest = heap[child] as Item;
      if (!isBefore(smallest, item)) break;
      heap[at] = smallest;
      at = child;
    }
    heap[at] = item;
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.seq < b.seq);
}
