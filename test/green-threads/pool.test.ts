// Rules 9 to 13: pools, which bound how many tasks run at once.

import { createLatch, createPool, type Operation, type Pool, spawn, type Task, timeout } from '../../src/index.js';
import { failingAfter, later } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { beginTrail, hours, type Rule, type Trail, testRules, told } from './rules.js';

/** A pool as it stands: running / size, and how many wait. */
const figures = (pool: Pool) => `${pool.running}/${pool.size}, ${pool.free} free, ${pool.waiting} waiting`;

/** Counts how many are inside at once. */
class Crowd {
  #inside = 0;
  most = 0;

  /** Runs a body as one of the crowd. */
  *join<T>(body: Operation<T>): Operation<T> {
    this.most = Math.max(this.most, ++this.#inside);
    try {
      return yield* body;
    } finally {
      this.#inside--;
    }
  }
}

const rules: readonly Rule[] = [
  {
    rule: '9. Never more than `size` run at once; a `spawn` on a full pool waits for a slot; a slot comes back however its task ended: returned, threw, cancelled, or cancelled before it started',
    body: function* () {
      const trail = yield* beginTrail();
      const crowd = new Crowd();
      const pool = yield* createPool(2);
      const add = function* (name: string, body: () => Operation<unknown>) {
        const task = yield* pool.spawn(() => crowd.join(body()));
        yield* trail.note(`${name} has a slot: ${figures(pool)}`);
        return task;
      };
      yield* add('returns', () => later(1, 1));
      const throws = yield* add('throws', () => counted('throws', () => Promise.reject(new Error('broken')), { retry: false }));
      trail.lines.push(yield* told(throws.join()));
      const cancelled = yield* add('is cancelled', () => later(9, 1));
      const third = yield* add('waits for the first slot', () => later(9, 1));
      yield* hours(1);
      yield* cancelled.cancel();
      const unborn = yield* add('never starts', trail.noting('was born'));
      yield* unborn.cancel();
      yield* add('has the slot of the unborn', () => counted('last', () => 1));
      yield* third.cancel();
      yield* hours(1);
      return [trail.lines, figures(pool), crowd.most];
    },
    expected: [
      [
        '0 h: returns has a slot: 1/2, 1 free, 0 waiting',
        '0 h: throws has a slot: 2/2, 0 free, 0 waiting',
        'Error: broken',
        '0 h: is cancelled has a slot: 2/2, 0 free, 0 waiting',
        '1 h: waits for the first slot has a slot: 2/2, 0 free, 0 waiting',
        '2 h: never starts has a slot: 2/2, 0 free, 0 waiting',
        '2 h: has the slot of the unborn has a slot: 2/2, 0 free, 0 waiting',
      ],
      '0/2, 2 free, 0 waiting',
      2,
    ],
  },
  {
    rule: '10. `map` gives results in input order, in bounded memory, over any iterable, empty ones included',
    body: function* () {
      const pool = yield* createPool(2);
      let taken = 0;
      let finished = 0;
      let mostAhead = 0;
      const numbers = function* () {
        for (const n of [5, 1, 4, 2, 3]) {
          taken++;
          mostAhead = Math.max(mostAhead, taken - finished);
          yield n;
        }
      };
      const results = yield* pool.map(numbers(), function* (n, index) {
        yield* hours(n);
        const square = yield* counted(`square of ${n}`, () => n * n);
        finished++;
        return `${index}: ${square}`;
      });
      const letters = yield* pool.map('añ😀', (letter) => later(1, letter));
      const entries = yield* pool.map(new Map([['a', 1]]), ([key, value]) => later(1, `${key}${value}`));
      const nothing = [yield* pool.map([], () => later(1, 1)), yield* pool.map(new Set<number>(), () => later(1, 1))];
      // At most those that run and the next one.
      return [results, mostAhead <= 3 || mostAhead, letters, entries, nothing, figures(pool)];
    },
    expected: [['0: 25', '1: 1', '2: 16', '3: 4', '4: 9'], true, ['a', 'ñ', '😀'], ['a1'], [[], []], '0/2, 2 free, 0 waiting'],
  },
  {
    rule: '11. `waitAll` on an empty pool returns at once; called from a task of the same pool it is refused with an error, not a deadlock',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(2);
      yield* pool.waitAll();
      yield* trail.note('nothing to wait for');
      const inside = yield* pool.spawn(function* () {
        yield* hours(1);
        return yield* told(pool.waitAll());
      });
      const below = yield* pool.spawn(function* () {
        const task = yield* spawn(function* () {
          yield* hours(2);
          return yield* told(pool.waitAll());
        });
        return yield* task.join();
      });
      yield* spawn(function* () {
        yield* pool.spawn(() => later(3, 1));
        yield* trail.note('the last one has a slot');
      });
      yield* pool.waitAll();
      yield* trail.note(`all have ended: ${figures(pool)}`);
      yield* pool.waitAll();
      const errors = [yield* inside.join(), yield* below.join()];
      return [trail.lines, errors.map((error) => /^AuthoringError: .*waitAll.*pool 1/.test(error) || error)];
    },
    expected: [
      ['0 h: nothing to wait for', '1 h: the last one has a slot', '4 h: all have ended: 0/2, 2 free, 0 waiting'],
      [true, true],
    ],
  },
  {
    rule: '12. `resize` down lets the running finish; up wakes those who wait. A bad size is an error that names it',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(3);
      for (const n of [1, 2, 3]) yield* pool.spawn(() => later(n, n));
      yield* pool.resize(1);
      yield* trail.note(`smaller: ${figures(pool)}`);
      for (const name of ['a', 'b', 'c', 'd']) {
        yield* spawn(function* () {
          yield* pool.spawn(() => later(2, name));
          yield* trail.note(`${name} has a slot: ${figures(pool)}`);
        });
      }
      yield* hours(4);
      yield* trail.note(`before: ${figures(pool)}`);
      yield* pool.resize(3);
      yield* hours(1);
      const errors = [yield* told(() => pool.resize(-1)), yield* told(() => createPool(1.5))];
      return [trail.lines, errors.map((error) => /^DefinitionError: .*(-1|1\.5)/.test(error) || error), pool.size];
    },
    expected: [
      [
        '0 h: smaller: 3/1, 0 free, 0 waiting',
        '3 h: a has a slot: 1/1, 0 free, 3 waiting',
        '4 h: before: 1/1, 0 free, 3 waiting',
        '4 h: b has a slot: 3/3, 0 free, 1 waiting',
        '4 h: c has a slot: 3/3, 0 free, 1 waiting',
        '5 h: d has a slot: 3/3, 0 free, 0 waiting',
      ],
      [true, true],
      3,
    ],
  },
  {
    rule: '13. Two groups on one pool never mix their results; results of a group come in spawn order',
    body: function* () {
      const crowd = new Crowd();
      const pool = yield* createPool(3);
      const group = (name: string, durations: readonly number[]) =>
        spawn(function* () {
          const tasks: Task<string>[] = [];
          for (const n of durations) tasks.push(yield* pool.spawn(() => crowd.join(later(n, `${name}${n}`))));
          const results: string[] = [];
          for (const task of tasks) results.push(yield* task.join());
          return results;
        });
      const mapping = (name: string, durations: readonly number[]) =>
        spawn(() => pool.map(durations, (n) => crowd.join(later(n, `${name}${n}`))));
      const groups = [yield* group('a', [3, 1, 2]), yield* mapping('b', [2, 3, 1]), yield* group('c', [1, 1]), yield* mapping('d', [4, 1])];
      const results: (readonly string[])[] = [];
      for (const task of groups) results.push(yield* task.join());
      return [results, crowd.most, figures(pool)];
    },
    expected: [
      [
        ['a3', 'a1', 'a2'],
        ['b2', 'b3', 'b1'],
        ['c1', 'c1'],
        ['d4', 'd1'],
      ],
      3,
      '0/3, 3 free, 0 waiting',
    ],
  },
];

