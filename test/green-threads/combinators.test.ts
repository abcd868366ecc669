// allSettled, any and spawnAfter: ways to wait for several tasks beside those of all, race and timeout; and who goes on
// first when a group has decided.

import {
  AllFailedError,
  all,
  allSettled,
  any,
  createLatch,
  createQueue,
  type Latch,
  type Operation,
  race,
  type Settled,
  spawn,
  spawnAfter,
  timeout,
} from '../../src/index.js';
import { failingAfter, HOUR, later } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { beginTrail, caught, hours, nameOf, type Rule, type Trail, testRules, told } from './rules.js';

/** Sleeps; takes an hour to end when it is cancelled, and notes that. */
function* tidy(trail: Trail, who: string): Operation<never> {
  try {
    yield* hours(99);
  } finally {
    yield* counted(`${who} cleans up`, () => who);
    yield* hours(1);
    yield* trail.note(`${who} is clean`);
  }
  throw new Error('overslept');
}

const shown = (settled: Settled<unknown>) => (settled.status === 'fulfilled' ? `gave ${settled.value}` : `threw ${nameOf(settled.reason)}`);

const failingStep = (name: string) => counted(name, () => Promise.reject(new TypeError(name)), { retry: false });

const settling: readonly Rule[] = [
  {
    rule: 'allSettled gives how each ended, in order, whoever was first; an error of one ends no other',
    body: function* () {
      const trail = yield* beginTrail();
      const settled = yield* allSettled([
        later(3, 'slow'),
        failingAfter(1, 'broken'),
        counted('step', () => 'quick'),
        failingStep('bad step'),
      ]);
      yield* trail.note('all have ended');
      return [settled.map(shown), settled.map((one) => Object.keys(one).join()), trail.lines];
    },
    expected: [
      ['gave slow', 'threw Error: broken', 'gave quick', 'threw TypeError: bad step'],
      ['status,value', 'status,reason', 'status,value', 'status,reason'],
      ['3 h: all have ended'],
    ],
  },
  {
    rule: 'allSettled gives an object by key, also keys that mean something to JavaScript, and nothing of nothing',
    body: function* () {
      const settled = yield* allSettled(
        Object.fromEntries([
          ['b', later(2, 1)],
          ['__proto__', failingAfter(1, 'mine')],
          ['a', hours(1)],
        ] as const),
      );
      const byKey = Object.entries(settled).map(([key, one]) => `${key} ${shown(one)}`);
      yield* counted('between', () => 1);
      yield* hours(1);
      return [byKey, Object.getPrototypeOf(settled) === Object.prototype, yield* allSettled([]), yield* allSettled({})];
    },
    expected: [['b gave 1', '__proto__ threw Error: mine', 'a gave undefined'], true, [], {}],
  },
  {
    rule: 'an error of allSettled is the very one that was thrown, and what was cancelled within is rejected',
    body: function* () {
      const error = new RangeError('very');
      const throwing = function* (): Operation<never> {
        yield* hours(1);
        throw error;
      };
      const inner = yield* spawn(() => hours(9));
      yield* spawn(function* () {
        yield* hours(2);
        yield* inner.cancel('by a third');
      });
      const [first, second] = yield* allSettled([throwing(), inner.join()]);
      yield* counted('end', () => 1);
      yield* hours(1);
      return [first.status === 'rejected' && first.reason === error, shown(second)];
    },
    expected: [true, 'threw CancelledError: by a third'],
  },
  {
    rule: 'allSettled that is cancelled cancels its members, waits for them and is an error itself',
    body: function* () {
      const trail = yield* beginTrail();
      const task = yield* spawn(() => allSettled([tidy(trail, 'a'), later(1, 1), tidy(trail, 'b')]));
      yield* hours(2);
      yield* task.cancel('enough');
      yield* trail.note(yield* told(task.join()));
      yield* trail.note(String(yield* timeout('1 hour', allSettled([tidy(trail, 'c')]), { orElse: 'late' })));
      return trail.lines;
    },
    expected: ['3 h: a is clean', '3 h: b is clean', '3 h: CancelledError: enough', '5 h: c is clean', '5 h: late'],
  },
];

