// G5: deadlines are absolute, of any length, never early, and fire on recovery when past.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { event, now, type Operation, receive, sleep, sleepUntil, step, timeout, waitForCallback, workflow } from '../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { GatedStore } from '../support/gated-store.js';
import { watch } from '../support/promises.js';
import { residencies } from '../support/residency.js';

const go = event<number>('go');
const DAY = 86_400_000;

/** Everything that waits for a time, as a workflow's last wait. */
const waits: { name: string; wait: (ms: number) => Operation<unknown> }[] = [
  { name: 'sleep', wait: (ms) => sleep(ms) },
  {
    name: 'sleepUntil',
    *wait(ms) {
      yield* sleepUntil(new Date((yield* now()) + ms));
    },
  },
  { name: 'the timeout of a receive', wait: (ms) => caught(receive(go, { timeout: ms })) },
  { name: 'the timeout of a callback', wait: (ms) => caught(waitForCallback('answer', () => undefined, { timeout: ms })) },
  { name: 'timeout() around a nested generator', wait: (ms) => timeout(ms, caught(receive(go)), { orElse: 'late' }) },
];

function* caught(operation: Operation<unknown>): Operation<unknown> {
  try {
    return yield* operation;
  } catch (error) {
    return (error as Error).name;
  }
}

function waiting(wait: (ms: number) => Operation<unknown>) {
  return workflow('waiting', function* (ms: number) {
    yield* wait(ms);
    return yield* now();
  });
}

describe.each(residencies)('instances $where', ({ options }) => {
  describe.each(waits)('$name', ({ wait }) => {
    test.each([1, 60 * DAY, 100 * 365 * DAY])('G5: after %i ms it fires, and not a millisecond earlier', async (ms) => {
      const waits = waiting(wait);
      const world = await createTestRuntime({ ...options, workflows: [waits] });
      const begin = world.now();
      const instance = await world.start(waits, ms);

      await world.advance(ms - 1);
      const early = await instance.info();
      await world.advance(1);

      expect(early.status).not.toBe('completed');
      expect(early.waitingFor.map(({ dueAt }) => dueAt)).toContain(begin + ms);
      await expect(instance.result()).resolves.toBe(begin + ms);
    });

    test('G5: a crash, or many, do not move it', async () => {
      const waits = waiting(wait);
      let world: TestRuntime = await createTestRuntime({ ...options, workflows: [waits] });
      const begin = world.now();
      await world.start(waits, 10 * DAY, { id: 'a' });

      for (let day = 0; day < 9; day++) {
        await world.advance('1 day');
        world = await world.crash();
      }
      await world.advance(DAY - 1);
      const early = (await world.instance('a').info()).status;
      await world.advance(1);

      expect(early).toBe('sleeping');
      await expect(world.instance('a').result()).resolves.toBe(begin + 10 * DAY);
    });

    test('G5: it fires on recovery when it is past', async () => {
      const waits = waiting(wait);
      const store = new GatedStore();
      const first = await createTestRuntime({ ...options, workflows: [waits], store });
      const instance = await first.start(waits, 10 * DAY, { id: 'a' });
      await first.runUntilIdle();
      await first.stop();

      const second = await createTestRuntime({ ...options, workflows: [waits], store, startAt: first.now() + 25 * DAY });
      await second.runUntilIdle();

      await expect(second.instance(instance.id).result()).resolves.toBe(second.now());
    });

    test('G5: when the clock is set back it waits for its time, and fires once', async () => {
      const waits = waiting(wait);
      const world = await createTestRuntime({ ...options, workflows: [waits] });
      const begin = world.now();
      const instance = await world.start(waits, 3_600_000);
      await world.runUntilIdle();

      await world.setClock(begin - DAY);
      await world.advance(DAY + 3_599_999);
      const early = (await instance.info()).status;
      await world.advance(1);

      expect(early).toBe('sleeping');
      await expect(instance.result()).resolves.toBe(begin + 3_600_000);
    });

    test('G5: when the clock is set forward past it, it fires at once, and once', async () => {
      const waits = waiting(wait);
      const store = new GatedStore();
      const world = await createTestRuntime({ ...options, workflows: [waits], store });
      const begin = world.now();
      const instance = await world.start(waits, 3_600_000);
      await world.runUntilIdle();
      const commits = store.commits.length;

      await world.setClock(begin + DAY);
      await world.setClock(begin);
      await world.advance('2 hours');

      await expect(instance.result()).resolves.toBe(begin + DAY);
      expect(store.commits).toHaveLength(commits + 1);
    });
  });

  test('G5: a deadline that an event beat never fires', async () => {
    const beaten = workflow('beaten', function* () {
      const first = yield* receive(go, { timeout: '1h' });
      return [first, yield* caught(receive(go, { timeout: '2h' }))];
    });
    const world = await createTestRuntime({ ...options, workflows: [beaten] });
    const instance = await world.start(beaten);
    await world.advance('30 minutes');
    await instance.send(go, 1);

    await world.advance('119 minutes');
    const deadlines = world.health().deadlines;
    const early = (await instance.info()).status;
    await world.advance('1 minute');

    expect([deadlines, early]).toEqual([1, 'sleeping']);
    await expect(instance.result()).resolves.toEqual([1, 'TimeoutError']);
  });

  test('G5: a thousand deadlines of one moment all fire, in the order in which they were asked for', async () => {
    const woken: number[] = [];
    const sleeping = workflow('sleeping', function* (n: number) {
      yield* sleepUntil(until);
      yield* step('wake', () => woken.push(n));
    });
    const world = await createTestRuntime({ ...options, workflows: [sleeping] });
    const until = world.now() + DAY;
    const handles = [];
    for (let n = 0; n < 1_000; n++) handles.push(await world.start(sleeping, n));

    await world.advance('1 day');

    expect(woken).toEqual(handles.map((_, n) => n));
    expect(world.health()).toMatchObject({ pendingCommits: 0, stepsRunning: 0 });
  });
});

