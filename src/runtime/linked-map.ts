// A map that keeps its entries in the order of arrival and gives the first one in constant time. JavaScript's own Map
// walks over what was deleted from its front each time it is asked for its first entry.

interface Link<K, V> {
  readonly key: K;
  readonly value: V;
  before: Link<K, V> | null;
  after: Link<K, V> | null;
}

export class LinkedMap<K, V> {
  readonly #links = new Map<K, Link<K, V>>();
  #first: Link<K, V> | null = null;
  #last: Link<K, V> | null = null;

  get size(): number {
    return this.#links.size;
  }

  /** The value that has been here longest. */
  get first(): V | undefined {
    return this.#first?.value;
  }

  get last(): V | undefined {
    return this.#last?.value;
  }

  get(key: K): V | undefined {
    return this.#links.get(key)?.value;
  }

  /** Adds behind all others; a key that is here already moves there. */
  add(key: K, value: V): void {
    this.delete(key);
    const link = { key, value, before: this.#last, after: null };
    if (this.#last === null) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
    this.#links.set(key, link);
  }

  delete(key: K): boolean {
    const link = this.#links.get(key);
    if (link === undefined) return false;
    this.#links.delete(key);
    if (link.before === null) this.#first = link.after;
    else link.before.after = link.after;
    if (link.after === null) this.#last = link.before;
    else link.after.before = link.before;
    return true;
  }

  *values(): IterableIterator<V> {
    for (let link = this.#first; link !== null; link = link.after) yield link.value;
  }
}
