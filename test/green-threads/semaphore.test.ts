// Rule 20: semaphores, permits that tasks take and give back.

import { createSemaphore, type Operation, race, type Semaphore, spawn, type Task, timeout } from '../../src/index.js';
import { failingAfter, later } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { beginTrail, hours, nameOf, type Rule, type Trail, testRules, told } from './rules.js';

/** Works with a permit in a task of its own, and notes from when to when. */
function working(semaphore: Semaphore, trail: Trail, { who, work }: { who: string; work: number }): Operation<Task<void>> {
  return spawn(function* () {
    yield* semaphore.use(
      (function* () {
        yield* trail.note(`${who} begins`);
        yield* hours(work);
        yield* trail.note(`${who} ends`);
      })(),
    );
  });
}

const rules: readonly Rule[] = [
  {
    rule: '20. First come first served; two tasks that contend get equal turns; `use` releases however it ends',
    body: function* () {
      const trail = yield* beginTrail();
      const semaphore = yield* createSemaphore(1);
      const players: Task<void>[] = [];
      for (const who of ['a', 'b']) {
        players.push(
          yield* spawn(function* () {
            for (const turn of [1, 2, 3]) {
              yield* semaphore.acquire();
              yield* trail.note(yield* counted(`${who}${turn}`, () => `${who}${turn}`));
              yield* hours(1);
              yield* semaphore.release();
            }
          }),
        );
      }
      for (const player of players) yield* player.join();
      const returned = yield* semaphore.use(later(1, 'value'));
      const thrown = yield* told(semaphore.use(failingAfter(1, 'broken')));
      const cancelled = yield* spawn(() => semaphore.use(hours(9)));
      yield* hours(1);
      yield* trail.note(`in use: ${semaphore.free} free`);
      yield* cancelled.cancel();
      yield* trail.note(`${returned}, ${thrown}: ${semaphore.free} free`);
      return trail.lines;
    },
    expected: [
      '0 h: a1',
      '1 h: b1',
      '2 h: a2',
      '3 h: b2',
      '4 h: a3',
      '5 h: b3',
      '9 h: in use: 0 free',
      '9 h: value, Error: broken: 1 free',
    ],
  },
];