const anyOf: readonly Rule[] = [
  {
    rule: 'any gives the first that succeeds, however many failed before; the others are cancelled and waited for',
    body: function* () {
      const trail = yield* beginTrail();
      yield* trail.note(yield* any([failingAfter(1, 'early'), later(3, 'second'), later(2, 'first'), tidy(trail, 'loser')]));
      const winner = yield* any({ broken: failingStep('broken'), good: later(1, 'good'), slow: tidy(trail, 'slow') });
      yield* trail.note(`${winner.key}: ${winner.value}`);
      return trail.lines;
    },
    expected: ['3 h: loser is clean', '3 h: first', '5 h: slow is clean', '5 h: good: good'],
  },
  {
    rule: 'any throws AllFailedError when all have failed, with their errors in order; members are waited for till the last',
    body: function* () {
      const trail = yield* beginTrail();
      const last = new RangeError('first of the list');
      const throwing = function* (): Operation<never> {
        yield* hours(3);
        throw last;
      };
      const error = yield* caught(any([throwing(), failingAfter(1, 'second'), failingStep('third')]));
      yield* trail.note(error.name);
      const { errors, code } = error as AllFailedError;
      const one = yield* caught(any({ only: failingAfter(1, 'alone') }));
      return [
        trail.lines,
        error instanceof AllFailedError,
        code,
        errors[0] === last,
        errors.map(nameOf),
        error.message,
        (one as AllFailedError).errors.length,
      ];
    },
    expected: [
      ['3 h: AllFailedError'],
      true,
      'ALL_FAILED',
      true,
      ['RangeError: first of the list', 'Error: second', 'TypeError: third'],
      'All 3 operations failed: first of the list; second; third.',
      1,
    ],
  },
  {
    rule: 'any counts a member that was cancelled by a third as failed, and is thrown what a loser’s cleanup throws',
    body: function* () {
      const inner = yield* spawn(() => hours(9));
      yield* spawnAfter('1 hour', () => inner.cancel('by a third'));
      const found = yield* any([inner.join(), later(2, 'other')]);
      const broken = function* () {
        try {
          yield* hours(9);
        } finally {
          yield* failingStep('cleanup');
        }
      };
      return [found, yield* told(any([broken(), later(1, 'winner')]))];
    },
    expected: ['other', 'TypeError: cleanup'],
  },
  {
    rule: 'groups of groups: any of alls, all of anys, allSettled of races',
    body: function* () {
      const anyAll = yield* any([all([later(1, 'a'), failingAfter(2, 'no')]), all([later(3, 'b'), later(4, 'c')])]);
      const allAny = yield* all({ x: any([failingAfter(1, 'no'), later(2, 'd')]), y: any([later(1, 'e'), failingAfter(2, 'no')]) });
      const settled = yield* allSettled([race([later(1, 'f'), later(2, 'g')]), race([failingAfter(1, 'no'), later(2, 'h')])]);
      yield* counted('end', () => 1);
      return [anyAll, allAny, settled.map(shown)];
    },
    expected: [['b', 'c'], { x: 'd', y: 'e' }, ['gave f', 'threw Error: no']],
  },
];

