// The map of a pool: its iterable, its members and its slots, when something goes wrong.

import { describe, expect, test } from 'vitest';
import { createPool, type Pool, spawn } from '../../src/index.js';
import { failingAfter, later, runBody } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { failureOf } from '../support/rejection.js';
import { beginTrail, hours, type Rule, testRules, told } from './rules.js';

/** A pool as it stands: running / size, and how many wait. */
const figures = (pool: Pool) => `${pool.running}/${pool.size}, ${pool.free} free, ${pool.waiting} waiting`;

const edges: readonly Rule[] = [
  {
    rule: 'a failing member of a map cancels the others, waits for them, closes the iterator and then throws',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(2);
      const endless = function* () {
        try {
          for (let n = 1; ; n++) yield n;
        } finally {
          trail.lines.push('the iterator is closed');
        }
      };
      const mapping = pool.map(endless(), function* (n) {
        try {
          yield* n === 4 ? failingAfter(1, `no ${n}`) : later(n === 3 ? 9 : 1, n);
        } finally {
          if (n >= 3) {
            yield* hours(1);
            yield* trail.note(`${n} is clean`);
          }
        }
      });
      trail.lines.push(yield* told(mapping));
      yield* trail.note(figures(pool));
      return trail.lines;
    },
    // 1 and 2 end at 1 h. 4 fails at 2 h and is over at 3 h; only then 3 is cancelled.
    expected: ['3 h: 4 is clean', 'the iterator is closed', '4 h: 3 is clean', 'Error: no 4', '4 h: 0/2, 2 free, 0 waiting'],
  },
  {
    rule: 'an iterable that throws is an error of the map, and its members are cancelled first',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(2);
      const broken = function* (good: number) {
        for (let n = 1; n <= good; n++) yield n;
        throw new RangeError('no more');
      };
      const slow = function* (n: number) {
        try {
          yield* hours(n);
        } finally {
          yield* counted(`clean up ${n}`, () => n);
          yield* trail.note(`${n} ends`);
        }
      };
      trail.lines.push(yield* told(pool.map(broken(0), slow)));
      yield* hours(1);
      trail.lines.push(yield* told(pool.map(broken(3), slow)));
      yield* trail.note(figures(pool));
      return trail.lines;
    },
    // 3 gets the slot of 1; then the iterable is asked for the fourth.
    expected: ['RangeError: no more', '2 h: 1 ends', '2 h: 2 ends', 'RangeError: no more', '2 h: 0/2, 2 free, 0 waiting'],
  },
  {
    rule: 'a cancelled map closes its iterator, cancels its members and leaves no slot taken',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(2);
      const numbers = function* () {
        try {
          yield* [1, 2, 3, 4, 5];
        } finally {
          trail.lines.push('the iterator is closed');
        }
      };
      const seen: number[] = [];
      const mapping = yield* spawn(() =>
        pool.map(numbers(), (n) => {
          seen.push(n);
          return later(2, n);
        }),
      );
      yield* hours(3);
      yield* mapping.cancel('enough');
      trail.lines.push(yield* told(mapping.join()));
      yield* trail.note(figures(pool));
      yield* pool.spawn(() => later(1, 1));
      yield* pool.waitAll();
      return [trail.lines, seen];
    },
    expected: [
      ['the iterator is closed', 'CancelledError: enough', '3 h: 0/2, 2 free, 0 waiting'],
      [1, 2, 3, 4],
    ],
  },
  {
    rule: 'a map that fails, or is given up, has left the line while its members still clean up, and takes no further item',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(2);
      const begun: string[] = [];
      const taken: string[] = [];
      const taking = function* () {
        for (const item of ['a', 'b', 'c', 'd', 'e']) {
          taken.push(item);
          yield item;
        }
      };
      const items = (failing: boolean) =>
        pool.map(taking(), function* (item, index) {
          begun.push(item);
          try {
            yield* failing && index === 1 ? failingAfter(1, 'broken') : hours(9);
          } finally {
            if (index === 0 || !failing) yield* hours(2);
          }
        });
      const failing = yield* spawn(() => told(items(true)));
      yield* hours(2);
      yield* trail.note(figures(pool));
      yield* trail.note(yield* failing.join());
      const given = yield* spawn(() => items(false));
      yield* counted('begun', () => 1);
      yield* trail.note(figures(pool));
      yield* spawn(() => given.cancel('enough'));
      yield* hours(1);
      yield* trail.note(figures(pool));
      trail.lines.push(yield* told(given.join()));
      return [trail.lines, begun.join(''), taken.join(''), figures(pool)];
    },
    expected: [
      [
        ...['2 h: 1/2, 1 free, 0 waiting', '3 h: Error: broken'],
        ...['3 h: 2/2, 0 free, 1 waiting', '4 h: 2/2, 0 free, 0 waiting', 'CancelledError: enough'],
      ],
      'abab',
      'abcabc',
      '0/2, 2 free, 0 waiting',
    ],
  },
  {
    rule: 'a map leaves the line when it fails, though others hold all slots',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(2);
      const holder = yield* pool.spawn(() => later(3, 'holder'));
      const mapping = yield* spawn(() => told(pool.map([1, 2, 3], (n) => failingAfter(n, `no ${n}`))));
      yield* hours(0.5);
      const next = yield* spawn(function* () {
        yield* pool.spawn(() => hours(1));
        yield* trail.note(`the next has a slot: ${figures(pool)}`);
      });
      yield* counted('all wait', () => 1);
      yield* trail.note(figures(pool));
      trail.lines.push(yield* mapping.join(), yield* holder.join());
      yield* next.join();
      return [trail.lines, figures(pool)];
    },
    expected: [
      ['0.5 h: 2/2, 0 free, 2 waiting', '1 h: the next has a slot: 2/2, 0 free, 0 waiting', 'Error: no 1', 'holder'],
      '0/2, 2 free, 0 waiting',
    ],
  },
];

testRules('maps', edges);

describe('the tasks of a map', () => {
  test('are told apart in an error by the name of their function', async () => {
    const { instance } = await runBody(function* () {
      const pool = yield* createPool(2);
      yield* pool.map([1, 2], function* square(n) {
        yield* failingAfter(n, `no ${n}`);
      });
    }, '1 hour');

    const error = await failureOf(instance);
    expect(error.message).toBe('no 1');
    expect(error.stack).toContain('task 1 (square)');
  });
});
