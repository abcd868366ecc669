// A queue that gives back what it holds in the order of arrival, in constant time.

const COMPACT_AT = 1_024;

export class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  add(item: T): void {
    this.#items.push(item);
  }

  removeFirst(): void {
    if (this.size === 0) return;
    this.#head++;
    if (this.#head < COMPACT_AT || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
