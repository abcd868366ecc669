// Tasks: spawn, join, cancel and onDone. (That they are structured, and that no error is lost, is promise G8.)

import { beforeEach, describe, expect, test } from 'vitest';
import { all, CancelledError, instanceId, now, receive, sleep, spawn, type Task, timeout } from '../src/index.js';
import { failingAfter, HOUR, later, runBody } from './support/bodies.js';
import { noisy, trail, word } from './support/noisy.js';

beforeEach(() => {
  trail.length = 0;
});

describe('spawn', () => {
  test('tasks run side by side, each from where it waited', async () => {
    const { runtime, instance } = await runBody(function* () {
      const tasks: Task<number>[] = [];
      for (const hours of [3, 1, 2]) {
        tasks.push(
          yield* spawn(function* () {
            yield* sleep(hours * HOUR);
            trail.push(`${hours} h`);
            return yield* now();
          }),
        );
      }
      const ends: number[] = [];
      for (const task of tasks) ends.push(yield* task.join());
      return ends;
    }, '3 hours');

    const start = runtime.now() - 3 * HOUR;
    await expect(instance.result()).resolves.toEqual([3, 1, 2].map((hours) => start + hours * HOUR));
    expect(trail).toEqual(['1 h', '2 h', '3 h']);
  });

  test('a task begins when its spawner waits, not before; ready tasks run first come, first served', async () => {
    const { instance } = await runBody(function* () {
      for (const name of ['a', 'b']) {
        yield* spawn(function* () {
          trail.push(`${name} begins`);
          yield* sleep(0);
          trail.push(`${name} goes on`);
        });
        trail.push(`${name} spawned`);
      }
      yield* sleep(0);
      trail.push('body goes on');
    });
    await instance.result();

    expect(trail).toEqual(['a spawned', 'b spawned', 'a begins', 'b begins', 'body goes on', 'a goes on', 'b goes on']);
  });

  test('it takes any operation, and a task may spawn tasks', async () => {
    const { instance } = await runBody(function* () {
      const outer = yield* spawn(function* () {
        const inner = yield* spawn(() => sleep('1 hour'));
        yield* inner.join();
        return yield* instanceId();
      });
      return yield* outer.join();
    }, '1 hour');

    await expect(instance.result()).resolves.toBe('t');
  });

  test('ids tell tasks apart, and are the same after a crash', async () => {
    const ids: string[][] = [];
    const { runtime } = await runBody(function* () {
      const tasks = [yield* spawn(() => sleep('1 hour')), yield* spawn(() => sleep('1 hour'))];
      ids.push(tasks.map(({ id }) => id));
      yield* sleep('1 hour');
    });

    await (await runtime.crash()).advance('1 hour');

    expect(ids[0]).toEqual(['1', '2']);
    expect(new Set(ids.map(String)).size).toBe(1);
  });
});

describe('join', () => {
  test('it gives what the task returned, as often as it is asked, also long after', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(() => later(1, 'value'));
      const first = yield* task.join();
      yield* sleep('1 day');
      return [first, yield* task.join(), yield* task.join()];
    }, '2 days');

    await expect(instance.result()).resolves.toEqual(['value', 'value', 'value']);
  });

  test('several may join one task', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(() => later(1, 'value'));
      return yield* all([task.join(), task.join(), later(2, 'other')]);
    }, '2 hours');

    await expect(instance.result()).resolves.toEqual(['value', 'value', 'other']);
  });

  test('each joiner is thrown the task’s error', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(() => failingAfter(1, 'broken'));
      const attempt = function* () {
        try {
          return yield* task.join();
        } catch (error) {
          return (error as Error).message;
        }
      };
      return yield* all([attempt(), attempt()]);
    }, '1 hour');

    await expect(instance.result()).resolves.toEqual(['broken', 'broken']);
  });

  test('joining a cancelled task throws CancelledError', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(() => noisy('task'));
      yield* sleep(1);
      yield* task.cancel('not needed');
      try {
        yield* task.join();
      } catch (error) {
        return [error instanceof CancelledError, (error as CancelledError).reason];
      }
    }, '1 second');

    await expect(instance.result()).resolves.toEqual([true, 'not needed']);
  });

  test('giving a join up leaves the task alone', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(() => later(2, 'value'));
      const impatient = yield* timeout('1 hour', task.join(), { orElse: 'not yet' });
      return [impatient, yield* task.join()];
    }, '2 hours');

    await expect(instance.result()).resolves.toEqual(['not yet', 'value']);
  });
});

