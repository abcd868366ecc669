// G4, where events wait: mailboxes that a crash does not touch, duplicates, bounds and dead letters.

import { describe, expect, test } from 'vitest';
import { event, MailboxFullError, publish, receive, StoreFullError, send, sleep, step, workflow } from '../../src/index.js';
import { limits } from '../../src/runtime/limits.js';
import { MailboxMap } from '../../src/runtime/mailbox-map.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { GatedStore } from '../support/gated-store.js';
import { breathe, watch } from '../support/promises.js';
import { rejectionOf } from '../support/rejection.js';
import { residencies } from '../support/residency.js';

const go = event<number>('go');
const other = event<number>('other');
const brief = event<number>('brief', undefined, { expiresAfter: '1h' });

const once = workflow('once', function* (key: string) {
  return yield* receive(go, { key });
});
const direct = workflow('direct', function* () {
  return yield* receive(go);
});

async function letters(runtime: TestRuntime) {
  const found = [];
  for await (const letter of runtime.deadLetters()) found.push(letter);
  return found;
}

describe.each(residencies)('instances $where', ({ options }) => {
  test('G4: a repeated event id is answered duplicate: while it waits, when it was received, and after a crash', async () => {
    const taking = workflow('taking', function* () {
      return [yield* receive(go, { key: 'k' }), yield* receive(go, { key: 'k' })];
    });
    const world = await createTestRuntime({ ...options, workflows: [taking] });
    const said: string[] = [];
    const say = async (runtime: TestRuntime, n: number, id: string) => said.push((await runtime.publish(go, 'k', n, { id })).status);

    await say(world, 1, 'e1');
    await say(world, 2, 'e1');
    await world.start(taking, undefined, { id: 'a' });
    await say(world, 3, 'e1');
    const recovered = await world.crash();
    await say(recovered, 4, 'e1');
    await say(recovered, 5, 'e2');
    await say(recovered, 6, 'e2');

    expect(said).toEqual(['buffered', 'duplicate', 'duplicate', 'duplicate', 'delivered', 'duplicate']);
    await expect(recovered.instance('a').result()).resolves.toEqual([1, 5]);
  });

  test('G4: an event id counts at one address only', async () => {
    const { runtime } = await createTestRuntime({ ...options, workflows: [direct] });
    await runtime.start(direct, undefined, { id: 'k' });
    await runtime.start(direct, undefined, { id: 'l' });
    const id = { id: 'same' };

    const deliveries = [
      await runtime.publish(go, 'k', 1, id),
      await runtime.publish(go, 'l', 1, id),
      await runtime.publish(other, 'k', 1, id),
      await runtime.send('k', go, 1, id),
      await runtime.send('l', go, 1, id),
      await runtime.send('l', go, 1, id),
    ];

    expect(deliveries.map(({ status }) => status)).toEqual(['buffered', 'buffered', 'buffered', 'delivered', 'delivered', 'duplicate']);
  });

  test('G4: to an ended instance a repeated event is a duplicate and a new one is refused, also after a crash', async () => {
    let world: TestRuntime = await createTestRuntime({ ...options, workflows: [direct] });
    await world.start(direct, undefined, { id: 'a' });
    await world.send('a', go, 1, { id: 'e1' });
    await world.instance('a').result();

    for (let n = 0; n < 2; n++) {
      await expect(world.send('a', go, 2, { id: 'e1' })).resolves.toEqual({ status: 'duplicate' });
      await expect(world.send('a', go, 2, { id: 'e2' })).rejects.toMatchObject({ code: 'INSTANCE_ENDED', status: 'completed' });
      await expect(world.send('a', go, 2)).rejects.toMatchObject({ code: 'INSTANCE_ENDED', instanceId: 'a' });
      world = await world.crash();
    }
  });

  test('G4: events sent to an instance live as long as it does', async () => {
    const slow = workflow('slow', function* () {
      yield* sleep('400 days');
      return yield* receive(go);
    });
    const { runtime, advance, crash } = await createTestRuntime({ ...options, workflows: [slow] });
    await runtime.start(slow, undefined, { id: 'a' });
    await runtime.send('a', go, 1);

    await advance('200 days');
    const recovered = await crash();
    await recovered.advance('200 days');

    await expect(recovered.instance('a').result()).resolves.toBe(1);
    await expect(letters(recovered)).resolves.toEqual([]);
  });

  test('G4: a keyed event is kept for 30 days, and is then a dead letter that can be seen and redelivered', async () => {
    const { runtime, advance, crash, now, logged } = await createTestRuntime({ ...options, workflows: [once] });
    const acceptedAt = now();
    await runtime.publish(go, 'k', 1, { id: 'e1' });

    await advance(30 * 86_400_000 - 1);
    const before = await letters(runtime);
    await advance(1);
    const world = await crash();
    const [letter, ...more] = await letters(world);
    const late = await world.start(once, 'k');
    await world.runUntilIdle();

    expect(before).toEqual([]);
    expect(letter).toMatchObject({ payload: 1, acceptedAt, address: expect.stringContaining('"k"') });
    expect(more).toEqual([]);
    expect(logged).toContainEqual(expect.objectContaining({ level: 'warn', message: expect.stringContaining('dead letter') }));
    expect(await late.info()).toMatchObject({ status: 'sleeping' });
    await expect(world.redeliver(letter?.id ?? '')).resolves.toEqual({ status: 'delivered' });
    await expect(late.result()).resolves.toBe(1);
    await expect(letters(world)).resolves.toEqual([]);
    await expect(world.redeliver(letter?.id ?? '')).rejects.toMatchObject({ code: 'UNKNOWN_EVENT' });
  });

  test('G4: a keyed event that is received in its last millisecond is no dead letter', async () => {
    const { runtime, advance } = await createTestRuntime({ ...options, workflows: [once] });
    await runtime.publish(go, 'k', 1);

    await advance(30 * 86_400_000 - 1);
    const instance = await runtime.start(once, 'k');
    await advance('1 day');

    await expect(instance.result()).resolves.toBe(1);
    await expect(letters(runtime)).resolves.toEqual([]);
  });
});

