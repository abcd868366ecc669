// Tasks: spawn, join, cancel, onDone, all, race, timeout, over operations and nested generators. (That they are
// structured, and that no error is lost, is promise G8.)

import { beforeEach, describe, expect, test } from 'vitest';
import {
  all,
  CancelledError,
  type Effect,
  event,
  instanceId,
  now,
  type Operation,
  race,
  receive,
  type StepContext,
  sleep,
  spawn,
  step,
  type Task,
  timeout,
  workflow,
} from '../src/index.js';
import { createTestRuntime } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { failureOf } from './support/rejection.js';

const HOUR = 3_600_000;
const word = event<string>('word');
let trail: string[] = [];

beforeEach(() => {
  trail = [];
});

/** Starts a workflow of this body, and lets a time pass. It stays in memory, so that its plain code runs once. */
async function run<O>(body: () => Operation<O>, time: string | number = 0) {
  const tested = workflow('tested', body);
  const runtime = await createTestRuntime({ workflows: [tested], passivateAfter: '1000 days' });
  const instance = await runtime.start(tested, undefined, { id: 't' });
  await runtime.advance(time);
  return { runtime, instance };
}

function* later<T>(hours: number, value: T): Operation<T> {
  yield* sleep(hours * HOUR);
  return value;
}

function* failing(hours: number, message: string): Operation<never> {
  yield* sleep(hours * HOUR);
  throw new Error(message);
}

function* noisy(who: string): Operation<string> {
  try {
    return yield* receive(word, { key: who });
  } catch (error) {
    trail.push(`${who}: ${error instanceof CancelledError ? error.reason : String(error)}`);
    throw error;
  }
}

