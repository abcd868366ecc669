// Deadlines, earliest first. A cancelled one stays until it comes up or until the cancelled are as many as the
// others, when all of them are collected: both adding and cancelling stay cheap, and the heap stays small.
//
// Invariants:
//   D1. Due together, they come up in the order of due time, seq, task and position: the same in every recovery.
//   D2. At most half of the heap is cancelled.

export interface DeadlineKey {
  readonly dueAt: number;
  readonly seq: number;
  readonly task: number;
  readonly pos: number;
}

/** A deadline that was added; the heap's own, to be given back to `cancel`. */
export interface Deadline<T> extends DeadlineKey {
  readonly what: T;
  isCancelled: boolean;
}

const COLLECT_MIN = 64;

export class DeadlineHeap<T> {
  #heap: Deadline<T>[] = [];
  #cancelled = 0;

  /** Deadlines that will come up. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  add(key: DeadlineKey, what: T): Deadline<T> {
    const deadline = { dueAt: key.dueAt, seq: key.seq, task: key.task, pos: key.pos, what, isCancelled: false };
    this.#heap.push(deadline);
    this.#up(this.#heap.length - 1);
    return deadline;
  }

  cancel(deadline: Deadline<T>): void {
    if (deadline.isCancelled) return;
    deadline.isCancelled = true;
    this.#cancelled++;
    if (this.#cancelled >= COLLECT_MIN && this.#cancelled * 2 > this.#heap.length) this.#collect();
  }

  /** When the earliest is due. */
  nextDueAt(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.dueAt;
  }

  /** Takes the earliest when it is due. */
  takeDue(now: number): T | undefined {
    this.#dropCancelled();
    const first = this.#heap[0];
    if (first === undefined || first.dueAt > now) return undefined;
    this.#removeFirst();
    // A deadline that came up is not in the heap any more: cancelling it now must not be counted.
    first.isCancelled = true;
    return first.what;
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.isCancelled === true) {
      this.#removeFirst();
      this.#cancelled--;
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #collect(): void {
    this.#heap = this.#heap.filter((deadline) => !deadline.isCancelled);
    this.#cancelled = 0;
    for (let index = (this.#heap.length >> 1) - 1; index >= 0; index--) this.#down(index);
  }

  #up(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #down(from: number): void {
    let index = from;
    for (;;) {
      let first = index;
      for (const child of [2 * index + 1, 2 * index + 2]) if (child < this.#heap.length && this.#isBefore(child, first)) first = child;
      if (first === index) return;
      this.#swap(index, first);
      index = first;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const left = this.#heap[a] as Deadline<T>;
    const right = this.#heap[b] as Deadline<T>;
    if (left.dueAt !== right.dueAt) return left.dueAt < right.dueAt;
    if (left.seq !== right.seq) return left.seq < right.seq;
    return left.task !== right.task ? left.task < right.task : left.pos < right.pos;
  }

  #swap(a: number, b: number): void {
    const left = this.#heap[a] as Deadline<T>;
    this.#heap[a] = this.#heap[b] as Deadline<T>;
    this.#heap[b] = left;
  }
}
