// A map that mostly has one entry or none: that one stands in the map itself. An empty Map takes 184 bytes, and every
// sleeping instance has several.

export class SmallMap<K, V> {
  #key: K | undefined = undefined;
  #value: V | undefined = undefined;
  #map: Map<K, V> | null = null;
  #isSingle = false;

  get size(): number {
    return this.#map === null ? (this.#isSingle ? 1 : 0) : this.#map.size;
  }

  has(key: K): boolean {
    return this.#map === null ? this.#isSingle && this.#key === key : this.#map.has(key);
  }

  get(key: K): V | undefined {
    if (this.#map !== null) return this.#map.get(key);
    return this.#isSingle && this.#key === key ? this.#value : undefined;
  }

  set(key: K, value: V): this {
    if (this.#map !== null) this.#map.set(key, value);
    else if (!this.#isSingle || this.#key === key) {
      this.#isSingle = true;
      this.#key = key;
      this.#value = value;
    } else {
      this.#map = new Map([
        [this.#key as K, this.#value as V],
        [key, value],
      ]);
      this.#forgetSingle();
    }
    return this;
  }

  delete(key: K): boolean {
    if (this.#map !== null) {
      const was = this.#map.delete(key);
      if (this.#map.size === 0) this.#map = null;
      return was;
    }
    if (!this.#isSingle || this.#key !== key) return false;
    this.#forgetSingle();
    return true;
  }

  clear(): void {
    this.#map = null;
    this.#forgetSingle();
  }

  *[Symbol.iterator](): IterableIterator<[K, V]> {
    if (this.#map !== null) yield* this.#map;
    else if (this.#isSingle) yield [this.#key as K, this.#value as V];
  }

  keys(): Iterable<K> {
    if (this.#map !== null) return this.#map.keys();
    return this.#isSingle ? [this.#key as K] : [];
  }

  values(): Iterable<V> {
    if (this.#map !== null) return this.#map.values();
    return this.#isSingle ? [this.#value as V] : [];
  }

  #forgetSingle(): void {
    this.#isSingle = false;
    this.#key = undefined;
    this.#value = undefined;
  }
}
