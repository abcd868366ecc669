// C9, and the part of C1 that belongs to it: what a write that fails leaves behind. Every caller of the batch is told,
// memory is what the disk is, what happened by itself is tried again, and the runtime goes on, unless the store
// cannot be trusted any more.

import { describe, expect, test } from 'vitest';
import {
  call,
  event,
  receive,
  StoreFailedError,
  StoreFullError,
  StoreWriteError,
  sleep,
  startChild,
  step,
  timeout,
  waitForCallback,
  workflow,
} from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { pictureOf } from './support/picture.js';
import { breathe, type Watched, watch } from './support/promises.js';
import { residencies } from './support/residency.js';

const go = event<number>('go');
const other = event<string>('other');
const brief = event<number>('brief', undefined, { expiresAfter: '1s' });
const full = () => new StoreFullError();

const direct = workflow('direct', () => receive(go));
const keyed = workflow('keyed', () => receive(go, { key: 'k' }));
const tokens: string[] = [];
const asking = workflow('asking', () => waitForCallback('answer', (token) => void tokens.push(token)));
const summing = workflow('summing', function* () {
  let sum = 0;
  for (let n = 0; n < 3; n++) sum += yield* receive(go);
  return sum;
});
const workflows = [direct, keyed, asking, summing];

/** Everything that a caller can ask, in a world with an instance of each workflow, a buffered event and a dead letter. */
const requests: { name: string; ask: (runtime: TestRuntime) => Promise<unknown> }[] = [
  { name: 'start', ask: (runtime) => runtime.start(direct, undefined, { id: 'new' }) },
  { name: 'send', ask: (runtime) => runtime.send('direct', go, 1, { id: 'e1' }) },
  { name: 'send of an event that waits', ask: (runtime) => runtime.send('direct', other, 'x', { id: 'e1' }) },
  { name: 'publish', ask: (runtime) => runtime.publish(go, 'k', 1, { id: 'e1' }) },
  { name: 'publish of an event that waits', ask: (runtime) => runtime.publish(go, 'later', 1, { id: 'e1' }) },
  { name: 'complete', ask: (runtime) => runtime.complete(tokens.at(-1) ?? '', 1) },
  { name: 'reject', ask: (runtime) => runtime.reject(tokens.at(-1) ?? '', new Error('no')) },
  { name: 'cancel', ask: (runtime) => runtime.instance('summing').cancel() },
  { name: 'terminate', ask: (runtime) => runtime.instance('summing').terminate() },
  { name: 'redeliver', ask: redeliverFirst },
];

async function redeliverFirst(runtime: TestRuntime): Promise<unknown> {
  for await (const letter of runtime.deadLetters()) return runtime.redeliver(letter.id);
  return undefined;
}

async function populated(options: { maxResident?: number }) {
  const store = new GatedStore();
  const world = await createTestRuntime({ ...options, workflows, store });
  await world.publish(brief, 'k', 1);
  await world.advance('1s');
  await world.publish(go, 'buffered', 1);
  for (const each of workflows) await world.start(each, undefined, { id: each.name });
  await world.runUntilIdle();
  return { store, world };
}

describe.each(residencies)('instances $where', ({ options }) => {
  test.each(requests)('C9: $name that cannot be written is told so, and leaves memory as the disk is', async ({ ask }) => {
    const { store, world } = await populated(options);
    const before = await pictureOf(world);

    store.failAppend(full);
    const asked = watch(ask(world.runtime));
    await breathe();
    const after = await pictureOf(world);
    const again = watch(ask(world.runtime));
    await world.advance('2s');

    expect(asked.error).toBeInstanceOf(StoreFullError);
    expect(after).toEqual(before);
    expect(again.state).toBe('resolved');
    const settled = await pictureOf(world);
    const recovered = await world.crash();
    await recovered.runUntilIdle();
    expect(await pictureOf(recovered)).toEqual(settled);
  });

  test('C1: a turn that cannot be written is taken back with all that its generator knew', async () => {
    const { store, world } = await populated(options);
    const instance = world.instance('summing');

    await instance.send(go, 1);
    store.failAppend(full);
    await expect(instance.send(go, 100)).rejects.toMatchObject({ code: 'STORE_FULL' });
    await instance.send(go, 2);
    await instance.send(go, 3);

    await expect(instance.result()).resolves.toBe(6);
  });

  test('C9: every caller of the batch, and of what was built on it, is told', async () => {
    const { store, world } = await populated(options);
    const before = await pictureOf(world);

    store.hold();
    const first = watch(world.start(summing, undefined, { id: 'new' }));
    await breathe();
    const later = [
      watch(world.send('new', go, 1)),
      watch(world.send('direct', go, 1)),
      watch(world.start(summing, undefined, { id: 'new' })),
      watch(world.instance('new').info()),
      watch(world.instance('new').result()),
    ];
    await breathe();
    store.failAppend(() => new StoreWriteError('the disk said no'));
    store.release();
    await world.runUntilIdle();

    expect(first.error).toMatchObject({ code: 'STORE_WRITE' });
    expect(later.map((each) => each.state)).toEqual(later.map(() => 'rejected'));
    expect(later.slice(0, 3).map((each) => (each.error as { code: string }).code)).toEqual(['STORE_WRITE', 'STORE_WRITE', 'STORE_WRITE']);
    expect(await pictureOf(world)).toEqual(before);
    await expect(world.publish(go, 'k', 1)).resolves.toEqual({ status: 'delivered' });
  });
});

