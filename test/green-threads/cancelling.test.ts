// Cancelling tasks: in every state, each other, and far down.

import { describe, expect, test } from 'vitest';
import {
  all,
  createLatch,
  createQueue,
  createSemaphore,
  event,
  type Operation,
  race,
  receive,
  spawn,
  type Task,
  timeout,
} from '../../src/index.js';
import { failingAfter, later, runBody } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { failureOf } from '../support/rejection.js';
import { beginTrail, caught, hours, nameOf, type Rule, type Trail, testRules, tidy, told } from './rules.js';

const word = event<string>('word');

/** A task that is cancelled at 2 h, in different states; `spawned` is spawned at 1 h, behind the steps of a first hour. */
function cancelling(state: string, spawned: (trail: Trail) => Operation<unknown>, expected: readonly string[]): Rule {
  return {
    rule: `a task is cancelled ${state}`,
    body: function* () {
      const trail = yield* beginTrail();
      yield* hours(0.5);
      yield* counted('first', () => 1);
      yield* hours(0.5);
      const task = yield* spawn(() => spawned(trail));
      task.onDone(({ status }) => trail.lines.push(status));
      yield* hours(1);
      yield* task.cancel('enough');
      yield* trail.note('cancel returns');
      yield* trail.note(`join: ${yield* told(task.join())}`);
      return trail.lines;
    },
    expected,
  };
}

const enough = 'CancelledError: enough';
const cancelledAt = (hour: number) => ['cancelled', `${hour} h: cancel returns`, `${hour} h: join: ${enough}`];

const states: readonly Rule[] = [
  cancelling('in a sleep', (trail) => tidy(trail, 'it'), [`2 h: it is told ${enough}`, '3 h: it is clean', ...cancelledAt(3)]),
  cancelling('in a receive', () => receive(word), cancelledAt(2)),
  cancelling('in a step', () => counted('hanging', () => new Promise<void>(() => {})), cancelledAt(2)),
  cancelling(
    'in groups in groups',
    (trail) => all([race([timeout('1 day', tidy(trail, 'inner')), hours(9)]), all([tidy(trail, 'other')])]),
    [
      '2 h: inner is told CancelledError: no longer needed',
      '2 h: other is told CancelledError: no longer needed',
      '3 h: inner is clean',
      '3 h: other is clean',
      ...cancelledAt(3),
    ],
  ),
  cancelling(
    'when its body has ended and its tasks have not',
    function* (trail) {
      yield* spawn(() => tidy(trail, 'its task'));
    },
    [`2 h: its task is told ${enough}`, '3 h: its task is clean', 'done', '3 h: cancel returns', '3 h: join: Error: nothing was thrown'],
  ),
  cancelling(
    'with tasks of its tasks, all of which clean up',
    function* (trail) {
      yield* spawn(function* () {
        yield* spawn(() => tidy(trail, 'task of the task'));
        yield* tidy(trail, 'task');
      });
      yield* tidy(trail, 'it');
    },
    [
      ...['task of the task', 'task', 'it'].map((who) => `2 h: ${who} is told ${enough}`),
      ...['task of the task', 'task', 'it'].map((who) => `3 h: ${who} is clean`),
      ...cancelledAt(3),
    ],
  ),
  cancelling(
    'while it cleans up after an error of its own',
    function* (trail) {
      try {
        yield* failingAfter(0.5, 'own');
      } finally {
        yield* tidy(trail, 'its cleanup');
      }
    },
    [`2 h: its cleanup is told ${enough}`, '3 h: its cleanup is clean', ...cancelledAt(3)],
  ),
  cancelling(
    'and swallows it',
    function* () {
      yield* told(hours(9));
      yield* hours(1);
    },
    ['done', '3 h: cancel returns', '3 h: join: Error: nothing was thrown'],
  ),
  cancelling(
    'and fails in `finally`',
    function* () {
      try {
        yield* hours(9);
      } finally {
        yield* failingAfter(1, 'cleanup failed');
      }
    },
    ['failed', '3 h: cancel returns', '3 h: join: Error: cleanup failed'],
  ),
  cancelling(
    'and spawns and joins in `finally`',
    function* (trail) {
      try {
        yield* hours(9);
      } finally {
        const cleaner = yield* spawn(() => later(1, 'cleaned'));
        yield* trail.note(yield* cleaner.join());
      }
    },
    ['3 h: cleaned', ...cancelledAt(3)],
  ),
];

