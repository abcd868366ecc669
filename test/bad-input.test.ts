// Bad input from outside: each kind is a typed error with a stable code, nothing is written, nothing is lost. What
// concerns the directory of a store is tested with the JSON store; what cannot be stored, in promises/g11-values.test.ts.

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type AnyWorkflow,
  activity,
  createRuntime,
  event,
  publish,
  RouseError,
  type RuntimeOptions,
  receive,
  receiveAny,
  sleep,
  sleepUntil,
  step,
  timeout,
  waitForCallback,
  workflow,
} from '../src/index.js';
import { limits } from '../src/runtime/limits.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { GatedStore } from './support/gated-store.js';
import { pictureOf } from './support/picture.js';
import { failureOf } from './support/rejection.js';

const approval = event('approval', z.object({ approved: z.boolean() }));
const ping = event<number>('ping');
const slowly = event(
  'slowly',
  z.string().refine(async (text) => text === 'fine', 'is not fine'),
);
const order = workflow({ name: 'order', input: z.object({ model: z.string().min(2) }) }, function* (input) {
  yield* receive(ping);
  return input.model;
});
const unknown = workflow('unknown', function* () {
  yield* sleep(1);
});
const events = [approval, ping, slowly];

async function withOrder() {
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [order], events, store });
  await world.start(order, { model: 'm1' }, { id: 'a' });
  await world.runUntilIdle();
  return { store, world };
}

/** Calls as a user without types, or with a value from a request, would make them. */
interface Loose {
  start(...args: unknown[]): Promise<unknown>;
  send(...args: unknown[]): Promise<unknown>;
  publish(...args: unknown[]): Promise<unknown>;
}
const loose = (world: TestRuntime) => world as unknown as Loose;

const badCalls: [string, string, (world: TestRuntime) => Promise<unknown>][] = [
  ['an input that fails its schema', 'VALIDATION', (world) => world.start(order, { model: 'm' })],
  ['an input of another type', 'VALIDATION', (world) => loose(world).start(order, 7)],
  ['no input', 'VALIDATION', (world) => loose(world).start(order)],
  ['a workflow that the runtime was not given', 'UNKNOWN_WORKFLOW', (world) => world.start(unknown)],
  [
    'a version that the runtime was not given',
    'UNKNOWN_WORKFLOW',
    (world) => world.start(workflow({ name: 'order', version: 2 }, () => sleep(1))),
  ],
  ['a thing that is no workflow', 'DEFINITION', (world) => loose(world).start('order', { model: 'm1' })],
  ['nothing as a workflow', 'DEFINITION', (world) => loose(world).start(undefined)],
  ['a used id with another input', 'INSTANCE_CONFLICT', (world) => world.start(order, { model: 'm2' }, { id: 'a' })],
  ['a payload that fails its schema', 'VALIDATION', (world) => loose(world).publish(approval, 'k', { approved: 'yes' })],
  ['a payload that fails an asynchronous schema', 'VALIDATION', (world) => world.publish(slowly, 'k', 'bad')],
  ['a payload that fails its schema, by name', 'VALIDATION', (world) => loose(world).send('a', 'approval', {})],
  ['an event that the runtime was not given by name', 'UNKNOWN_EVENT', (world) => loose(world).publish('nothing', 'k', 1)],
  ['a thing that is no event', 'UNKNOWN_EVENT', (world) => loose(world).publish({ name: 'ping' }, 'k', 1)],
  ['nothing as an event', 'UNKNOWN_EVENT', (world) => loose(world).publish(null, 'k', 1)],
  ['an instance that there is not', 'INSTANCE_NOT_FOUND', (world) => world.send('nobody', ping, 1)],
  ['an ill-formed instance id', 'INVALID_ID', (world) => world.send('a\nb', ping, 1)],
  ['an ill-formed key', 'INVALID_ID', (world) => world.publish(ping, '', 1)],
  ['a key that is no text', 'INVALID_ID', (world) => loose(world).publish(ping, 7, 1)],
  ['a key that is too long', 'INVALID_ID', (world) => world.publish(ping, 'x'.repeat(1_025), 1)],
  ['an ill-formed event id', 'INVALID_ID', (world) => world.publish(ping, 'k', 1, { id: '' })],
  ['an event id that is no text', 'INVALID_ID', (world) => loose(world).send('a', ping, 1, { id: 7 })],
  ['a dead letter that there is not', 'UNKNOWN_EVENT', (world) => world.redeliver('17')],
  ['a retry of an instance that is not stuck', 'INSTANCE_NOT_STUCK', (world) => world.instance('a').retry()],
];

