// G11, end to end: every value that can be stored comes through every door as it was given, on every store, live and
// in a replay; every other is refused with its path, and nothing is written.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  activity,
  call,
  event,
  expose,
  jsonStore,
  memoryStore,
  publish,
  receive,
  type Store,
  send,
  startChild,
  step,
  waitForCallback,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { GatedStore } from '../support/gated-store.js';
import { failureOf } from '../support/rejection.js';

const any = event<unknown>('any');
const done = event<null>('done');

const stores: { name: string; make: () => Promise<Store> }[] = [
  { name: 'memory store', make: async () => memoryStore() },
  {
    name: 'JSON store',
    make: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'rouse-values-'));
      onTestFinished(() => rm(directory, { recursive: true, force: true }));
      return jsonStore(directory);
    },
  },
];

/** One of everything that can be stored, shared and cyclic. */
function zoo() {
  const shared = { n: 1 };
  const cyclic: Record<string, unknown> = { shared };
  cyclic.self = cyclic;
  return {
    json: { a: [1, 'two', null, true, { deep: [[]] }], '': 0, $: 'tag' },
    date: new Date(86_400_000),
    map: new Map<unknown, unknown>([
      ['k', new Set([1, 'x'])],
      [{ key: 'object' }, undefined],
    ]),
    bigint: 2n ** 70n,
    error: Object.assign(new RangeError('out of range', { cause: new Error('why') }), { code: 'E_RANGE', limit: 5 }),
    bytes: new Uint8Array([0, 127, 255]),
    odd: [undefined, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0],
    sharedTwice: [shared, shared],
    cyclic,
    text: 'line\nbreak \u0000 \u2028 🔑 </script>',
  };
}

function expectZoo(found: unknown): void {
  const value = found as ReturnType<typeof zoo>;
  expect(value).toStrictEqual(zoo());
  expect(Object.is(value.odd[4], -0)).toBe(true);
  expect(value.sharedTwice[0]).toBe(value.sharedTwice[1]);
  expect(value.cyclic.self).toBe(value.cyclic);
  expect(value.error).toBeInstanceOf(RangeError);
  expect(value.error.cause).toBeInstanceOf(Error);
}

describe.each(stores)('$name', ({ make }) => {
  test('G11: every storable value comes through every door, also after a crash', async () => {
    const seen = new Map<string, unknown>();
    const tokens: string[] = [];
    const echo = activity('echo', (args: unknown) => args);
    const child = workflow('child', function* (input: unknown) {
      seen.set('child input', input);
      return input;
    });
    const touring = workflow('touring', function* (input: unknown) {
      seen.set('input', input);
      seen.set('step', yield* step('make', () => zoo()));
      seen.set('activity', yield* echo(zoo()));
      yield* send('t', any, zoo());
      seen.set('inner send', yield* receive(any));
      yield* publish(any, 'inner', zoo());
      seen.set('inner publish', yield* receive(any, { key: 'inner' }));
      seen.set('call', yield* call(child, zoo()));
      yield* expose('zoo', zoo());
      seen.set('sent', yield* receive(any));
      seen.set('published', yield* receive(any, { key: 'k' }));
      seen.set('completed', yield* waitForCallback('answer', (token) => void tokens.push(token)));
      try {
        yield* waitForCallback('refusal', (token) => void tokens.push(token));
      } catch (error) {
        seen.set('rejected', (error as { zoo?: unknown }).zoo);
      }
      yield* receive(done);
      return input;
    });
    const world = await createTestRuntime({ workflows: [touring, child], store: await make() });
    await world.start(touring, zoo(), { id: 't' });
    await world.send('t', any, zoo());
    await world.publish(any, 'k', zoo());
    await world.runUntilIdle();
    await world.complete(tokens[0] ?? '', zoo());
    await world.runUntilIdle();
    await world.reject(tokens[1] ?? '', Object.assign(new Error('no'), { zoo: zoo() }));
    await world.runUntilIdle();
    const live = new Map(seen);
    seen.clear();

    const recovered = await world.crash();
    await recovered.send('t', done, null);
    const result = await recovered.instance('t').result();

    const doors = [
      'input',
      'step',
      'activity',
      'inner send',
      'inner publish',
      'child input',
      'call',
      'sent',
      'published',
      'completed',
      'rejected',
    ];
    for (const door of doors) expectZoo(live.get(door));
    for (const door of doors.filter((each) => each !== 'child input')) expectZoo(seen.get(door));
    expectZoo(result);
    expectZoo(await recovered.query('t', 'zoo'));
    expectZoo((await recovered.instance('t').info()).exposed.zoo);
    await recovered.stop();
  });

  test('G11: an error with values in it comes out of a workflow as data, also after a crash', async () => {
    const failing = workflow('failing', function* () {
      yield* step('fail', () => Promise.reject(Object.assign(new Error('no'), { zoo: zoo() })), { retry: false });
    });
    const world = await createTestRuntime({ workflows: [failing], store: await make() });
    const instance = await world.start(failing, undefined, { id: 'f' });
    const live = await failureOf(instance);
    const recovered = await world.crash();
    const replayed = await failureOf(recovered.instance('f'));

    expect(live).toMatchObject({ name: 'Error', message: 'no' });
    for (const error of [live, replayed]) expectZoo((error as unknown as { data: { zoo: unknown } }).data.zoo);
    expect(replayed).toEqual(live);
    await recovered.stop();
  });
});

