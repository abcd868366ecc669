// What info() shows of an instance's inside: its tasks, what each of them waits for, and what they share. Of a durable
// instance that is committed state: the same after a passivation and a crash. At rest there is nothing to show.

import { describe, expect, test } from 'vitest';
import {
  all,
  createLatch,
  createPool,
  createQueue,
  createSemaphore,
  event,
  type InstanceInfo,
  type Operation,
  race,
  receive,
  sleep,
  spawn,
  step,
  timeout,
  workflow,
} from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';

const stop = event<void>('stop');
const word = event<string>('word');

type Inside = Pick<InstanceInfo, 'tasks' | 'primitives'>;

async function inside(runtime: TestRuntime, id = 'a'): Promise<Inside> {
  const { tasks, primitives } = await runtime.instance(id).info();
  return { tasks, primitives };
}

const atRest: Inside = { tasks: [], primitives: [] };

/** One of everything: held, waited for, full, and empty; then, when told to, all of it comes to an end. */
function* crowded(): Operation<string> {
  const pool = yield* createPool(1);
  const queue = yield* createQueue<number>(2);
  const semaphore = yield* createSemaphore(2);
  const latch = yield* createLatch();
  yield* createLatch();
  yield* queue.put(1);
  yield* queue.put(2);
  yield* semaphore.acquire();
  yield* spawn(function* producer() {
    yield* queue.put(3);
  });
  yield* spawn(function* held() {
    yield* pool.spawn(() => latch.wait());
    yield* pool.spawn(() => latch.wait());
  });
  yield* spawn(function* listening() {
    yield* receive(word, { key: 'k' });
  });
  const parent = yield* spawn(function* parent() {
    yield* spawn(function* grandchild() {
      yield* sleep('1 day');
    });
  });
  yield* receive(stop);
  yield* latch.open();
  while (queue.size > 0) yield* queue.get();
  yield* semaphore.release();
  yield* parent.join();
  yield* receive(stop);
  return 'ended';
}

const shown: Inside = {
  tasks: [
    { id: '1', name: 'producer', parent: '0', waitsFor: expect.stringContaining('queue 2') },
    { id: '2', name: 'held', parent: '0', waitsFor: expect.stringContaining('pool 1') },
    { id: '3', name: 'listening', parent: '0', waitsFor: 'receive "word"' },
    { id: '4', name: 'parent', parent: '0', waitsFor: 'the end of its tasks' },
    { id: '5', name: '', parent: '2', waitsFor: expect.stringContaining('latch 4') },
    { id: '6', name: 'grandchild', parent: '4', waitsFor: 'sleep "sleep"' },
  ],
  primitives: [
    { id: '1', kind: 'pool', size: 1, running: 1, waiting: 1 },
    { id: '2', kind: 'queue', order: 'fifo', capacity: 2, size: 2, getters: 0, putters: 1, isClosed: false },
    { id: '3', kind: 'semaphore', permits: 2, free: 1, waiting: 0 },
    { id: '4', kind: 'latch', waiting: 1 },
  ],
};

const kinds = [
  { kind: 'durable', durable: true, options: {} },
  { kind: 'durable, passivated at once', durable: true, options: { maxResident: 0 } },
  { kind: 'ephemeral', durable: false, options: {} },
] as const;