test('C1: outcomes of steps that could not be written are kept and committed later, in batches of many as well', async () => {
  const held = new Gate();
  let calls = 0;
  const working = workflow('working', function* (n: number) {
    return yield* step('work', async () => {
      await held.passed;
      calls++;
      return n;
    });
  });
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [working], store });
  const handles = await Promise.all(Array.from({ length: 20 }, (_, n) => world.start(working, n)));

  store.failAppend(full, { times: 4 });
  held.open();
  await breathe();
  const whileFull = await Promise.all(handles.map((handle) => handle.info()));
  await world.advance('1 minute');

  expect(new Set(whileFull.map(({ status }) => status))).toEqual(new Set(['running']));
  await expect(Promise.all(handles.map((handle) => handle.result()))).resolves.toEqual(handles.map((_, n) => n));
  expect(calls).toBe(20);
});

test('C1: a step behind an outcome that could not be written at first begins once, when that outcome is on disk', async () => {
  const held = new Gate();
  const calls: string[] = [];
  const working = workflow('working', function* () {
    yield* step('first', () => held.passed);
    yield* step('second', () => calls.push('second'));
  });
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [working], store });
  const instance = await world.start(working);

  store.failAppend(full);
  held.open();
  await breathe();
  store.hold();
  await world.advance('2s');
  const whileHeld = [...calls];
  store.release();
  await world.runUntilIdle();

  expect(whileHeld).toEqual([]);
  expect(calls).toEqual(['second']);
  await expect(instance.info()).resolves.toMatchObject({ status: 'completed' });
});

test('C9: what is to be tried again is tried again soon, though the clock was set back meanwhile', async () => {
  const held = new Gate();
  const working = workflow('working', () => step('work', () => held.passed));
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [working], store });
  const instance = await world.start(working);

  store.failAppend(full);
  held.open();
  await breathe();
  await world.setClock(world.now() - 86_400_000);
  await world.advance('1 minute');

  await expect(instance.info()).resolves.toMatchObject({ status: 'completed' });
});

test('C9: a deadline that could not be written fires again when the store can write', async () => {
  const sleeping = workflow('sleeping', () => sleep('1h'));
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [sleeping], store });
  const instance = await world.start(sleeping);
  store.failAppend(full, { times: 3 });

  await world.advance('1h');
  const whileFull = await instance.info();
  await world.advance('1 minute');

  expect(whileFull.status).toBe('sleeping');
  await expect(instance.info()).resolves.toMatchObject({ status: 'completed' });
});

test('C9: a failed attempt that could not be written is counted later, and the step is tried again', async () => {
  const attempts: number[] = [];
  const held = new Gate();
  const trying = workflow('trying', function* () {
    return yield* step('try', async ({ attempt }) => {
      await held.passed;
      attempts.push(attempt);
      if (attempt < 3) throw new Error('not yet');
      return 'done';
    });
  });
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [trying], store });
  const instance = await world.start(trying);

  store.failAppend(full, { times: 2 });
  held.open();
  await world.advance('1 minute');

  await expect(instance.result()).resolves.toBe('done');
  expect(attempts).toEqual([1, 2, 3]);
});

test('C9: a child whose first turn could not be written begins later', async () => {
  const child = workflow('child', function* () {
    return yield* step('work', () => 'done');
  });
  const parent = workflow('parent', function* () {
    const { result } = yield* startChild(child, undefined, { id: 'c' });
    return yield* result();
  });
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [child, parent], store });

  store.failAppend(full, { after: 1, times: 2 });
  const instance = await world.start(parent);
  const result = watch(instance.result());
  await world.advance('1 minute');

  expect(result.value).toBe('done');
});