/** A full pool of two, whose tasks end at 3 h, and this in the meantime; gives the trail and how the pool stands at 6 h. */
function besideFull(rule: string, meanwhile: (pool: Pool, trail: Trail) => Operation<unknown>, expected: readonly string[]): Rule {
  return {
    rule,
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(2);
      for (const n of [1, 2]) yield* pool.spawn(() => later(3, n));
      yield* meanwhile(pool, trail);
      yield* hours(6 - (yield* trail.hour()));
      yield* trail.note(figures(pool));
      return trail.lines;
    },
    expected: [...expected, '6 h: 0/2, 2 free, 0 waiting'],
  };
}

/** Waits for a slot in a task of its own. */
function asking(pool: Pool, trail: Trail, name: string, hoursOfWork = 1) {
  return spawn(function* () {
    const task = yield* pool.spawn(() => later(hoursOfWork, name));
    yield* trail.note(`${name} has a slot`);
    yield* trail.note(`${yield* task.join()} ends`);
  });
}

const edges: readonly Rule[] = [
  besideFull(
    'spawners and maps are served in the order in which they came',
    function* (pool, trail) {
      yield* asking(pool, trail, 'a');
      yield* spawn(() => pool.map(['b', 'c'], (name) => trail.note(`${name} has a slot`)));
      yield* asking(pool, trail, 'd', 0.5);
      yield* hours(1);
      yield* trail.note(figures(pool));
    },
    [
      '1 h: 2/2, 0 free, 3 waiting',
      ...['3 h: a has a slot', '3 h: b has a slot', '3 h: d has a slot', '3.5 h: c has a slot', '3.5 h: d ends', '4 h: a ends'],
    ],
  ),
  besideFull(
    'a cancelled spawner gives up its place, and its task never runs',
    function* (pool, trail) {
      const leaver = yield* asking(pool, trail, 'leaver');
      yield* asking(pool, trail, 'a');
      yield* hours(1);
      yield* leaver.cancel();
      yield* trail.note(figures(pool));
    },
    ['1 h: 2/2, 0 free, 1 waiting', '3 h: a has a slot', '4 h: a ends'],
  ),
  besideFull(
    'a spawner that times out gives up its place',
    function* (pool, trail) {
      const late = timeout('1 hour', pool.spawn(trail.noting('ran')), { orElse: 'no slot' });
      yield* trail.note(String(yield* late));
      yield* trail.note(figures(pool));
      yield* asking(pool, trail, 'a');
    },
    ['1 h: no slot', '1 h: 2/2, 0 free, 0 waiting', '3 h: a has a slot', '4 h: a ends'],
  ),
  besideFull(
    'shrinking to nothing lets nobody in until it grows again, and does not end who waits',
    function* (pool, trail) {
      for (const name of ['a', 'b', 'c']) yield* asking(pool, trail, name, 0.5);
      yield* pool.resize(0);
      yield* hours(4);
      yield* trail.note(figures(pool));
      yield* pool.resize(1);
      yield* hours(0.25);
      yield* pool.resize(2);
    },
    [
      '4 h: 0/0, 0 free, 3 waiting',
      '4 h: a has a slot',
      '4.25 h: b has a slot',
      '4.5 h: c has a slot',
      '4.5 h: a ends',
      '4.75 h: b ends',
      '5 h: c ends',
    ],
  ),
  {
    rule: 'a slot is taken until the tasks of its task have ended as well',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(1);
      yield* pool.spawn(function* () {
        yield* spawn(() => later(3, 1));
        yield* counted('own work', () => 1);
      });
      yield* hours(1);
      yield* trail.note(figures(pool));
      yield* pool.spawn(() => later(1, 1));
      yield* trail.note('the second has a slot');
      yield* pool.waitAll();
      yield* trail.note(figures(pool));
      return trail.lines;
    },
    expected: ['1 h: 1/1, 0 free, 0 waiting', '3 h: the second has a slot', '4 h: 0/1, 1 free, 0 waiting'],
  },
  {
    rule: 'a task of a pool belongs to the scope that spawned it: it is waited for, cancelled and fails with that',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(3);
      const waits = yield* spawn(function* () {
        yield* pool.spawn(() => later(2, 1));
      });
      yield* waits.join();
      yield* trail.note(`waited for: ${figures(pool)}`);
      const fails = yield* spawn(function* () {
        for (const n of [1, 9]) yield* pool.spawn(() => (n === 1 ? failingAfter(n, 'broken') : later(n, n)));
        yield* hours(9);
      });
      yield* trail.note(`${yield* told(fails.join())}: ${figures(pool)}`);
      const cancelled = yield* spawn(function* () {
        for (const n of [8, 9]) yield* pool.spawn(() => later(n, n));
      });
      yield* hours(1);
      yield* cancelled.cancel();
      yield* trail.note(`cancelled: ${figures(pool)}`);
      return trail.lines;
    },
    expected: [
      '2 h: waited for: 0/3, 3 free, 0 waiting',
      '3 h: Error: broken: 0/3, 3 free, 0 waiting',
      '4 h: cancelled: 0/3, 3 free, 0 waiting',
    ],
  },
  {
    rule: 'waitAll waits for who waits for a slot, and for what is spawned meanwhile',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(1);
      const door = yield* createLatch();
      yield* spawn(function* () {
        for (const n of [1, 2]) yield* pool.spawn(() => later(1, n));
      });
      yield* spawn(function* () {
        yield* hours(1.5);
        yield* pool.spawn(() => door.wait());
      });
      yield* spawn(function* () {
        yield* hours(4);
        yield* door.open();
      });
      yield* hours(0.5);
      const waiters = [yield* spawn(() => pool.waitAll()), yield* spawn(() => pool.waitAll())];
      for (const waiter of waiters) yield* waiter.join();
      yield* trail.note(figures(pool));
      return trail.lines;
    },
    expected: ['4 h: 0/1, 1 free, 0 waiting'],
  },
  {
    rule: 'a pool of nothing runs nothing until it is resized',
    body: function* () {
      const trail = yield* beginTrail();
      const pool = yield* createPool(0);
      yield* pool.waitAll();
      yield* asking(pool, trail, 'a');
      const mapping = yield* spawn(() => pool.map(['x'], (letter) => later(1, letter)));
      yield* hours(1);
      yield* trail.note(figures(pool));
      yield* pool.resize(1);
      return [yield* mapping.join(), trail.lines];
    },
    expected: [['x'], ['1 h: 0/0, 0 free, 2 waiting', '1 h: a has a slot', '2 h: a ends']],
  },
];

testRules('pools', [...rules, ...edges]);