test('G4: how long a keyed event is kept can be said for its type, and a redelivered one is kept as long again', async () => {
  const { runtime, advance } = await createTestRuntime({ workflows: [], events: [brief] });
  await runtime.publish(brief, 'k', 1);
  await runtime.publish(go, 'k', 1);
  await advance('30 minutes');
  await runtime.publish(brief, 'k', 2);

  await advance('30 minutes');
  const [first] = await letters(runtime);
  await advance('30 minutes');
  const both = await letters(runtime);
  const again = await runtime.redeliver(first?.id ?? '');
  const meanwhile = await letters(runtime);
  await advance('1h');

  expect(first?.payload).toBe(1);
  expect(both.map(({ payload }) => payload)).toEqual([1, 2]);
  expect(again).toEqual({ status: 'buffered' });
  expect(meanwhile.map(({ payload }) => payload)).toEqual([2]);
  expect((await letters(runtime)).map(({ payload }) => payload)).toEqual([2, 1]);
});

test('G4: an event that was received leaves no deadline behind', async () => {
  const { runtime, runUntilIdle } = await createTestRuntime({ workflows: [once] });
  for (let n = 0; n < 10; n++) await runtime.publish(go, `k${n}`, n);
  const buffered = runtime.health().deadlines;

  const handles = await Promise.all(Array.from({ length: 10 }, (_, n) => runtime.start(once, `k${n}`)));
  await Promise.all(handles.map((handle) => handle.result()));
  await runUntilIdle();

  expect(buffered).toBe(10);
  // What is left is when the ended instances are removed.
  expect(runtime.health()).toMatchObject({ deadlines: 0, bufferedEvents: 0 });
});

