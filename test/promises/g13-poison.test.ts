// G13: a poison instance cannot take others down. What cannot be loaded, decoded or replayed is tried a few times, and
// then its instance is stuck: kept, visible, retryable. The supervisor and the others live.

import { describe, expect, test } from 'vitest';
import { call, event, type Operation, receive, sleep, startChild, step, workflow } from '../../src/index.js';
import { limits } from '../../src/runtime/limits.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { Gate } from '../support/gate.js';
import { GatedStore } from '../support/gated-store.js';
import { breathe, watch } from '../support/promises.js';
import { untyped } from '../support/untyped.js';

const go = event<number>('go');
const unreadable = () => Object.assign(new Error('bad sector'), { code: 'STORE_READ' });

const sleeping = workflow('sleeping', function* () {
  return [yield* receive(go), yield* receive(go)];
});
const timed = workflow('timed', function* () {
  yield* sleep('1h');
  return 'woke';
});
const working = workflow('working', function* () {
  yield* step('work', () => undefined);
  return yield* receive(go);
});
const workflows = [sleeping, timed, working];

/** Whether the runtime still does everything for an instance that has nothing to do with the trouble. */
async function expectAlive(world: TestRuntime): Promise<void> {
  expect(world.health()).toMatchObject({ live: true, ready: true });
  const bystander = await world.start(working);
  await world.runUntilIdle();
  await bystander.send(go, 1);
  await expect(bystander.result()).resolves.toBe(1);
}