describe.each(kinds)('of a $kind instance', ({ durable, options }) => {
  test('every task is shown with its parent and what it waits for, and everything that is held; in the order of their ids', async () => {
    const tested = workflow({ name: 'tested', durable }, crowded);
    const world = await createTestRuntime({ workflows: [tested], ...options });
    await world.start(tested, undefined, { id: 'a' });
    await world.runUntilIdle();

    expect(await inside(world)).toEqual(shown);
  });

  test('at rest nothing is shown, whatever went before, nor of one that has ended', async () => {
    const tested = workflow({ name: 'tested', durable }, crowded);
    const world = await createTestRuntime({ workflows: [tested], ...options });
    const instance = await world.start(tested, undefined, { id: 'a' });
    await world.publish(word, 'k', 'x');
    await instance.send(stop, undefined);
    await world.runUntilIdle();
    expect((await inside(world)).tasks.find(({ id }) => id === '0')).toEqual({
      id: '0',
      name: '',
      parent: null,
      waitsFor: expect.stringContaining('task 4'),
    });
    await world.advance('1 day');

    expect(await inside(world)).toEqual(atRest);
    await instance.send(stop, undefined);
    await expect(instance.info()).resolves.toMatchObject({ status: 'completed', ...atRest });
  });

  test('members of groups are tasks: what they wait for is theirs, and the group is what their parent waits for', async () => {
    const gate = new Gate<string>();
    const grouped = workflow({ name: 'grouped', durable }, () =>
      all([race({ a: receive(word), b: sleep('1h') }), timeout('1h', receive(stop)), step('work', () => gate.passed)]),
    );
    const world = await createTestRuntime({ workflows: [grouped], ...options });
    const instance = await world.start(grouped, undefined, { id: 'a' });
    await breathe();
    const { tasks } = await inside(world);
    watch(instance.result());

    const waits = new Map(tasks.map(({ id, parent, waitsFor }) => [id, [parent, waitsFor]]));
    expect(Object.fromEntries(waits)).toEqual({
      0: [null, 'all of 3'],
      1: ['0', 'race of 2'],
      2: ['0', expect.stringContaining('timeout')],
      3: ['0', 'step "work"'],
      4: ['1', 'receive "word"'],
      5: ['1', 'sleep "sleep"'],
      6: ['2', 'receive "stop"'],
    });
    gate.open('worked');
  });

  test.each(['cancel', 'terminate'] as const)('one that ends by %s shows nothing', async (how) => {
    const tested = workflow({ name: 'tested', durable }, crowded);
    const world = await createTestRuntime({ workflows: [tested], ...options });
    const instance = await world.start(tested, undefined, { id: 'a' });
    await instance[how]();
    await world.runUntilIdle();

    await expect(instance.info()).resolves.toMatchObject({ status: 'cancelled', waitingFor: [], ...atRest });
  });
});

describe('committed state', () => {
  const tested = workflow('tested', crowded);

  test('survives a crash and what follows it as if there had been none', async () => {
    let world = await createTestRuntime({ workflows: [tested] });
    await world.start(tested, undefined, { id: 'a' });
    await world.runUntilIdle();
    world = await world.crash();
    expect(await inside(world)).toEqual(shown);
    await world.send('a', stop, undefined);
    await world.runUntilIdle();
    const before = await inside(world);
    world = await world.crash();
    expect(await inside(world)).toEqual(before);
    await world.publish(word, 'k', 'x');
    await world.advance('1 day');

    expect(await inside(world)).toEqual(atRest);
    world = await world.crash();
    expect(await inside(world)).toEqual(atRest);
  });

  test('is what is shown: not what a turn did whose commit is under way', async () => {
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [tested], store });
    await world.start(tested, undefined, { id: 'a' });
    await world.runUntilIdle();
    store.hold();
    const told = watch(world.send('a', stop, undefined));
    await breathe();

    expect([told.state, await inside(world)]).toEqual(['pending', shown]);
    store.release();
    await world.runUntilIdle();
    expect((await inside(world)).tasks).toHaveLength(4);
  });

  test('does not grow with tasks and primitives that are over, and a turn writes only what it changed of them', async () => {
    const churning = workflow('churning', function* () {
      const queue = yield* createQueue<number>();
      yield* spawn(function* reader() {
        for (;;) yield* queue.get();
      });
      for (;;) {
        yield* receive(stop);
        for (let n = 0; n < 100; n++) {
          const latch = yield* createLatch();
          yield* spawn(() => latch.wait());
          yield* latch.open();
          yield* queue.put(n);
        }
      }
    });
    const store = new GatedStore();
    let world = await createTestRuntime({ workflows: [churning], store });
    await world.start(churning, undefined, { id: 'a' });
    await world.runUntilIdle();
    const first = await inside(world);
    for (let turn = 0; turn < 20; turn++) await world.send('a', stop, undefined);
    await world.runUntilIdle();

    expect(first).toEqual({
      tasks: [{ id: '1', name: 'reader', parent: '0', waitsFor: expect.stringContaining('queue 1') }],
      primitives: [{ id: '1', kind: 'queue', order: 'fifo', capacity: null, size: 0, getters: 1, putters: 0, isClosed: false }],
    });
    expect(await inside(world)).toEqual(first);
    expect(store.changesOf('instance', 'a').filter(({ g }) => g !== undefined)).toHaveLength(1);
    world = await world.crash();
    expect(await inside(world)).toEqual(first);
  });
});
