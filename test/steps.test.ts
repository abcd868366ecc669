// Steps and activities: how they are tried again, how attempts and crashes are counted (C6), what their signal says,
// and what becomes of an outcome that nobody waits for any more.

import { describe, expect, test } from 'vitest';
import { activity, all, event, race, receive, sleep, step, TimeoutError, workflow } from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { failing } from './support/failing-step.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';
import { failureOf } from './support/rejection.js';
import { residencies } from './support/residency.js';

const go = event<number>('go');

describe.each(residencies)('instances $where', ({ options }) => {
  test('C6: a step is tried three times, with growing pauses, and then its error is thrown', async () => {
    const { attempts, open } = failing(5);
    const { world, instance } = await open(options);

    await world.advance('1h');

    const [first = 0, second = 0, third = 0] = attempts.map(({ at }) => at);
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(second - first).toBeGreaterThanOrEqual(500);
    expect(second - first).toBeLessThanOrEqual(1_000);
    expect(third - second).toBeGreaterThanOrEqual(1_000);
    expect(third - second).toBeLessThanOrEqual(2_000);
    expect(await failureOf(instance)).toMatchObject({ name: 'RangeError', message: 'not yet' });
  });

  test('C6: the number of attempts and when the next is due survive a crash', async () => {
    const { attempts, open } = failing(3, { retry: { attempts: 4, delay: '1 day', maxDelay: '30 days' } });
    const { world, instance } = await open(options);
    await world.runUntilIdle();
    const due = (await instance.info()).waitingFor[0]?.dueAt;
    await world.advance(3_600_000);

    const recovered = await world.crash();
    const dueAfter = (await recovered.instance('a').info()).waitingFor[0]?.dueAt;
    const sleeping = (await recovered.instance('a').info()).status;
    await recovered.advance('8 days');

    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
    expect(sleeping).toBe('sleeping');
    expect(dueAfter).toBe(due);
    expect(attempts[1]?.at).toBe(due);
    await expect(recovered.instance('a').result()).resolves.toBe('done');
  });

  test('C6: a step is stuck after it was under way at more than ten crashes, and goes on after retry()', async () => {
    let calls = 0;
    let isMended = false;
    const killer = workflow('killer', () =>
      step('kill', () => {
        calls++;
        return isMended ? 'done' : new Gate<string>().passed;
      }),
    );
    const innocent = workflow('innocent', () => receive(go));
    let world: TestRuntime = await createTestRuntime({ ...options, workflows: [killer, innocent] });
    await world.start(killer, undefined, { id: 'k' });
    await world.start(innocent, undefined, { id: 'i' });

    for (let n = 0; n < 10; n++) {
      world = await world.crash();
      await breathe();
    }
    const atTheLimit = { status: (await world.instance('k').info()).status, calls };
    world = await world.crash();
    await breathe();
    const over = { info: await world.instance('k').info(), calls };
    world = await world.crash();
    await breathe();
    await world.send('i', go, 1);
    isMended = true;
    await world.instance('k').retry();

    expect(atTheLimit).toEqual({ status: 'running', calls: 11 });
    expect(over.info).toMatchObject({ status: 'stuck', error: { code: 'INTERRUPTED_TOO_OFTEN' } });
    expect(over.calls).toBe(11);
    await expect(world.instance('i').result()).resolves.toBe(1);
    await expect(world.instance('k').result()).resolves.toBe('done');
    expect(calls).toBe(12);
  });

  test('C6: a later attempt that kills the process is counted as well', async () => {
    let calls = 0;
    const killer = workflow('killer', function* () {
      yield* step('kill', ({ attempt }) => {
        calls++;
        if (attempt === 1) throw new Error('try again');
        return new Gate().passed;
      });
    });
    let world: TestRuntime = await createTestRuntime({ ...options, workflows: [killer] });
    await world.start(killer, undefined, { id: 'k' });
    await world.advance('1 minute');

    for (let n = 0; n < 11; n++) {
      world = await world.crash();
      await breathe();
    }

    expect(await world.instance('k').info()).toMatchObject({ status: 'stuck', error: { code: 'INTERRUPTED_TOO_OFTEN' } });
    expect(calls).toBe(12);
  });
});

test('C6: recovery counts all steps that were in flight in one commit, before it starts any again', async () => {
  let calls = 0;
  const hang = () => {
    calls++;
    return new Gate().passed;
  };
  const slow = workflow('slow', () => all([step('x', hang), step('y', hang)]));
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [slow], store });
  for (const id of ['a', 'b', 'c']) await world.start(slow, undefined, { id });
  await breathe();
  const before = { calls, commits: store.commits.length };

  store.holdNextOwner();
  const recovered = await world.crash();
  await breathe();
  const whileHeld = calls;
  store.release();
  await recovered.runUntilIdle();

  const [counted, ...more] = store.commits.slice(before.commits);
  expect(whileHeld).toBe(before.calls);
  expect(counted?.changes.map(({ key }) => key).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
  expect(more).toEqual([]);
  expect(calls).toBe(before.calls * 2);
});

