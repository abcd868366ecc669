// G14: what comes from outside never becomes code or structure: ids never become file names, keys live in maps,
// `__proto__` is data.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { all, event, expose, jsonStore, memoryStore, publish, receive, receiveAny, startChild, step, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';

const go = event<unknown>('go');

/** Ids and keys that somebody who means harm would try. All of them are well-formed. */
const hostile = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  'C:\\Windows\\system32',
  '/',
  '.',
  '#go\u2028k',
  '@go',
  '!dead',
  '"},{"d":1}',
  '<script>alert(1)</script>',
  '$',
  '0:0',
  ' ',
  '🔑鍵',
  'x'.repeat(256),
];

afterEach(() => {
  expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(ownOfPrototype);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});
const ownOfPrototype = Object.getOwnPropertyNames(Object.prototype).sort();

const taking = workflow('taking', function* (key: string) {
  yield* expose(key.slice(0, 200), { of: key });
  const direct = yield* receive(go);
  const keyed = yield* receive(go, { key });
  yield* step('note', () => undefined);
  return [direct, keyed];
});

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rouse-untrusted-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

describe.each([
  { name: 'memory store', make: async () => memoryStore() },
  { name: 'JSON store', make: async () => jsonStore(join(await temporaryDirectory(), 'store')) },
])('$name', ({ make }) => {
  test('G14: every well-formed id, key, event id and exposed name is only ever compared', async () => {
    const world = await createTestRuntime({ workflows: [taking], store: await make() });
    for (const text of hostile) {
      expect((await world.start(taking, text, { id: text })).id).toBe(text);
      await world.publish(go, text, { key: text }, { id: text });
      expect(await world.publish(go, text, { key: text }, { id: text })).toEqual({ status: 'duplicate' });
    }
    await world.runUntilIdle();
    const recovered = await world.crash();
    for (const text of hostile) await recovered.send(text, go, { to: text }, { id: text });
    await recovered.runUntilIdle();

    for (const text of hostile) {
      await expect(recovered.instance(text).result()).resolves.toEqual([{ to: text }, { key: text }]);
      await expect(recovered.query(text, text.slice(0, 200))).resolves.toEqual({ of: text });
      const { exposed } = await recovered.instance(text).info();
      expect(Object.entries(exposed)).toEqual([[text.slice(0, 200), { of: text }]]);
    }
    await recovered.stop();
  });

  test('G14: what was never exposed, started or defined is not found under the name of something inherited', async () => {
    const world = await createTestRuntime({ workflows: [taking], events: [go], store: await make() });
    await world.start(taking, 'k', { id: 'a' });

    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      await expect(world.query('a', name)).resolves.toBeUndefined();
      await expect(world.instance(name).info()).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
      await expect(world.send(name, go, 1)).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
      await expect(world.publish(name as unknown as typeof go, 'k', 1)).rejects.toMatchObject({ code: 'UNKNOWN_EVENT' });
      await expect(world.redeliver(name)).rejects.toMatchObject({ code: 'UNKNOWN_EVENT' });
      await expect(world.complete(name, 1)).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' });
    }
    await world.stop();
  });

  test('G14: __proto__, constructor and $ in a payload are data, own keys of it, and pollute nothing', async () => {
    const payload: unknown = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"$":[1],"a":[{"__proto__":{"polluted":1}}],"toJSON":"text","then":1}',
    );
    const world = await createTestRuntime({ workflows: [taking], store: await make() });
    await world.start(taking, 'k', { id: 'a' });
    await world.send('a', go, payload);
    const recovered = await world.crash();
    await recovered.publish(go, 'k', payload);

    const received = (await recovered.instance('a').result()) as unknown[];

    for (const value of received) {
      expect(JSON.stringify(value)).toBe(JSON.stringify(payload));
      expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor', '$', 'a', 'toJSON', 'then']);
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
    await recovered.stop();
  });
});

test('G14: no id, key or name becomes the name of a file', async () => {
  const root = await temporaryDirectory();
  const world = await createTestRuntime({ workflows: [taking], store: jsonStore(join(root, 'deep', 'store')) });
  const marked = hostile.slice(0, 10).map((text) => `${text}-marked`);
  for (const text of marked) {
    await world.start(taking, text, { id: text });
    await world.publish(go, text, 1);
  }
  await world.stop();

  const files = await readdir(root, { recursive: true });
  expect(files.filter((file) => file.includes('marked') || file.includes('..'))).toEqual([]);
  expect(files.filter((file) => !file.startsWith('deep'))).toEqual([]);
});

test('G14: keys of objects that workflows give keep being keys: in all, race and receiveAny', async () => {
  const proto = '__proto__';
  const keyed = workflow('keyed', function* () {
    const both = yield* all({ [proto]: step('a', () => 1), constructor: step('b', () => 2) });
    const first = yield* receiveAny({ [proto]: go });
    return [Object.entries(both), Object.keys(both), first.key, first.value];
  });
  const world = await createTestRuntime({ workflows: [keyed] });
  const instance = await world.start(keyed);
  await world.runUntilIdle();
  await instance.send(go, 'x');

  await expect(instance.result()).resolves.toEqual([
    [
      [proto, 1],
      ['constructor', 2],
    ],
    [proto, 'constructor'],
    proto,
    'x',
  ]);
});

test('G14: an instance, an event and a workflow of hostile names do not meet those whose names they spell', async () => {
  const tricky = event<string>('go2');
  const child = workflow('__proto__', function* () {
    return yield* receive(tricky, { key: 'go\u2028k' });
  });
  const parent = workflow('constructor', function* () {
    const { id } = yield* startChild(child, undefined, { id: '__proto__' });
    yield* publish(tricky, 'go\u2028k', 'for the child');
    return id;
  });
  const world = await createTestRuntime({ workflows: [child, parent] });
  const instance = await world.start(parent, undefined, { id: 'constructor' });
  await world.runUntilIdle();

  await expect(instance.result()).resolves.toBe('__proto__');
  await expect(world.instance('__proto__').result()).resolves.toBe('for the child');
});

test('G14: text that could break out of the stored form is refused or stays text', async () => {
  const world = await createTestRuntime({ workflows: [taking] });

  for (const text of ['a\nb', 'a\u0000b', 'a\u007f', '\ud800', '']) {
    await expect(world.start(taking, 'k', { id: text })).rejects.toMatchObject({ code: 'INVALID_ID' });
    await expect(world.publish(go, text, 1)).rejects.toMatchObject({ code: 'INVALID_ID' });
    await expect(world.publish(go, 'k', 1, { id: text })).rejects.toMatchObject({ code: 'INVALID_ID' });
    expect(() => event(text)).toThrow(expect.objectContaining({ code: 'DEFINITION' }));
  }
  expect(world.health()).toMatchObject({ instances: 0, bufferedEvents: 0 });
});
