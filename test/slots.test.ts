// Instances that are asleep: memory has nothing of them but where they are reached, and whichever way they are
// reached, they go on as if they had never left it.

import { describe, expect, test } from 'vitest';
import {
  call,
  event,
  memoryStore,
  publish,
  receive,
  receiveAny,
  StoreFullError,
  StoreReadError,
  send,
  sleep,
  spawn,
  startChild,
  step,
  timeout,
  waitForCallback,
  workflow,
} from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';

const go = event<number>('go');
const other = event<number>('other');
const tokens: string[] = [];
const failures = { left: 0 };

const direct = workflow('direct', () => receive(go));
const keyed = workflow('keyed', () => receive(go, { key: 'k' }));
const either = workflow('either', function* () {
  return (yield* receiveAny({ first: other, second: { event: go, key: 'k' } })).value;
});
const timed = workflow('timed', () => timeout('1h', receive(go), { orElse: 7 }));
const sleeping = workflow('sleeping', function* () {
  yield* sleep('1h');
  return 7;
});
const asking = workflow('asking', () => waitForCallback<number>('answer', (token) => void tokens.push(token)));
const failing = workflow('failing', () =>
  step(
    'fails once',
    () => {
      if (failures.left-- > 0) throw new Error('not yet');
      return 7;
    },
    { retry: { attempts: 2, delay: '1h' } },
  ),
);
const parent = workflow('parent', () => call(direct, undefined, { id: 'child' }));
const brief = workflow({ name: 'brief', durable: false }, () => receive(go));
const ofBrief = workflow('of-brief', () => call(brief, undefined, { id: 'brief' }));
const asksLater = workflow('asks-later', function* () {
  const child = yield* startChild(brief, undefined, { id: 'brief' });
  yield* receive(other);
  return yield* child.result();
});
const inTasks = workflow('in-tasks', function* () {
  const task = yield* spawn(() => receive(other));
  const first = yield* receive(go);
  return first + (yield* task.join());
});
const cleaning = workflow('cleaning', function* () {
  try {
    return yield* receive(go);
  } finally {
    yield* receive(other);
  }
});
const sending = workflow('sending', function* (how: 'send' | 'publish') {
  if (how === 'send') yield* send('a', go, 7);
  else yield* publish(go, 'k', 7);
});
const workflows = [direct, keyed, either, timed, sleeping, asking, failing, parent, brief, ofBrief, asksLater, inTasks, cleaning, sending];
type Def = (typeof workflows)[number];

interface Way {
  readonly by: string;
  readonly who: Def;
  readonly reach: (runtime: TestRuntime) => Promise<unknown>;
}

const ways: readonly Way[] = [
  { by: 'an event sent to it', who: direct, reach: (runtime) => runtime.send('a', go, 7) },
  { by: 'an event published under its key', who: keyed, reach: (runtime) => runtime.publish(go, 'k', 7) },
  { by: 'the first of two sources', who: either, reach: (runtime) => runtime.send('a', other, 7) },
  { by: 'the second of two sources', who: either, reach: (runtime) => runtime.publish(go, 'k', 7) },
  { by: 'an event before its timeout', who: timed, reach: (runtime) => runtime.send('a', go, 7) },
  { by: 'its timeout', who: timed, reach: (runtime) => runtime.advance('1h') },
  { by: 'the end of its sleep', who: sleeping, reach: (runtime) => runtime.advance('1h') },
  { by: 'the answer to its token', who: asking, reach: (runtime) => runtime.complete(tokens.at(-1) ?? '', 7) },
  { by: 'the next attempt of its step', who: failing, reach: (runtime) => runtime.advance('1h') },
  { by: 'the end of its child', who: parent, reach: (runtime) => runtime.send('child', go, 7) },
  { by: 'an event that a workflow sends', who: direct, reach: (runtime) => runtime.start(sending, 'send') },
  { by: 'an event that a workflow publishes', who: keyed, reach: (runtime) => runtime.start(sending, 'publish') },
  {
    by: 'events for two of its tasks',
    who: inTasks,
    reach: async (runtime) => {
      await runtime.send('a', other, 3);
      await runtime.runUntilIdle();
      await runtime.send('a', go, 4);
    },
  },
];

