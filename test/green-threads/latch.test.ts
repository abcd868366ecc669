// Rules 14 to 16: latches, which tasks wait at until they are opened or fail.

import { createLatch, type Latch, spawn, timeout } from '../../src/index.js';
import { counted } from '../support/crash-points.js';
import { beginTrail, caught, hours, nameOf, type Rule, type Trail, testRules, told } from './rules.js';

/** Waits at a latch in a task of its own, from this hour on, and notes what it was given. */
function waiting(latch: Latch<unknown>, trail: Trail, { who, from }: { who: string; from: number }) {
  return spawn(function* () {
    yield* hours(from);
    try {
      yield* trail.note(`${who} got ${yield* latch.wait()}`);
    } catch (error) {
      yield* trail.note(`${who} was thrown ${nameOf(error)}`);
    }
  });
}

/** Notes this when every task that was ready before has run. */
function* afterThose(trail: Trail, text: string) {
  const last = yield* spawn(trail.noting(text));
  yield* last.join();
}

const rules: readonly Rule[] = [
  {
    rule: '14. Waiting after it opened returns at once, every time. All waiters wake, in the order in which they came',
    body: function* () {
      const trail = yield* beginTrail();
      const latch = yield* createLatch<string>();
      // Spawned in another order than they come in.
      for (const [who, from] of [
        ['c', 1.5],
        ['a', 0.5],
        ['b', 1],
      ] as const)
        yield* waiting(latch, trail, { who, from });
      yield* hours(2);
      yield* trail.note(`open: ${latch.isOpen}`);
      yield* latch.open('it');
      yield* trail.note(`open: ${latch.isOpen}`);
      yield* trail.note(`at once: ${yield* latch.wait()}`);
      yield* counted('meanwhile', () => 1);
      yield* hours(1);
      for (const round of [1, 2]) yield* trail.note(`round ${round}: ${yield* latch.wait()}`);
      yield* waiting(latch, trail, { who: 'd', from: 1 });
      yield* hours(2);
      return trail.lines;
    },
    expected: [
      ...['2 h: open: false', '2 h: open: true', '2 h: at once: it'],
      ...['2 h: a got it', '2 h: b got it', '2 h: c got it'],
      ...['3 h: round 1: it', '3 h: round 2: it', '4 h: d got it'],
    ],
  },
  {
    rule: '15. Opening twice is an error that leaves the value alone; after `reset` it can be opened anew',
    body: function* () {
      const trail = yield* beginTrail();
      const latch = yield* createLatch<string>();
      yield* hours(1);
      yield* latch.open('first');
      yield* hours(1);
      const errors = [yield* caught(latch.open('second')), yield* caught(latch.fail(new Error('second')))];
      yield* trail.note(`after the second: ${yield* latch.wait()}`);
      yield* latch.reset();
      yield* trail.note(`open: ${latch.isOpen}`);
      yield* waiting(latch, trail, { who: 'a', from: 0 });
      yield* hours(1);
      yield* latch.open('third');
      yield* hours(1);
      yield* trail.note(`again: ${yield* latch.wait()}`);
      return [trail.lines, errors.map(({ name, message }) => name === 'AuthoringError' && message.includes('latch 1'))];
    },
    expected: [
      ['2 h: after the second: first', '2 h: open: false', '3 h: a got third', '4 h: again: third'],
      [true, true],
    ],
  },
  {
    rule: '16. `fail` raises that very error in each waiter',
    body: function* () {
      const latch = yield* createLatch();
      const seen: Error[] = [];
      for (const from of [0.5, 1, 4]) {
        yield* spawn(function* () {
          yield* hours(from);
          seen.push(yield* caught(latch.wait()));
        });
      }
      yield* hours(2);
      const error = new RangeError('too far');
      yield* latch.fail(error);
      const isOpen = latch.isOpen;
      yield* counted('meanwhile', () => 1);
      seen.push(yield* caught(latch.wait()));
      const again = [yield* told(latch.open()), yield* told(latch.fail(new Error('again')))];
      yield* hours(3);
      return [seen.map((thrown) => thrown === error), isOpen, again.map((told) => told.startsWith('AuthoringError'))];
    },
    expected: [[true, true, true, true], true, [true, true]],
  },
];