describe('cancel', () => {
  test('it is thrown once, with its reason, into the task and all below it', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(function* () {
        yield* spawn(() => noisy('below'));
        yield* all([noisy('member'), noisy('other member')]);
      });
      yield* sleep('1 hour');
      yield* task.cancel('enough');
      trail.push('over');
    }, '1 hour');
    await instance.result();

    expect(trail.slice(0, -1).toSorted()).toEqual([
      'below: enough',
      expect.stringMatching(/^member: /),
      expect.stringMatching(/^other member: /),
    ]);
    expect(trail.at(-1)).toBe('over');
  });

  test('a second one does nothing but wait', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(function* () {
        try {
          yield* noisy('task');
        } finally {
          yield* sleep('1 hour');
          trail.push('cleaned');
        }
      });
      yield* sleep(1);
      yield* all([task.cancel('first'), task.cancel('second')]);
      trail.push('both returned');
    }, '2 hours');
    await instance.result();

    expect(trail).toEqual(['task: first', 'cleaned', 'both returned']);
  });

  test('a task that has not begun never begins', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(function* () {
        trail.push('begun');
        yield* sleep('1 hour');
      });
      yield* task.cancel();
      return trail.length;
    });

    await expect(instance.result()).resolves.toBe(0);
    expect(trail).toEqual([]);
  });

  test('one that has ended stays as it ended', async () => {
    const { instance } = await runBody(function* () {
      const task = yield* spawn(() => later(1, 'value'));
      yield* sleep('2 hours');
      yield* task.cancel();
      return yield* task.join();
    }, '2 hours');

    await expect(instance.result()).resolves.toBe('value');
  });

  test('a value that was on its way is given first, and the error thrown at the next wait', async () => {
    const { instance } = await runBody(function* () {
      const source = yield* spawn(() => later(1, 'value'));
      const task = yield* spawn(function* () {
        trail.push(`got ${yield* source.join()}`);
        try {
          yield* sleep('1 hour');
        } catch (error) {
          trail.push((error as Error).name);
        }
      });
      yield* source.join();
      yield* task.cancel();
    }, '1 hour');
    await instance.result();

    expect(trail).toEqual(['got value', 'CancelledError']);
  });

  test('a task may cancel the scope that it belongs to, and is cancelled with it', async () => {
    const { instance } = await runBody(function* () {
      const scope: Task<unknown>[] = [];
      const outer = yield* spawn(function* () {
        yield* spawn(function* () {
          yield* sleep('30 minutes');
          try {
            yield* scope[0]?.cancel('from within') ?? sleep(0);
          } catch (error) {
            trail.push(`inner: ${(error as CancelledError).reason}`);
            throw error;
          }
        });
        yield* noisy('outer');
      });
      scope.push(outer);
      yield* sleep('1 hour');
      return trail;
    }, '1 hour');

    const trailAtEnd = await instance.result();
    expect(trailAtEnd.toSorted()).toEqual(['inner: from within', 'outer: from within']);
  });

  test('sleeping tasks that are cancelled leave no deadline and no receiver behind', async () => {
    const { runtime, instance } = await runBody(function* () {
      const tasks: Task<unknown>[] = [];
      for (const key of ['a', 'b', 'c']) tasks.push(yield* spawn(() => receive(word, { key, timeout: '3 days' })));
      yield* sleep('1 hour');
      for (const task of tasks) yield* task.cancel();
      yield* sleep('1 day');
    }, '1 hour');

    expect(runtime.health()).toMatchObject({ parkedAddresses: 0, deadlines: 1 });
    expect((await instance.info()).waitingFor).toHaveLength(1);
  });
});

describe('onDone', () => {
  test('it tells how the task ended: done, failed or cancelled, also when it has ended already', async () => {
    const ends: string[] = [];
    const { instance } = await runBody(function* () {
      const good = yield* spawn(() => later(1, 1));
      const tasks = { good, bad: yield* spawn(() => failingAfter(1, 'bad')), gone: yield* spawn(() => later(9, 1)) };
      for (const [name, task] of Object.entries(tasks)) task.onDone(({ status }) => ends.push(`${name} ${status}`));
      yield* sleep('30 minutes');
      yield* tasks.gone.cancel();
      try {
        yield* tasks.bad.join();
      } catch {
        // Expected.
      }
      yield* tasks.good.join();
      for (const [name, task] of Object.entries(tasks)) task.onDone(({ status }) => ends.push(`again ${name} ${status}`));
    }, '1 hour');
    await instance.result();

    expect(ends).toEqual(['gone cancelled', 'good done', 'bad failed', 'again good done', 'again bad failed', 'again gone cancelled']);
  });

  test('a function that throws is logged, and keeps nobody from going on', async () => {
    const { runtime, instance } = await runBody(function* () {
      const task = yield* spawn(() => later(1, 'value'));
      task.onDone(() => {
        throw new Error('observer failed');
      });
      task.onDone(() => trail.push('told'));
      return yield* task.join();
    }, '1 hour');

    await expect(instance.result()).resolves.toBe('value');
    expect(trail).toEqual(['told']);
    expect(runtime.logged).toMatchObject([{ level: 'error', message: expect.stringContaining('onDone of task 1') }]);
  });
});