/** The three ways of having left memory. */
const absences: readonly { readonly where: string; readonly leave: (runtime: TestRuntime, store: GatedStore) => Promise<TestRuntime> }[] = [
  { where: 'has been passivated', leave: async (runtime) => runtime },
  { where: 'was on disk at a crash', leave: (runtime) => runtime.crash() },
  {
    where: 'was on disk at a stop',
    leave: async (runtime, store) => {
      const startAt = runtime.now();
      await runtime.stop();
      return open(store, startAt);
    },
  },
];

function open(store: GatedStore, startAt?: number, options: { passivateAfter?: string } = {}): Promise<TestRuntime> {
  return createTestRuntime({
    workflows,
    store,
    maxResident: 0,
    logger: { log() {} },
    ...options,
    ...(startAt !== undefined && { startAt }),
  });
}

async function asleep(who: Def, leave = absences[0]?.leave): Promise<{ runtime: TestRuntime; store: GatedStore }> {
  const store = new GatedStore();
  failures.left = 1;
  const before = await open(store);
  await before.start(who as typeof direct, undefined, { id: 'a' });
  await before.runUntilIdle();
  const runtime = (await leave?.(before, store)) ?? before;
  await runtime.runUntilIdle();
  expect(runtime.health().resident).toBe(0);
  return { runtime, store };
}

describe.each(absences)('an instance that $where', ({ leave }) => {
  test.each(ways)('is woken by $by, once', async ({ who, reach }) => {
    const { runtime } = await asleep(who, leave);
    await reach(runtime);
    await runtime.runUntilIdle();
    expect(await runtime.instance('a').result()).toBe(7);
    expect(runtime.health()).toMatchObject({ resident: 0, parkedAddresses: 0, deadlines: 0, bufferedEvents: 0 });
  });

  test('is told of an error given for its token', async () => {
    const { runtime } = await asleep(asking, leave);
    await runtime.reject(tokens.at(-1) ?? '', new RangeError('no'));
    await expect(runtime.instance('a').result()).rejects.toMatchObject({ error: { name: 'RangeError', message: 'no' } });
  });

  test('is told when its child is cancelled', async () => {
    const { runtime } = await asleep(parent, leave);
    await runtime.instance('child').cancel();
    await runtime.runUntilIdle();
    await expect(runtime.instance('a').result()).rejects.toMatchObject({ code: 'WORKFLOW_FAILED' });
  });

  test('is cancelled once, and may clean up asleep', async () => {
    const { runtime } = await asleep(cleaning, leave);
    await runtime.instance('a').cancel('enough');
    await runtime.runUntilIdle();
    await runtime.instance('a').cancel('again');
    await runtime.runUntilIdle();
    expect((await runtime.instance('a').info()).status).toBe('sleeping');
    await runtime.send('a', other, 1);
    await expect(runtime.instance('a').result()).rejects.toMatchObject({
      error: { name: 'CancelledError', message: expect.stringContaining('enough') },
    });
  });

  test('is terminated where it sleeps', async () => {
    const { runtime } = await asleep(timed, leave);
    await runtime.instance('a').terminate();
    expect((await runtime.instance('a').info()).status).toBe('cancelled');
    expect(runtime.health()).toMatchObject({ instances: 1, parkedAddresses: 0, deadlines: 0 });
  });

  test('is waited for by who asks for its result, and by who gives up', async () => {
    const { runtime } = await asleep(direct, leave);
    const given = new AbortController();
    const first = watch(runtime.instance('a').result({ signal: given.signal }));
    const second = watch(runtime.instance('a').result());
    given.abort(new Error('no longer'));
    await runtime.send('a', go, 7);
    await breathe();
    expect([first.state, second.state]).toEqual(['rejected', 'resolved']);
  });

  test('is the same for who starts it again, and another for who starts something else', async () => {
    const { runtime } = await asleep(direct, leave);
    const again = await runtime.start(direct, undefined, { id: 'a' });
    await expect(runtime.start(keyed, undefined, { id: 'a' })).rejects.toMatchObject({ code: 'INSTANCE_CONFLICT' });
    await runtime.send('a', go, 7);
    expect(await again.result()).toBe(7);
    expect(runtime.health().instances).toBe(1);
  });

  test('keeps what it was sent and does not wait for, and knows the ids of it', async () => {
    const { runtime } = await asleep(cleaning, leave);
    expect(await runtime.send('a', other, 1, { id: 'e' })).toEqual({ status: 'buffered' });
    expect(await runtime.send('a', other, 1, { id: 'e' })).toEqual({ status: 'duplicate' });
    await runtime.send('a', go, 7);
    expect(await runtime.instance('a').result()).toBe(7);
  });

  test('is counted, listed and shown while it sleeps', async () => {
    const { runtime } = await asleep(parent, leave);
    const ids: string[] = [];
    for await (const { id, status } of runtime.list()) ids.push(`${id} ${status}`);
    expect(ids.sort()).toEqual(['a sleeping', 'child sleeping']);
    expect(runtime.health()).toMatchObject({ instances: 2, resident: 0 });
  });
});