class Registered {
  readonly n = 1;
}

const operation = receive(any);
const unstorable: { what: string; make: () => unknown; path: string }[] = [
  { what: 'a function', make: () => ({ a: [() => 1] }), path: '.a[0]' },
  { what: 'a generator', make: () => ({ a: (function* () {})() }), path: '.a' },
  { what: 'a promise', make: () => ({ a: Promise.resolve(1) }), path: '.a' },
  {
    what: 'a getter',
    make: () => ({
      get a() {
        return 1;
      },
    }),
    path: '.a',
  },
  { what: 'an instance of a class', make: () => ({ a: { b: new Registered() } }), path: '.a.b' },
  { what: 'a symbol', make: () => [Symbol('s')], path: '[0]' },
  { what: 'a WeakMap', make: () => ({ a: new WeakMap() }), path: '.a' },
  { what: 'an operation', make: () => ({ a: operation }), path: '.a' },
];

describe.each(unstorable)('$what', ({ make, path }) => {
  test('G11: is refused from outside with its path, and nothing is written', async () => {
    const tokens: string[] = [];
    const asking = workflow('asking', (_input: unknown) => waitForCallback('answer', (token) => void tokens.push(token)));
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [asking], store });
    await world.start(asking, null, { id: 'a' });
    await world.runUntilIdle();
    const appends = store.appends;

    const doors = [
      () => world.start(asking, make(), { id: 'new' }),
      () => world.send('a', any, make()),
      () => world.publish(any, 'k', make()),
      () => world.complete(tokens[0] ?? '', make()),
    ];

    for (const door of doors) {
      await expect(door()).rejects.toMatchObject({ code: 'UNSTORABLE_VALUE', path: expect.stringContaining(path) });
    }
    expect(store.appends).toBe(appends);
    expect(world.health()).toMatchObject({ instances: 1, bufferedEvents: 0 });
    await expect(world.instance('a').info()).resolves.toMatchObject({ status: 'sleeping' });
  });

  test('G11: is refused inside a workflow at the line that gives it, the same in a replay', async () => {
    const runs: string[][] = [];
    const echo = activity('echo', (args: unknown) => args);
    const child = workflow('child', function* (input: unknown) {
      return input;
    });
    const doors = {
      *step() {
        yield* step('make', make);
      },
      *activity() {
        yield* echo(make());
      },
      *expose() {
        yield* expose('x', make());
      },
      *send() {
        yield* send('a', any, make());
      },
      *publish() {
        yield* publish(any, 'k', make());
      },
      *startChild() {
        yield* startChild(child, make());
      },
    };
    const trying = workflow('trying', function* () {
      const codes: string[] = [];
      for (const door of Object.values(doors)) {
        try {
          yield* door();
          codes.push('accepted');
        } catch (error) {
          const { code, message } = error as Error & { code: string };
          codes.push(message.includes(path) ? code : message);
        }
      }
      runs.push(codes);
      yield* receive(done);
      return make();
    });
    const world = await createTestRuntime({ workflows: [trying, child] });
    await world.start(trying, undefined, { id: 'a' });
    await world.runUntilIdle();
    const recovered = await world.crash();
    await recovered.send('a', done, null);

    expect(runs).toEqual([Object.keys(doors).map(() => 'UNSTORABLE_VALUE'), Object.keys(doors).map(() => 'UNSTORABLE_VALUE')]);
    expect(await failureOf(recovered.instance('a'))).toMatchObject({ code: 'UNSTORABLE_VALUE', message: expect.stringContaining(path) });
    expect(recovered.health()).toMatchObject({ instances: 1 });
  });
});

test('G11: a step whose result cannot be stored is not tried again: it has run', async () => {
  let calls = 0;
  const making = workflow('making', () =>
    step('make', () => {
      calls++;
      return () => calls;
    }),
  );
  const world = await createTestRuntime({ workflows: [making] });
  const instance = await world.start(making);

  await world.advance('1h');

  expect(await failureOf(instance)).toMatchObject({ code: 'UNSTORABLE_VALUE' });
  expect(calls).toBe(1);
});
