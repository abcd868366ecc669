// continueAs and the disk: what a crash, a passivation, a write that fails, a change of the code and time itself make of
// the generations of an instance. Nobody may be able to tell from its records that there was a crash between two of them.

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  call,
  continueAs,
  event,
  expose,
  now,
  type Operation,
  race,
  random,
  receive,
  StoreFullError,
  send,
  sleep,
  spawn,
  startChild,
  step,
  workflow,
} from '../src/index.js';
import { limits } from '../src/runtime/limits.js';
import { createTestRuntime } from '../src/testing.js';
import { type Action, counted, runFromEveryCommit, until } from './support/crash-points.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';
import { failureOf } from './support/rejection.js';
import { residencies } from './support/residency.js';

const word = event<string>('word');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe.each(residencies)('instances $where', ({ options }) => {
  test('the input of the next generation is what the schema made of it, also when the body is still leaving at a crash', async () => {
    let checks = 0;
    const amount = z.union([z.number(), z.string().transform((text) => Number(text) + 100)]).refine(() => ++checks > 0);
    const checked = workflow({ name: 'checked', input: amount }, function* (n: number): Operation<unknown> {
      if (n > 100) return n;
      try {
        return yield* continueAs('7');
      } finally {
        yield* sleep('1h');
      }
    });
    let world = await createTestRuntime({ ...options, workflows: [checked] });
    await world.start(checked, 1, { id: 'a' });
    await world.runUntilIdle();
    world = await world.crash();
    await world.advance('1h');

    expect(await world.instance('a').info()).toMatchObject({ status: 'completed', error: null });
    await expect(world.instance('a').result()).resolves.toBe(107);
    expect(checks).toBe(2);
  });

  test('a refused input is refused in replay as well', async () => {
    const checked = workflow({ name: 'checked', input: z.number() }, function* (n: number): Operation<unknown> {
      try {
        return yield* continueAs('not a number');
      } catch (error) {
        yield* sleep('1h');
        return [n, (error as { code: string }).code];
      }
    });
    let world = await createTestRuntime({ ...options, workflows: [checked] });
    await world.start(checked, 1, { id: 'a' });
    await world.runUntilIdle();
    world = await world.crash();
    await world.advance('1h');

    expect(await world.instance('a').info()).toMatchObject({ status: 'completed', error: null });
    await expect(world.instance('a').result()).resolves.toEqual([1, 'VALIDATION']);
  });
});

