// Rules 21 to 23: timeouts, which bound an operation and last over a crash.

import { describe, expect, test } from 'vitest';
import {
  CancelledError,
  createQueue,
  event,
  memoryStore,
  now,
  type Operation,
  receive,
  spawn,
  TimeoutError,
  timeout,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { failingAfter, HOUR, later } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { beginTrail, caught, hours, nameOf, type Rule, type Trail, testRules, told } from './rules.js';

const word = event<string>('word');

/** Notes what a wait of nine hours is thrown, and takes an hour to end. */
function* interrupted(trail: Trail, who: string): Operation<void> {
  try {
    yield* hours(9);
  } catch (error) {
    yield* trail.note(`${who} is told ${error instanceof CancelledError ? 'CancelledError' : nameOf(error)}`);
    yield* hours(1);
    throw error;
  }
}

const hourOf = (error: Error) => (error instanceof TimeoutError ? `timeout of ${error.ms / HOUR} h, ${error.what}` : nameOf(error));

const rules: readonly Rule[] = [
  {
    rule: '21. In time: nothing fires later. Late: a `TimeoutError` that knows which timeout it is; nested ones are told apart',
    body: function* () {
      const trail = yield* beginTrail();
      yield* trail.note(`in time: ${yield* timeout('2 hours', later(1, 'value'))}`);
      yield* hours(5);
      yield* trail.note('nothing fired');
      const inner = timeout('2 hours', interrupted(trail, 'inner'));
      yield* trail.note(hourOf(yield* caught(timeout('5 hours', inner))));
      const inOuter = function* () {
        const error = yield* caught(timeout('5 hours', interrupted(trail, 'outer')));
        yield* trail.note(`the inner one: ${error.name}`);
        throw error;
      };
      yield* trail.note(hourOf(yield* caught(timeout('3 hours', inOuter()))));
      yield* counted('end', () => 1);
      return trail.lines;
    },
    expected: [
      ...['1 h: in time: value', '6 h: nothing fired'],
      ...['8 h: inner is told CancelledError', '9 h: timeout of 2 h, timeout()'],
      ...['12 h: outer is told CancelledError', '13 h: the inner one: CancelledError', '13 h: timeout of 3 h, timeout()'],
    ],
  },
  {
    rule: '22. `orElse` makes lateness a value; a wait’s own `undefined` result is never mistaken for lateness',
    body: function* () {
      const seen: unknown[] = [];
      const queue = yield* createQueue<string | undefined>();
      for (const orElse of ['late', null, undefined, 0]) seen.push(String(yield* timeout('1 hour', later(2, 'value'), { orElse })));
      yield* spawn(function* () {
        yield* hours(1);
        yield* queue.put(undefined);
      });
      seen.push(String(yield* timeout('2 hours', queue.get(), { orElse: 'late' })));
      seen.push(String(yield* timeout('2 hours', hours(1), { orElse: 'late' })));
      seen.push(
        String(
          yield* timeout(
            '2 hours',
            counted('nothing', () => undefined),
            { orElse: 'late' },
          ),
        ),
      );
      seen.push(yield* told(timeout('1 hour', failingAfter(0.5, 'own'), { orElse: 'late' })));
      return seen;
    },
    expected: ['late', 'null', 'undefined', '0', 'undefined', 'undefined', 'undefined', 'Error: own'],
  },
  {
    rule: '23. A timeout is durable: after a crash it fires at its original deadline',
    body: function* () {
      const trail = yield* beginTrail();
      const bounded = function* () {
        for (let n = 1; ; n++) {
          yield* hours(1);
          yield* counted(`work ${n}`, () => n);
        }
      };
      yield* spawn(function* () {
        yield* trail.note(hourOf(yield* caught(timeout('5.5 hours', bounded()))));
      });
      yield* trail.note(hourOf(yield* caught(timeout('3 hours', receive(word)))));
      yield* trail.note(String(yield* timeout('1 hour', receive(word, { timeout: '1 day' }), { orElse: 'no word' })));
      yield* hours(4);
      return trail.lines;
    },
    expected: ['3 h: timeout of 3 h, timeout()', '4 h: no word', '5.5 h: timeout of 5.5 h, timeout()'],
  },
];

const edges: readonly Rule[] = [
  {
    rule: 'the time of two timeouts on one another is up at once: the outer one decides when it was asked for first',
    body: function* () {
      const trail = yield* beginTrail();
      const inner = timeout('2 hours', interrupted(trail, 'it'), { orElse: 'inner' });
      yield* trail.note(String(yield* timeout('2 hours', inner, { orElse: 'outer' })));
      yield* counted('end', () => 1);
      yield* hours(1);
      return trail.lines;
    },
    expected: ['2 h: it is told CancelledError', '3 h: outer'],
  },
  {
    rule: 'what ends in the very moment of its deadline, and was there first, is in time',
    body: function* () {
      const trail = yield* beginTrail();
      const queue = yield* createQueue<string>();
      yield* spawn(function* () {
        yield* hours(1);
        yield* queue.put('item');
      });
      yield* counted('asked for later', () => 1);
      yield* trail.note(yield* timeout('1 hour', queue.get(), { orElse: 'late' }));
      yield* hours(1);
      yield* trail.note(`${queue.size} left`);
      return trail.lines;
    },
    expected: ['1 h: item', '2 h: 0 left'],
  },
  {
    rule: 'what swallows its cancellation and returns is late all the same; what fails in its cleanup is thrown',
    body: function* () {
      const trail = yield* beginTrail();
      const stubborn = function* () {
        yield* caught(hours(9));
        yield* hours(1);
        return 'never seen';
      };
      const failing = function* (): Operation<never> {
        yield* caught(hours(9));
        throw new RangeError('cleanup failed');
      };
      yield* trail.note(yield* timeout('1 hour', stubborn(), { orElse: 'late' }));
      yield* trail.note(hourOf(yield* caught(timeout('1 hour', stubborn()))));
      yield* trail.note(yield* told(timeout('1 hour', failing(), { orElse: 'late' })));
      yield* counted('end', () => 1);
      return trail.lines;
    },
    expected: ['2 h: late', '4 h: timeout of 1 h, timeout()', '5 h: RangeError: cleanup failed'],
  },
  {
    rule: 'a timeout that is itself cancelled fires no more, and its time is nobody’s',
    body: function* () {
      const trail = yield* beginTrail();
      const task = yield* spawn(() => timeout('2 hours', interrupted(trail, 'it'), { orElse: 'late' }));
      yield* hours(1);
      yield* task.cancel('enough');
      yield* trail.note(yield* told(task.join()));
      yield* hours(3);
      yield* counted('end', () => 1);
      return trail.lines;
    },
    expected: ['1 h: it is told CancelledError', '2 h: CancelledError: enough'],
  },
  {
    rule: 'no time at all is enough for what need not wait for the outside',
    body: function* () {
      const queue = yield* createQueue<string>();
      yield* hours(1);
      yield* queue.put('item');
      const item = yield* timeout(0, queue.get(), { orElse: 'late' });
      const none = yield* timeout(0, queue.get(), { orElse: 'late' });
      yield* counted('end', () => 1);
      yield* hours(1);
      return [item, none, queue.size];
    },
    expected: ['item', 'late', 0],
  },
];

testRules('timeouts', [...rules, ...edges]);

describe('after a time without a process', () => {
  const bounding = workflow('bounding', function* () {
    const start = yield* now();
    const late = yield* timeout('5 hours', receive(word), { orElse: 'late' });
    return [late, ((yield* now()) - start) / HOUR];
  });

  test.each([
    ['before the deadline', 3, 5],
    ['at the deadline', 5, 5],
    ['after the deadline', 30, 30],
  ])('23. a timeout fires when it was due, and at once when that is past: back %s', async (_when, backAt, firesAt) => {
    const store = memoryStore();
    const first = await createTestRuntime({ workflows: [bounding], store });
    const startedAt = first.now();
    await first.start(bounding, undefined, { id: 'b' });
    await first.advance('1 hour');

    const back = await createTestRuntime({ workflows: [bounding], store, startAt: startedAt + backAt * HOUR });
    await back.advance(Math.max(0, 5 - backAt) * HOUR);

    await expect(back.instance('b').result()).resolves.toEqual(['late', firesAt]);
  });
});