describe('spawn', () => {
  test('tasks run side by side, each from where it waited', async () => {
    const { runtime, instance } = await run(function* () {
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
    const { instance } = await run(function* () {
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
    const { instance } = await run(function* () {
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
    const { runtime } = await run(function* () {
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
    const { instance } = await run(function* () {
      const task = yield* spawn(() => later(1, 'value'));
      const first = yield* task.join();
      yield* sleep('1 day');
      return [first, yield* task.join(), yield* task.join()];
    }, '2 days');

    await expect(instance.result()).resolves.toEqual(['value', 'value', 'value']);
  });

  test('several may join one task', async () => {
    const { instance } = await run(function* () {
      const task = yield* spawn(() => later(1, 'value'));
      return yield* all([task.join(), task.join(), later(2, 'other')]);
    }, '2 hours');

    await expect(instance.result()).resolves.toEqual(['value', 'value', 'other']);
  });

  test('each joiner is thrown the task’s error', async () => {
    const { instance } = await run(function* () {
      const task = yield* spawn(() => failing(1, 'broken'));
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
    const { instance } = await run(function* () {
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
    const { instance } = await run(function* () {
      const task = yield* spawn(() => later(2, 'value'));
      const impatient = yield* timeout('1 hour', task.join(), { orElse: 'not yet' });
      return [impatient, yield* task.join()];
    }, '2 hours');

    await expect(instance.result()).resolves.toEqual(['not yet', 'value']);
  });
});

describe('cancel', () => {
  test('it is thrown once, with its reason, into the task and all below it', async () => {
    const { instance } = await run(function* () {
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
    const { instance } = await run(function* () {
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
    const { instance } = await run(function* () {
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
    const { instance } = await run(function* () {
      const task = yield* spawn(() => later(1, 'value'));
      yield* sleep('2 hours');
      yield* task.cancel();
      return yield* task.join();
    }, '2 hours');

    await expect(instance.result()).resolves.toBe('value');
  });

  test('a value that was on its way is given first, and the error thrown at the next wait', async () => {
    const { instance } = await run(function* () {
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

  test('sleeping tasks that are cancelled leave no deadline and no receiver behind', async () => {
    const { runtime, instance } = await run(function* () {
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
    const { instance } = await run(function* () {
      const good = yield* spawn(() => later(1, 1));
      const tasks = { good, bad: yield* spawn(() => failing(1, 'bad')), gone: yield* spawn(() => later(9, 1)) };
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
    const { runtime, instance } = await run(function* () {
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

describe('all', () => {
  test('it gives a list in order, or an object by key, whoever was first', async () => {
    const { instance } = await run(function* () {
      const list = yield* all([later(3, 'a'), later(1, 'b'), step('c', () => 'c')]);
      const object = yield* all({ x: later(2, 1), __proto__x: later(1, 2) });
      return { list, object };
    }, '5 hours');

    await expect(instance.result()).resolves.toEqual({ list: ['a', 'b', 'c'], object: { x: 1, __proto__x: 2 } });
  });

  test('of nothing it gives nothing', async () => {
    const { instance } = await run(function* () {
      return [yield* all([]), yield* all({})];
    });

    await expect(instance.result()).resolves.toEqual([[], {}]);
  });

  test('a key that means something to JavaScript is data', async () => {
    const { instance } = await run(function* () {
      const results = yield* all(Object.fromEntries([['__proto__', later(1, 'mine')]]));
      return [Object.entries(results), Object.getPrototypeOf(results) === Object.prototype];
    }, '1 hour');

    await expect(instance.result()).resolves.toEqual([[['__proto__', 'mine']], true]);
  });

  test('a hundred steps run at once', async () => {
    const gate = new Gate();
    let running = 0;
    const { runtime, instance } = await run(() =>
      all(
        Array.from({ length: 100 }, (_, index) =>
          step(`s${index}`, async () => {
            running++;
            if (running === 100) gate.open();
            await gate.passed;
            return index;
          }),
        ),
      ),
    );
    await runtime.runUntilIdle();

    expect(running).toBe(100);
    await expect(instance.result()).resolves.toEqual(Array.from({ length: 100 }, (_, index) => index));
  });
});

describe('race', () => {
  test('it gives what the first gives, of an object with its key', async () => {
    const { instance } = await run(function* () {
      return [yield* race([later(2, 'slow'), later(1, 'fast')]), yield* race({ slow: later(2, 1), fast: later(1, 2) })];
    }, '4 hours');

    await expect(instance.result()).resolves.toEqual(['fast', { key: 'fast', value: 2 }]);
  });

  test('an error that comes first is thrown', async () => {
    const { instance } = await run(() => race([later(2, 'slow'), failing(1, 'first')]), '1 hour');

    expect(await failureOf(instance)).toMatchObject({ message: 'first' });
  });

  test('when two are ready at once the earlier one wins, and the other event is kept', async () => {
    const { runtime, instance } = await run(function* () {
      yield* sleep('1 hour');
      const first = yield* race({ a: receive(word, { key: 'a' }), b: receive(word, { key: 'b' }) });
      return [first, yield* receive(word, { key: first.key === 'a' ? 'b' : 'a' })];
    });
    await runtime.publish(word, 'a', 'from a');
    await runtime.publish(word, 'b', 'from b');

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toEqual([{ key: 'a', value: 'from a' }, 'from b']);
  });

  test('of nothing is refused', async () => {
    const { instance } = await run(() => race([] as unknown as [Operation<unknown>]));

    expect(await failureOf(instance)).toMatchObject({ name: 'DefinitionError', message: expect.stringContaining('never end') });
  });
});

describe('timeout', () => {
  test('it throws TimeoutError when the time is up, after the cleanup of what it bounded', async () => {
    const { instance } = await run(function* () {
      try {
        yield* timeout(
          '1 hour',
          (function* () {
            try {
              yield* noisy('bounded');
            } finally {
              yield* sleep('1 hour');
              trail.push('cleaned');
            }
          })(),
        );
      } catch (error) {
        trail.push(`${(error as Error).name}: ${(error as Error).message}`);
      }
    }, '2 hours');
    await instance.result();

    expect(trail).toEqual(['bounded: no longer needed', 'cleaned', `TimeoutError: timeout() timed out after ${HOUR} ms.`]);
  });

  test('orElse is given instead when it is present, also when it is undefined', async () => {
    const { instance } = await run(function* () {
      return [yield* timeout('1 hour', later(2, 1), { orElse: 'else' }), yield* timeout('1 hour', later(2, 1), { orElse: undefined })];
    }, '2 hours');

    await expect(instance.result()).resolves.toEqual(['else', undefined]);
  });

  test('in time, it gives what the operation gives or throws', async () => {
    const { runtime, instance } = await run(function* () {
      const value = yield* timeout('2 hours', later(1, 'value'));
      try {
        yield* timeout('2 hours', failing(1, 'own error'));
      } catch (error) {
        return [value, (error as Error).message];
      }
    }, '2 hours');

    await expect(instance.result()).resolves.toEqual(['value', 'own error']);
    expect(runtime.health()).toMatchObject({ deadlines: 1 });
  });

  test('the outer bound cuts the inner one', async () => {
    const { instance } = await run(
      () => timeout('1 hour', timeout('1 day', later(48, 1), { orElse: 'inner' }), { orElse: 'outer' }),
      '1 hour',
    );

    await expect(instance.result()).resolves.toBe('outer');
  });

  test('a step that is bounded is told through its signal', async () => {
    const signals: AbortSignal[] = [];
    const { instance } = await run(
      () =>
        timeout(
          '1 hour',
          step('slow', ({ signal }) => (signals.push(signal), new Promise<void>(() => {}))),
          { orElse: 'gave up' },
        ),
      '1 hour',
    );

    await expect(instance.result()).resolves.toBe('gave up');
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});

describe('nested generators', () => {
  test('an operation can be run again, a generator function as often as it is called', async () => {
    const { instance } = await run(function* () {
      const twice = sleep('1 hour');
      const start = yield* now();
      yield* twice;
      yield* twice;
      return (yield* now()) - start + (yield* later(1, 1)) + (yield* later(1, 1));
    }, '4 hours');

    await expect(instance.result()).resolves.toBe(2 * HOUR + 2);
  });

  test('any iterable of effects is an operation, such as an object of the user', async () => {
    const pause: Operation<string> = {
      *[Symbol.iterator](): Iterator<Effect, string, unknown> {
        yield* sleep('1 hour');
        return 'paused';
      },
    };
    const { instance } = await run(function* () {
      return yield* pause;
    }, '1 hour');

    await expect(instance.result()).resolves.toBe('paused');
  });

  test('a deep chain of yield* is no deeper for the journal', async () => {
    const descend = function* (depth: number): Operation<number> {
      return depth === 0 ? yield* step('bottom', () => 1) : 1 + (yield* descend(depth - 1));
    };
    const { runtime } = await run(function* () {
      const depth = yield* descend(500);
      yield* sleep('1 hour');
      return depth;
    });

    const recovered = await runtime.crash();
    await recovered.advance('1 hour');

    await expect(recovered.instance('t').result()).resolves.toBe(501);
  });
});