describe('one that is asleep, and ephemeral children', () => {
  test('is told of the end of one that it calls', async () => {
    const { runtime } = await asleep(ofBrief);
    await runtime.send('brief', go, 7);
    await runtime.runUntilIdle();
    expect(await runtime.instance('a').result()).toBe(7);
  });

  test('finds the end of one that ended while it slept', async () => {
    const { runtime } = await asleep(asksLater);
    await runtime.send('brief', go, 7);
    await runtime.runUntilIdle();
    await runtime.send('a', other, 1);
    expect(await runtime.instance('a').result()).toBe(7);
    expect(runtime.health()).toMatchObject({ instances: 1, resident: 0 });
  });

  test('is told that one was lost with the process', async () => {
    const { runtime } = await asleep(ofBrief);
    const after = await runtime.crash();
    await after.runUntilIdle();
    await expect(after.instance('a').result()).rejects.toMatchObject({ error: { data: { error: { code: 'EPHEMERAL_LOST' } } } });
  });
});

describe('one that is asleep when a write fails', () => {
  test.each(ways)('is woken by $by all the same', async ({ who, reach }) => {
    const { runtime, store } = await asleep(who);
    store.failAppend(() => new StoreFullError());
    await reach(runtime).catch(() => {});
    await runtime.advance('10m');
    if ((await runtime.instance('a').info()).status !== 'completed') await reach(runtime);
    await runtime.advance('10m');
    expect(await runtime.instance('a').result()).toBe(7);
    expect(runtime.health()).toMatchObject({ resident: 0, parkedAddresses: 0, deadlines: 0 });
  });

  test('is woken after it when its deadline comes in the pause, though somebody looks for it meanwhile', async () => {
    const { runtime, store } = await asleep(sleeping);
    await runtime.advance(3_600_000 - 500);
    store.failAppend(() => new StoreFullError());
    await expect(runtime.start(direct, undefined, { id: 'b' })).rejects.toMatchObject({ code: 'STORE_FULL' });
    await runtime.advance(600);
    const result = watch(runtime.instance('a').result());
    await runtime.advance('1m');
    expect(result.state).toBe('resolved');
  });
});

