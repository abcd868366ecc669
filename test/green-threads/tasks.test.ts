// Rules 1 to 8: tasks, their handles, and the scopes that wait for them.

import { describe, expect, test } from 'vitest';
import { type Operation, spawn, spawnAfter, type Task } from '../../src/index.js';
import { failingAfter, later, runBody } from '../support/bodies.js';
import { counted } from '../support/crash-points.js';
import { failureOf } from '../support/rejection.js';
import { beginTrail, caught, hours, nameOf, type Rule, type Trail, testRules, tidy, told } from './rules.js';

const rules: readonly Rule[] = [
  {
    rule: '1. A task’s handle gives its return value; a failed task’s `join` throws its error, the same at every join',
    body: function* () {
      const good = yield* spawn(() => later(1, { n: 7 }));
      const bad = yield* spawn(() => failingAfter(2, 'broken'));
      const values = [yield* good.join()];
      const errors = [yield* caught(bad.join())];
      for (const round of ['second', 'third']) {
        yield* counted(`before the ${round} join`, () => round);
        values.push(yield* good.join());
        errors.push(yield* caught(bad.join()));
        yield* hours(1);
      }
      return [values.map(({ n }) => n), new Set(values).size, errors.map(nameOf), new Set(errors).size];
    },
    expected: [[7, 7, 7], 1, ['Error: broken', 'Error: broken', 'Error: broken'], 1],
  },
  {
    rule: '2. `spawn` returns before the body has run; bodies run in the order in which they were spawned',
    body: function* () {
      const trail: string[] = [];
      for (const round of [1, 2]) {
        const tasks: Task<void>[] = [];
        for (const name of ['a', 'b', 'c']) {
          const body = function* () {
            trail.push(`${name}${round} runs`);
            yield* hours(1);
          };
          tasks.push(yield* spawn(body));
          trail.push(`${name}${round} spawned`);
        }
        yield* counted(`round ${round}`, () => round);
        trail.push('the spawner goes on');
        for (const task of tasks) yield* task.join();
      }
      return trail;
    },
    expected: [1, 2].flatMap((round) => [
      ...['a', 'b', 'c'].map((name) => `${name}${round} spawned`),
      ...['a', 'b', 'c'].map((name) => `${name}${round} runs`),
      'the spawner goes on',
    ]),
  },
  {
    rule: '3. A task cancelled before it started never runs; joining it throws `CancelledError`; cancelling twice, or a finished task, does nothing',
    body: function* () {
      const trail = yield* beginTrail();
      const never = yield* spawn(trail.noting('never ran'));
      yield* never.cancel('early');
      yield* never.cancel('twice');
      yield* hours(1);
      const late = yield* spawn(() => tidy(trail, 'late'));
      const done = yield* spawn(() => later(1, 'value'));
      yield* hours(2);
      yield* late.cancel('first');
      yield* late.cancel('second');
      yield* done.cancel('too late');
      yield* counted('between', () => 1);
      return [yield* told(never.join()), yield* told(late.join()), yield* done.join(), trail.lines];
    },
    expected: [
      'CancelledError: early',
      'CancelledError: first',
      'value',
      ['3 h: late is told CancelledError: first', '4 h: late is clean'],
    ],
  },
  {
    rule: '4. Cancelling a sleeper throws at its wait; `finally` and `catch` run, may wait again, and are waited for',
    body: function* () {
      const trail = yield* beginTrail();
      const sleeper = yield* spawn(function* () {
        try {
          yield* hours(9);
        } catch (error) {
          yield* trail.note(`caught ${nameOf(error)}`);
          yield* hours(1);
          yield* trail.note('catch has waited');
        } finally {
          yield* counted('clean up', () => 1);
          yield* hours(2);
          yield* trail.note('finally has waited');
        }
      });
      yield* hours(1);
      yield* sleeper.cancel('enough');
      yield* trail.note('cancel returns');
      return trail.lines;
    },
    expected: ['1 h: caught CancelledError: enough', '2 h: catch has waited', '4 h: finally has waited', '4 h: cancel returns'],
  },
  {
    rule: '5. A delayed task runs after its delay; cancelled before, it never runs',
    body: function* () {
      const trail = yield* beginTrail();
      const soon = yield* spawnAfter('2 hours', function* () {
        yield* trail.note('soon runs');
        return yield* counted('soon', () => 'value');
      });
      const never = yield* spawnAfter('3 hours', trail.noting('never ran'));
      yield* trail.note('both spawned');
      yield* hours(1);
      yield* never.cancel('not needed');
      yield* trail.note('cancel returns');
      yield* hours(3);
      return [trail.lines, yield* soon.join(), yield* told(never.join())];
    },
    expected: [['0 h: both spawned', '1 h: cancel returns', '2 h: soon runs'], 'value', 'CancelledError: not needed'],
  },
  {
    rule: '6. A completion callback registered after completion is called at once; one that throws does not keep others from being called',
    body: function* () {
      const trail: string[] = [];
      const observe = (task: Task<unknown>, when: string) => {
        task.onDone(({ status }) => trail.push(`${when}: first told ${status}`));
        task.onDone(() => {
          throw new Error('observer failed');
        });
        task.onDone(({ status }) => trail.push(`${when}: last told ${status}`));
      };
      const task = yield* spawn(() => later(1, 'value'));
      observe(task, 'before');
      trail.push('registered');
      yield* hours(2);
      yield* counted('between', () => 1);
      observe(task, 'after');
      trail.push('registered again');
      yield* hours(1);
      return trail;
    },
    expected: [
      'registered',
      'before: first told done',
      'before: last told done',
      'after: first told done',
      'after: last told done',
      'registered again',
    ],
  },
  {
    rule: '7. An error of a task that nobody joins when it happens fails the scope at once',
    body: function* () {
      const trail = yield* beginTrail();
      const scope = yield* spawn(function* () {
        const failing = yield* spawn(() => failingAfter(2, 'broken'));
        yield* spawn(() => tidy(trail, 'sibling'));
        yield* tidy(trail, 'scope');
        yield* failing.join();
      });
      const error = yield* told(scope.join());
      yield* trail.note(`joining the scope throws ${error}`);
      return trail.lines;
    },
    expected: [
      '2 h: sibling is told CancelledError: a task of its scope failed',
      '2 h: scope is told CancelledError: a task of its scope failed',
      '3 h: sibling is clean',
      '3 h: scope is clean',
      '3 h: joining the scope throws Error: broken',
    ],
  },
  {
    rule: '8. A spawning scope waits for its tasks at its end',
    body: function* () {
      const trail = yield* beginTrail();
      const scope = yield* spawn(function* () {
        yield* spawn(function* () {
          yield* spawnAfter('3 hours', trail.noting('the task of the task ends'));
          yield* hours(1);
          yield* trail.note('the task’s body ends');
        });
        yield* trail.note('the scope’s body ends');
        return 'value';
      });
      scope.onDone(() => trail.lines.push('the scope ends'));
      yield* hours(2);
      yield* counted('meanwhile', () => 1);
      const value = yield* scope.join();
      yield* trail.note(`join gives ${value}`);
      return trail.lines;
    },
    expected: [
      '0 h: the scope’s body ends',
      '1 h: the task’s body ends',
      '3 h: the task of the task ends',
      'the scope ends',
      '3 h: join gives value',
    ],
  },
];

