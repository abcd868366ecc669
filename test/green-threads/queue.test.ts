// Rules 17 to 19: queues, which hand items from task to task.

import { describe, expect, test } from 'vitest';
import { createLatch, createQueue, type Latch, spawn, type Task, timeout } from '../../src/index.js';
import { later, runBody } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { failureOf } from '../support/rejection.js';
import { getting, nameIn, putting } from './queue-users.js';
import { beginTrail, hours, type Rule, testRules, told } from './rules.js';

const rules: readonly Rule[] = [
  {
    rule: '17. Bounded: `put` waits while full. Capacity 0 is a rendezvous: `put` returns when a getter took the item. Default is unbounded within the limits',
    body: function* () {
      const trail = yield* beginTrail();
      const bounded = yield* createQueue<unknown>(2);
      yield* putting(bounded, trail, [1, 2, 3, 4, 5]);
      for (const n of [1, 2, 3, 4, 5]) {
        yield* hours(1);
        yield* trail.note(`got ${yield* bounded.get()} of ${bounded.size + 1}`);
        yield* counted(`work ${n}`, () => n);
      }
      const rendezvous = yield* createQueue<unknown>(0);
      yield* putting(rendezvous, trail, ['a', 'b']);
      yield* hours(1);
      yield* trail.note(`got ${yield* rendezvous.get()}, ${rendezvous.size} in it`);
      yield* hours(1);
      yield* trail.note(`got ${yield* rendezvous.get()}`);
      yield* getting(rendezvous, trail, 'waiting getter');
      yield* hours(1);
      yield* putting(rendezvous, trail, ['c']);
      yield* hours(1);
      const unbounded = yield* createQueue<number>();
      for (let n = 0; n < 5000; n++) yield* unbounded.put(n);
      yield* trail.note(`${unbounded.size} in it`);
      return trail.lines;
    },
    expected: [
      ...['0 h: 1 is in', '0 h: 2 is in', '1 h: got 1 of 3', '1 h: 3 is in', '2 h: got 2 of 3', '2 h: 4 is in'],
      ...['3 h: got 3 of 3', '3 h: 5 is in', '4 h: got 4 of 2', '5 h: got 5 of 1'],
      ...['6 h: got a, 0 in it', '6 h: a is in', '7 h: got b', '7 h: b is in', '8 h: c is in', '8 h: waiting getter got c'],
      '9 h: 5000 in it',
    ],
  },
  {
    rule: '18. N getters and N puts: each item exactly once, first come first served',
    body: function* () {
      const trail = yield* beginTrail();
      const queue = yield* createQueue<unknown>();
      for (const who of ['a', 'b', 'c', 'd']) {
        yield* getting(queue, trail, who);
        yield* hours(0.25);
      }
      yield* counted('all wait', () => 1);
      for (const item of [1, 2, 3]) yield* queue.put(item);
      yield* hours(1);
      yield* queue.put(4);
      yield* hours(1);
      for (const item of [5, 6, 7]) yield* queue.put(item);
      yield* hours(1);
      for (const who of ['e', 'f', 'g']) yield* getting(queue, trail, who);
      yield* hours(1);
      return [trail.lines, queue.size];
    },
    expected: [
      [...['1 h: a got 1', '1 h: b got 2', '1 h: c got 3', '2 h: d got 4'], ...['4 h: e got 5', '4 h: f got 6', '4 h: g got 7']],
      0,
    ],
  },
  {
    rule: '19. `tryPut`/`tryGet` answer at once',
    body: function* () {
      const trail = yield* beginTrail();
      const queue = yield* createQueue<unknown>(1);
      const answers: unknown[] = [(yield* queue.tryGet()) === undefined, yield* queue.tryPut('a'), yield* queue.tryPut('b')];
      yield* putting(queue, trail, ['c']);
      yield* hours(1);
      answers.push(yield* queue.tryPut('d'), yield* queue.tryGet(), yield* queue.tryGet(), (yield* queue.tryGet()) === undefined);
      yield* hours(1);
      const rendezvous = yield* createQueue<unknown>(0);
      answers.push(yield* rendezvous.tryPut('nobody waits'), (yield* rendezvous.tryGet()) === undefined);
      yield* getting(rendezvous, trail, 'getter');
      yield* hours(1);
      answers.push(yield* rendezvous.tryPut('e'), yield* rendezvous.tryPut('f'));
      yield* putting(rendezvous, trail, ['g']);
      yield* hours(1);
      answers.push(yield* rendezvous.tryGet());
      yield* counted('end', () => 1);
      yield* hours(1);
      return [answers, trail.lines];
    },
    expected: [
      [true, true, false, false, { item: 'a' }, { item: 'c' }, true, false, true, true, false, { item: 'g' }],
      ['1 h: c is in', '3 h: getter got e', '4 h: g is in'],
    ],
  },
];

