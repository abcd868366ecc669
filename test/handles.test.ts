// Instances as the outside knows them: how they are started and found, what can be asked of one that has ended, how long
// it stays, and who is told what.

import { describe, expect, test } from 'vitest';
import { event, receive, sleep, startChild, step, workflow } from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';
import { failureOf } from './support/rejection.js';
import { residencies } from './support/residency.js';

const go = event<unknown>('go');
const taking = workflow('taking', function* (_input: unknown) {
  return yield* receive(go);
});
const other = workflow('other', function* (_input: unknown) {
  return yield* receive(go);
});
const failing = workflow('failing', function* (_input: unknown) {
  yield* receive(go);
  throw new RangeError('out of range');
});
const workflows = [taking, other, failing];

describe.each(residencies)('instances $where', ({ options }) => {
  test('a repeated start with the same workflow and input gives the same instance: running, ended, and after a crash', async () => {
    let world: TestRuntime = await createTestRuntime({ ...options, workflows });
    const input = { a: 1, b: [new Date(0)] };
    const again = { b: [new Date(0)], a: 1 };
    await world.start(taking, input, { id: 'a' });

    const running = await world.start(taking, again, { id: 'a' });
    await running.send(go, 7);
    const ended = await world.start(taking, again, { id: 'a' });
    world = await world.crash();
    const recovered = await world.start(taking, again, { id: 'a' });

    for (const handle of [running, ended, recovered]) expect(handle.id).toBe('a');
    await expect(ended.info().catch(({ code }) => code)).resolves.toBe('RUNTIME_STOPPED');
    await expect(recovered.result()).resolves.toBe(7);
    expect(world.health().instances).toBe(1);
  });

  test('a start with a used id and another workflow or input is InstanceConflictError, which says what differs', async () => {
    let world: TestRuntime = await createTestRuntime({ ...options, workflows });
    await world.start(taking, { n: 1 }, { id: 'a' });
    const conflict = (runtime: TestRuntime) => [
      runtime.start(other, { n: 1 }, { id: 'a' }).catch((error) => [error.code, error.difference]),
      runtime.start(taking, { n: 2 }, { id: 'a' }).catch((error) => [error.code, error.difference]),
      runtime.start(taking, { n: 1, m: undefined }, { id: 'a' }).catch((error) => [error.code, error.difference]),
    ];
    const expected = [
      ['INSTANCE_CONFLICT', 'workflow'],
      ['INSTANCE_CONFLICT', 'input'],
      ['INSTANCE_CONFLICT', 'input'],
    ];

    await expect(Promise.all(conflict(world))).resolves.toEqual(expected);
    world = await world.crash();
    await expect(Promise.all(conflict(world))).resolves.toEqual(expected);
    await world.send('a', go, 1);
    await expect(Promise.all(conflict(world))).resolves.toEqual(expected);
  });

  test('an ended instance stays readable for 7 days, also over a crash, and its id is free again afterwards', async () => {
    let world: TestRuntime = await createTestRuntime({ ...options, workflows });
    await world.start(taking, 1, { id: 'a' });
    await world.send('a', go, 'first', { id: 'e1' });
    const endedAt = world.now();

    await world.advance('3 days');
    world = await world.crash();
    await world.advance(4 * 86_400_000 - 1);
    const last = await world.instance('a').info();
    await world.advance(1);
    const gone = await Promise.all(
      [world.instance('a').info(), world.instance('a').result(), world.send('a', go, 1), world.query('a', 'x')].map((asked) =>
        asked.then(
          () => 'found',
          ({ code }) => code,
        ),
      ),
    );
    const again = await world.start(taking, 2, { id: 'a' });
    await again.send(go, 'second', { id: 'e1' });

    expect(last).toMatchObject({ status: 'completed', endedAt });
    expect(gone).toEqual(['INSTANCE_NOT_FOUND', 'INSTANCE_NOT_FOUND', 'INSTANCE_NOT_FOUND', 'INSTANCE_NOT_FOUND']);
    await expect(again.result()).resolves.toBe('second');
  });

  test('what cannot be done to an ended instance is InstanceEndedError; a repeated cancel or terminate is not', async () => {
    const world = await createTestRuntime({ ...options, workflows });
    for (const id of ['done', 'cancelled', 'terminated']) await world.start(taking, 1, { id });
    await world.send('done', go, 1);
    await world.instance('cancelled').cancel('why not');
    await world.instance('terminated').terminate();
    await world.runUntilIdle();

    const done = world.instance('done');
    await expect(done.cancel()).rejects.toMatchObject({ code: 'INSTANCE_ENDED', status: 'completed' });
    await expect(done.terminate()).rejects.toMatchObject({ code: 'INSTANCE_ENDED' });
    await expect(done.send(go, 1)).rejects.toMatchObject({ code: 'INSTANCE_ENDED' });
    await expect(done.retry()).rejects.toMatchObject({ code: 'INSTANCE_NOT_STUCK', status: 'completed' });
    for (const id of ['cancelled', 'terminated']) {
      await expect(world.instance(id).cancel()).resolves.toBeUndefined();
      await expect(world.instance(id).terminate()).resolves.toBeUndefined();
    }
  });

  test('the result of a cancelled or terminated instance rejects with CancelledError as data, also after a crash', async () => {
    const world = await createTestRuntime({ ...options, workflows });
    await world.start(taking, 1, { id: 'cancelled' });
    await world.start(taking, 1, { id: 'terminated' });
    const waiting = watch(world.instance('cancelled').result());
    await world.instance('cancelled').cancel('no longer wanted');
    await world.instance('terminated').terminate('enough');
    await world.runUntilIdle();
    const recovered = await world.crash();

    expect(waiting.error).toMatchObject({ code: 'WORKFLOW_FAILED', error: { name: 'CancelledError' } });
    expect(await failureOf(recovered.instance('cancelled'))).toMatchObject({
      name: 'CancelledError',
      code: 'CANCELLED',
      message: expect.stringContaining('no longer wanted'),
    });
    expect(await failureOf(recovered.instance('terminated'))).toMatchObject({
      name: 'CancelledError',
      code: 'TERMINATED',
      message: expect.stringContaining('enough'),
    });
    for (const id of ['cancelled', 'terminated']) expect((await recovered.instance(id).info()).status).toBe('cancelled');
  });

  test('a second cancel of an instance that is still cleaning up changes nothing, and it can leave memory', async () => {
    const cleaning = workflow('cleaning', function* () {
      try {
        yield* receive(go);
      } finally {
        yield* receive(go, { key: 'clean' });
      }
    });
    const world = await createTestRuntime({ ...options, workflows: [cleaning] });
    const instance = await world.start(cleaning, undefined, { id: 'a' });
    await instance.cancel();
    await world.runUntilIdle();

    await instance.cancel();
    await world.advance('1 minute');
    const { resident } = world.health();
    await world.publish(go, 'clean', 1);

    expect(resident).toBe(0);
    expect(await failureOf(instance)).toMatchObject({ name: 'CancelledError' });
  });
});

