// What a review found, each kept from coming back.

import { expect, test } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import { call, event, fromWorkflow, now, type Operation, race, receive, sleep, startChild, step, workflow } from '../src/index.js';
import { limits } from '../src/runtime/limits.js';
import { MailboxMap } from '../src/runtime/mailbox-map.js';
import { foldMailbox } from '../src/runtime/mailbox-record.js';
import { createTestRuntime } from '../src/testing.js';
import { RecordingStore, storeAfter } from './support/committed-history.js';
import { failureOf } from './support/rejection.js';

const go = event<string>('go');
const sleeping = workflow('sleeping', function* () {
  yield* sleep('1 hour');
});

test('a child that its caller gave up before its first turn is cancelled after a crash, not stuck', async () => {
  const parent = workflow('parent', function* () {
    yield* race([call(sleeping, undefined, { id: 'c' }), now()]);
  });
  const store = new RecordingStore();
  const world = await createTestRuntime({ workflows: [parent, sleeping], store });
  await world.start(parent, undefined, { id: 'p' });

  const crashed = await storeAfter(store.history.slice(0, 1));
  const recovered = await createTestRuntime({ workflows: [parent, sleeping], store: crashed });
  await recovered.runUntilIdle();

  expect(await recovered.instance('c').info()).toMatchObject({ status: 'cancelled' });
});

test('a child that is cancelled from outside before its first turn is cancelled', async () => {
  const parent = workflow('parent', function* () {
    yield* startChild(sleeping, undefined, { id: 'c' });
  });
  const world = await createTestRuntime({ workflows: [parent, sleeping] });

  const started = world.start(parent);
  const cancelled = world.instance('c').cancel('too early');
  await Promise.all([started, cancelled]);
  await world.runUntilIdle();

  expect(await world.instance('c').info()).toMatchObject({ status: 'cancelled' });
});

test('an event id that is remembered anew while it is forgotten stays remembered', () => {
  const map = new MailboxMap();
  map.remember('#go\nk', 'x', 0);

  const { forgotten } = map.remember('#go\nk', 'x', limits.seenIdsMs + 1);
  const onDisk = foldMailbox('#go\nk', [{ s: [['x', 0]] }, { s: [['x', limits.seenIdsMs + 1]], f: ['x'] }]);

  expect(forgotten).toEqual([]);
  expect(onDisk?.seen.get('x')).toBe(limits.seenIdsMs + 1);
});

test('a body that goes on asking for what it is refused is stuck, and the process goes on', async () => {
  const stubborn = workflow('stubborn', function* (): Operation<void> {
    for (;;) {
      try {
        yield undefined as never;
      } catch {
        // It learns nothing.
      }
    }
  });
  const world = await createTestRuntime({ workflows: [stubborn, sleeping] });

  await world.start(stubborn, undefined, { id: 's' });

  expect(await world.instance('s').info()).toMatchObject({ status: 'stuck', error: { name: 'AuthoringError' } });
  const other = await world.start(sleeping);
  await world.advance('1 hour');
  await expect(other.result()).resolves.toBeUndefined();
});

test('a retry predicate that throws ends the retries of its step, alone and under the runtime', async () => {
  const retryable = () => {
    throw new Error('predicate');
  };
  const failing = workflow('failing', function* () {
    yield* step('fail', () => Promise.reject(new RangeError('no')), { retry: { retryable } });
  });
  const world = await createTestRuntime({ workflows: [failing] });

  const actor = createActor(fromWorkflow(failing), { input: undefined });
  const alone = new Promise<unknown>((resolve) => actor.subscribe({ error: resolve }));
  actor.start();

  expect(await failureOf(await world.start(failing))).toMatchObject({ name: 'RangeError' });
  await expect(alone).resolves.toMatchObject({ name: 'RangeError' });
});

test('an actor by itself outlives an event that cannot be taken', () => {
  const waiting = workflow('waiting', function* () {
    return yield* receive(go);
  });
  const actor = createActor(fromWorkflow(waiting), { input: undefined, logger: () => {} }).start();

  actor.send({ type: 'rouse.event', event: go, payload: () => 'a function' });
  actor.send({ type: 'rouse.event', event: go, payload: 'fine' });

  expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: 'fine' });
});

test('an actor that was persisted before it was started begins when it is restored', () => {
  const greeting = workflow('greeting', function* (name: string) {
    yield* sleep('1 minute');
    return `Hello, ${name}!`;
  });
  const snapshot = JSON.parse(JSON.stringify(createActor(fromWorkflow(greeting), { input: 'Ada' }).getPersistedSnapshot()));
  const clock = new SimulatedClock();

  const actor = createActor(fromWorkflow(greeting), { snapshot, input: 'Ada', clock }).start();
  clock.increment(60_000);

  expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: 'Hello, Ada!' });
});