describe('an instance whose record cannot be read', () => {
  async function withPoison() {
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows, store, maxResident: 0 });
    await world.start(sleeping, undefined, { id: 'poison' });
    await world.start(sleeping, undefined, { id: 'fine' });
    await world.runUntilIdle();
    return { store, world };
  }

  test('G13: is tried a few times, and then stuck, with the event kept for it; the others go on', async () => {
    const { store, world } = await withPoison();
    const reads = { before: store.reads, after: 0 };

    store.failRead('poison', unreadable, limits.restartsMax + 1);
    const delivery = await world.send('poison', go, 1);
    reads.after = store.reads;
    await world.send('fine', go, 2);
    const info = await world.instance('poison').info();

    expect(reads.after - reads.before).toBe(limits.restartsMax + 1);
    expect(delivery).toEqual({ status: 'buffered' });
    expect(info).toMatchObject({ status: 'stuck', error: { message: 'bad sector' } });
    expect(world.logged).toContainEqual(expect.objectContaining({ level: 'error', message: expect.stringContaining('stuck') }));
    await expectAlive(world);
    await world.send('fine', go, 3);
    await expect(world.instance('fine').result()).resolves.toEqual([2, 3]);
  });

  test('G13: and can be read in time goes on as if nothing had been', async () => {
    const { store, world } = await withPoison();

    store.failRead('poison', unreadable, limits.restartsMax);
    const delivery = await world.send('poison', go, 1);
    await world.send('poison', go, 2);

    expect(delivery).toEqual({ status: 'delivered' });
    await expect(world.instance('poison').result()).resolves.toEqual([1, 2]);
  });

  test('G13: goes on after retry() with all that came meanwhile, also after a crash', async () => {
    const { store, world } = await withPoison();
    store.failRead('poison', unreadable, limits.restartsMax + 1);
    await world.send('poison', go, 1);
    const recovered = await world.crash();
    await recovered.send('poison', go, 2);
    const stuck = await recovered.instance('poison').info();

    await recovered.instance('poison').retry();
    await recovered.runUntilIdle();

    expect(stuck.status).toBe('stuck');
    await expect(recovered.instance('poison').result()).resolves.toEqual([1, 2]);
  });

  test('G13: says why when retry() finds it no better, and stays stuck', async () => {
    const { store, world } = await withPoison();
    store.failRead('poison', unreadable, limits.restartsMax + 1);
    await world.send('poison', go, 1);

    store.failRead('poison', unreadable, 1);
    const retried = watch(world.instance('poison').retry());
    await breathe();

    expect(retried.error).toMatchObject({ message: 'bad sector' });
    await expect(world.instance('poison').info()).resolves.toMatchObject({ status: 'stuck' });
    await expectAlive(world);
  });

  test('G13: is stuck when its deadline comes, and the deadlines of others fire', async () => {
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows, store, maxResident: 0 });
    await world.start(timed, undefined, { id: 'poison' });
    await world.start(timed, undefined, { id: 'fine' });
    await world.runUntilIdle();

    store.failRead('poison', unreadable, limits.restartsMax + 1);
    await world.advance('1h');

    await expect(world.instance('fine').result()).resolves.toBe('woke');
    await expect(world.instance('poison').info()).resolves.toMatchObject({ status: 'stuck' });
    await world.instance('poison').retry();
    await world.runUntilIdle();
    await expect(world.instance('poison').result()).resolves.toBe('woke');
    await expectAlive(world);
  });

  test('G13: is stuck when a step is to start again at recovery, and the others recover', async () => {
    const store = new GatedStore();
    let isCrashed = false;
    const slow = workflow('slow', () => step('slow', () => (isCrashed ? 'done' : new Gate<string>().passed)));
    const world = await createTestRuntime({ workflows: [...workflows, slow], store });
    await world.start(slow, undefined, { id: 'poison' });
    await world.start(slow, undefined, { id: 'fine' });
    await breathe();

    isCrashed = true;
    store.failRead('poison', unreadable, limits.restartsMax + 1);
    const recovered = await world.crash();
    await recovered.runUntilIdle();

    await expect(recovered.instance('fine').result()).resolves.toBe('done');
    await expect(recovered.instance('poison').info()).resolves.toMatchObject({ status: 'stuck' });
    await expectAlive(recovered);
  });

  test('G13: is stuck when it has not begun at a crash, and the others recover', async () => {
    const parent = workflow('parent', function* () {
      yield* startChild(working, undefined, { id: 'poison' });
      yield* startChild(working, undefined, { id: 'fine' });
    });
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [...workflows, parent], store });
    store.hold('after');
    void world.start(parent);
    await breathe();

    store.failRead('poison', unreadable, limits.restartsMax + 1);
    const recovered = await world.crash();
    await recovered.runUntilIdle();
    await recovered.send('fine', go, 1);

    await expect(recovered.instance('fine').result()).resolves.toBe(1);
    await expect(recovered.instance('poison').info()).resolves.toMatchObject({ status: 'stuck' });
    await recovered.instance('poison').retry();
    await recovered.send('poison', go, 2);
    await expect(recovered.instance('poison').result()).resolves.toBe(2);
    await expectAlive(recovered);
  });

  test('G13: holds up only the parent that waits for it', async () => {
    const parent = workflow('parent', (id: string) => call(timed, undefined, { id }));
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [...workflows, parent], store, passivateAfter: '1 day' });
    await world.start(parent, 'poison', { id: 'p' });
    await world.start(parent, 'fine', { id: 'f' });
    await world.runUntilIdle();

    store.failRead('poison', unreadable);
    await world.advance('1h');
    const fine = watch(world.instance('f').result());
    await world.advance('1 minute');

    expect(fine.value).toBe('woke');
    await expectAlive(world);
    store.mendReads();
    const recovered = await world.crash();
    await recovered.runUntilIdle();
    await expect(recovered.instance('p').result()).resolves.toBe('woke');
  });
});

