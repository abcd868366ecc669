// Tasks that use a queue and note what they are given or refused.

import { type Operation, type Queue, spawn, type Task } from '../../src/index.js';
import { type Trail, told } from './rules.js';

/** Puts items one after the other in a task of its own, and notes when each is in. */
export function putting(queue: Queue<unknown>, trail: Trail, items: readonly unknown[]) {
  return spawn(function* () {
    for (const item of items) {
      const error = yield* told(queue.put(item));
      yield* trail.note(error === 'Error: nothing was thrown' ? `${item} is in` : `${item}: ${nameIn(error)}`);
    }
  });
}

/** Gets one item in a task of its own. */
export function getting(queue: Queue<unknown>, trail: Trail, who: string): Operation<Task<void>> {
  return spawn(function* () {
    try {
      yield* trail.note(`${who} got ${yield* queue.get()}`);
    } catch (error) {
      yield* trail.note(`${who}: ${(error as Error).name}`);
    }
  });
}

export const nameIn = (text: string) => text.split(':')[0] as string;

/** What is in a queue, taken out. */
export function* drain(queue: Queue<unknown>): Operation<unknown[]> {
  const items: unknown[] = [];
  for (let taken = yield* queue.tryGet(); taken !== undefined; taken = yield* queue.tryGet()) items.push(taken.item);
  return items;
}
