// stop({ grace }): no new work; steps under way get the grace to end, are then aborted, and run again next time.

import { expect, test } from 'vitest';
import { event, receive, sleep, step, waitForCallback, workflow } from '../src/index.js';
import { createTestRuntime } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';

const go = event<number>('go');
const taking = workflow('taking', () => receive(go));

/** A workflow of two steps, the first of which ends when the test says so. */
function twoSteps() {
  const runs: { gate: Gate<string>; signal: AbortSignal; attempt: number; key: string }[] = [];
  const seconds: string[] = [];
  const stepping = workflow('stepping', function* () {
    const first = yield* step('first', ({ signal, attempt, idempotencyKey }) => {
      const gate = new Gate<string>();
      runs.push({ gate, signal, attempt, key: idempotencyKey });
      return gate.passed;
    });
    yield* step('second', () => seconds.push(first));
    return first;
  });
  return { stepping, runs, seconds };
}

test('a step that ends within the grace is recorded; what follows it begins next time', async () => {
  const { stepping, runs, seconds } = twoSteps();
  const world = await createTestRuntime({ workflows: [stepping] });
  await world.start(stepping, undefined, { id: 'a' });
  await breathe();

  const stopping = world.stop({ grace: '10s' });
  runs[0]?.gate.open('in time');
  await stopping;
  const during = [...seconds];
  const next = await world.crash();

  expect(during).toEqual([]);
  await expect(next.instance('a').result()).resolves.toBe('in time');
  expect(runs).toHaveLength(1);
});

test('a step that outlasts the grace is aborted, its outcome dropped, and it runs again next time with the same key', async () => {
  const { stepping, runs } = twoSteps();
  const world = await createTestRuntime({ workflows: [stepping] });
  await world.start(stepping, undefined, { id: 'a' });
  await breathe();

  const begin = world.now();
  const abortedAt: number[] = [];
  runs[0]?.signal.addEventListener('abort', () => abortedAt.push(world.now() - begin));
  await world.stop({ grace: '10s' });
  runs[0]?.gate.open('too late');
  await breathe();
  const next = await world.crash();
  await breathe();
  runs[1]?.gate.open('second run');

  expect(abortedAt).toEqual([10_000]);
  await expect(next.instance('a').result()).resolves.toBe('second run');
  expect(runs.map(({ attempt, key }) => [attempt, key])).toEqual([
    [1, runs[0]?.key],
    [1, runs[0]?.key],
  ]);
});

test('a step that fails within the grace is not tried again before the next time', async () => {
  const attempts: number[] = [];
  const held = new Gate();
  const trying = workflow('trying', () =>
    step('try', async ({ attempt }) => {
      attempts.push(attempt);
      if (attempt > 1) return 'done';
      await held.passed;
      throw new Error('again');
    }),
  );
  const world = await createTestRuntime({ workflows: [trying] });
  await world.start(trying, undefined, { id: 'a' });
  await breathe();

  const stopping = world.stop({ grace: '1h' });
  held.open();
  await stopping;
  const during = [...attempts];
  const next = await world.crash();
  await next.advance('1 minute');

  expect(during).toEqual([1]);
  expect(attempts).toEqual([1, 2]);
  await expect(next.instance('a').result()).resolves.toBe('done');
});

test('from the moment of stop everything that is asked is RuntimeStoppedError, and nothing is written', async () => {
  const { stepping } = twoSteps();
  const tokens: string[] = [];
  const asking = workflow('asking', () => waitForCallback('x', (token) => void tokens.push(token)));
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [stepping, taking, asking], store });
  for (const each of [stepping, taking, asking]) await world.start(each, undefined, { id: each.name });
  await breathe();
  const result = watch(world.instance('taking').result());
  const stopping = world.stop({ grace: '10s' });
  const appends = store.appends;

  const asked = () => [
    world.start(taking),
    world.send('taking', go, 1),
    world.publish(go, 'k', 1),
    world.complete(tokens[0] ?? '', 1),
    world.reject(tokens[0] ?? '', new Error('no')),
    world.instance('taking').cancel(),
    world.instance('taking').terminate(),
    world.instance('taking').retry(),
    world.instance('taking').info(),
    world.instance('taking').result(),
    world.query('taking', 'x'),
    world.redeliver('1'),
    world.list()[Symbol.asyncIterator]().next(),
    world.deadLetters()[Symbol.asyncIterator]().next(),
  ];
  const during = asked();
  for (const each of during) await expect(each).rejects.toMatchObject({ code: 'RUNTIME_STOPPED' });
  expect(world.health()).toMatchObject({ live: true, ready: false });
  await stopping;

  for (const each of asked()) await expect(each).rejects.toMatchObject({ code: 'RUNTIME_STOPPED' });
  expect(result.error).toMatchObject({ code: 'RUNTIME_STOPPED' });
  expect(store.appends).toBe(appends);
});

test('who was waiting for a write when it stopped is told when it is on disk', async () => {
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [taking], store });
  await world.start(taking, undefined, { id: 'a' });
  store.hold();
  const sent = watch(world.send('a', go, 1));
  const published = watch(world.publish(go, 'k', 2));
  await breathe();

  const stopping = watch(world.stop());
  await breathe();
  const during = [sent.state, published.state, stopping.state];
  store.release();
  await breathe();
  const next = await world.crash();

  expect(during).toEqual(['pending', 'pending', 'pending']);
  expect([sent.value, published.value, stopping.state]).toEqual([{ status: 'delivered' }, { status: 'buffered' }, 'resolved']);
  await expect(next.instance('a').result()).resolves.toBe(1);
  expect(next.health()).toMatchObject({ bufferedEvents: 1 });
});

test('deadlines and passivation rest while it stops, and deadlines fire next time', async () => {
  const { stepping } = twoSteps();
  const sleeping = workflow('sleeping', function* () {
    yield* sleep('1s');
    return 'woke';
  });
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [stepping, sleeping], store });
  await world.start(stepping);
  await world.start(sleeping, undefined, { id: 's' });
  await breathe();
  const appends = store.appends;

  await world.stop({ grace: '1 minute' });
  const during = store.appends;
  const next = await world.crash();
  await next.runUntilIdle();

  expect(during).toBe(appends);
  await expect(next.instance('s').result()).resolves.toBe('woke');
});

test('stop without steps under way is done at once; a second stop is the first', async () => {
  const world = await createTestRuntime({ workflows: [taking] });
  const instance = await world.start(taking, undefined, { id: 'a' });
  await instance.send(go, 1);

  const both = [world.stop({ grace: '1h' }), world.stop()];

  await expect(Promise.all(both)).resolves.toEqual([undefined, undefined]);
  await world[Symbol.asyncDispose]();
  await expect((await world.crash()).instance('a').result()).resolves.toBe(1);
});
