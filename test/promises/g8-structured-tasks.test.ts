// G8: tasks are structured. What belongs to a scope ends before it, losers are waited for, and no error is lost.

import { beforeEach, expect, test } from 'vitest';
import { all, CancelledError, event, type Operation, race, receive, sleep, spawn, step, type Task, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { Gate } from '../support/gate.js';
import { failureOf } from '../support/rejection.js';

const never = event('never');
let trail: string[] = [];
const note = (text: string) => step(text, () => void trail.push(text));

beforeEach(() => {
  trail = [];
});

/** Waits for ever, and takes its time to clean up. */
function* tidy(who: string, time = '1 day'): Operation<never> {
  try {
    yield* receive(never);
    throw new Error('something came');
  } finally {
    yield* note(`${who} cleans up`);
    yield* sleep(time);
    yield* note(`${who} is done`);
  }
}

function* failing(message: string, after = '1 hour'): Operation<never> {
  yield* sleep(after);
  throw new Error(message);
}

/** Starts a workflow of this body, lets a time pass, and gives the instance. */
async function run<O>(body: () => Operation<O>, { time = '0s' } = {}) {
  const tested = workflow('tested', body);
  const runtime = await createTestRuntime({ workflows: [tested] });
  const instance = await runtime.start(tested);
  await runtime.advance(time);
  return { runtime, instance };
}

test('G8: a scope ends when its tasks have ended', async () => {
  const { runtime, instance } = await run(function* () {
    yield* spawn(function* () {
      yield* spawn(function* () {
        yield* sleep('2 days');
        yield* note('grandchild');
      });
      yield* sleep('1 day');
      yield* note('child');
    });
    yield* note('body');
    return 'returned';
  });
  expect((await instance.info()).status).toBe('sleeping');

  await runtime.advance('2 days');

  await expect(instance.result()).resolves.toBe('returned');
  expect(trail).toEqual(['body', 'child', 'grandchild']);
});

test('G8: when a scope fails, its other tasks are cancelled first', async () => {
  const { runtime, instance } = await run(
    function* () {
      yield* spawn(() => tidy('task'));
      yield* failing('the body failed');
    },
    { time: '1 hour' },
  );
  expect(trail).toEqual(['task cleans up']);
  expect((await instance.info()).status).toBe('sleeping');

  await runtime.advance('1 day');

  expect(trail).toEqual(['task cleans up', 'task is done']);
  expect(await failureOf(instance)).toMatchObject({ message: 'the body failed' });
});

test('G8: the losers of a race are cancelled, and the race waits for the finally of each', async () => {
  const { runtime, instance } = await run(
    function* () {
      const first = yield* race([tidy('quick loser', '1 hour'), sleep('1 hour'), tidy('loser')]);
      yield* note('won');
      return first;
    },
    { time: '1 hour' },
  );
  expect(trail).toEqual(['quick loser cleans up', 'loser cleans up']);

  await runtime.advance('1 day');

  await expect(instance.result()).resolves.toBeUndefined();
  expect(trail.slice(2)).toEqual(['quick loser is done', 'loser is done', 'won']);
});

test('G8: a race never waits for the promises of its losers’ steps', async () => {
  const gate = new Gate();
  const { instance } = await run(() => race([step('hangs', () => gate.passed), sleep('1 hour')]), { time: '1 hour' });

  await expect(instance.result()).resolves.toBeUndefined();
  gate.open();
});

test('G8: a failed task that nobody joins fails its scope: the body and the other tasks are cancelled at their waits', async () => {
  const thrown: unknown[] = [];
  const { runtime, instance } = await run(
    function* () {
      yield* spawn(() => tidy('sibling'));
      yield* spawn(() => failing('lost?'));
      try {
        yield* receive(never);
      } catch (error) {
        thrown.push(error);
      }
      return 'swallowed';
    },
    { time: '1 hour' },
  );
  expect(thrown).toEqual([expect.any(CancelledError)]);
  expect(trail).toEqual(['sibling cleans up']);

  await runtime.advance('1 day');

  expect(await failureOf(instance)).toMatchObject({ name: 'Error', message: 'lost?' });
  expect((await instance.info()).status).toBe('failed');
});

test('G8: a join in the same turn takes the error', async () => {
  const { instance } = await run(
    function* () {
      const signal = yield* spawn(() => sleep('1 hour'));
      const quick = yield* spawn(function* () {
        yield* signal.join();
        trail.push('failed');
        throw new Error('taken');
      });
      yield* sleep(1);
      // Both wait for the signal, the other task first: it has failed when the body goes on.
      yield* signal.join();
      trail.push('joins');
      try {
        return yield* quick.join();
      } catch (error) {
        return (error as Error).message;
      }
    },
    { time: '1 hour' },
  );

  await expect(instance.result()).resolves.toBe('taken');
  expect(trail).toEqual(['failed', 'joins']);
});

test('G8: a join that waits takes the error, and the scope goes on', async () => {
  const { instance } = await run(
    function* () {
      const task = yield* spawn(() => failing('expected'));
      try {
        yield* task.join();
      } catch (error) {
        trail.push((error as Error).message);
      }
      return 'went on';
    },
    { time: '1 hour' },
  );

  await expect(instance.result()).resolves.toBe('went on');
  expect(trail).toEqual(['expected']);
});

test('G8: a join that comes a turn too late finds its scope failed', async () => {
  const { instance } = await run(
    function* () {
      const task = yield* spawn(() => failing('too late'));
      yield* sleep('2 hours');
      return yield* task.join();
    },
    { time: '2 hours' },
  );

  expect(await failureOf(instance)).toMatchObject({ message: 'too late' });
});

test('G8: a cancelled task is not an error', async () => {
  const { instance } = await run(function* () {
    const task = yield* spawn(() => receive(never));
    yield* sleep('0s');
    yield* task.cancel('not needed');
    return 'went on';
  });

  await expect(instance.result()).resolves.toBe('went on');
});

test('G8: Task.cancel returns when the task has ended, and one that swallows it and returns is done', async () => {
  const ends: string[] = [];
  const { runtime, instance } = await run(function* () {
    const task: Task<string> = yield* spawn(function* () {
      try {
        return yield* tidy('task');
      } catch {
        return 'swallowed';
      }
    });
    task.onDone(({ status }) => ends.push(status));
    yield* sleep('0s');
    yield* task.cancel();
    yield* note('cancelled');
    return yield* task.join();
  });
  expect(trail).toEqual(['task cleans up']);

  await runtime.advance('1 day');

  await expect(instance.result()).resolves.toBe('swallowed');
  expect(trail).toEqual(['task cleans up', 'task is done', 'cancelled']);
  expect(ends).toEqual(['done']);
});

test('G8: an error thrown while a task is being cancelled is not lost', async () => {
  const { instance } = await run(function* () {
    const task = yield* spawn(function* () {
      try {
        yield* receive(never);
      } finally {
        yield* note('cleaning');
        // biome-ignore lint/correctness/noUnsafeFinally: what a careless author may write
        throw new Error('cleanup failed');
      }
    });
    yield* sleep('0s');
    yield* task.cancel();
    yield* sleep('1 day');
    return 'went on';
  });

  expect(await failureOf(instance)).toMatchObject({ message: 'cleanup failed' });
});

test('G8: an error of a race’s loser while it is cancelled takes the place of the win', async () => {
  const { instance } = await run(
    () =>
      race([
        sleep('1 hour'),
        (function* () {
          try {
            yield* receive(never);
          } catch {
            throw new Error('loser failed');
          }
        })(),
      ]),
    { time: '1 hour' },
  );

  expect(await failureOf(instance)).toMatchObject({ message: 'loser failed' });
});

test('G8: when one of all fails, the others are cancelled and waited for before its error is thrown', async () => {
  const { runtime, instance } = await run(
    function* () {
      try {
        return yield* all([tidy('other'), failing('one of all')]);
      } catch (error) {
        yield* note((error as Error).message);
        return 'caught';
      }
    },
    { time: '1 hour' },
  );
  expect(trail).toEqual(['other cleans up']);

  await runtime.advance('1 day');

  await expect(instance.result()).resolves.toBe('caught');
  expect(trail).toEqual(['other cleans up', 'other is done', 'one of all']);
});

test('G8: when every task waits for another, the body gets a DeadlockError that says who waits for what', async () => {
  const { instance } = await run(function* () {
    const tasks: Task<unknown>[] = [];
    for (const other of [1, 0]) {
      const task = yield* spawn(function* (): Operation<void> {
        yield* (tasks[other] as Task<unknown>).join();
      });
      tasks.push(task);
    }
    yield* tasks[0]?.join() ?? sleep(0);
  });

  const error = await failureOf(instance);

  expect(error).toMatchObject({ name: 'DeadlockError', code: 'DEADLOCK' });
  expect(error).toMatchObject({
    data: {
      waits: ['the body waits for the end of task 1', 'task 1 waits for the end of task 2', 'task 2 waits for the end of task 1'],
    },
  });
});

test('G8: all of it is the same after a crash at each rest', async () => {
  const tested = workflow('tested', function* () {
    const helper = yield* spawn(() => tidy('helper'));
    yield* spawn(() => failing('lost?', '2 hours'));
    const winner = yield* race({ slow: tidy('loser'), fast: sleep('1 hour') });
    yield* note(`${winner.key} won`);
    return yield* helper.join();
  });
  let runtime = await createTestRuntime({ workflows: [tested] });
  const { id } = await runtime.start(tested);
  for (const time of ['30 minutes', '1 hour', '1 hour', '1 day', '1 day']) {
    await runtime.advance(time);
    runtime = await runtime.crash();
  }

  expect(await failureOf(runtime.instance(id))).toMatchObject({ message: 'lost?' });
  expect(trail).toEqual(['loser cleans up', 'helper cleans up', 'loser is done', 'helper is done']);
});