test('C6: after a clean stop nothing counts as interrupted', async () => {
  let calls = 0;
  const slow = workflow('slow', () =>
    step('slow', () => {
      calls++;
      return new Gate().passed;
    }),
  );
  const store = new GatedStore();
  let world: TestRuntime = await createTestRuntime({ workflows: [slow], store });
  await world.start(slow, undefined, { id: 'a' });

  for (let n = 0; n < 15; n++) {
    await world.stop({ grace: 0 });
    world = await world.crash();
    await breathe();
  }

  await expect(world.instance('a').info()).resolves.toMatchObject({ status: 'running' });
  expect(calls).toBe(16);
});

describe('an attempt and its signal', () => {
  test('its timeout aborts the signal, counts as a failed attempt, and its late outcome is dropped', async () => {
    const signals: AbortSignal[] = [];
    const runs: Gate<string>[] = [];
    const slow = workflow('slow', function* () {
      const first = yield* step(
        'slow',
        ({ signal }) => {
          const run = new Gate<string>();
          signals.push(signal);
          runs.push(run);
          return run.passed;
        },
        { timeout: '10s', retry: { attempts: 2, delay: 0 } },
      );
      yield* receive(go);
      return first;
    });
    const world = await createTestRuntime({ workflows: [slow] });
    const instance = await world.start(slow);

    await world.advance(9_999);
    const before = signals.map(({ aborted }) => aborted);
    await world.advance(1);
    runs[0]?.open('late');
    await breathe();
    runs[1]?.open('in time');
    await instance.send(go, 1);

    expect(before).toEqual([false]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(signals[0]?.reason).toBeInstanceOf(TimeoutError);
    await expect(instance.result()).resolves.toBe('in time');
  });

  test('when every attempt times out, TimeoutError is thrown at the step', async () => {
    const slow = workflow('slow', () => step('slow', () => new Gate().passed, { timeout: '10s' }));
    const world = await createTestRuntime({ workflows: [slow] });
    const instance = await world.start(slow);

    await world.advance('1 minute');

    expect(await failureOf(instance)).toMatchObject({ name: 'TimeoutError', code: 'TIMEOUT', message: expect.stringContaining('"slow"') });
  });

  test.each<[string, (world: TestRuntime) => Promise<void>]>([
    ['lost a race', (world) => world.advance('1h')],
    ['its instance was cancelled', (world) => world.instance('a').cancel()],
    ['its instance was terminated', (world) => world.instance('a').terminate()],
  ])('a step that %s is told so through its signal, and its late outcome is dropped', async (_why, end) => {
    const seen: AbortSignal[] = [];
    const run = new Gate<string>();
    const racing = workflow('racing', function* () {
      const slow = step('slow', ({ signal }) => {
        seen.push(signal);
        return run.passed;
      });
      return yield* race({ slow, clock: sleep('1h') });
    });
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [racing], store });
    const instance = await world.start(racing, undefined, { id: 'a' });
    const result = watch(instance.result());

    await end(world);
    await breathe();
    const commits = store.commits.length;
    run.open('late');
    await breathe();

    expect(seen.map(({ aborted }) => aborted)).toEqual([true]);
    expect(result.state).not.toBe('pending');
    expect(result.value).not.toMatchObject({ key: 'slow' });
    expect(store.commits).toHaveLength(commits);
  });

  test('a signal asked for only after the end of its attempt is aborted', async () => {
    const late: { aborted?: boolean } = {};
    const asked = new Gate();
    const racing = workflow('racing', function* () {
      const slow = step('slow', async (context) => {
        await asked.passed;
        late.aborted = context.signal.aborted;
      });
      yield* race([slow, sleep('1h')]);
    });
    const world = await createTestRuntime({ workflows: [racing] });
    await world.start(racing);

    await world.advance('1h');
    asked.open();
    await breathe();

    expect(late.aborted).toBe(true);
  });

  test('a step is told its attempt, its instance and its arguments, copies of its own at each attempt', async () => {
    const seen: unknown[] = [];
    const act = activity('act', (args: { list: number[] }, { attempt, instanceId }) => {
      seen.push([instanceId, attempt, [...args.list]]);
      args.list.push(99);
      if (attempt < 2) throw new Error('again');
    });
    const using = workflow('using', () => act({ list: [1] }));
    const world = await createTestRuntime({ workflows: [using] });
    const instance = await world.start(using, undefined, { id: 'a' });

    await world.advance('1 minute');

    await expect(instance.info()).resolves.toMatchObject({ status: 'completed' });
    expect(seen).toEqual([
      ['a', 1, [1]],
      ['a', 2, [1]],
    ]);
  });
});
