// Those who wait for one thing, first come first served; anyone may leave from anywhere in the line in constant time.

import type { TaskNode } from './task-node.js';

/** Somebody's place in a line, with what they brought. */
export class Place<T> {
  readonly task: TaskNode;
  readonly brought: T;
  before: Place<T> | null = null;
  after: Place<T> | null = null;
  isInLine = true;

  constructor(task: TaskNode, brought: T) {
    this.task = task;
    this.brought = brought;
  }
}

export class WaitingLine<T = null> {
  #first: Place<T> | null = null;
  #last: Place<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Place<T> | null {
    return this.#first;
  }

  /** Takes a place behind all others. */
  join(task: TaskNode, brought: T): Place<T> {
    const place = new Place(task, brought);
    place.before = this.#last;
    if (this.#last === null) this.#first = place;
    else this.#last.after = place;
    this.#last = place;
    this.#size++;
    return place;
  }

  /** Gives a place up; one that was given up before is left alone. */
  leave(place: Place<T>): void {
    if (!place.isInLine) return;
    place.isInLine = false;
    if (place.before === null) this.#first = place.after;
    else place.before.after = place.after;
    if (place.after === null) this.#last = place.before;
    else place.after.before = place.before;
    this.#size--;
  }

  /** Takes the first one out. */
  shift(): Place<T> | null {
    const first = this.#first;
    if (first !== null) this.leave(first);
    return first;
  }
}
