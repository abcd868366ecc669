// G1: written, then acted on. Whoever is told something is told it when it is on disk, and nothing that a turn asks
// of the outside happens before.

import { describe, expect, test } from 'vitest';
import { event, type Runtime, receive, startChild, step, waitForCallback, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { Gate } from '../support/gate.js';
import { GatedStore } from '../support/gated-store.js';
import { breathe, watch } from '../support/promises.js';
import { residencies } from '../support/residency.js';

const go = event<number>('go');
const sleeper = workflow('sleeper', function* () {
  return yield* receive(go);
});
const keyed = workflow('keyed', function* () {
  return yield* receive(go, { key: 'k' });
});
const tokens: string[] = [];
const caller = workflow('caller', function* () {
  return yield* waitForCallback<number>('answer', (token) => void tokens.push(token));
});

/** What an outside caller can ask of an instance that sleeps, and how it is seen that it happened. */
const requests: { name: string; ask: (runtime: Runtime) => Promise<unknown>; id: string }[] = [
  { name: 'send', ask: (runtime) => runtime.send('sleeper', go, 1), id: 'sleeper' },
  { name: 'publish', ask: (runtime) => runtime.publish(go, 'k', 1), id: 'keyed' },
  { name: 'complete', ask: (runtime) => runtime.complete(tokens.at(-1) ?? '', 1), id: 'caller' },
  { name: 'reject', ask: (runtime) => runtime.reject(tokens.at(-1) ?? '', new Error('no')), id: 'caller' },
  { name: 'cancel', ask: (runtime) => runtime.instance('sleeper').cancel(), id: 'sleeper' },
  { name: 'terminate', ask: (runtime) => runtime.instance('sleeper').terminate(), id: 'sleeper' },
];

async function withSleepers(options: { maxResident?: number }) {
  const store = new GatedStore();
  const world = await createTestRuntime({ ...options, workflows: [sleeper, keyed, caller], store });
  for (const each of [sleeper, keyed, caller]) await world.start(each, undefined, { id: each.name });
  await world.runUntilIdle();
  return { store, world };
}

describe.each(residencies)('instances $where', ({ options }) => {
  test.each(requests)('G1: $name resolves only when its commit is on disk', async ({ ask, id }) => {
    const { store, world } = await withSleepers(options);

    store.hold();
    const asked = watch(ask(world.runtime));
    const result = watch(world.instance(id).result());
    await breathe();
    const whileHeld = { asked: asked.state, result: result.state, status: (await world.instance(id).info()).status };
    store.release();
    await world.runUntilIdle();

    expect(whileHeld).toEqual({ asked: 'pending', result: 'pending', status: 'sleeping' });
    expect(asked.state).toBe('resolved');
    expect(result.state).not.toBe('pending');
  });

  test.each(requests)(
    'G1: $name before a crash that its commit did not survive never happened, and nobody was told',
    async ({ ask, id }) => {
      const { store, world } = await withSleepers(options);

      store.hold();
      const asked = watch(ask(world.runtime));
      await breathe();
      const recovered = await world.crash();
      await recovered.runUntilIdle();

      expect(asked.state).toBe('pending');
      await expect(recovered.instance(id).info()).resolves.toMatchObject({ status: 'sleeping', endedAt: null });
      await ask(recovered);
      await recovered.runUntilIdle();
      expect((await recovered.instance(id).info()).endedAt).not.toBeNull();
    },
  );

  test.each(requests)('G1: $name before a crash that its commit survived has happened', async ({ ask, id }) => {
    const { store, world } = await withSleepers(options);

    store.hold('after');
    const asked = watch(ask(world.runtime));
    await breathe();
    const recovered = await world.crash();

    expect(asked.state).toBe('pending');
    expect((await recovered.instance(id).info()).endedAt).not.toBeNull();
  });
});

test('G1: start resolves, and its steps begin, only when it is on disk', async () => {
  let calls = 0;
  const working = workflow('working', function* () {
    yield* step('work', () => ++calls);
  });
  const store = new GatedStore();
  const { runtime, runUntilIdle } = await createTestRuntime({ workflows: [working], store });

  store.hold();
  const started = watch(runtime.start(working, undefined, { id: 'a' }));
  await breathe();
  const whileHeld = { state: started.state, calls };
  store.release();
  await runUntilIdle();

  expect(whileHeld).toEqual({ state: 'pending', calls: 0 });
  expect(started.state).toBe('resolved');
  expect(calls).toBe(1);
});

test('G1: a start that a crash swallowed left nothing behind', async () => {
  const { runtime, crash, store } = await withStore();

  store.hold();
  const started = watch(runtime.start(sleeper, undefined, { id: 'a' }));
  await breathe();
  const recovered = await crash();

  expect(started.state).toBe('pending');
  await expect(recovered.instance('a').info()).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
  expect(recovered.health()).toMatchObject({ instances: 0 });
});

test('G1: an event with no receiver is acknowledged only when it is on disk', async () => {
  const { runtime, crash, store } = await withStore();

  store.hold();
  const lost = watch(runtime.publish(go, 'k', 1));
  await breathe();
  const recovered = await crash();
  await recovered.publish(go, 'k', 2);
  const { id } = await recovered.start(keyed);

  expect(lost.state).toBe('pending');
  await expect(recovered.instance(id).result()).resolves.toBe(2);
});

test('G1: the next step begins only when the outcome of the one before is on disk', async () => {
  const calls: string[] = [];
  const held = new Gate();
  const working = workflow('working', function* () {
    yield* step('first', async () => {
      calls.push('first');
      await held.passed;
    });
    yield* step('second', () => calls.push('second'));
  });
  const store = new GatedStore();
  const { runtime, crash } = await createTestRuntime({ workflows: [working], store });
  await runtime.start(working);

  store.hold();
  held.open();
  await breathe();
  const whileHeld = [...calls];
  const recovered = await crash();
  await recovered.runUntilIdle();

  expect(whileHeld).toEqual(['first']);
  // The first was running at the crash as far as the disk knows; the second never was.
  expect(calls).toEqual(['first', 'first', 'second']);
});

test('G1: a child begins only when the commit of its parent is on disk', async () => {
  const born: string[] = [];
  const child = workflow('child', function* (name: string) {
    born.push(name);
    yield* receive(go);
  });
  const parent = workflow('parent', function* () {
    yield* receive(go);
    yield* startChild(child, 'first', { id: 'c' });
    yield* receive(go);
  });
  const store = new GatedStore();
  const { runtime, runUntilIdle } = await createTestRuntime({ workflows: [parent, child], store });
  await runtime.start(parent, undefined, { id: 'p' });

  store.hold();
  void runtime.send('p', go, 1);
  await breathe();
  const whileHeld = [...born];
  store.release();
  await runUntilIdle();

  expect(whileHeld).toEqual([]);
  expect(born).toEqual(['first']);
});

async function withStore() {
  const store = new GatedStore();
  return { store, ...(await worldOf(store)) };
}

async function worldOf(store: GatedStore) {
  const { runtime, crash, runUntilIdle } = await createTestRuntime({ workflows: [sleeper, keyed], store });
  return { runtime, crash, runUntilIdle };
}
