// The heap of deadlines: what comes up when, what does not any more, and how much it keeps.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Deadline, DeadlineHeap, type DeadlineKey } from '../src/runtime/deadlines.js';

function key(dueAt: number, seq = 0, task = 0, pos = 0): DeadlineKey {
  return { dueAt, seq, task, pos };
}

function takeAll<T>(heap: DeadlineHeap<T>, now = Number.POSITIVE_INFINITY): T[] {
  const taken: T[] = [];
  for (let due = heap.takeDue(now); due !== undefined; due = heap.takeDue(now)) taken.push(due);
  return taken;
}

describe('what is due', () => {
  test('nothing comes up before its time, the earliest first after it', () => {
    const heap = new DeadlineHeap<string>();
    heap.add(key(300), 'late');
    heap.add(key(100), 'early');
    heap.add(key(200), 'between');

    expect([takeAll(heap, 99), takeAll(heap, 100), takeAll(heap, 299), takeAll(heap, 300)]).toEqual([[], ['early'], ['between'], ['late']]);
    expect([heap.size, heap.nextDueAt()]).toEqual([0, undefined]);
  });

  test('D1: due together, they come up by sequence, task and position', () => {
    const heap = new DeadlineHeap<string>();
    const keys = [key(5, 2, 1, 1), key(5, 2, 1, 0), key(5, 2, 0, 9), key(5, 1, 9, 9), key(5, 3, 0, 0), key(4, 9, 9, 9)];
    for (const each of keys) heap.add(each, `${each.dueAt} ${each.seq} ${each.task} ${each.pos}`);

    expect(takeAll(heap)).toEqual(['4 9 9 9', '5 1 9 9', '5 2 0 9', '5 2 1 0', '5 2 1 1', '5 3 0 0']);
  });

  test('times of any size are kept, infinity and those long past too', () => {
    const heap = new DeadlineHeap<string>();
    heap.add(key(Number.POSITIVE_INFINITY), 'never');
    heap.add(key(Number.MAX_SAFE_INTEGER), 'far');
    heap.add(key(-1), 'past');

    expect(takeAll(heap, Number.MAX_SAFE_INTEGER)).toEqual(['past', 'far']);
    expect(heap.nextDueAt()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('cancelling', () => {
  test('what was cancelled does not come up, and is not waited for', () => {
    const heap = new DeadlineHeap<string>();
    const first = heap.add(key(1), 'first');
    heap.add(key(2), 'second');

    heap.cancel(first);

    expect([heap.size, heap.nextDueAt()]).toEqual([1, 2]);
    expect(takeAll(heap)).toEqual(['second']);
  });

  test('cancelling twice, or what has come up, changes nothing', () => {
    const heap = new DeadlineHeap<string>();
    const first = heap.add(key(1), 'first');
    const second = heap.add(key(2), 'second');
    heap.takeDue(1);

    heap.cancel(first);
    heap.cancel(first);
    expect(heap.size).toBe(1);
    heap.cancel(second);
    heap.cancel(second);

    expect([heap.size, heap.nextDueAt()]).toEqual([0, undefined]);
  });

  test('D2: the cancelled do not stay: of ten thousand, all but a few are let go at once', async () => {
    const heap = new DeadlineHeap<object>();
    const keep = { index: 0 };
    heap.add(key(0), keep);
    const cancelled: WeakRef<object>[] = [];
    for (let index = 1; index <= 10_000; index++) {
      const what = { index };
      heap.cancel(heap.add(key(index), what));
      cancelled.push(new WeakRef(what));
    }

    await collectGarbage();

    expect(cancelled.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(100);
    expect(heap.size).toBe(1);
    expect(heap.takeDue(0)).toBe(keep);
  });
});

/** Lets go of what only this turn of the event loop holds, and of what nobody does. */
async function collectGarbage(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose_gc');
  (runInNewContext('gc') as () => void)();
}

const small = fc.nat({ max: 5 });
const actions = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), key: fc.tuple(small, small, small) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('cancel' as const), nth: fc.nat({ max: 300 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), now: fc.nat({ max: 6 }) }) },
  ),
  { maxLength: 400, size: 'max' },
);

test('whatever is added, cancelled and taken, it is what a sorted list would be', () => {
  fc.assert(
    fc.property(actions, (run) => {
      const heap = new DeadlineHeap<number>();
      const added: Deadline<number>[] = [];
      let model: Deadline<number>[] = [];
      for (const action of run) {
        if (action.kind === 'add') {
          const [dueAt, seq, task] = action.key;
          // The position makes each key one of its own: equal ones may come up in any order.
          added.push(heap.add(key(dueAt, seq, task, added.length), added.length));
          model = [...model, ...added.slice(-1)].toSorted(compare);
        } else if (action.kind === 'cancel') {
          const chosen = added[action.nth % Math.max(1, added.length)];
          if (chosen !== undefined) heap.cancel(chosen);
          model = model.filter((deadline) => deadline !== chosen);
        } else {
          const isDue = model[0] !== undefined && model[0].dueAt <= action.now;
          expect(heap.takeDue(action.now)).toBe(isDue ? model.shift()?.what : undefined);
        }
        expect(heap.size).toBe(model.length);
        expect(heap.nextDueAt()).toBe(model[0]?.dueAt);
      }
    }),
  );
});

function compare(a: DeadlineKey, b: DeadlineKey): number {
  return a.dueAt - b.dueAt || a.seq - b.seq || a.task - b.task || a.pos - b.pos;
}
