// G4, how events meet receivers: one event, one receive, in order, and none swallowed by a receive that is over.
// Mailboxes, duplicates, bounds and dead letters are in g4-mailboxes.test.ts.

import { describe, expect, test } from 'vitest';
import {
  all,
  event,
  publish,
  race,
  receive,
  receiveAny,
  send,
  sleep,
  spawn,
  step,
  TimeoutError,
  timeout,
  workflow,
} from '../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { Gate } from '../support/gate.js';
import { GatedStore } from '../support/gated-store.js';
import { breathe, watch } from '../support/promises.js';
import { residencies } from '../support/residency.js';

const go = event<number>('go');
const other = event<string>('other');

const once = workflow('once', function* (key: string) {
  return yield* receive(go, { key });
});
const twice = workflow('twice', function* (key: string) {
  return [yield* receive(go, { key }), yield* receive(go, { key })];
});
const three = workflow('three', function* () {
  return [yield* receive(go), yield* receive(go), yield* receive(go)];
});

describe.each(residencies)('instances $where', ({ options }) => {
  test('G4: an event goes to one receive, that of the instance that has slept longest', async () => {
    const { runtime, runUntilIdle } = await createTestRuntime({ ...options, workflows: [once] });
    const ids = ['b', 'a', 'c'];
    const results = [];
    for (const id of ids) results.push(watch((await runtime.start(once, 'k', { id })).result()));

    const seen: unknown[] = [];
    for (const n of [1, 2, 3]) {
      await runtime.publish(go, 'k', n);
      await runUntilIdle();
      seen.push(results.map((result) => result.value));
    }

    expect(seen).toEqual([
      [1, undefined, undefined],
      [1, 2, undefined],
      [1, 2, 3],
    ]);
  });

  test('G4: who receives again queues up behind those who slept meanwhile, also after a crash', async () => {
    let world: TestRuntime = await createTestRuntime({ ...options, workflows: [once, twice] });
    await world.start(twice, 'k', { id: 'a' });
    await world.start(once, 'k', { id: 'b' });
    await world.start(once, 'k', { id: 'c' });

    await world.publish(go, 'k', 1);
    world = await world.crash();
    for (const n of [2, 3, 4]) await world.publish(go, 'k', n);

    await expect(Promise.all(['a', 'b', 'c'].map((id) => world.instance(id).result()))).resolves.toEqual([[1, 4], 2, 3]);
  });

  test('G4: events at one address are received in their order, those before the receive and those after it', async () => {
    const many = workflow('many', function* () {
      const seen: number[] = [];
      yield* sleep('1h');
      for (let n = 0; n < 6; n++) seen.push(yield* receive(go));
      return seen;
    });
    let world: TestRuntime = await createTestRuntime({ ...options, workflows: [many] });
    await world.start(many, undefined, { id: 'a' });

    const early = await Promise.all([1, 2].map((n) => world.send('a', go, n)));
    await world.send('a', go, 3);
    world = await world.crash();
    await world.send('a', go, 4);
    await world.advance('1h');
    const late = [await world.send('a', go, 5), await world.send('a', go, 6)];

    await expect(world.instance('a').result()).resolves.toEqual([1, 2, 3, 4, 5, 6]);
    expect([...early, ...late].map(({ status }) => status)).toEqual(['buffered', 'buffered', 'delivered', 'delivered']);
  });

  test('G4: two receives of one instance at one address get one event each, in the order in which they were asked for', async () => {
    const both = workflow('both', () => all([receive(go), receive(go), receive(go, { key: 'k' }), receive(go, { key: 'k' })]));
    const { runtime } = await createTestRuntime({ ...options, workflows: [both] });
    const instance = await runtime.start(both);

    for (const n of [1, 2]) await instance.send(go, n);
    for (const n of [3, 4]) await runtime.publish(go, 'k', n);

    await expect(instance.result()).resolves.toEqual([1, 2, 3, 4]);
  });

  test('G4: an event with a key may come before the instance exists', async () => {
    const { runtime, crash } = await createTestRuntime({ ...options, workflows: [once] });
    const delivery = await runtime.publish(go, 'k', 1);
    const recovered = await crash();

    const instance = await recovered.start(once, 'k');

    expect(delivery).toEqual({ status: 'buffered' });
    await expect(instance.result()).resolves.toBe(1);
  });

  test('G4: an event that comes while a step runs waits for the receive behind it', async () => {
    const held = new Gate();
    const working = workflow('working', function* () {
      yield* step('work', () => held.passed);
      return yield* receive(go);
    });
    const { runtime } = await createTestRuntime({ ...options, workflows: [working] });
    const instance = await runtime.start(working);

    const delivery = await instance.send(go, 1);
    held.open();

    expect(delivery).toEqual({ status: 'buffered' });
    await expect(instance.result()).resolves.toBe(1);
  });

  test('G4: an event that comes while the commit of the receive is on its way is received once', async () => {
    const store = new GatedStore();
    const { runtime, runUntilIdle } = await createTestRuntime({ ...options, workflows: [once, twice], store });

    store.hold();
    const started = watch(runtime.start(twice, 'k', { id: 'a' }));
    await breathe();
    const published = watch(runtime.publish(go, 'k', 1));
    await breathe();
    const whileHeld = [started.state, published.state];
    store.release();
    await runUntilIdle();

    expect(whileHeld).toEqual(['pending', 'pending']);
    expect(published.value).toEqual({ status: 'delivered' });
    await runtime.publish(go, 'k', 2);
    await expect(runtime.instance('a').result()).resolves.toEqual([1, 2]);
  });

  test('G4: events in flight together reach receives in flight together, in order and once each', async () => {
    const store = new GatedStore();
    const { runtime, runUntilIdle } = await createTestRuntime({ ...options, workflows: [twice], store });
    await runtime.start(twice, 'k', { id: 'a' });
    await runtime.start(twice, 'k', { id: 'b' });

    store.hold();
    const published = [1, 2, 3, 4, 5].map((n) => watch(runtime.publish(go, 'k', n)));
    await breathe();
    store.release();
    await runUntilIdle();
    await runtime.start(twice, 'k', { id: 'c' });
    await runtime.publish(go, 'k', 6);

    expect(published.map((each) => each.value?.status)).toEqual(['delivered', 'delivered', 'delivered', 'delivered', 'buffered']);
    await expect(Promise.all(['a', 'b', 'c'].map((id) => runtime.instance(id).result()))).resolves.toEqual([
      [1, 3],
      [2, 4],
      [5, 6],
    ]);
  });

  test('G4: a receive that timed out swallows nothing', async () => {
    const patient = workflow('patient', function* () {
      const first: unknown = yield* timed();
      return [first, yield* receive(go, { key: 'k' })];
    });
    const { runtime, advance } = await createTestRuntime({ ...options, workflows: [patient] });
    const instance = await runtime.start(patient);

    await advance('1h');
    await runtime.publish(go, 'k', 1);

    await expect(instance.result()).resolves.toEqual(['timed out', 1]);
  });

  test('G4: a receive whose time is up while that is being written swallows nothing', async () => {
    const patient = workflow('patient', function* () {
      const first: unknown = yield* timed();
      yield* sleep('1h');
      return [first, yield* receive(go, { key: 'k' })];
    });
    const store = new GatedStore();
    const { runtime, advance } = await createTestRuntime({ ...options, workflows: [patient], store });
    const instance = await runtime.start(patient);

    store.hold();
    await advance('1h');
    const published = watch(runtime.publish(go, 'k', 1));
    await breathe();
    store.release();
    await advance('1h');

    expect(published.value).toEqual({ status: 'buffered' });
    await expect(instance.result()).resolves.toEqual(['timed out', 1]);
  });

  test('G4: a receive whose event is being written does not time out meanwhile', async () => {
    const store = new GatedStore();
    const patient = workflow('patient', timed);
    const { runtime, advance } = await createTestRuntime({ ...options, workflows: [patient], store });
    const instance = await runtime.start(patient);

    store.hold();
    const published = watch(runtime.publish(go, 'k', 1));
    await breathe();
    await advance('2h');
    store.release();
    await breathe();

    expect(published.value).toEqual({ status: 'delivered' });
    await expect(instance.result()).resolves.toBe(1);
  });

  test('G4: a receive that lost a race, or was cancelled, swallows nothing', async () => {
    const racing = workflow('racing', function* () {
      const first = yield* race([receive(go, { key: 'k' }), receive(other)]);
      const task = yield* spawn(() => receive(go, { key: 'k' }));
      yield* receive(other);
      yield* task.cancel();
      const late = yield* timeout('1h', receive(go, { key: 'k' }), { orElse: 'none' });
      yield* receive(other);
      return [first, late, yield* receive(go, { key: 'k' })];
    });
    const { runtime, advance, runUntilIdle } = await createTestRuntime({ ...options, workflows: [racing] });
    const instance = await runtime.start(racing);

    await instance.send(other, 'first');
    await instance.send(other, 'cancel');
    await advance('1h');
    await runtime.publish(go, 'k', 1);
    await instance.send(other, 'last');
    await runUntilIdle();

    await expect(instance.result()).resolves.toEqual(['first', 'none', 1]);
  });

  test('G4: of two events that come together for a race one wins, and the other waits for the next receive', async () => {
    const racing = workflow('racing', function* () {
      const first = yield* race([receive(go), receive(other)]);
      return [first, yield* receive(go), yield* receive(go, { key: 'k' })];
    });
    const { runtime, runUntilIdle } = await createTestRuntime({ ...options, workflows: [racing] });
    const instance = await runtime.start(racing);

    const deliveries = await Promise.all([instance.send(other, 'won'), instance.send(go, 1), runtime.publish(go, 'k', 2)]);
    await runUntilIdle();

    expect(deliveries.map(({ status }) => status)).toEqual(['delivered', 'delivered', 'delivered']);
    await expect(instance.result()).resolves.toEqual(['won', 1, 2]);
  });

  test('G4: an instance that was cancelled, terminated or has ended swallows nothing', async () => {
    const { runtime } = await createTestRuntime({ ...options, workflows: [once] });
    await runtime.start(once, 'k', { id: 'a' });
    await runtime.start(once, 'k', { id: 'b' });
    await runtime.start(once, 'k', { id: 'c' });

    await Promise.all([runtime.instance('a').cancel(), runtime.instance('b').terminate(), runtime.publish(go, 'k', 1)]);
    const deliveries = [await runtime.publish(go, 'k', 2)];
    await runtime.start(once, 'k', { id: 'd' });

    expect(deliveries).toEqual([{ status: 'buffered' }]);
    await expect(Promise.all(['c', 'd'].map((id) => runtime.instance(id).result()))).resolves.toEqual([1, 2]);
  });

  test('G4: receiveAny takes one event and leaves the others where they are', async () => {
    const any = workflow('any', function* () {
      const first = yield* receiveAny({ direct: go, keyed: { event: go, key: 'k' }, other });
      const second = yield* receiveAny([go, other]);
      return [first, second, yield* receive(go, { key: 'k' })];
    });
    const { runtime } = await createTestRuntime({ ...options, workflows: [any] });
    const instance = await runtime.start(any);

    await Promise.all([instance.send(other, 'a'), runtime.publish(go, 'k', 1), instance.send(go, 2)]);

    await expect(instance.result()).resolves.toEqual([{ key: 'other', value: 'a' }, { event: 'go', payload: 2 }, 1]);
  });

  test('G4: events that workflows send are received once and in order, one to the sender itself included', async () => {
    const sender = workflow('sender', function* (to: string) {
      yield* send(to, go, 1);
      yield* publish(other, 'k', 'x');
      yield* send(to, go, 2);
      yield* send('s', go, 3);
      yield* send(to, go, 4);
      return [yield* receive(go), yield* receive(other, { key: 'k' })];
    });
    const { runtime, runUntilIdle } = await createTestRuntime({ ...options, workflows: [three, sender] });
    const receiver = await runtime.start(three, undefined, { id: 'r' });
    const sending = await runtime.start(sender, 'r', { id: 's' });
    await runUntilIdle();

    await expect(receiver.result()).resolves.toEqual([1, 2, 4]);
    await expect(sending.result()).resolves.toEqual([3, 'x']);
  });

  test('G4: an event does not overtake one that a workflow has sent and that is still being written', async () => {
    const sender = workflow('sender', function* () {
      yield* send('r', go, 1);
    });
    const store = new GatedStore();
    const { runtime, runUntilIdle } = await createTestRuntime({ ...options, workflows: [three, sender], store });
    const receiver = await runtime.start(three, undefined, { id: 'r' });

    store.hold();
    const started = watch(runtime.start(sender));
    await breathe();
    const sent = watch(receiver.send(go, 2));
    await breathe();
    store.release();
    await runUntilIdle();
    await receiver.send(go, 3);

    expect([started.state, sent.state]).toEqual(['resolved', 'resolved']);
    await expect(receiver.result()).resolves.toEqual([1, 2, 3]);
  });
});

function* timed() {
  try {
    return yield* receive(go, { key: 'k', timeout: '1h' });
  } catch (error) {
    if (error instanceof TimeoutError) return 'timed out';
    throw error;
  }
}