const edges: readonly Rule[] = [
  {
    rule: 'close refuses putters that wait, lets getters have what is left, and tells them then; closing twice does nothing',
    body: function* () {
      const trail = yield* beginTrail();
      const queue = yield* createQueue<unknown>(2);
      yield* putting(queue, trail, ['a', 'b', 'c']);
      yield* putting(queue, trail, ['d']);
      yield* hours(1);
      yield* queue.close();
      yield* queue.close();
      yield* hours(1);
      yield* counted('after', () => 1);
      const errors = [nameIn(yield* told(queue.put('e'))), nameIn(yield* told(queue.tryPut('f')))];
      yield* trail.note(`${queue.size} left: ${yield* queue.get()}, ${JSON.stringify(yield* queue.tryGet())}`);
      errors.push(nameIn(yield* told(queue.get())), nameIn(yield* told(queue.tryGet())));
      yield* queue.close();
      return [trail.lines, errors];
    },
    expected: [
      ['0 h: a is in', '0 h: b is in', '1 h: c: QueueClosedError', '1 h: d: QueueClosedError', '2 h: 2 left: a, {"item":"b"}'],
      Array.from({ length: 4 }, () => 'QueueClosedError'),
    ],
  },
  {
    rule: 'close tells getters that wait, in the order in which they came',
    body: function* () {
      const trail = yield* beginTrail();
      for (const capacity of [0, 1, Number.POSITIVE_INFINITY]) {
        const queue = yield* createQueue<unknown>(capacity);
        for (const who of ['a', 'b']) yield* getting(queue, trail, who);
        yield* hours(1);
        yield* queue.close();
        yield* hours(1);
      }
      return trail.lines;
    },
    expected: [1, 3, 5].flatMap((hour) => [`${hour} h: a: QueueClosedError`, `${hour} h: b: QueueClosedError`]),
  },
  {
    rule: 'workers end when a closed queue is empty: nothing is lost and nothing done twice',
    body: function* () {
      const jobs = yield* createQueue<number>(2);
      const results = yield* createQueue<string>(0);
      const worker = function* (name: string, pace: number) {
        for (;;) {
          try {
            const job = yield* jobs.get();
            yield* hours(pace);
            yield* results.put(yield* counted(`${name} does ${job}`, () => `${name}${job}`));
          } catch {
            return;
          }
        }
      };
      const workers: Task<void>[] = [];
      for (const [name, pace] of [
        ['a', 1],
        ['b', 2],
      ] as const)
        workers.push(yield* spawn(() => worker(name, pace)));
      yield* spawn(function* () {
        for (let job = 1; job <= 6; job++) yield* jobs.put(job);
        yield* jobs.close();
        for (const task of workers) yield* task.join();
        yield* results.close();
      });
      const done: string[] = [];
      for (;;) {
        const result = yield* timeout(
          '1 day',
          told(function* () {
            done.push(yield* results.get());
          }),
        );
        if (result.startsWith('QueueClosedError')) return done;
      }
    },
    expected: ['a1', 'b2', 'a3', 'a5', 'b4', 'a6'],
  },
  {
    rule: 'producers that contend for room get it in turn',
    body: function* () {
      const trail = yield* beginTrail();
      const queue = yield* createQueue<unknown>(1);
      yield* putting(queue, trail, ['a1', 'a2', 'a3']);
      yield* putting(queue, trail, ['b1', 'b2', 'b3']);
      const out: unknown[] = [];
      for (let n = 0; n < 6; n++) {
        yield* hours(1);
        out.push(yield* queue.get());
      }
      yield* counted('end', () => 1);
      return out;
    },
    // The second of a waits before b has begun.
    expected: ['a1', 'a2', 'b1', 'a3', 'b2', 'b3'],
  },
  {
    rule: 'items go by reference and may be anything: a latch to answer on, a task, `undefined`',
    body: function* () {
      const queue = yield* createQueue<{ n: number; answer: Latch<number> } | Task<string> | undefined>();
      yield* spawn(function* () {
        for (;;) {
          const item = yield* queue.get();
          if (item === undefined) return;
          if ('join' in item) throw new Error(`a task came first`);
          yield* hours(1);
          yield* item.answer.open(yield* counted(`square ${item.n}`, () => item.n ** 2));
        }
      });
      const answers: number[] = [];
      for (const n of [2, 3]) {
        const answer = yield* createLatch<number>();
        yield* queue.put({ n, answer });
        answers.push(yield* answer.wait());
      }
      yield* queue.put(undefined);
      yield* hours(1);
      const task = yield* spawn(() => later(1, 'joined'));
      yield* queue.put(task);
      yield* queue.put(undefined);
      const taken = yield* queue.get();
      const last = yield* queue.tryGet();
      return [answers, taken === task, yield* task.join(), last !== undefined && last.item === undefined];
    },
    expected: [[4, 9], true, 'joined', true],
  },
  {
    rule: 'a putter that leaves takes its item along',
    body: function* () {
      const trail = yield* beginTrail();
      for (const capacity of [0, 1]) {
        const queue = yield* createQueue<unknown>(capacity);
        yield* putting(queue, trail, capacity === 0 ? [] : ['a']);
        const leaver = yield* putting(queue, trail, ['never']);
        yield* putting(queue, trail, ['b']);
        yield* hours(1);
        yield* trail.note(`${yield* timeout('1 hour', told(queue.put('late')), { orElse: 'timed out' })}`);
        yield* leaver.cancel();
        const out: unknown[] = [];
        for (let taken = yield* queue.tryGet(); taken !== undefined; taken = yield* queue.tryGet()) out.push(taken.item);
        yield* trail.note(`out: ${out.join(', ')}`);
        yield* hours(1);
      }
      return trail.lines;
    },
    expected: [
      ...['2 h: timed out', '2 h: never: CancelledError', '2 h: out: b', '2 h: b is in'],
      ...['3 h: a is in', '5 h: timed out', '5 h: never: CancelledError', '5 h: out: a, b', '5 h: b is in'],
    ],
  },
];

testRules('queues', [...rules, ...edges]);

describe('the limits of queues', () => {
  test('an unbounded one holds 100,000 items; the next put is refused, and says which queue it is', async () => {
    const { instance } = await runBody(function* () {
      yield* createQueue();
      const queue = yield* createQueue<number>();
      for (let n = 0; n < 100_000; n++) yield* queue.put(n);
      yield* queue.put(100_000);
    });

    expect(await failureOf(instance)).toMatchObject({
      name: 'LimitError',
      code: 'LIMIT',
      message: expect.stringMatching(/queue 2.*queueItemsMax.*100000/),
    });
  });

  test('tasks that hand items round for ever are stopped, and do not hang the process', async () => {
    const { instance } = await runBody(function* () {
      const [there, back] = [yield* createQueue<number>(0), yield* createQueue<number>(0)];
      yield* spawn(function* () {
        for (;;) yield* back.put(yield* there.get());
      });
      for (;;) {
        yield* there.put(1);
        yield* back.get();
      }
    });

    expect(await failureOf(instance)).toMatchObject({ name: 'LimitError', message: expect.stringContaining('localEffectsMax') });
  });
});
