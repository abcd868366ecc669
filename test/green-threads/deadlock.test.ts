// Tasks that wait for each other and nothing else are told so, each with what it waits for. An instance that anything
// from outside could still wake is never called deadlocked.

import { describe, expect, test } from 'vitest';
import {
  all,
  createLatch,
  createPool,
  createQueue,
  createSemaphore,
  DeadlockError,
  event,
  type Operation,
  race,
  receive,
  sleep,
  spawn,
  spawnAfter,
  startChild,
  step,
  type Task,
  timeout,
  waitForCallback,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { HOUR, runBody } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { Gate } from '../support/gate.js';
import { failureOf } from '../support/rejection.js';
import { beginTrail, caught, hours, type Rule, testRules, told } from './rules.js';

/** The waits of the deadlock that a body is told of. */
function* deadlock(operation: Operation<unknown>): Operation<readonly string[]> {
  const error = yield* caught(operation);
  return error instanceof DeadlockError ? error.waits : [String(error)];
}

/** Tasks of the body that get stuck behind two durable waits; the body then does, and is told. */
function stuck(rule: string, body: () => Operation<unknown>, waits: readonly string[]): Rule {
  return {
    rule: `deadlock: ${rule}`,
    body: function* () {
      yield* hours(1);
      const tasks = yield* spawn(function* scope() {
        yield* body();
      });
      yield* counted('meanwhile', () => 1);
      yield* hours(1);
      const found = yield* deadlock(tasks.join());
      yield* tasks.cancel();
      yield* hours(1);
      return found;
    },
    expected: ['the body waits for the end of task 1 (scope)', ...waits],
  };
}

const deadlocks: readonly Rule[] = [
  stuck(
    'two consumers and nobody who puts',
    function* () {
      const queue = yield* createQueue();
      for (let n = 0; n < 2; n++) {
        yield* spawn(function* consumer() {
          yield* queue.get();
        });
      }
    },
    [
      'task 1 (scope) waits for the end of its tasks',
      'task 2 (consumer) waits for an item of queue 1',
      'task 3 (consumer) waits for an item of queue 1',
    ],
  ),
  stuck(
    'a producer that nobody takes from',
    function* () {
      yield* createLatch();
      for (const capacity of [1, 0]) {
        const queue = yield* createQueue<number>(capacity);
        yield* spawn(function* producer() {
          for (let n = 0; n < 5; n++) yield* queue.put(n);
        });
      }
    },
    [
      'task 1 (scope) waits for the end of its tasks',
      'task 2 (producer) waits for room in queue 2',
      'task 3 (producer) waits for room in queue 3',
    ],
  ),
  stuck(
    'two that take two permits in opposite order',
    function* () {
      const [left, right] = [yield* createSemaphore(1), yield* createSemaphore(1)];
      for (const [first, second] of [
        [left, right],
        [right, left],
      ] as const) {
        yield* spawn(function* philosopher() {
          yield* first.acquire();
          yield* hours(0.25);
          yield* second.use(hours(1));
        });
      }
    },
    [
      'task 1 (scope) waits for the end of its tasks',
      'task 2 (philosopher) waits for a permit of semaphore 2',
      'task 3 (philosopher) waits for a permit of semaphore 1',
    ],
  ),
  stuck(
    'a latch that nobody opens',
    function* () {
      const latch = yield* createLatch();
      yield* latch.wait();
    },
    ['task 1 (scope) waits for the opening of latch 1'],
  ),
  stuck(
    'a task of a full pool that wants another slot of it',
    function* () {
      const pool = yield* createPool(1);
      yield* pool.spawn(function* recursive() {
        yield* hours(0.25);
        const below = yield* pool.spawn(() => hours(1));
        yield* below.join();
      });
      yield* pool.waitAll();
    },
    ['task 1 (scope) waits for the end of all tasks of pool 1', 'task 2 (recursive) waits for a slot of pool 1'],
  ),
  stuck(
    'a map in a map of one pool',
    function* () {
      const pool = yield* createPool(1);
      yield* pool.map([1], function* outer() {
        yield* hours(0.25);
        yield* pool.map([2], () => hours(1));
      });
    },
    ['task 1 (scope) waits for a map of pool 1', 'task 2 (outer) waits for a map of pool 1'],
  ),
  stuck(
    'a pool of no size',
    function* () {
      const pool = yield* createPool(0);
      yield* pool.spawn(() => hours(1));
    },
    ['task 1 (scope) waits for a slot of pool 1'],
  ),
  stuck(
    'two that join each other',
    function* () {
      const tasks: Task<unknown>[] = [];
      for (const other of [1, 0]) {
        tasks.push(
          yield* spawn(function* joiner() {
            yield* hours(0.25);
            yield* (tasks[other] as Task<unknown>).join();
          }),
        );
      }
    },
    [
      'task 1 (scope) waits for the end of its tasks',
      'task 2 (joiner) waits for the end of task 3 (joiner)',
      'task 3 (joiner) waits for the end of task 2 (joiner)',
    ],
  ),
  stuck(
    'groups around what never comes',
    function* () {
      const latch = yield* createLatch();
      yield* all([race([latch.wait(), latch.wait()]), latch.wait()]);
    },
    [
      'task 1 (scope) waits for all of 2',
      'task 2 waits for race of 2',
      'task 3 waits for the opening of latch 1',
      'task 4 waits for the opening of latch 1',
      'task 5 waits for the opening of latch 1',
    ],
  ),
];

/** The same wait, beside something that the outside could still answer: it is not called deadlocked, and goes on. */
function open(what: string, beside: () => Operation<unknown>): Rule {
  return {
    rule: `no deadlock while there is ${what}`,
    body: function* () {
      const trail = yield* beginTrail();
      const latch = yield* createLatch<string>();
      yield* spawn(function* () {
        yield* counted('before', () => 1);
        yield* beside();
        yield* latch.open('it');
      });
      const found = yield* latch.wait();
      const hour = yield* trail.hour();
      yield* hours(1);
      // A retry is not to the hour.
      return [found, Math.ceil(hour)];
    },
    expected: ['it', 1],
  };
}

const opens: readonly Rule[] = [
  open('a sleep', () => hours(1)),
  open('a delayed task', function* () {
    const task = yield* spawnAfter('1 hour', () => counted('delayed', () => 1));
    yield* task.join();
  }),
  open('a timeout', function* () {
    const nobody = yield* createLatch();
    yield* timeout('1 hour', nobody.wait(), { orElse: 'late' });
  }),
  open('a receive with a timeout', () => told(receive(word, { timeout: '1 hour' }))),
  open('a retry', () =>
    counted('flaky', ({ attempt }) => attempt > 1 || Promise.reject(new Error('once')), { retry: { delay: '1 hour', attempts: 2 } }),
  ),
];

const word = event<string>('word');

const edges: readonly Rule[] = [
  {
    rule: 'a body that catches its deadlock may resolve it, and go on',
    body: function* () {
      const queue = yield* createQueue<string>();
      const consumer = yield* spawn(() => queue.get());
      yield* hours(1);
      const waits = yield* deadlock(consumer.join());
      yield* queue.put('resolved');
      const item = yield* consumer.join();
      yield* counted('after', () => 1);
      yield* hours(1);
      return [item, waits];
    },
    expected: ['resolved', ['the body waits for the end of task 1', 'task 1 waits for an item of queue 1']],
  },
  {
    rule: 'who is deadlocked can be cancelled, cleans up and is waited for',
    body: function* () {
      const trail = yield* beginTrail();
      const scope = yield* spawn(function* () {
        const latch = yield* createLatch();
        try {
          yield* latch.wait();
        } finally {
          yield* hours(1);
          yield* trail.note('clean');
        }
      });
      yield* hours(1);
      yield* counted('before', () => 1);
      const [first, second] = [yield* deadlock(scope.join()), yield* told(scope.cancel())];
      return [first.length, second, trail.lines];
    },
    expected: [2, 'Error: nothing was thrown', ['2 h: clean']],
  },
];

testRules('deadlocks', [...deadlocks, ...opens, ...edges]);

describe('a deadlock', () => {
  test('that nobody catches fails the instance, and its message says all', async () => {
    const { instance } = await runBody(function* () {
      const queue = yield* createQueue();
      yield* spawn(function* consumer() {
        yield* queue.get();
      });
    });

    expect(await failureOf(instance)).toMatchObject({
      name: 'DeadlockError',
      code: 'DEADLOCK',
      message: 'No task can ever go on: the body waits for the end of its tasks; task 1 (consumer) waits for an item of queue 1.',
      data: { waits: ['the body waits for the end of its tasks', 'task 1 (consumer) waits for an item of queue 1'] },
    });
  });

  test('that is caught again and again ends the instance none the less', async () => {
    const { instance } = await runBody(function* () {
      const latch = yield* createLatch();
      for (;;) yield* caught(latch.wait());
    });

    expect(await failureOf(instance)).toMatchObject({ name: 'DeadlockError' });
  });
});

describe('no deadlock, for as long as it may take:', () => {
  test.each<[string, () => Operation<unknown>]>([
    ['a receive', () => receive(word)],
    ['a callback', () => waitForCallback('answer', () => {})],
    ['a child', () => startChild(patient, undefined, { id: 'child' })],
    ['a far deadline', () => sleep('1000 days')],
  ])('%s is open somewhere in the instance', async (_what, beside) => {
    const waiting = workflow('waiting', function* () {
      const latch = yield* createLatch();
      yield* spawn(function* () {
        const child = (yield* beside()) as { result?: () => Operation<unknown> } | undefined;
        if (child?.result !== undefined) yield* child.result();
      });
      yield* latch.wait();
    });
    const runtime = await createTestRuntime({ workflows: [waiting, patient] });
    const { id } = await runtime.start(waiting);

    await runtime.advance(9 * 24 * HOUR);
    const recovered = await runtime.crash();
    await recovered.advance(24 * HOUR);

    expect(await recovered.instance(id).info()).toMatchObject({ status: 'sleeping', error: null });
  });

  test('a step is under way', async () => {
    const gate = new Gate<string>();
    const { runtime, instance } = await runBody(function* () {
      const queue = yield* createQueue<string>();
      yield* spawn(function* () {
        yield* queue.put(yield* step('slow', () => gate.passed));
      });
      return yield* queue.get();
    });
    expect((await instance.info()).error).toBeNull();

    gate.open('done');
    await runtime.runUntilIdle();

    await expect(instance.result()).resolves.toBe('done');
  });
});

const patient = workflow('patient', function* () {
  yield* receive(word);
});