const edges: readonly Rule[] = [
  {
    rule: 'two tasks that cancel each other both end',
    body: function* () {
      const trail = yield* beginTrail();
      const pair: Task<unknown>[] = [];
      const first = function* () {
        yield* hours(1);
        yield* counted('attack', () => 1);
        yield* (pair[1] as Task<unknown>).cancel('by the first');
      };
      const second = function* () {
        const error = yield* caught(hours(9));
        yield* trail.note(`the second is told ${nameOf(error)}`);
        yield* (pair[0] as Task<unknown>).cancel('by the second');
        yield* hours(1);
        yield* trail.note('the second has cancelled the first');
        throw error;
      };
      for (const body of [first, second]) pair.push(yield* spawn(body));
      for (const task of pair) trail.lines.push(yield* told(task.join()));
      return trail.lines;
    },
    expected: [
      '1 h: the second is told CancelledError: by the first',
      'CancelledError: by the second',
      '2 h: the second has cancelled the first',
      'CancelledError: by the first',
    ],
  },
  {
    rule: 'a joiner that is cancelled leaves the task, and the other joiners, alone',
    body: function* () {
      const trail = yield* beginTrail();
      const task = yield* spawn(() => later(3, 'value'));
      const joiner = (who: string) =>
        spawn(function* () {
          yield* trail.note(`${who} got ${yield* task.join()}`);
        });
      const leaver = yield* joiner('first');
      yield* joiner('second');
      yield* hours(1);
      yield* leaver.cancel('enough');
      yield* joiner('third');
      yield* hours(3);
      return trail.lines;
    },
    expected: ['3 h: second got value', '3 h: third got value'],
  },
  {
    rule: 'who is cancelled when it was about to go on does what needs no wait, and is told, once, where it may have to wait',
    body: function* () {
      const trail = yield* beginTrail();
      const [door, queue, semaphore] = [yield* createLatch(), yield* createQueue<string>(), yield* createSemaphore(1)];
      yield* queue.put('item');
      yield* semaphore.acquire();
      const task = yield* spawn(function* () {
        yield* door.wait();
        yield* semaphore.release();
        yield* trail.note(`took ${(yield* queue.tryGet())?.item}`);
        yield* queue.tryPut('put back');
        const error = yield* caught(queue.get());
        yield* trail.note(`get is told ${nameOf(error)}, ${queue.size} left`);
        yield* trail.note(`took ${yield* queue.get()}`);
        yield* hours(1);
        throw error;
      });
      yield* hours(1);
      yield* counted('before', () => 1);
      yield* door.open();
      yield* task.cancel('enough');
      yield* trail.note(`${semaphore.free} free, ${yield* told(task.join())}`);
      return trail.lines;
    },
    expected: [
      '1 h: took item',
      '1 h: get is told CancelledError: enough, 1 left',
      '1 h: took put back',
      '2 h: 1 free, CancelledError: enough',
    ],
  },
];

testRules('cancelling', [...states, ...edges]);

describe('tasks that are nested deep', () => {
  const nestTasks = function* (depth: number): Operation<void> {
    if (depth > 0) yield* spawn(() => nestTasks(depth - 1));
    yield* hours(9);
  };
  const nestGroups = function* (depth: number): Operation<unknown> {
    return yield* race([depth === 0 ? hours(9) : nestGroups(depth - 1)]);
  };

  test.each([
    ['tasks of tasks', nestTasks],
    ['groups of groups', nestGroups],
  ])('are cancelled as others are: %s', async (_what, nest: (depth: number) => Operation<unknown>) => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(() => nest(490));
      yield* hours(1);
      yield* task.cancel('enough');
      return yield* told(task.join());
    }, '1 hour');

    await expect(instance.result()).resolves.toBe('CancelledError: enough');
  });

  test.each([
    ['tasks of tasks', nestTasks],
    ['groups of groups', nestGroups],
  ])('are refused by a limit, long before a stack overflows: %s', async (_what, nest: (depth: number) => Operation<unknown>) => {
    const { instance } = await runBody(() => nest(20_000), '1 day');

    expect(await failureOf(instance)).toMatchObject({ name: 'LimitError', message: expect.stringContaining('taskNestingMax') });
  });
});
