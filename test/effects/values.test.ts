// now, random, uuid, instanceId and expose: answered at once, recorded with the turn, the same in every replay.

import { expect, test } from 'vitest';
import { expose, instanceId, now, type Operation, random, sleep, spawn, step, uuid, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';

const START = Date.UTC(2026, 0, 1);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

async function begin<O>(body: () => Operation<O>, options: { seed?: number } = {}) {
  const tested = workflow('tested', body);
  const runtime = await createTestRuntime({ workflows: [tested], ...options });
  const instance = await runtime.start(tested, undefined, { id: 't' });
  await runtime.runUntilIdle();
  return { runtime, instance };
}

function* draw() {
  return { at: yield* now(), random: yield* random(), uuid: yield* uuid(), id: yield* instanceId() };
}

test('each gives what it says', async () => {
  const { instance } = await begin(draw);

  const { at, random, uuid, id } = await instance.result();

  expect(at).toBe(START);
  expect(random).toBeGreaterThanOrEqual(0);
  expect(random).toBeLessThan(1);
  expect(uuid).toMatch(UUID);
  expect(id).toBe('t');
});

test('they differ from call to call, but for now within a turn', async () => {
  const { runtime, instance } = await begin(function* () {
    const before = [yield* draw(), yield* draw()];
    yield* sleep('1 hour');
    return [...before, yield* draw()];
  });
  await runtime.advance('1 hour');

  const drawn = await instance.result();

  expect(new Set(drawn.map(({ random }) => random)).size).toBe(3);
  expect(new Set(drawn.map(({ uuid }) => uuid)).size).toBe(3);
  expect(drawn.map(({ at }) => at - START)).toEqual([0, 0, 3_600_000]);
});

test('replay gives the same, whatever the time and the seed are by then', async () => {
  const seen: unknown[] = [];
  const { runtime } = await begin(function* () {
    const drawn = yield* draw();
    yield* spawn(function* () {
      seen.push([drawn, yield* draw()]);
      yield* sleep('1 hour');
    });
    yield* sleep('2 hours');
    return drawn;
  });

  const recovered = await (await runtime.crash()).crash();
  await recovered.advance('2 hours');

  await expect(recovered.instance('t').result()).resolves.toEqual((seen[0] as unknown[])[0]);
  expect(seen.length).toBeGreaterThan(1);
  for (const again of seen) expect(again).toEqual(seen[0]);
});

test('the same seed draws the same, another one something else', async () => {
  const drawnWith = async (seed: number) => (await begin(draw, { seed })).instance.result();

  expect(await drawnWith(7)).toEqual(await drawnWith(7));
  expect((await drawnWith(7)).uuid).not.toBe((await drawnWith(8)).uuid);
});

test('now is the time of the turn, also when its deadline was long past', async () => {
  const { runtime, instance } = await begin(function* () {
    yield* sleep('1 hour');
    return yield* now();
  });

  await runtime.setClock(START + 5 * 3_600_000);

  await expect(instance.result()).resolves.toBe(START + 5 * 3_600_000);
});

test('they cost no commit of their own', async () => {
  const { runtime } = await begin(function* () {
    for (let round = 0; round < 10; round++) {
      yield* draw();
      yield* expose('round', round);
    }
    yield* sleep('1 hour');
  });

  expect(runtime.health()).toMatchObject({ commits: 1, syncs: 1 });
});

test('exposed values are shown by query and info, the last of each name', async () => {
  const { runtime, instance } = await begin(function* () {
    yield* expose('state', 'starting');
    yield* expose('hosts', new Map([['a', { up: true }]]));
    yield* step('work', () => 1);
    yield* expose('state', 'waiting');
    yield* sleep('1 hour');
    yield* expose('state', 'done');
  });

  expect(await runtime.query('t', 'state')).toBe('waiting');
  expect(await runtime.query('t', 'hosts')).toEqual(new Map([['a', { up: true }]]));
  expect(await runtime.query('t', 'nothing')).toBeUndefined();
  expect((await instance.info()).exposed).toEqual({ state: 'waiting', hosts: new Map([['a', { up: true }]]) });

  const recovered = await runtime.crash();
  expect(await recovered.query('t', 'state')).toBe('waiting');
  await recovered.advance('1 hour');

  expect(await recovered.query('t', 'state')).toBe('done');
});

test('a value is shown as it was when it was exposed', async () => {
  const { runtime } = await begin(function* () {
    const list = [1];
    yield* expose('list', list);
    list.push(2);
    yield* sleep('1 hour');
  });

  expect(await runtime.query('t', 'list')).toEqual([1]);
});

test('a name is data, also one that means something to JavaScript', async () => {
  const { runtime } = await begin(function* () {
    yield* expose('__proto__', { polluted: true });
    yield* expose('constructor', 'mine');
    yield* sleep('1 hour');
  });
  const recovered = await runtime.crash();

  expect(await recovered.query('t', '__proto__')).toEqual({ polluted: true });
  expect(await recovered.query('t', 'toString')).toBeUndefined();
  const { exposed } = await recovered.instance('t').info();
  expect(Object.entries(exposed)).toEqual([
    ['__proto__', { polluted: true }],
    ['constructor', 'mine'],
  ]);
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
});

test.each([
  ['that cannot be stored', { deep: [() => 1] }, /"bad"\.deep\[0\] is a function/],
  ['that is too large', 'x'.repeat(1_100_000), /the limit \(payloadBytesMax\)/],
])('a value %s is thrown where it was exposed, and changes nothing', async (_what, value, message) => {
  const { runtime } = await begin(function* () {
    yield* expose('bad', 'good');
    try {
      yield* expose('bad', value);
    } catch (error) {
      yield* sleep('1 hour');
      return (error as Error).message;
    }
    return 'not refused';
  });
  expect(await runtime.query('t', 'bad')).toBe('good');

  const recovered = await runtime.crash();
  await recovered.advance('1 hour');

  await expect(recovered.instance('t').result()).resolves.toMatch(message);
});