const delayed: readonly Rule[] = [
  {
    rule: 'spawnAfter returns at once; delays count from the moment of the call, and equal ones run in the order of the calls',
    body: function* () {
      const trail = yield* beginTrail();
      for (const [who, delay] of [
        ['c', 2],
        ['a', 1],
        ['d', 2],
        ['b', 1],
      ] as const) {
        yield* spawnAfter(delay * HOUR, trail.noting(who));
        yield* counted(`spawned ${who}`, () => who);
      }
      yield* trail.note('spawned');
      yield* hours(0.5);
      yield* spawnAfter('30 minutes', trail.noting('late'));
      yield* hours(2);
      return trail.lines;
    },
    expected: ['0 h: spawned', '1 h: a', '1 h: b', '1 h: late', '2 h: c', '2 h: d'],
  },
  {
    rule: 'no delay is a turn of its own: the task runs when what is ready has run',
    body: function* () {
      const trail = yield* beginTrail();
      yield* hours(1);
      yield* spawnAfter(0, trail.noting('delayed'));
      yield* spawn(trail.noting('spawned'));
      yield* trail.note('spawner');
      yield* counted('wait', () => 1);
      yield* hours(1);
      return trail.lines;
    },
    expected: ['1 h: spawner', '1 h: spawned', '1 h: delayed'],
  },
  {
    rule: 'a delayed task is cancelled by its handle, its scope or a lost race, and leaves no deadline; when it runs it is as any other',
    body: function* () {
      const trail = yield* beginTrail();
      const runs = yield* spawnAfter('1 hour', () => tidy(trail, 'it'));
      const losing = function* () {
        yield* spawnAfter('3 hours', trail.noting('ran in a lost race'));
        yield* hours(9);
      };
      const ended: string[] = [];
      runs.onDone(({ status }) => ended.push(status));
      yield* race([losing(), hours(2)]);
      yield* runs.cancel('running');
      const waiting = yield* spawnAfter('9 hours', trail.noting('ran'));
      waiting.onDone(({ status }) => ended.push(status));
      const joined = yield* timeout('1 hour', told(waiting.join()), { orElse: 'not yet' });
      yield* waiting.cancel('waiting');
      return [trail.lines, ended, joined, yield* told(runs.join()), yield* told(waiting.join())];
    },
    expected: [['3 h: it is clean'], ['cancelled', 'cancelled'], 'not yet', 'CancelledError: running', 'CancelledError: waiting'],
  },
];

/** A group that a latch decides, and two tasks that wait at that latch as well: who goes on first? */
function decidedFirst(what: string, group: (latch: Latch<string>) => Operation<unknown>): Rule {
  return {
    rule: `whoever waits for a group that has decided goes on next, before others that are ready: ${what}`,
    body: function* () {
      const order: string[] = [];
      const latch = yield* createLatch<string>();
      yield* spawn(function* () {
        yield* hours(1);
        yield* counted('before', () => 1);
        yield* latch.open('it');
      });
      for (const who of ['first', 'second']) {
        yield* spawn(function* () {
          yield* hours(0.5);
          yield* latch.wait();
          order.push(who);
        });
      }
      yield* group(latch);
      order.push('group');
      yield* hours(1);
      return order;
    },
    expected: ['group', 'first', 'second'],
  };
}

const deciding: readonly Rule[] = [
  decidedFirst('all', (latch) => all([latch.wait(), latch.wait()])),
  decidedFirst('allSettled', (latch) => allSettled([latch.wait()])),
  decidedFirst('race', (latch) => race([latch.wait()])),
  decidedFirst('any', (latch) => any([latch.wait()])),
  decidedFirst('timeout', (latch) => timeout('1 day', latch.wait())),
  decidedFirst('one in another', (latch) => timeout('1 day', all([race([latch.wait()])]))),
];

const edges: readonly Rule[] = [
  {
    rule: 'of items that come at once, each member of a group gets its own, in the order of the members',
    body: function* () {
      const queue = yield* createQueue<number>();
      const getting = yield* spawn(() => allSettled([queue.get(), queue.get(), queue.get()]));
      yield* hours(0.5);
      yield* counted('before', () => 1);
      for (const item of [1, 2, 3]) yield* queue.put(item);
      const settled = yield* getting.join();
      yield* hours(1);
      return [settled.map(shown), queue.size];
    },
    expected: [['gave 1', 'gave 2', 'gave 3'], 0],
  },
  {
    rule: 'a race of gets takes one item and leaves the others, though all of them were there',
    body: function* () {
      const queues = [yield* createQueue<string>(), yield* createQueue<string>()] as const;
      for (const name of ['a', 'b'] as const) for (const queue of queues) yield* queue.put(name);
      yield* hours(1);
      const got = yield* race([queues[0].get(), queues[1].get()]);
      yield* counted('between', () => 1);
      const both = yield* all([queues[0].get(), queues[1].get()]);
      yield* hours(1);
      return [got, both, queues[0].size, queues[1].size];
    },
    expected: ['a', ['b', 'a'], 0, 1],
  },
];

testRules('combinators', [...settling, ...anyOf, ...delayed, ...deciding, ...edges]);