test('G5: a time that has passed, and no time at all, wake at once; a part of a millisecond is never early', async () => {
  const sleeping = workflow('sleeping', function* (ms: number | 'past') {
    if (ms === 'past') yield* sleepUntil(0);
    else yield* sleep(ms);
    return yield* now();
  });
  const world = await createTestRuntime({ workflows: [sleeping] });
  const begin = world.now();
  const results = await Promise.all((['past', 0, 0.25] as const).map(async (each) => watch((await world.start(sleeping, each)).result())));

  await world.runUntilIdle();
  const atOnce = results.map(({ value }) => value);
  await world.advance(1);

  expect(atOnce).toEqual([begin, begin, undefined]);
  expect(results[2]?.value).toBe(begin + 1);
});

test('G5: a wait inside a workflow that woke late is counted from its turn, and now() never runs behind a deadline that fired', async () => {
  const sleeping = workflow('sleeping', function* () {
    const begin = yield* now();
    yield* sleep('1h');
    const first = yield* now();
    yield* sleep('1h');
    return [first - begin, (yield* now()) - first];
  });
  const store = new GatedStore();
  const first = await createTestRuntime({ workflows: [sleeping], store });
  await first.start(sleeping, undefined, { id: 'a' });
  await first.stop();

  const second = await createTestRuntime({ workflows: [sleeping], store, startAt: first.now() + 10_800_000 });
  await second.advance(3_599_999);
  const early = (await second.instance('a').info()).status;
  await second.advance(1);

  expect(early).toBe('sleeping');
  await expect(second.instance('a').result()).resolves.toEqual([10_800_000, 3_600_000]);
});

describe('the real clock', () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.resetModules();
  });

  /** The clock takes its timers when it is loaded: it is loaded when they are faked. */
  async function fakedClock() {
    vi.useFakeTimers({ now: 0 });
    vi.resetModules();
    const { systemClock } = await import('../../src/adapters/clock/system-clock.js');
    return systemClock();
  }

  test.each([1, 60 * DAY, 100 * 365 * DAY])(
    'G5: fires after %i ms, though Node takes no timer of more than 24.8 days, and never early',
    async (ms) => {
      const clock = await fakedClock();
      const fired: number[] = [];
      clock.setTimer(ms, () => fired.push(clock.now()));

      // A hundred years are 52 million looks at the clock: the last day is stepped through, the rest is set.
      vi.setSystemTime(Math.max(0, ms - DAY));
      await vi.advanceTimersByTimeAsync(Math.min(ms, DAY) - 1);
      const early = fired.length;
      await vi.advanceTimersByTimeAsync(1);

      expect(early).toBe(0);
      expect(fired).toEqual([ms]);
    },
  );

  test('G5: when it is set back its timers wait for their time', async () => {
    const clock = await fakedClock();
    const fired: number[] = [];
    clock.setTimer(DAY, () => fired.push(clock.now()));
    await vi.advanceTimersByTimeAsync(DAY / 2);

    vi.setSystemTime(0);
    await vi.advanceTimersByTimeAsync(DAY - 1);
    const early = fired.length;
    await vi.advanceTimersByTimeAsync(1);

    expect(early).toBe(0);
    expect(fired).toEqual([DAY]);
  });

  test('G5: when it is set forward, or the machine slept, its timers fire within a minute', async () => {
    const clock = await fakedClock();
    const fired: number[] = [];
    clock.setTimer(10 * DAY, () => fired.push(clock.now()));
    await vi.advanceTimersByTimeAsync(DAY);

    vi.setSystemTime(20 * DAY);
    await vi.advanceTimersByTimeAsync(60_000);

    expect(fired).toHaveLength(1);
  });
});