test('a stuck instance that is terminated is a cancelled one and nothing else, also after a crash', async () => {
  const world = await createTestRuntime({ workflows });
  await world.start(taking, 1, { id: 'a' });
  const broken = await world.crash({ workflows: [other] });
  await broken.send('a', go, 1);
  const stuck = await broken.instance('a').info();
  await broken.instance('a').terminate('given up');
  const terminated = await broken.instance('a').info();
  const recovered = await broken.crash({ workflows });

  expect(stuck).toMatchObject({ status: 'stuck', error: { code: 'UNKNOWN_WORKFLOW' } });
  expect(terminated).toMatchObject({ status: 'cancelled', error: { code: 'TERMINATED' } });
  expect(await recovered.instance('a').info()).toEqual(terminated);
  expect(await failureOf(recovered.instance('a'))).toMatchObject({ name: 'CancelledError', code: 'TERMINATED' });
  await expect(recovered.instance('a').retry()).rejects.toMatchObject({ code: 'INSTANCE_NOT_STUCK' });
  await expect(recovered.send('a', go, 1)).rejects.toMatchObject({ code: 'INSTANCE_ENDED' });
});

test('instance() is synchronous, whether there is one or not; what it gives says that there is none', async () => {
  const world = await createTestRuntime({ workflows });
  const nobody = world.instance('nobody');

  const asked = [
    nobody.info(),
    nobody.result(),
    nobody.send(go, 1),
    nobody.cancel(),
    nobody.terminate(),
    nobody.retry(),
    world.query('nobody', 'x'),
    world.send('nobody', go, 1, { id: 'e1' }),
  ];

  expect(nobody.id).toBe('nobody');
  for (const each of asked) await expect(each).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND', instanceId: 'nobody' });
  expect(world.health()).toMatchObject({ instances: 0, bufferedEvents: 0 });
});