const edges: readonly Rule[] = [
  {
    rule: 'waiters are served in the order in which they came, as many at once as there are permits',
    body: function* () {
      const trail = yield* beginTrail();
      const semaphore = yield* createSemaphore(2);
      for (const [who, work] of [
        ['a', 3],
        ['b', 1],
        ['c', 1],
        ['d', 2],
        ['e', 1],
      ] as const) {
        yield* working(semaphore, trail, { who, work });
        yield* hours(0.25);
      }
      yield* hours(8.75);
      return [trail.lines, semaphore.free];
    },
    expected: [
      [
        ...['0 h: a begins', '0.25 h: b begins', '1.25 h: b ends', '1.25 h: c begins', '2.25 h: c ends', '2.25 h: d begins'],
        ...['3 h: a ends', '3 h: e begins', '4 h: e ends', '4.25 h: d ends'],
      ],
      2,
    ],
  },
  {
    rule: 'a permit that is given back belongs to who waits, not to who asks next',
    body: function* () {
      const trail = yield* beginTrail();
      const semaphore = yield* createSemaphore(1);
      yield* semaphore.acquire();
      yield* working(semaphore, trail, { who: 'a', work: 1 });
      yield* hours(1);
      yield* semaphore.release();
      const grabbed = [yield* semaphore.tryAcquire(), semaphore.free];
      yield* semaphore.acquire();
      yield* trail.note('the one who gave it has it again');
      yield* semaphore.release();
      grabbed.push(yield* semaphore.tryAcquire(), semaphore.free, yield* semaphore.tryAcquire());
      yield* counted('end', () => 1);
      yield* hours(1);
      return [trail.lines, grabbed];
    },
    expected: [
      ['1 h: a begins', '2 h: a ends', '2 h: the one who gave it has it again'],
      [false, 0, true, 0, false],
    ],
  },
  {
    rule: '`use` that is cancelled before it has a permit gives none back, and does not run what it was to use it for',
    body: function* () {
      const trail = yield* beginTrail();
      const semaphore = yield* createSemaphore(1);
      const holder = yield* working(semaphore, trail, { who: 'holder', work: 4 });
      const leaver = yield* working(semaphore, trail, { who: 'leaver', work: 1 });
      yield* hours(1);
      yield* leaver.cancel();
      yield* trail.note(`${yield* timeout('1 hour', semaphore.use(later(0, 'used')), { orElse: 'late' })}: ${semaphore.free} free`);
      yield* working(semaphore, trail, { who: 'next', work: 1 });
      yield* holder.join();
      yield* hours(2);
      return [trail.lines, semaphore.free, (yield* told(semaphore.release())).startsWith('AuthoringError')];
    },
    expected: [['0 h: holder begins', '2 h: late: 0 free', '4 h: holder ends', '4 h: next begins', '5 h: next ends'], 1, true],
  },
  {
    rule: '`use` may wait in its `finally`, and holds its permit until that has ended',
    body: function* () {
      const trail = yield* beginTrail();
      const semaphore = yield* createSemaphore(1);
      const cleaning = yield* spawn(() =>
        semaphore.use(
          (function* () {
            try {
              yield* hours(9);
            } finally {
              yield* counted('clean up', () => 1);
              yield* hours(2);
            }
          })(),
        ),
      );
      yield* hours(1);
      yield* working(semaphore, trail, { who: 'next', work: 1 });
      yield* cleaning.cancel();
      yield* trail.note('cancel returns');
      yield* hours(2);
      return [trail.lines, semaphore.free];
    },
    expected: [['3 h: next begins', '3 h: cancel returns', '4 h: next ends'], 1],
  },
  {
    rule: '`use` in `use` takes two permits, and gives both back when its race is lost',
    body: function* () {
      const semaphore = yield* createSemaphore(3);
      const during: number[] = [];
      const winner = yield* race({
        nested: semaphore.use(semaphore.use(hours(9))),
        watch: (function* () {
          yield* hours(1);
          during.push(semaphore.free);
          yield* counted('watched', () => 1);
        })(),
      });
      yield* hours(1);
      return [winner.key, during, semaphore.free];
    },
    expected: ['watch', [1], 3],
  },
  {
    rule: 'without permits nobody gets one, and none can be released',
    body: function* () {
      const semaphore = yield* createSemaphore(0);
      const answers: unknown[] = [yield* semaphore.tryAcquire(), (yield* told(semaphore.release())).startsWith('AuthoringError')];
      for (const round of [1, 2]) answers.push(yield* timeout('1 hour', semaphore.acquire(), { orElse: `late ${round}` }));
      yield* counted('end', () => 1);
      return [...answers, semaphore.free];
    },
    expected: [false, true, 'late 1', 'late 2', 0],
  },
  {
    rule: 'one task may release what another has acquired; beyond the permits it is an error, and changes nothing',
    body: function* () {
      const trail = yield* beginTrail();
      const semaphore = yield* createSemaphore(2);
      for (const round of [1, 2]) {
        yield* semaphore.acquire();
        yield* counted(`acquired ${round}`, () => round);
      }
      const releasing = yield* spawn(function* () {
        for (let _n = 1; ; _n++) {
          yield* hours(1);
          try {
            yield* semaphore.release();
          } catch (error) {
            return nameOf(error);
          }
          yield* trail.note(`${semaphore.free} free`);
        }
      });
      const error = yield* releasing.join();
      return [trail.lines, /^AuthoringError: .*semaphore 1/.test(error), semaphore.free];
    },
    expected: [['1 h: 1 free', '2 h: 2 free'], true, 2],
  },
];

testRules('semaphores', [...rules, ...edges]);
