// G3: a step runs at least once, its recorded outcome is the only one ever seen, and its idempotency key is always the
// same.

import { describe, expect, test } from 'vitest';
import { activity, all, event, receive, type StepContext, StoreFullError, step, waitForCallback, workflow } from '../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { Gate } from '../support/gate.js';
import { GatedStore } from '../support/gated-store.js';
import { breathe } from '../support/promises.js';
import { residencies } from '../support/residency.js';

const go = event<number>('go');

describe.each(residencies)('instances $where', ({ options }) => {
  test('G3: a recorded outcome is what every replay sees, after any number of crashes', async () => {
    let calls = 0;
    const seen: number[] = [];
    const counting = workflow('counting', function* () {
      const first = yield* step('count', () => ++calls);
      seen.push(first);
      yield* receive(go);
      return first;
    });
    let world: TestRuntime = await createTestRuntime({ ...options, workflows: [counting] });
    await world.start(counting, undefined, { id: 'a' });
    await world.runUntilIdle();

    for (let n = 0; n < 5; n++) {
      world = await world.crash();
      await world.runUntilIdle();
    }
    await world.send('a', go, 1);

    await expect(world.instance('a').result()).resolves.toBe(1);
    expect(calls).toBe(1);
    expect(new Set(seen)).toEqual(new Set([1]));
  });

  test('G3: a step that was under way at a crash runs again; what its first run says later is not heard', async () => {
    const runs: Gate<string>[] = [];
    const slow = workflow('slow', function* () {
      return yield* step('slow', () => {
        const run = new Gate<string>();
        runs.push(run);
        return run.passed;
      });
    });
    const { runtime, crash } = await createTestRuntime({ ...options, workflows: [slow] });
    await runtime.start(slow, undefined, { id: 'a' });

    const recovered = await crash();
    await breathe();
    runs[0]?.open('from before the crash');
    await breathe();
    const early = await recovered.instance('a').info();
    runs[1]?.open('from after the crash');

    expect(early.status).toBe('running');
    await expect(recovered.instance('a').result()).resolves.toBe('from after the crash');
    expect(runs).toHaveLength(2);
  });

  test('G3: only the steps whose outcome was not on disk at a crash run again', async () => {
    const calls: string[] = [];
    const held = new Gate();
    const parallel = workflow('parallel', function* () {
      return yield* all([
        step('quick', () => calls.push('quick')),
        step('slow', async () => {
          calls.push('slow');
          await held.passed;
        }),
      ]);
    });
    const { runtime, crash } = await createTestRuntime({ ...options, workflows: [parallel] });
    await runtime.start(parallel, undefined, { id: 'a' });
    await breathe();

    held.open();
    const recovered = await crash();
    await recovered.instance('a').result();

    expect(calls).toEqual(['quick', 'slow', 'slow']);
  });

  test('G3: a step whose outcome a crash swallowed runs again, and its second outcome is the one', async () => {
    let calls = 0;
    const counting = workflow('counting', function* () {
      yield* receive(go);
      return yield* step('count', () => ++calls);
    });
    const store = new GatedStore();
    const { runtime, crash } = await createTestRuntime({ ...options, workflows: [counting], store });
    await runtime.start(counting, undefined, { id: 'a' });
    await runtime.send('a', go, 1);
    store.hold();
    await breathe();

    const recovered = await crash();

    const outcome = await recovered.instance('a').result();
    expect([outcome, calls]).toEqual([2, 2]);
  });
});

interface Seen {
  readonly name: string;
  readonly key: string;
  readonly attempt: number;
}

test('G3: the idempotency key is the same at every attempt and after every crash, and no other step has it', async () => {
  const seen: Seen[] = [];
  const note = (name: string, ctx: StepContext) => seen.push({ name, key: ctx.idempotencyKey, attempt: ctx.attempt });
  const stubborn = activity(
    'stubborn',
    (args: { name: string }, ctx) => {
      note(args.name, ctx);
      if (ctx.attempt < 4) throw new Error('not yet');
    },
    { retry: { attempts: 4 } },
  );
  const working = workflow('working', function* (name: string) {
    yield* all([stubborn({ name: `${name} 1` }), stubborn({ name: `${name} 2` })]);
    yield* stubborn({ name: `${name} 3` });
    yield* waitForCallback('callback', (_token, ctx) => note(`${name} submit`, ctx));
  });
  let world: TestRuntime = await createTestRuntime({ workflows: [working] });
  await world.start(working, 'a', { id: 'a' });
  await world.start(working, 'b', { id: 'a/0:1' });

  for (let n = 0; n < 10; n++) {
    world = await world.crash();
    await world.advance('5s');
  }

  const names = new Set(seen.map(({ name }) => name));
  const keys = [...names].map((name) => new Set(seen.filter((each) => each.name === name).map(({ key }) => key)));
  expect(names.size).toBe(8);
  expect(keys.map((each) => each.size)).toEqual(keys.map(() => 1));
  expect(new Set(keys.flatMap((each) => [...each])).size).toBe(8);
  expect(seen.filter(({ name }) => name === 'a 1').map(({ attempt }) => attempt)).toEqual(expect.arrayContaining([1, 2, 3, 4]));
});

test('G3: a step that succeeded while the store could not write is not run again: its outcome is kept and committed later', async () => {
  let calls = 0;
  const held = new Gate();
  const counting = workflow('counting', function* () {
    return yield* step('count', async () => {
      await held.passed;
      return ++calls;
    });
  });
  const store = new GatedStore();
  const { runtime, advance } = await createTestRuntime({ workflows: [counting], store });
  const instance = await runtime.start(counting);

  store.failAppend(full, { times: 3 });
  held.open();
  await advance('1 minute');

  await expect(instance.result()).resolves.toBe(1);
  expect(calls).toBe(1);
});

const full = () => new StoreFullError();
