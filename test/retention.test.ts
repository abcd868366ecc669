// keepFinished: how long instances that have ended stay readable, how many of them, and what goes with them.

import { describe, expect, test } from 'vitest';
import { call, event, memoryStore, receive, StoreFullError, sleep, startChild, workflow } from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';

const go = event<number>('go');
const other = event<number>('other');

const waiting = workflow('waiting', () => receive(go));
const counted = workflow('counted', function* (n: number) {
  return n;
});
const parent = workflow('parent', function* () {
  const child = yield* startChild(counted, 7, { id: 'child' });
  yield* receive(go);
  return yield* child.result();
});
const forgetful = workflow('forgetful', function* () {
  yield* startChild(counted, 7, { id: 'child' });
});
const calling = workflow('calling', function* () {
  yield* call(counted, 7, { id: 'child' });
  yield* sleep('1d');
});
const workflows = [waiting, counted, parent, forgetful, calling];

type Options = Partial<Parameters<typeof createTestRuntime>[0]>;

function open(options: Options): Promise<TestRuntime> {
  return createTestRuntime({ workflows, store: memoryStore(), logger: { log() {} }, ...options });
}

/** The ids of all that can be read. */
async function readable(runtime: TestRuntime): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of runtime.list()) ids.push(id);
  expect(runtime.health().instances).toBe(ids.length);
  return ids.sort();
}

async function end(runtime: TestRuntime, ...ids: string[]): Promise<void> {
  for (const id of ids) {
    await runtime.start(waiting, undefined, { id });
    await runtime.send(id, go, 1);
    await runtime.advance('1s');
  }
}

describe('by age', () => {
  test('one goes when its time is over, and not before', async () => {
    const runtime = await open({ keepFinished: { age: '1h' } });
    await end(runtime, 'a');
    await runtime.advance(3_600_000 - 1_001);
    expect(await readable(runtime)).toEqual(['a']);
    await runtime.advance(1);
    expect(await readable(runtime)).toEqual([]);
    await expect(runtime.instance('a').result()).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
    await expect(runtime.send('a', go, 1)).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
  });

  test('one goes though the runtime was down when its time was over, those that sleep stay', async () => {
    const runtime = await open({ keepFinished: { age: '1h' } });
    await runtime.start(waiting, undefined, { id: 'asleep' });
    await end(runtime, 'a', 'b');
    const after = await runtime.crash();
    expect(await readable(after)).toEqual(['a', 'asleep', 'b']);
    await after.advance('1h');
    expect(await readable(after)).toEqual(['asleep']);
    expect(await readable(await after.crash())).toEqual(['asleep']);
  });

  test('one whose parent lives stays, however old it is', async () => {
    const runtime = await open({ keepFinished: { age: '1m' } });
    await runtime.start(parent, undefined, { id: 'p' });
    await end(runtime, 'a');
    await runtime.advance('1d');
    expect(await readable(runtime)).toEqual(['child', 'p']);
    const after = await runtime.crash();
    await after.advance('1d');
    expect(await readable(after)).toEqual(['child', 'p']);
  });
});

test('with an age of nothing only those stay whose parents live', async () => {
  const before = await open({ keepFinished: { age: 0 } });
  await before.start(parent, undefined, { id: 'p' });
  await end(before, 'a');
  await before.advance('1h');
  expect(await readable(before)).toEqual(['child', 'p']);
  const runtime = await before.crash();
  expect(await readable(runtime)).toEqual(['child', 'p']);
  const result = watch(runtime.instance('p').result());
  await runtime.send('p', go, 1);
  await runtime.advance('1h');
  expect(result.value).toBe(7);
  expect(await readable(runtime)).toEqual([]);
});

describe('by count', () => {
  test('those that ended first go first', async () => {
    const runtime = await open({ keepFinished: { count: 2 } });
    await runtime.start(waiting, undefined, { id: 'first' });
    await end(runtime, 'b', 'a', 'c');
    expect(await readable(runtime)).toEqual(['a', 'c', 'first']);
    await runtime.send('first', go, 1);
    await runtime.runUntilIdle();
    expect(await readable(runtime)).toEqual(['c', 'first']);
  });

  test('those that ended first go first after a crash, too', async () => {
    const store = memoryStore();
    const before = await open({ store });
    await end(before, 'b', 'd', 'a', 'c');
    const startAt = before.now();
    await before.stop();
    const runtime = await open({ store, startAt, keepFinished: { count: 2 } });
    await runtime.runUntilIdle();
    expect(await readable(runtime)).toEqual(['a', 'c']);
  });

  test('none stays when none is to', async () => {
    const runtime = await open({ keepFinished: { count: 0 } });
    const asked = await runtime.start(waiting, undefined, { id: 'a' });
    const result = watch(asked.result());
    await runtime.send('a', go, 7);
    await runtime.runUntilIdle();
    expect(result.value).toBe(7);
    expect(await readable(runtime)).toEqual([]);
  });
});

