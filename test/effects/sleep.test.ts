// sleep and sleepUntil: deadlines that are fixed once.

import { expect, test } from 'vitest';
import { all, memoryStore, now, type Operation, sleep, sleepUntil, step, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { failureOf } from '../support/rejection.js';

const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);

/** Runs something, and gives how long it took. */
function* timed(operation: () => Operation<unknown>): Operation<number> {
  const start = yield* now();
  yield* operation();
  return (yield* now()) - start;
}

async function begin<O>(body: () => Operation<O>) {
  const tested = workflow('tested', body);
  const runtime = await createTestRuntime({ workflows: [tested] });
  return { runtime, instance: await runtime.start(tested, undefined, { id: 't' }) };
}

test('it sleeps as long as was said, to the millisecond', async () => {
  const { runtime, instance } = await begin(() => timed(() => sleep('3 days')));
  expect(await instance.info()).toMatchObject({ waitingFor: [{ kind: 'sleep', dueAt: START + 3 * DAY, since: START }] });
  await runtime.advance(3 * DAY - 1);
  expect((await instance.info()).status).toBe('sleeping');

  await runtime.advance(1);

  await expect(instance.result()).resolves.toBe(3 * DAY);
});

test.each([
  ['0', () => sleep(0), 0],
  ['a number of milliseconds', () => sleep(1_500), 1_500],
  ['parts of a millisecond, which are rounded up', () => sleep('0.5 ms'), 1],
  ['longer than a timer of the system can', () => sleep('90 days'), 90 * DAY],
  ['a century', () => sleep('36500 days'), 36_500 * DAY],
])('it takes %s', async (_what, operation, ms) => {
  const { runtime, instance } = await begin(() => timed(operation));

  await runtime.advance(ms);

  await expect(instance.result()).resolves.toBe(ms);
});

test.each(['soon', -1, Number.NaN, '5', '36601 days', '1 year'])('%s is refused', async (duration) => {
  const { instance } = await begin(() => sleep(duration));

  expect(await failureOf(instance)).toMatchObject({ name: 'InvalidDurationError', code: 'INVALID_DURATION' });
});

test('crashes do not lengthen it, and what has passed meanwhile wakes at once', async () => {
  const store = memoryStore();
  const napping = workflow('napping', () => timed(() => sleep('3 days')));
  const first = await createTestRuntime({ workflows: [napping], store });
  await first.start(napping, undefined, { id: 'n' });
  await first.advance('1 day');
  const second = await first.crash();
  await second.advance('1 day');

  const late = await createTestRuntime({ workflows: [napping], store, startAt: START + 10 * DAY });

  await expect(late.instance('n').result()).resolves.toBe(10 * DAY);
});

test('a clock that was set back wakes nobody early, and nobody is told a time before the deadline', async () => {
  const { runtime, instance } = await begin(() => timed(() => sleep('1 day')));

  await runtime.setClock(START - 2 * DAY);
  await runtime.advance(3 * DAY - 1);
  expect((await instance.info()).status).toBe('sleeping');
  await runtime.advance(1);

  await expect(instance.result()).resolves.toBe(DAY);
});

test('sleepUntil takes a Date or milliseconds', async () => {
  const { runtime, instance } = await begin(function* () {
    const first = yield* timed(() => sleepUntil(new Date(START + DAY)));
    return [first, yield* timed(() => sleepUntil(START + 3 * DAY))];
  });

  await runtime.advance('3 days');

  await expect(instance.result()).resolves.toEqual([DAY, 2 * DAY]);
});

test('sleepUntil a time that has passed wakes at once', async () => {
  const { runtime, instance } = await begin(() => timed(() => sleepUntil(START - DAY)));

  await runtime.runUntilIdle();

  await expect(instance.result()).resolves.toBe(0);
});

test.each([new Date(Number.NaN), Number.POSITIVE_INFINITY, '2026-01-01', null, undefined])('sleepUntil %s is refused', async (at) => {
  const { instance } = await begin(() => sleepUntil(at as number));

  expect(await failureOf(instance)).toMatchObject({ name: 'DefinitionError' });
});

test('those due together wake in the order in which they went to sleep', async () => {
  const woken: string[] = [];
  const { runtime, instance } = await begin(() =>
    all(
      ['a', 'b', 'c', 'd'].map(function* (name, index) {
        yield* sleep(index * 1_000);
        yield* sleepUntil(START + DAY - index);
        yield* sleepUntil(START + DAY);
        yield* step(name, () => woken.push(name));
      }),
    ),
  );

  await runtime.advance('1 day');
  await instance.result();

  expect(woken).toEqual(['d', 'c', 'b', 'a']);
});