test('ids that nobody gave are the runtime’s own, one for each start', async () => {
  const world = await createTestRuntime({ workflows });

  const handles = await Promise.all([world.start(taking, 1), world.start(taking, 1), world.start(taking, 1, {})]);

  expect(new Set(handles.map(({ id }) => id)).size).toBe(3);
});

test('who asks for the result of a child after its retention is not left waiting for ever', async () => {
  const child = workflow('child', function* () {
    yield* step('work', () => undefined);
    return 'done';
  });
  const parent = workflow('parent', function* () {
    const { result } = yield* startChild(child, undefined, { id: 'c' });
    yield* sleep('30 days');
    return yield* result();
  });
  const world = await createTestRuntime({ workflows: [child, parent] });
  const result = watch((await world.start(parent)).result());

  await world.advance('31 days');

  expect(result.value).toBe('done');
});

test('two starts at once with one id are one instance, or a conflict', async () => {
  const world = await createTestRuntime({ workflows });

  const same = await Promise.all([world.start(taking, 1, { id: 'a' }), world.start(taking, 1, { id: 'a' })]);
  const [first, second] = [watch(world.start(taking, 1, { id: 'b' })), watch(world.start(taking, 2, { id: 'b' }))];
  await breathe();

  expect(same.map(({ id }) => id)).toEqual(['a', 'a']);
  expect([first.state, second.state]).toEqual(['resolved', 'rejected']);
  expect(second.error).toMatchObject({ code: 'INSTANCE_CONFLICT', difference: 'input' });
  expect(world.health().instances).toBe(2);
});

test('that an instance has ended is told only when that is on disk', async () => {
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows, store });
  await world.start(taking, 1, { id: 'a' });

  store.hold();
  const sent = watch(world.send('a', go, 1));
  await breathe();
  const late = [watch(world.send('a', go, 2)), watch(world.instance('a').cancel()), watch(world.instance('a').terminate())];
  await breathe();
  const whileHeld = late.map(({ state }) => state);
  store.release();
  await world.runUntilIdle();

  expect(whileHeld).toEqual(['pending', 'pending', 'pending']);
  expect(sent.state).toBe('resolved');
  expect(late.map(({ error }) => (error as { code?: string }).code)).toEqual(['INSTANCE_ENDED', 'INSTANCE_ENDED', 'INSTANCE_ENDED']);
});

test('list gives every instance, by status and by workflow', async () => {
  const held = new Gate();
  const stepping = workflow('stepping', () => step('slow', () => held.passed));
  const world = await createTestRuntime({ workflows: [...workflows, stepping] });
  await world.start(taking, 1, { id: 'sleeping' });
  await world.start(taking, 1, { id: 'completed' });
  await world.start(failing, 1, { id: 'failed' });
  await world.start(other, 1, { id: 'cancelled' });
  await world.start(stepping, undefined, { id: 'running' });
  await Promise.all([world.send('completed', go, 1), world.send('failed', go, 1), world.instance('cancelled').cancel()]);
  await breathe();
  const listed = async (filter?: Parameters<typeof world.list>[0]) => {
    const ids = [];
    for await (const { id } of world.list(filter)) ids.push(id);
    return ids.sort();
  };

  expect(await listed()).toEqual(['cancelled', 'completed', 'failed', 'running', 'sleeping']);
  for (const status of ['sleeping', 'completed', 'failed', 'cancelled', 'running'] as const)
    expect(await listed({ status })).toEqual([status]);
  expect(await listed({ status: 'stuck' })).toEqual([]);
  expect(await listed({ workflow: 'taking' })).toEqual(['completed', 'sleeping']);
  expect(await listed({ workflow: 'taking', status: 'sleeping' })).toEqual(['sleeping']);
});

test('info says what an instance is, what it waits for, since when and until when', async () => {
  const waiting = workflow({ name: 'waiting', version: 3 }, function* (_input: string) {
    yield* receive(go, { key: 'k', timeout: '1h' });
  });
  const world = await createTestRuntime({ workflows: [waiting] });
  const at = world.now();
  const instance = await world.start(waiting, 'x', { id: 'a' });

  expect(await instance.info()).toEqual({
    id: 'a',
    workflow: 'waiting',
    version: 3,
    status: 'sleeping',
    waitingFor: [{ kind: 'receive', name: 'go', key: 'k', since: at, dueAt: at + 3_600_000 }],
    startedAt: at,
    endedAt: null,
    error: null,
    exposed: {},
    generation: 0,
    tasks: [],
    primitives: [],
  });
});