describe('children', () => {
  test('stay as long as their parent may ask for them, and longer by the age', async () => {
    const runtime = await open({ keepFinished: { age: '1h' }, maxResident: 0 });
    await runtime.start(parent, undefined, { id: 'p' });
    await runtime.advance('5h');
    expect(await readable(runtime)).toEqual(['child', 'p']);
    await runtime.send('p', go, 1);
    expect(await runtime.instance('p').result()).toBe(7);
    await runtime.advance('2h');
    expect(await readable(runtime)).toEqual([]);
  });

  test('stay over a crash as long as their parent may ask for them', async () => {
    const before = await open({ keepFinished: { count: 0 } });
    await before.start(parent, undefined, { id: 'p' });
    await before.runUntilIdle();
    const runtime = await before.crash();
    expect(await readable(runtime)).toEqual(['child', 'p']);
    const result = watch(runtime.instance('p').result());
    await runtime.send('p', go, 1);
    await runtime.runUntilIdle();
    expect(result.value).toBe(7);
  });

  test('that stay for their parents do not make others go', async () => {
    const runtime = await open({ keepFinished: { count: 1 } });
    await runtime.start(parent, undefined, { id: 'p' });
    await runtime.runUntilIdle();
    await end(runtime, 'a', 'b');
    expect(await readable(runtime)).toEqual(['b', 'child', 'p']);
  });

  test('go like all others when their parent has ended', async () => {
    const runtime = await open({ keepFinished: { age: '1h' } });
    await runtime.start(forgetful, undefined, { id: 'p' });
    await runtime.runUntilIdle();
    await runtime.advance('1h');
    expect(await readable(runtime)).toEqual([]);
  });

  test('that were called stay while the caller lives', async () => {
    const runtime = await open({ keepFinished: { age: '1h' } });
    await runtime.start(calling, undefined, { id: 'p' });
    await runtime.advance('2h');
    expect(await readable(runtime)).toEqual(['child', 'p']);
    await runtime.advance('3d');
    expect(await readable(runtime)).toEqual([]);
  });
});

describe('an id that is used again', () => {
  test('is a new instance, with mailboxes of its own', async () => {
    const runtime = await open({ keepFinished: { age: '1h' } });
    await runtime.start(waiting, undefined, { id: 'a' });
    await runtime.send('a', other, 1, { id: 'e' });
    await runtime.send('a', go, 1, { id: 'f' });
    await runtime.advance('1h');
    await runtime.start(counted, 3, { id: 'a' });
    expect(await runtime.instance('a').result()).toBe(3);
    await runtime.advance('1h');
    await runtime.start(waiting, undefined, { id: 'a' });
    expect(await runtime.send('a', other, 1, { id: 'e' })).toEqual({ status: 'buffered' });
    expect(await runtime.send('a', go, 9, { id: 'f' })).toEqual({ status: 'delivered' });
    expect(await runtime.instance('a').result()).toBe(9);
    const after = await runtime.crash();
    expect(await after.instance('a').result()).toBe(9);
  });

  test('can be used while the removal of the one before is being written', async () => {
    const store = new GatedStore();
    const runtime = await open({ store, keepFinished: { age: '1h' } });
    await end(runtime, 'a');
    store.hold();
    const passing = runtime.advance('1h');
    await breathe();
    const started = watch(runtime.start(counted, 3, { id: 'a' }));
    await breathe();
    expect(started.state).toBe('pending');
    store.release();
    await passing;
    expect(await runtime.instance('a').result()).toBe(3);
    expect(await readable(runtime)).toEqual(['a']);
  });

  test('is the old instance again when both could not be written, and nobody waits for the new one for ever', async () => {
    const store = new GatedStore();
    const runtime = await open({ store, keepFinished: { age: '1h' } });
    const old = await runtime.start(counted, 1, { id: 'a' });
    expect(await old.result()).toBe(1);
    store.hold();
    const passing = runtime.advance('1h');
    await breathe();
    const started = watch(runtime.start(counted, 3, { id: 'a' }));
    const result = watch(runtime.instance('a').result());
    store.failAppend(() => new StoreFullError());
    store.release();
    await breathe();
    expect(started.state).toBe('rejected');
    expect(result.state).toBe('rejected');
    await expect(runtime.start(counted, 3, { id: 'a' })).rejects.toMatchObject({ code: 'INSTANCE_CONFLICT' });
    await passing;
    await runtime.advance('1m');
    expect(await readable(runtime)).toEqual([]);
  });
});

describe('a removal that could not be written', () => {
  test('leaves everything as it was, and is made up for', async () => {
    const store = new GatedStore();
    const runtime = await open({ store, keepFinished: { age: '1h' } });
    await end(runtime, 'a');
    store.failAppend(() => new StoreFullError());
    await runtime.advance(3_600_000 - 1_000);
    expect(await readable(runtime)).toEqual(['a']);
    expect(await runtime.instance('a').result()).toBe(1);
    await runtime.advance('1m');
    expect(await readable(runtime)).toEqual([]);
  });

  test('takes the mailboxes along when it is made up for', async () => {
    const store = new GatedStore();
    const runtime = await open({ store, keepFinished: { age: '1h' } });
    await runtime.start(waiting, undefined, { id: 'a' });
    await runtime.send('a', go, 1, { id: 'e' });
    store.failAppend(() => new StoreFullError());
    await runtime.advance('2h');
    expect(runtime.health().store).toEqual({ instances: 0, mailboxes: 0 });
    await runtime.start(waiting, undefined, { id: 'a' });
    expect(await runtime.send('a', go, 2, { id: 'e' })).toEqual({ status: 'delivered' });
  });

  test('is the first to be made up for', async () => {
    const store = new GatedStore();
    const runtime = await open({ store, keepFinished: { count: 2 } });
    await end(runtime, 'a', 'b');
    await runtime.start(waiting, undefined, { id: 'c' });
    store.failAppend(() => new StoreFullError(), { after: 1 });
    await runtime.send('c', go, 1);
    await runtime.advance('5m');
    expect(await readable(runtime)).toEqual(['b', 'c']);
  });
});