test('G4: an event that expired while nothing ran becomes a dead letter at recovery', async () => {
  const store = new GatedStore();
  const first = await createTestRuntime({ workflows: [once], store });
  await first.publish(go, 'k', 1);
  await first.stop();

  const second = await createTestRuntime({ workflows: [once], store, startAt: first.now() + 31 * 86_400_000 });
  await second.runUntilIdle();

  expect((await letters(second)).map(({ payload }) => payload)).toEqual([1]);
});

test('G4: a duplicate is told only when the original is on disk, and shares its failure', async () => {
  const store = new GatedStore();
  const { runtime, runUntilIdle } = await createTestRuntime({ workflows: [], store });

  store.hold();
  const original = watch(runtime.publish(go, 'k', 1, { id: 'e1' }));
  await breathe();
  const repeated = watch(runtime.publish(go, 'k', 1, { id: 'e1' }));
  await breathe();
  const whileHeld = [original.state, repeated.state];
  store.failAppend(() => new StoreFullError());
  store.release();
  await runUntilIdle();

  expect(whileHeld).toEqual(['pending', 'pending']);
  expect([original.error, repeated.error]).toEqual([expect.any(StoreFullError), expect.any(StoreFullError)]);
  await expect(runtime.publish(go, 'k', 1, { id: 'e1' })).resolves.toEqual({ status: 'buffered' });
});

test('G4: an event id is remembered for 24 hours', async () => {
  const { runtime, advance, crash } = await createTestRuntime({ workflows: [] });
  const again = async (world: TestRuntime) => (await world.publish(go, 'k', 1, { id: 'e1' })).status;

  const first = await again(runtime);
  await advance(86_400_000);
  const recovered = await crash();
  const atTheEnd = await again(recovered);
  await recovered.advance(1);
  const later = await again(recovered);
  const repeated = await again(recovered);

  expect([first, atTheEnd, later, repeated]).toEqual(['buffered', 'duplicate', 'buffered', 'duplicate']);
});

test('G4: event ids that are not remembered any more leave nothing behind', async () => {
  const { runtime, advance, crash } = await createTestRuntime({ workflows: [once] });
  for (let n = 0; n < 10; n++) {
    const instance = await runtime.start(once, `k${n}`);
    await runtime.publish(go, `k${n}`, n, { id: 'e1' });
    await instance.result();
  }
  const before = runtime.health().store;

  await advance('49 hours');
  const after = runtime.health().store;
  const recovered = await crash();

  expect(before).toMatchObject({ mailboxes: 10 });
  expect(after).toMatchObject({ mailboxes: 0 });
  expect(recovered.health().store).toMatchObject({ mailboxes: 0 });
});

test('G4: a workflow that repeats an event id is answered duplicate, the same in a replay', async () => {
  const repeating = workflow('repeating', function* () {
    const said = [];
    for (const id of ['e1', 'e1', 'e2']) said.push((yield* publish(go, 'k', 1, { id })).status);
    yield* receive(go);
    return said;
  });
  const { runtime, crash } = await createTestRuntime({ workflows: [repeating] });
  await runtime.start(repeating, undefined, { id: 'a' });
  const recovered = await crash();
  await recovered.send('a', go, 1);

  await expect(recovered.instance('a').result()).resolves.toEqual(['buffered', 'duplicate', 'buffered']);
  expect(recovered.health()).toMatchObject({ bufferedEvents: 2 });
});

test('G4: a million event ids are remembered at an address, and then the oldest is forgotten', () => {
  const mailboxes = new MailboxMap();
  const remember = (n: number) => mailboxes.remember('#go\nk', `e${n}`, 0).forgotten;

  for (let n = 0; n < limits.seenIdsMax; n++) remember(n);
  const before = mailboxes.hasSeen('#go\nk', 'e0', 0);
  const forgotten = remember(limits.seenIdsMax);

  expect(limits.seenIdsMax).toBe(1_000_000);
  expect(before).toBe(true);
  expect(forgotten).toEqual(['e0']);
  expect(mailboxes.hasSeen('#go\nk', 'e1', 0)).toBe(true);
});