test.each([0, 1])('C9: a called instance whose cancellation could not be written is cancelled later (%i)', async (after) => {
  const child = workflow('child', () => receive(go));
  const parent = workflow('parent', function* () {
    return yield* timeout('1h', call(child, undefined, { id: 'c' }), { orElse: 'gave up' });
  });
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [child, parent], store });
  const instance = await world.start(parent);

  await world.runUntilIdle();
  // The first append has the end of the wait, and that the child is to be cancelled; the second its cancellation.
  store.failAppend(full, { after, times: 2 });
  await world.advance('1h');
  await world.advance('1 minute');

  await expect(instance.result()).resolves.toBe('gave up');
  await expect(world.instance('c').info()).resolves.toMatchObject({ status: 'cancelled' });
});

test('C9: the result of a child that could not be written is told to its parent later', async () => {
  const child = workflow('child', () => receive(go));
  const parent = workflow('parent', () => call(child, undefined, { id: 'c' }));
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [child, parent], store });
  const instance = await world.start(parent);
  await world.runUntilIdle();

  store.failAppend(full, { after: 1, times: 2 });
  await world.send('c', go, 7);
  const result = watch(instance.result());
  await world.advance('1 minute');

  expect(result.value).toBe(7);
});

test('C9: a recovery that could not write at first starts the steps that were in flight when it can', async () => {
  let calls = 0;
  const working = workflow('working', function* () {
    return yield* step('work', () => (++calls > 1 ? 'done' : new Gate<string>().passed));
  });
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [working], store });
  await world.start(working, undefined, { id: 'a' });
  await breathe();

  store.failAppend(full, { times: 2 });
  const recovered = await world.crash();
  const result = watch(recovered.instance('a').result());
  await recovered.advance('1 minute');

  expect(result.value).toBe('done');
  expect(calls).toBe(2);
});

test('C9: an ended instance whose removal could not be written stays, and is removed later', async () => {
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [direct], store });
  const instance = await world.start(direct);
  await instance.send(go, 7);
  store.failAppend(full, { times: 1 });

  await world.advance('7 days');
  const whileFull = await watchInfo(world, instance.id);
  await world.advance('1 minute');

  expect(whileFull).toBe('completed');
  expect(await watchInfo(world, instance.id)).toBe('INSTANCE_NOT_FOUND');
  expect(await watchInfo(await world.crash(), instance.id)).toBe('INSTANCE_NOT_FOUND');
});

async function watchInfo(runtime: TestRuntime, id: string): Promise<string> {
  return runtime
    .instance(id)
    .info()
    .then(
      ({ status }) => status,
      (error: { code: string }) => error.code,
    );
}

describe('C9: a store that cannot be trusted any more', () => {
  test.each([
    ['says so', () => new StoreFailedError('the sync failed')],
    ['throws something unknown', () => new Error('EIO')],
  ])('C9: when it %s, everybody is told, the runtime stops, and a new one recovers', async (_how, error) => {
    const { store, world } = await populated({});
    const signals: AbortSignal[] = [];
    const working = workflow('working', function* () {
      yield* step('work', ({ signal }) => {
        signals.push(signal);
        return new Gate().passed;
      });
    });
    const withStep = await world.crash({ workflows: [...workflows, working] });
    await withStep.start(working, undefined, { id: 'working' });
    const result = watch(withStep.instance('direct').result());
    store.hold();
    const callers: Watched<unknown>[] = [watch(withStep.publish(go, 'x', 1))];
    await breathe();
    callers.push(watch(withStep.send('direct', go, 1)), watch(withStep.start(direct, undefined, { id: 'new' })));
    await breathe();
    store.failAppend(error);
    store.release();
    await breathe();

    const told = [...callers, result].map((each) => (each.error as { code?: string } | undefined)?.code);
    expect(told).toEqual(['STORE_FAILED', 'STORE_FAILED', 'STORE_FAILED', 'STORE_FAILED']);
    expect(withStep.health()).toMatchObject({ live: false, ready: false });
    expect(signals.map((signal) => signal.aborted)).toEqual([true]);
    for (const { ask } of requests.slice(0, 9)) await expect(ask(withStep)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(withStep.instance('direct').info()).rejects.toMatchObject({ code: 'STORE_FAILED' });
    const written = store.appends;
    await withStep.advance('1 day');
    expect(store.appends).toBe(written);
    await withStep.stop();
    const recovered = await withStep.crash({ workflows });
    await expect(recovered.send('direct', go, 1)).resolves.toEqual({ status: 'delivered' });
    await expect(recovered.instance('new').info()).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
  });
});