test.each(badCalls)('%s is told as %s; nothing is written and nothing is lost', async (_what, code, call) => {
  const { store, world } = await withOrder();
  const before = { appends: store.appends, picture: await pictureOf(world) };

  const error = await call(world).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );

  expect(error).toBeInstanceOf(RouseError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(/\S{3}/) });
  expect({ appends: store.appends, picture: await pictureOf(world) }).toEqual(before);
  await world.send('a', ping, 1);
  await expect(world.instance('a').result()).resolves.toBe('m1');
});

test.each(['', 'a\nb', 'a\u0000', '\ud800', 'x'.repeat(257), 7, null, {}, []])(
  'the instance id %j is InvalidIdError everywhere',
  async (id) => {
    const { store, world } = await withOrder();
    const appends = store.appends;
    const bad = id as string;

    await expect(world.start(order, { model: 'm1' }, { id: bad })).rejects.toMatchObject({ code: 'INVALID_ID' });
    await expect(world.send(bad, ping, 1)).rejects.toMatchObject({ code: 'INVALID_ID' });
    expect(() => world.instance(bad)).toThrow(expect.objectContaining({ code: 'INVALID_ID' }));
    await expect(world.query(bad, 'x')).rejects.toBeInstanceOf(RouseError);
    expect(store.appends).toBe(appends);
  },
);

test('a validation error says what was wrong and where', async () => {
  const { world } = await withOrder();

  await expect(world.start(order, { model: 'm' })).rejects.toMatchObject({
    what: expect.stringContaining('"order"'),
    issues: [expect.objectContaining({ path: ['model'] })],
    message: expect.stringContaining('model'),
  });
});

test('a schema that throws, or is asynchronous where it may not be, is told', async () => {
  const throwing = event(
    'throwing',
    schemaOf(() => {
      throw new Error('the schema is broken');
    }),
  );
  const inner = workflow('inner', () => publish(slowly, 'k', 'fine'));
  const world = await createTestRuntime({ workflows: [inner] });

  await expect(world.publish(throwing, 'k', 1)).rejects.toThrow('the schema is broken');
  expect(await failureOf(await world.start(inner))).toMatchObject({ code: 'SCHEMA_ASYNC' });
  expect(world.health()).toMatchObject({ bufferedEvents: 0 });
  await expect(world.publish(slowly, 'k', 'fine')).resolves.toEqual({ status: 'buffered' });
});

test('an output that fails its schema fails the instance, in data', async () => {
  const wrong = workflow({ name: 'wrong', output: z.object({ ok: z.boolean() }) }, function* () {
    yield* sleep(0);
    return { ok: 'no' } as unknown as { ok: boolean };
  });
  const world = await createTestRuntime({ workflows: [wrong] });
  const instance = await world.start(wrong);
  await world.runUntilIdle();

  expect(await failureOf(instance)).toMatchObject({ code: 'VALIDATION', message: expect.stringContaining('output') });
});

describe('a bad duration', () => {
  const bad = [
    'soon',
    '',
    '5',
    '-1s',
    '1 month',
    '5 parsecs',
    Number.NaN,
    -1,
    Number.POSITIVE_INFINITY,
    null,
    {},
    '101 years',
    limits.durationMsMax + 1,
  ] as string[];

  const places: [string, (duration: string) => unknown][] = [
    ['sleep', (duration) => sleep(duration)],
    ['receive', (duration) => receive(ping, { timeout: duration })],
    ['timeout', (duration) => timeout(duration, sleep(1))],
    ['waitForCallback', (duration) => waitForCallback('x', () => undefined, { timeout: duration })],
    ['the timeout of a step', (duration) => step('x', () => 1, { timeout: duration })],
    ['the delay of a retry policy', (duration) => step('x', () => 1, { retry: { delay: duration } })],
    ['the maxDelay of a retry policy', (duration) => activity('x', () => 1, { retry: { maxDelay: duration } })],
    ['expiresAfter of an event', (duration) => event('x', undefined, { expiresAfter: duration })],
  ];

  test.each(places)('in %s is InvalidDurationError', (_place, make) => {
    for (const duration of bad)
      expect(() => make(duration), String(duration)).toThrow(expect.objectContaining({ code: 'INVALID_DURATION' }));
  });

  test('in passivateAfter is told before anything is opened', async () => {
    for (const passivateAfter of bad) {
      await expect(createTestRuntime({ workflows: [], passivateAfter, store: untouchable() })).rejects.toMatchObject({
        code: 'INVALID_DURATION',
      });
    }
  });

  test('in grace is told, and the runtime runs on', async () => {
    const { world } = await withOrder();

    await expect((async () => world.stop({ grace: 'soon' }))()).rejects.toMatchObject({ code: 'INVALID_DURATION' });

    expect(world.health()).toMatchObject({ live: true, ready: true });
    await expect(world.send('a', ping, 1)).resolves.toEqual({ status: 'delivered' });
  });

  test('in sleepUntil is told', () => {
    for (const at of [Number.NaN, new Date('nonsense'), 'tomorrow', null, undefined, Number.POSITIVE_INFINITY]) {
      expect(() => sleepUntil(at as number), String(at)).toThrow(RouseError);
    }
  });
});

