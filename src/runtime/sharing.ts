// What of an instance's tasks and of what they share is told in its record: who is there, who waits for whom, what is
// held. Derived by replay (C4), it is stored to be seen, by id, and only what a turn has changed.

import type { Primitive } from './primitive.js';
import type { PrimitiveState, SharedDelta, TaskState } from './record.js';
import { SmallMap } from './small-map.js';
import type { TaskNode } from './task-node.js';

export class Sharing {
  /** Primitives made so far: the number of the last one. */
  primitivesMade = 0;
  #tasks: TaskNode[] | null = null;
  #primitives: Primitive[] | null = null;
  /** By id, what the record has of those that it has something of. */
  readonly #toldTasks = new SmallMap<number, string>();
  readonly #toldPrimitives = new SmallMap<number, string>();
  /** Pools, queues, semaphores and latches that hold something or somebody. */
  readonly #inUse = new Map<number, Primitive>();

  /** A task was made, waits for another one, waits no more, or has ended. */
  changedTask(task: TaskNode): void {
    if (task.isChanged) return;
    task.isChanged = true;
    this.#tasks ??= [];
    this.#tasks.push(task);
  }

  changedPrimitive(primitive: Primitive): void {
    this.#primitives ??= [];
    this.#primitives.push(primitive);
  }

  /** What is in use now, by id. */
  *primitives(): Iterable<[number, PrimitiveState]> {
    this.noteUse();
    for (const [id, primitive] of this.#inUse) {
      const state = primitive.state();
      if (state !== null) yield [id, state];
    }
  }

  /** What has changed since the last call; null when nothing has that the record would show. */
  takeChanges(): SharedDelta | null {
    if (this.#tasks === null && this.#primitives === null) return null;
    const tasks = this.#tasks ?? [];
    const primitives = this.#primitives ?? [];
    this.noteUse();
    this.#tasks = null;
    const delta: SharedDelta = { t: [], p: [] };
    for (const task of tasks) {
      task.isChanged = false;
      tell(this.#toldTasks, delta.t, task.id, toldOfTask(task));
    }
    for (const primitive of primitives) tell(this.#toldPrimitives, delta.p, primitive.id, primitive.state());
    return delta.t.length === 0 && delta.p.length === 0 ? null : delta;
  }

  /** Keeps those that hold something or somebody, and lets go of the others. */
  noteUse(): void {
    for (const primitive of this.#primitives ?? []) {
      primitive.isChanged = false;
      if (primitive.state() === null) this.#inUse.delete(primitive.id);
      else this.#inUse.set(primitive.id, primitive);
    }
    this.#primitives = null;
  }
}

/** Adds what differs from what was told before. */
function tell<T>(told: SmallMap<number, string>, to: [number, T?][], id: number, what: T | null): void {
  const before = told.get(id);
  if (what === null) {
    if (before === undefined) return;
    told.delete(id);
    to.push([id]);
    return;
  }
  const text = JSON.stringify(what);
  if (text === before) return;
  told.set(id, text);
  to.push([id, what]);
}

/** The body is told of only while it waits for a task; that it waits for the outside its requests tell. */
export function toldOfTask(task: TaskNode): TaskState | null {
  if (task.state === 'ended') return null;
  const wait = task.wait === null || task.wait.isOutside ? null : task.wait.what;
  const waitsFor = task.state === 'closing' ? 'the end of its tasks' : wait;
  if (task.above === null && waitsFor === null) return null;
  return [task.above?.id ?? 0, task.name, waitsFor ?? 0];
}