const edges: readonly Rule[] = [
  {
    rule: 'waiters of a closed latch go on waiting when it is reset',
    body: function* () {
      const trail = yield* beginTrail();
      const latch = yield* createLatch<string>();
      yield* waiting(latch, trail, { who: 'a', from: 0 });
      yield* hours(1);
      yield* latch.reset();
      yield* latch.reset();
      yield* hours(1);
      yield* latch.open('it');
      yield* hours(1);
      return trail.lines;
    },
    expected: ['2 h: a got it'],
  },
  {
    rule: 'who was woken gets what it was opened with, whatever becomes of the latch before they run',
    body: function* () {
      const trail = yield* beginTrail();
      const latch = yield* createLatch<string>();
      yield* waiting(latch, trail, { who: 'a', from: 0 });
      yield* waiting(latch, trail, { who: 'b', from: 0 });
      yield* hours(1);
      yield* latch.open('first');
      yield* latch.reset();
      yield* waiting(latch, trail, { who: 'c', from: 0 });
      yield* hours(1);
      yield* latch.fail(new Error('second'));
      yield* latch.reset();
      yield* latch.open('third');
      yield* hours(1);
      return [trail.lines, yield* latch.wait()];
    },
    expected: [['1 h: a got first', '1 h: b got first', '2 h: c was thrown Error: second'], 'third'],
  },
  {
    rule: 'a waiter that leaves does not wake, and keeps nobody from waking',
    body: function* () {
      const trail = yield* beginTrail();
      const latch = yield* createLatch<string>();
      const leaver = yield* waiting(latch, trail, { who: 'leaver', from: 0 });
      yield* waiting(latch, trail, { who: 'b', from: 0.5 });
      yield* hours(1);
      yield* leaver.cancel('enough');
      yield* trail.note(`late: ${yield* timeout('1 hour', latch.wait(), { orElse: 'not open' })}`);
      yield* latch.open('it');
      yield* hours(1);
      return trail.lines;
    },
    expected: ['1 h: leaver was thrown CancelledError: enough', '2 h: late: not open', '2 h: b got it'],
  },
  {
    rule: 'an open latch does not make its waiter wait for others, a closed one does',
    body: function* () {
      const trail = yield* beginTrail();
      const latch = yield* createLatch();
      yield* hours(1);
      yield* latch.open();
      yield* spawn(trail.noting('the other runs'));
      yield* latch.wait();
      yield* trail.note('open: goes on');
      yield* latch.reset();
      yield* spawn(function* () {
        yield* trail.note('the other opens');
        yield* latch.open();
      });
      yield* latch.wait();
      yield* trail.note('closed: goes on');
      yield* hours(1);
      yield* counted('end', () => 1);
      return trail.lines;
    },
    expected: ['1 h: open: goes on', '1 h: the other runs', '1 h: the other opens', '1 h: closed: goes on'],
  },
  {
    rule: 'values are given as they are: `undefined`, a function, a latch',
    body: function* () {
      const outer = yield* createLatch<unknown>();
      const inner = yield* createLatch<string>();
      yield* spawn(function* () {
        yield* hours(1);
        yield* outer.open(inner);
        yield* hours(1);
        yield* inner.open('deep');
      });
      const found = yield* outer.wait();
      const isSame = found === inner;
      const value = yield* inner.wait();
      yield* outer.reset();
      yield* outer.open(undefined);
      const nothing = yield* timeout('1 hour', outer.wait(), { orElse: 'late' });
      yield* hours(1);
      return [isSame, value, nothing === undefined, yield* told(hours(1))];
    },
    expected: [true, 'deep', true, 'Error: nothing was thrown'],
  },
  {
    rule: 'it may fail with anything, and again with that',
    body: function* () {
      const latch = yield* createLatch();
      yield* spawn(function* () {
        yield* hours(1);
        yield* latch.fail('just text');
      });
      const seen: unknown[] = [];
      for (const round of [1, 2]) {
        try {
          yield* latch.wait();
        } catch (error) {
          seen.push([round, error]);
        }
        yield* counted(`round ${round}`, () => round);
      }
      yield* hours(1);
      return seen;
    },
    expected: [
      [1, 'just text'],
      [2, 'just text'],
    ],
  },
  {
    rule: 'a hundred waiters wake in the order in which they came, before who comes after',
    body: function* () {
      const trail = yield* beginTrail();
      const latch = yield* createLatch();
      const order: number[] = [];
      for (let n = 0; n < 100; n++) {
        yield* spawn(function* () {
          yield* latch.wait();
          order.push(n);
        });
      }
      yield* hours(1);
      yield* counted('before', () => 1);
      yield* latch.open();
      yield* afterThose(trail, 'last');
      const before = order.length;
      yield* hours(1);
      return [before, order.every((n, index) => n === index), trail.lines];
    },
    expected: [100, true, ['1 h: last']],
  },
];

testRules('latches', [...rules, ...edges]);