describe('a cancellation', () => {
  const looping = workflow('looping', function* (stage: string): Operation<string> {
    if (stage === 'second') {
      yield* receive(word);
      return yield* continueAs('third');
    }
    yield* spawn(function* () {
      try {
        yield* sleep('1h');
      } finally {
        yield* sleep('1h');
      }
    });
    return yield* continueAs('second');
  });

  test('while the generation waits for its tasks is not lost: the next one is cancelled', async () => {
    const world = await createTestRuntime({ workflows: [looping] });
    const instance = await world.start(looping, 'first', { id: 'a' });
    await instance.cancel('enough');
    await world.advance('2h');

    expect(await instance.info()).toMatchObject({ status: 'cancelled', error: { name: 'CancelledError' } });
  });

  test('of a generation that is written and has not begun is thrown at its first wait', async () => {
    const store = new GatedStore();
    const waiting = workflow('waiting', function* (stage: number): Operation<string> {
      if (stage < 1) return yield* continueAs(stage + 1);
      try {
        return yield* receive(word);
      } catch (error) {
        yield* sleep('1h');
        throw error;
      }
    });
    const world = await createTestRuntime({ workflows: [waiting], store });
    store.hold();
    const started = watch(world.start(waiting, 0, { id: 'a' }));
    await breathe();
    const cancelled = watch(world.instance('a').cancel('enough'));
    await breathe();
    expect([started.state, cancelled.state]).toEqual(['pending', 'pending']);
    store.release();
    await world.runUntilIdle();

    expect([started.state, cancelled.state]).toEqual(['resolved', 'resolved']);
    expect(await world.instance('a').info()).toMatchObject({ status: 'sleeping', generation: 1, waitingFor: [{ kind: 'sleep' }] });
    await world.advance('1h');
    expect(await failureOf(world.instance('a'))).toMatchObject({ name: 'CancelledError', message: expect.stringContaining('enough') });
  });

  test('that a generation swallowed is over: the next one can be cancelled anew', async () => {
    const stubborn = workflow('stubborn', function* (stage: number): Operation<string> {
      if (stage === 2) return yield* receive(word);
      try {
        return yield* receive(word);
      } catch {
        return yield* continueAs(stage + 1);
      }
    });
    let world = await createTestRuntime({ workflows: [stubborn] });
    await world.start(stubborn, 0, { id: 'a' });
    const generations: number[] = [];
    for (let times = 0; times < 3; times++) {
      await world.instance('a').cancel();
      await world.runUntilIdle();
      generations.push((await world.instance('a').info()).generation);
      if (times === 1) world = await world.crash();
    }

    expect(generations).toEqual([1, 2, 2]);
    expect(await world.instance('a').info()).toMatchObject({ status: 'cancelled' });
  });

  test('by a parent that waits no more reaches a child that continues in the same moment', async () => {
    const ticking = workflow('ticking', function* (count: number): Operation<number> {
      yield* receive(word);
      return yield* continueAs(count + 1);
    });
    const parent = workflow('parent', () => race({ child: call(ticking, 0, { id: 'child' }), word: receive(word) }));
    const store = new GatedStore();
    let world = await createTestRuntime({ workflows: [parent, ticking], store });
    await world.start(parent, undefined, { id: 'a' });
    await world.runUntilIdle();
    store.hold();
    const first = watch(world.publish(word, 'elsewhere', 'x'));
    await breathe();
    const told = [watch(world.send('a', word, 'stop')), watch(world.send('child', word, 'tick'))];
    await breathe();
    store.release();
    await world.runUntilIdle();
    expect([first, ...told].map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved']);
    const status = (await world.instance('child').info()).status;
    world = await world.crash();
    await world.runUntilIdle();

    expect([status, (await world.instance('child').info()).status]).toEqual(['cancelled', 'cancelled']);
  });
});

test('ended children of earlier generations are kept no longer than others are; those that the body may ask for are', async () => {
  const child = workflow('child', () => sleep('1h'));
  const endless = workflow('endless', function* (stage: number): Operation<never> {
    const { id } = yield* startChild(child, undefined, { id: `child-${stage}` });
    yield* receive(word, { key: id });
    return yield* continueAs(stage + 1);
  });
  const world = await createTestRuntime({ workflows: [child, endless] });
  await world.start(endless, 0, { id: 'a' });
  await world.advance('1h');
  await world.publish(word, 'child-0', 'on');
  await world.advance(limits.retentionMs + DAY);

  await expect(world.instance('child-0').info()).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
  expect(await world.instance('child-1').info()).toMatchObject({ status: 'completed' });
});

/** Three generations with all that can wait, be under way, be left behind and be leaving between them. */
const rounds = workflow('rounds', function* (from: { round: number; heard: string[] }): Operation<string[]> {
  const { round } = from;
  yield* expose(`round ${round}`, yield* random());
  const child = yield* startChild(rounding, undefined, { id: `child-${round}` });
  const helper = yield* spawn(function* () {
    yield* sleep('30 minutes');
    return yield* counted(`help in ${round}`, () => `helped in ${round}`);
  });
  const heard = [yield* receive(word), yield* receive(word, { key: 'k' }), yield* helper.join()];
  yield* send(child.id, word, `from ${round}`, { id: `to ${round}` });
  if (round === 2) return [...from.heard, ...heard, yield* child.result()];
  try {
    yield* spawn(() => sleep('10 minutes'));
    return yield* continueAs({ round: round + 1, heard: [...from.heard, ...heard] }, { keepExposed: round === 1 });
  } finally {
    yield* counted(`leave ${round}`, () => round);
    yield* sleep('10 minutes');
  }
});
const rounding = workflow('rounding', function* (): Operation<string> {
  yield* sleep('90 minutes');
  return yield* receive(word);
});
const story: Action[] = [
  (runtime) => runtime.start(rounds, { round: 0, heard: [] }, { id: 'a' }),
  ...[0, 1, 2].map(
    (n): Action =>
      (runtime) =>
        runtime.publish(word, 'k', `k${n}`, { id: `k${n}` }),
  ),
  ...[0, 1].map(
    (n): Action =>
      (runtime) =>
        runtime.send('a', word, `d${n}`, { id: `d${n}` }),
  ),
  until(2 * HOUR),
  (runtime) => runtime.send('a', word, 'd2', { id: 'd2' }),
  until(4 * HOUR),
];
const told = [0, 1, 2].flatMap((n) => [`d${n}`, `k${n}`, `helped in ${n}`]);

test('a crash after any commit changes nothing of what becomes of the generations, and repeats no step of an earlier one', async () => {
  const { plain, points } = await runFromEveryCommit({ workflows: [rounds, rounding], actions: story });

  expect(plain.instances.a).toMatchObject({
    status: 'completed',
    output: [...told, 'from 2'],
    exposed: [['round 1'], ['round 2']].map((each) => [...each, expect.any(Number)]),
  });
  expect(points.length).toBeGreaterThan(20);
  for (const { name, outcome } of points) {
    const instances = JSON.parse(JSON.stringify(outcome.instances, withoutNumbers));
    expect(instances, name).toEqual(JSON.parse(JSON.stringify(plain.instances, withoutNumbers)));
    const excess = Object.entries(outcome.calls).filter(([key, times]) => times > (plain.calls[key] ?? 0));
    expect(excess, name).toEqual([]);
  }
});

/** Random numbers that were not committed are others after a crash. */
function withoutNumbers(key: string, value: unknown): unknown {
  return key === 'exposed' ? (value as [string, unknown][]).map(([name]) => name) : value;
}

test('a write that fails at any place is told or tried again, and changes nothing of them', async () => {
  for (let after = 0, hasFailed = true; hasFailed; after++) {
    const store = new GatedStore();
    const { options } = residencies[after % 2] ?? residencies[0];
    const world = await createTestRuntime({ ...options, workflows: [rounds, rounding], store });
    let failures = 0;
    store.failAppend(
      () => {
        failures++;
        return new StoreFullError();
      },
      { after, times: 2 },
    );
    for (const action of story) {
      while (!(await succeeds(action(world)))) await world.advance('10s');
      await world.runUntilIdle();
    }
    await world.advance('1h');
    hasFailed = failures > 0;

    expect(await world.instance('a').info(), `after ${after}`).toMatchObject({ status: 'completed', generation: 2 });
    await expect(world.instance('a').result()).resolves.toEqual([...told, 'from 2']);
    await world.stop();
  }
});

function succeeds(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => true,
    () => false,
  );
}