describe('code that breaks', () => {
  test('G13: in the same way at each replay is stuck, and the others go on', async () => {
    let isBroken = false;
    const fragile = workflow('fragile', function* () {
      const first = yield* receive(go);
      if (isBroken) throw new Error('this line was added');
      return [first, yield* receive(go)];
    });
    const world = await createTestRuntime({ workflows: [...workflows, fragile], maxResident: 0 });
    await world.start(fragile, undefined, { id: 'a' });
    await world.send('a', go, 1);
    await world.runUntilIdle();

    isBroken = true;
    const whileBroken = await world.send('a', go, 2);
    const info = await world.instance('a').info();
    await expectAlive(world);
    isBroken = false;
    await world.instance('a').retry();
    await world.runUntilIdle();

    expect(whileBroken).toEqual({ status: 'buffered' });
    expect(info.status).toBe('stuck');
    await expect(world.instance('a').result()).resolves.toEqual([1, 2]);
  });

  const broken: [string, () => unknown][] = [
    ['gives no result object', () => iterator({ next: () => undefined })],
    ['gives a result whose done throws', () => iterator({ next: () => hostile('done') })],
    ['gives a result whose value throws', () => iterator({ next: () => hostile('value') })],
    [
      'throws when it is asked',
      () =>
        iterator({
          next: () => {
            throw new Error('no');
          },
        }),
    ],
    [
      'throws when it is made',
      () => {
        throw new Error('no');
      },
    ],
    ['has a yielded thing that throws', () => iterator({ next: () => ({ done: false, value: hostile('then') }) })],
  ];

  test.each(broken)('G13: a body that %s fails or is stuck by itself, as an instance and as a child', async (_how, make) => {
    const odd = workflow('odd', untyped(make));
    const parent = workflow('parent', function* () {
      yield* startChild(odd, undefined, { id: 'child' });
      return yield* receive(go);
    });
    const world = await createTestRuntime({ workflows: [...workflows, odd, parent] });
    const started = watch(world.start(odd, undefined, { id: 'odd' }));
    await world.start(parent, undefined, { id: 'p' });
    await world.runUntilIdle();
    await world.send('p', go, 1);

    await expect(world.instance('p').result()).resolves.toBe(1);
    await expectAlive(world);
    expect(started.state).not.toBe('pending');
    expect(['failed', 'stuck']).toContain((await world.instance('child').info()).status);
    const recovered = await world.crash();
    await recovered.runUntilIdle();
    await expectAlive(recovered);
    expect(['failed', 'stuck']).toContain((await recovered.instance('child').info()).status);
  });
});

test('G13: a workflow that this runtime does not know any more is stuck when it is woken; the others recover', async () => {
  const world = await createTestRuntime({ workflows });
  await world.start(timed, undefined, { id: 'gone' });
  await world.start(sleeping, undefined, { id: 'fine' });
  await world.runUntilIdle();

  const without = await world.crash({ workflows: [sleeping, working] });
  await without.advance('1h');
  const info = await without.instance('gone').info();
  await expectAlive(without);
  const mended = await without.crash({ workflows });
  await mended.instance('gone').retry();
  await mended.runUntilIdle();

  expect(info).toMatchObject({ status: 'stuck', error: { code: 'UNKNOWN_WORKFLOW' } });
  await expect(mended.instance('gone').result()).resolves.toBe('woke');
});

test('G13: a logger that throws takes nobody down', async () => {
  const world = await createTestRuntime({
    workflows,
    maxResident: 0,
    logger: {
      log: () => {
        throw new Error('the log is full');
      },
    },
  });
  await world.start(timed, undefined, { id: 'gone' });
  const without = await world.crash({ workflows: [sleeping, working] });
  await without.advance('1h');

  await expect(without.instance('gone').info()).resolves.toMatchObject({ status: 'stuck' });
  await expectAlive(without);
});

/** Something that looks like a generator. */
function iterator(methods: { next: () => unknown }): Operation<unknown> {
  const made = {
    ...methods,
    throw: (error: unknown) => {
      throw error;
    },
    return: (value: unknown) => ({ done: true, value }),
    [Symbol.iterator]: () => made,
  };
  return made as unknown as Operation<unknown>;
}

function hostile(name: string): object {
  return Object.defineProperty({}, name, {
    get: () => {
      throw new Error('a getter that throws');
    },
  });
}