describe('one whose record cannot be read', () => {
  const unreadable = () => new StoreReadError('its shard', 'EIO');

  async function unread(who: Def, options: { known?: boolean; times?: number } = {}): Promise<{ runtime: TestRuntime; store: GatedStore }> {
    const { runtime: before, store } = await asleep(who);
    const runtime = await before.crash(options.known === false ? { workflows: [] } : {});
    store.failRead('a', unreadable, options.times);
    return { runtime, store };
  }

  test('takes nothing, and goes on with all of it when it can be read and is retried', async () => {
    const { runtime, store } = await unread(keyed);
    expect(await runtime.publish(go, 'k', 7)).toEqual({ status: 'buffered' });
    store.mendReads();
    await runtime.instance('a').retry();
    expect(await runtime.instance('a').result()).toBe(7);
  });

  test('is reached by nothing while its retry fails for another reason', async () => {
    const { runtime, store } = await unread(keyed, { known: false });
    await expect(runtime.instance('a').retry()).rejects.toMatchObject({ code: 'STORE_READ' });
    store.mendReads();
    await expect(runtime.instance('a').retry()).rejects.toMatchObject({ code: 'UNKNOWN_WORKFLOW' });
    expect(runtime.health().parkedAddresses).toBe(0);
  });

  test('is woken again when it could be read after the write failed that was to say so', async () => {
    const { runtime, store } = await unread(keyed, { times: 4 });
    store.failAppend(() => new StoreFullError());
    await expect(runtime.publish(go, 'k', 1)).rejects.toMatchObject({ code: 'STORE_FULL' });
    await runtime.advance('1m');
    expect(await runtime.publish(go, 'k', 7)).toEqual({ status: 'delivered' });
    expect(await runtime.instance('a').result()).toBe(7);
  });

  test('takes nobody down when a write fails besides', async () => {
    const { runtime, store } = await unread(keyed);
    store.failAppend(() => new StoreFullError());
    await expect(runtime.publish(go, 'k', 1)).rejects.toMatchObject({ code: 'STORE_FULL' });
    await runtime.advance('1m');
    expect(runtime.health().live).toBe(true);
  });

  test('leaves nothing behind, when it was terminated, that would reach who has its id later', async () => {
    const store = new GatedStore();
    const options = { workflows, store, keepFinished: { age: '1h' }, logger: { log() {} } };
    const before = await createTestRuntime(options);
    await before.start(asking, undefined, { id: 'a' });
    await before.runUntilIdle();
    const token = tokens.at(-1) ?? '';
    const runtime = await before.crash();
    store.failRead('a', unreadable, 4);
    await expect(runtime.instance('a').cancel()).rejects.toMatchObject({ code: 'INSTANCE_STUCK' });
    await runtime.instance('a').terminate();
    await runtime.advance('2h');
    await runtime.start(direct, undefined, { id: 'a' });
    await expect(runtime.complete(token, 666)).rejects.toMatchObject({ code: expect.stringContaining('TOKEN') });
    expect((await runtime.instance('a').info()).status).toBe('sleeping');
  });

  test('takes the place of nobody else when it is read again', async () => {
    const gate = { open: false };
    const both = workflow('both', function* () {
      yield* spawn(() => step('waits', () => (gate.open ? 1 : new Promise<number>(() => {}))));
      return yield* receive(go, { key: 'k' });
    });
    const store = new GatedStore();
    const before = await createTestRuntime({ workflows: [both, keyed], store, logger: { log() {} } });
    await before.start(both, undefined, { id: 'a' });
    gate.open = true;
    store.failRead('a', unreadable);
    const runtime = await before.crash();
    for (const id of ['b', 'c', 'd']) await runtime.start(keyed, undefined, { id });
    store.mendReads();
    await runtime.instance('a').retry();
    await runtime.runUntilIdle();
    for (let n = 0; n < 4; n++) expect(await runtime.publish(go, 'k', n)).toEqual({ status: 'delivered' });
    for (const id of ['a', 'b', 'c', 'd']) expect((await runtime.instance(id).info()).status).toBe('completed');
  });

  test('tells its parent when it is read again and has ended', async () => {
    const { runtime: before, store } = await asleep(parent);
    store.hold('after');
    void before.send('child', go, 7).catch(() => {});
    await breathe();
    store.failRead('child', unreadable);
    const runtime = await before.crash();
    await runtime.runUntilIdle();
    store.mendReads();
    await runtime
      .instance('child')
      .retry()
      .catch(() => {});
    await runtime.runUntilIdle();
    expect(await runtime.instance('a').info()).toMatchObject({ status: 'completed' });
  });
});

test('instances that come and go are counted right', async () => {
  const runtime = await createTestRuntime({ workflows, store: memoryStore(), maxResident: 0, keepFinished: { count: 1 } });
  for (let n = 0; n < 5; n++) await runtime.start(direct, undefined, { id: `i${n}` });
  expect(runtime.health().instances).toBe(5);
  for (let n = 0; n < 5; n++) await runtime.send(`i${n}`, go, n);
  await runtime.runUntilIdle();
  expect(runtime.health()).toMatchObject({ instances: 1, resident: 0, parkedAddresses: 0 });
  const after = await runtime.crash();
  expect(after.health().instances).toBe(1);
});
