// The orders of queues, also of items that come back from getters who were cancelled before they had them.

import { createQueue, spawn } from '../../src/index.js';
import { counted } from '../support/crash-points.js';
import { drain, getting, putting } from './queue-users.js';
import { beginTrail, hours, type Rule, testRules } from './rules.js';

/** A queue with this order, filled at different times; gives the items as they come out. */
function ordered(order: 'lifo' | 'priority', items: readonly number[], expected: readonly number[]): Rule {
  return {
    rule: `${order}: ${items.join(', ')} come out as ${expected.join(', ')}`,
    body: function* () {
      const queue = yield* createQueue<number>(Number.POSITIVE_INFINITY, { order });
      for (const item of items) {
        yield* queue.put(item);
        yield* hours(1);
      }
      const out: number[] = [];
      while (queue.size > 0) {
        out.push(yield* queue.get());
        yield* counted(`took ${out.length}`, () => out.length);
      }
      return out;
    },
    expected,
  };
}

const orders: readonly Rule[] = [
  ordered('lifo', [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]),
  ordered('priority', [5, 3, 8, 1, 4, 9, 2, 7, 6, 0, -1, 3.5, 1e9, -2.5], [-2.5, -1, 0, 1, 2, 3, 3.5, 4, 5, 6, 7, 8, 9, 1e9]),
  {
    rule: 'priority: the lowest number first, equals in order of arrival, also after items were taken between',
    body: function* () {
      const priority = (item: string) => Number(item.slice(1));
      const queue = yield* createQueue<string>(Number.POSITIVE_INFINITY, { order: 'priority', priority });
      const out: unknown[] = [];
      for (const item of ['a2', 'b1', 'c2', 'd1', 'e2', 'f0']) yield* queue.put(item);
      yield* hours(1);
      out.push(yield* queue.get(), yield* queue.get());
      for (const item of ['g1', 'h2', 'i1']) yield* queue.put(item);
      for (const n of [1, 2, 3]) yield* counted(`later ${n}`, () => n);
      return [...out, ...(yield* drain(queue))];
    },
    expected: ['f0', 'b1', 'd1', 'g1', 'i1', 'a2', 'c2', 'e2', 'h2'],
  },
  {
    rule: 'priority: infinities are numbers, getters that wait get what comes first',
    body: function* () {
      const trail = yield* beginTrail();
      const queue = yield* createQueue<unknown>(2, { order: 'priority' });
      yield* getting(queue, trail, 'a');
      yield* hours(1);
      for (const item of [9, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) yield* queue.put(item);
      for (const item of [3, 1]) yield* putting(queue, trail, [item]);
      yield* hours(1);
      const out = [yield* queue.get(), yield* queue.get(), yield* queue.get()];
      yield* counted('between', () => 1);
      return [trail.lines, out.map(String), (yield* drain(queue)).map(String)];
    },
    expected: [['1 h: a got 9', '2 h: 3 is in', '2 h: 1 is in'], ['-Infinity', '3', '1'], ['Infinity']],
  },
];

/** Getters of whom each was handed an item in this very turn, and who are then cancelled all together. */
function handedBack(
  what: string,
  { order, closes }: { order: 'fifo' | 'lifo' | 'priority'; closes: boolean },
  expected: readonly number[],
): Rule {
  return {
    rule: `what cancelled getters were handed comes out in the order in which it would have: ${what}`,
    body: function* () {
      const trail = yield* beginTrail();
      const queue = yield* createQueue<number>(Number.POSITIVE_INFINITY, { order });
      const getters = yield* spawn(function* () {
        for (const who of ['a', 'b', 'c']) yield* getting(queue, trail, who);
      });
      yield* hours(1);
      yield* counted('before', () => 1);
      for (const item of [1, 2, 3, 4]) yield* queue.put(item);
      if (closes) yield* queue.close();
      yield* getters.cancel();
      yield* hours(1);
      const out: number[] = [];
      while (queue.size > 0) out.push(yield* queue.get());
      yield* hours(1);
      return [trail.lines, out];
    },
    expected: [['a', 'b', 'c'].map((who) => `1 h: ${who}: CancelledError`), expected],
  };
}

const handing: readonly Rule[] = [
  handedBack('fifo', { order: 'fifo', closes: false }, [1, 2, 3, 4]),
  handedBack('fifo, and closed', { order: 'fifo', closes: true }, [1, 2, 3, 4]),
  handedBack('priority', { order: 'priority', closes: false }, [1, 2, 3, 4]),
];

testRules('orders of queues', [...orders, ...handing]);