describe('a bad definition', () => {
  const definitions: [string, () => unknown][] = [
    ['a workflow without a name', () => workflow('', () => sleep(1))],
    ['a workflow whose name is too long', () => workflow('x'.repeat(201), () => sleep(1))],
    ['a workflow of version 0', () => workflow({ name: 'x', version: 0 }, () => sleep(1))],
    ['a workflow of version 1.5', () => workflow({ name: 'x', version: 1.5 }, () => sleep(1))],
    ['a workflow without a body', () => workflow('x', undefined as never)],
    ['an asynchronous body', () => workflow('x', (async () => 1) as never)],
    ['an input schema that is none', () => workflow({ name: 'x', input: { parse: () => 1 } as never }, () => sleep(1))],
    ['an event without a name', () => event('')],
    ['an event whose schema is none', () => event('x', 7 as never)],
    ['an activity without a function', () => activity('x', 'run' as never)],
    ['a step without a function', () => step('x', undefined as never)],
    ['a callback without a function', () => waitForCallback('x', undefined as never)],
    ['retry.attempts: 0', () => step('x', () => 1, { retry: { attempts: 0 } })],
    ['retry.attempts: 1.5', () => step('x', () => 1, { retry: { attempts: 1.5 } })],
    ['retry.factor: 0.5', () => step('x', () => 1, { retry: { factor: 0.5 } })],
    ['retry: true', () => step('x', () => 1, { retry: true as never })],
    ['receiveAny of nothing', () => receiveAny({})],
  ];

  test.each(definitions)('%s is DefinitionError where it is made', (_what, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'DEFINITION' }));
  });

  const runtimes: [string, string, Partial<Record<keyof RuntimeOptions, unknown>>][] = [
    ['no workflows', 'DEFINITION', { workflows: undefined }],
    ['a thing among the workflows that is none', 'DEFINITION', { workflows: ['order'] }],
    ['two workflows of one name and version', 'DUPLICATE_WORKFLOW', { workflows: [order, workflow('order', () => sleep(1))] }],
    ['a thing among the events that is none', 'UNKNOWN_EVENT', { events: ['ping'] }],
    ['two events of one name', 'DEFINITION', { events: [ping, event('ping')] }],
    ['maxResident: -1', 'DEFINITION', { maxResident: -1 }],
    ['a store that is none', 'DEFINITION', { store: { kind: 'json' } }],
  ];

  test.each(runtimes)('createRuntime with %s is told as %s before anything is opened', async (_what, code, options) => {
    const given = { workflows: [order] as AnyWorkflow[], store: untouchable(), ...options } as RuntimeOptions;

    await expect(createRuntime(given)).rejects.toMatchObject({ code });
    await expect(createTestRuntime(given)).rejects.toMatchObject({ code });
  });

  test('the same workflow twice is one', async () => {
    await expect(createTestRuntime({ workflows: [order, order], events: [ping, ping] })).resolves.toBeDefined();
  });
});

/** A store that must not be opened. */
function untouchable() {
  return {
    kind: 'untouchable',
    open: () => {
      throw new Error('the store was opened');
    },
  };
}

function schemaOf(validate: () => never) {
  return { '~standard': { version: 1 as const, vendor: 'test', validate } };
}