test('code that differs from what a later generation did sticks that one, with its place in this generation; put right, it goes on', async () => {
  const version = (isGood: boolean) =>
    workflow('changing', function* (round: number): Operation<number> {
      if (round === 0) yield* receive(word);
      else yield* isGood ? sleep('1h') : step('something else', () => 1);
      if (round === 2) return yield* now();
      return yield* continueAs(round + 1);
    });
  let world = await createTestRuntime({ workflows: [version(true)] });
  await world.start(version(true), 0, { id: 'a' });
  await world.send('a', word, 'on');
  world = await world.crash({ workflows: [version(false)] });
  await world.advance('1h');

  const stuck = await world.instance('a').info();
  expect(stuck).toMatchObject({
    status: 'stuck',
    generation: 1,
    error: { code: 'NONDETERMINISM', message: expect.stringContaining('entry 0') },
  });
  await world.send('a', word, 'kept');
  await expect(world.instance('a').retry()).rejects.toMatchObject({ code: 'NONDETERMINISM' });
  world = await world.crash({ workflows: [version(true)] });
  await world.instance('a').retry();
  await world.advance('2h');
  expect(await world.instance('a').info()).toMatchObject({ status: 'completed', generation: 2 });
});

test('a generation that cannot begin is stuck by itself: the one before it is over, and what it gave is kept', async () => {
  const version = (isGood: boolean) =>
    workflow('beginning', function* (round: number): Operation<string> {
      if (round === 0) {
        yield* receive(word);
        return yield* continueAs(1);
      }
      while (!isGood) {
        try {
          yield 'not an effect' as never;
        } catch {}
      }
      return `begun in ${round}`;
    });
  let world = await createTestRuntime({ workflows: [version(false)] });
  await world.start(version(false), 0, { id: 'a' });
  await world.send('a', word, 'on');
  await world.runUntilIdle();
  expect(await world.instance('a').info()).toMatchObject({ status: 'stuck', generation: 1 });
  world = await world.crash({ workflows: [version(true)] });
  await world.instance('a').retry();
  await world.runUntilIdle();

  await expect(world.instance('a').result()).resolves.toBe('begun in 1');
});

test('a journal that comes near to its limit is warned of once; the next generation begins with an empty one', async () => {
  const chatting = workflow('chatting', function* (round: number): Operation<string> {
    for (let n = 0; n < limits.journalEntriesWarned - 1; n++) yield* now();
    yield* receive(word);
    yield* receive(word);
    return round === 1 ? 'done' : yield* continueAs(round + 1);
  });
  let world = await createTestRuntime({ workflows: [chatting] });
  await world.start(chatting, 0, { id: 'a' });
  const warnings = () => world.logged.filter(({ level, message }) => level === 'warn' && message.includes('continueAs')).length;
  const counts = [warnings()];
  for (let n = 0; n < 4; n++) {
    await world.send('a', word, 'on');
    if (n === 0) world = await world.crash();
    await world.runUntilIdle();
    counts.push(warnings());
  }

  expect(counts).toEqual([0, 1, 1, 2, 2]);
  await expect(world.instance('a').result()).resolves.toBe('done');
});