describe('a full mailbox', () => {
  async function filled() {
    const draining = workflow('draining', function* (key: string) {
      const seen: number[] = [];
      for (let n = 0; n < limits.mailboxEventsMax; n++) seen.push(yield* receive(go, { key }));
      return seen;
    });
    const telling = workflow('telling', function* () {
      let said = 'accepted';
      try {
        yield* publish(go, 'k', -1);
      } catch (error) {
        said = (error as MailboxFullError).code;
      }
      yield* step('a wait', () => undefined);
      return said;
    });
    const world = await createTestRuntime({ workflows: [draining, telling] });
    for (let n = 0; n < limits.mailboxEventsMax; n += 500)
      await Promise.all(Array.from({ length: 500 }, (_, m) => world.publish(go, 'k', n + m)));
    return { world, draining, telling };
  }

  test('G4: over the bound the sender is told, and what was accepted is all received', async () => {
    const { world, draining } = await filled();

    const refused = await rejectionOf(world.publish(go, 'k', -1, { id: 'late' }), MailboxFullError);
    const elsewhere = await world.publish(go, 'l', 1);
    const recovered = await world.crash();
    const still = await rejectionOf(recovered.publish(go, 'k', -1), MailboxFullError);
    const instance = await recovered.start(draining, 'k');
    const received = await instance.result();
    const after = await recovered.publish(go, 'k', -1, { id: 'late' });

    expect(refused).toMatchObject({ code: 'MAILBOX_FULL', limit: 10_000, message: expect.stringContaining('mailboxEventsMax') });
    expect(still.address).toContain('"k"');
    expect(elsewhere).toEqual({ status: 'buffered' });
    expect(received).toEqual(Array.from({ length: 10_000 }, (_, n) => n));
    expect(after).toEqual({ status: 'buffered' });
  });

  test('G4: over the bound a workflow that sends is told, the same in a replay', async () => {
    const { world, telling } = await filled();

    await world.start(telling, undefined, { id: 't' });
    const recovered = await world.crash();

    await expect(recovered.instance('t').result()).resolves.toBe('MAILBOX_FULL');
  });
});

test('G4: an event sent by a workflow and not yet received at a crash is received once afterwards', async () => {
  const sender = workflow('sender', function* () {
    yield* send('r', go, 1);
    yield* send('r', go, 2);
  });
  const taking = workflow('taking', function* () {
    return [yield* receive(go), yield* receive(go), yield* receive(go)];
  });
  const store = new GatedStore();
  const { runtime, crash } = await createTestRuntime({ workflows: [sender, taking], store });
  await runtime.start(taking, undefined, { id: 'r' });

  store.hold('after');
  const started = watch(runtime.start(sender));
  await breathe();
  const recovered = await crash();
  await recovered.runUntilIdle();
  await recovered.send('r', go, 3);

  expect(started.state).toBe('pending');
  await expect(recovered.instance('r').result()).resolves.toEqual([1, 2, 3]);
});

test('G4: an event whose reception could not be written is received later', async () => {
  const publishing = workflow('publishing', function* () {
    yield* publish(go, 'k', 1);
  });
  const store = new GatedStore();
  const { runtime, advance } = await createTestRuntime({ workflows: [once, publishing], store });
  const instance = await runtime.start(once, 'k');

  store.failAppend(() => new StoreFullError(), { after: 1 });
  const result = watch(instance.result());
  await runtime.start(publishing);
  await breathe();
  const whileFull = { status: (await instance.info()).status, buffered: runtime.health().bufferedEvents };
  await advance('1 minute');

  expect(whileFull).toEqual({ status: 'sleeping', buffered: 1 });
  expect(result.value).toBe(1);
});