/** Spawns a scope at once, lets it fail or end, and gives the trail with what a join of it says. */
function inScope(rule: string, scope: (trail: Trail) => Operation<unknown>, expected: readonly string[]): Rule {
  return {
    rule,
    body: function* () {
      const trail = yield* beginTrail();
      yield* counted('before', () => 1);
      const task = yield* spawn(() => scope(trail));
      yield* counted('beside', () => 1);
      yield* trail.note(`the scope ended with ${yield* told(task.join())}`);
      return trail.lines;
    },
    expected,
  };
}

const edges: readonly Rule[] = [
  {
    rule: 'tasks of tasks run after those that were spawned before them, also when their spawner has ended',
    body: function* () {
      const order: string[] = [];
      yield* hours(1);
      for (const name of ['a', 'b']) {
        yield* spawn(function* () {
          order.push(name);
          for (const below of [1, 2]) {
            yield* spawn(function* () {
              order.push(`${name}${below}`);
              yield* hours(1);
            });
          }
        });
      }
      yield* counted('wait', () => 1);
      yield* hours(2);
      return order;
    },
    expected: ['a', 'b', 'a1', 'a2', 'b1', 'b2'],
  },
  inScope(
    'a delayed task that fails fails its scope at once',
    function* (trail) {
      yield* spawnAfter('2 hours', () => counted('fails', () => Promise.reject(new RangeError('broken')), { retry: false }));
      yield* tidy(trail, 'scope');
    },
    [
      '2 h: scope is told CancelledError: a task of its scope failed',
      '3 h: scope is clean',
      '3 h: the scope ended with RangeError: broken',
    ],
  ),
  inScope(
    'a delayed task never runs when its scope fails before it is due',
    function* (trail) {
      yield* spawnAfter('2 hours', trail.noting('never ran'));
      yield* failingAfter(1, 'broken');
    },
    ['1 h: the scope ended with Error: broken'],
  ),
  inScope(
    'a task that fails when the body of its scope has ended fails it none the less, and cancels its siblings',
    function* (trail) {
      yield* spawn(() => failingAfter(2, 'broken'));
      yield* spawn(() => tidy(trail, 'sibling'));
    },
    ['2 h: sibling is told CancelledError: a task of its scope failed', '3 h: sibling is clean', '3 h: the scope ended with Error: broken'],
  ),
  inScope(
    'of two tasks that fail, the first one’s error is the scope’s',
    function* () {
      yield* spawn(() => failingAfter(2, 'second'));
      yield* spawn(() => failingAfter(1, 'first'));
      yield* spawn(function* () {
        try {
          yield* hours(9);
        } finally {
          yield* failingAfter(2, 'cleanup');
        }
      });
      yield* caught(hours(9));
      yield* hours(1);
    },
    ['3 h: the scope ended with Error: first'],
  ),
  inScope(
    'an error that climbs fails scope after scope until somebody joins',
    function* (trail) {
      yield* spawn(function* () {
        yield* spawn(function* () {
          yield* spawn(() => failingAfter(1, 'deep'));
          yield* tidy(trail, 'inner');
        });
        yield* tidy(trail, 'middle');
      });
      yield* tidy(trail, 'outer');
    },
    [
      '1 h: inner is told CancelledError: a task of its scope failed',
      '2 h: inner is clean',
      '2 h: middle is told CancelledError: a task of its scope failed',
      '3 h: middle is clean',
      '3 h: outer is told CancelledError: a task of its scope failed',
      '4 h: outer is clean',
      '4 h: the scope ended with Error: deep',
    ],
  ),
];

testRules('tasks', [...rules, ...edges]);

describe('the error of a task that fails its scope', () => {
  test('says which tasks it came through, the innermost first', async () => {
    const { instance } = await runBody(function* () {
      yield* spawn(function* ship() {
        yield* spawn(() => later(3, 1));
        yield* spawn(function* label() {
          yield* failingAfter(1, 'no paper');
        });
        yield* hours(5);
      });
      yield* hours(5);
    }, '1 hour');

    const error = await failureOf(instance);
    expect(error.message).toBe('no paper');
    expect(pathOf(error)).toEqual(['task 3 (label)', 'task 1 (ship)']);
  });

  test('does not when it cannot be written to, and is thrown as it is', async () => {
    const { instance } = await runBody(function* () {
      yield* spawn(function* label() {
        yield* hours(1);
        throw Object.freeze(new Error('frozen'));
      });
    }, '1 hour');

    const error = await failureOf(instance);
    expect(error.message).toBe('frozen');
    expect(pathOf(error)).toEqual([]);
  });
});

/** The tasks that an error came through. */
function pathOf({ stack = '' }: { stack?: string }): string[] {
  return [...stack.matchAll(/^ {4}in (.*)$/gm)].map(([, task]) => task as string);
}
