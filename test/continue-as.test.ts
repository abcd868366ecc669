// continueAs: an instance goes on as a new generation of itself, with an empty journal. What belongs to the instance
// stays (mailboxes, children, what is exposed), what belongs to the generation ends with it.

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  AuthoringError,
  all,
  compensate,
  continueAs,
  createQueue,
  event,
  expose,
  ForeignPrimitiveError,
  now,
  type Operation,
  type Queue,
  receive,
  sleep,
  spawn,
  startChild,
  step,
  type Task,
  timeout,
  UnstorableValueError,
  ValidationError,
  waitForCallback,
  workflow,
} from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { watch } from './support/promises.js';
import { failureOf } from './support/rejection.js';
import { residencies } from './support/residency.js';

const word = event<string>('word');
const done = event<string>('done');

/** Takes a word in each generation, and gives all of them when it hears the last one. */
const collecting = workflow('collecting', function* (heard: string[]): Operation<string[]> {
  const next = yield* receive(word);
  return next === 'last' ? [...heard, next] : yield* continueAs([...heard, next]);
});

const infoOf = (runtime: TestRuntime, id: string) => runtime.instance(id).info();

describe.each(residencies)('instances $where', ({ options }) => {
  test('each generation begins with its input and an empty journal, under the same id; result() gives what the last one returns', async () => {
    const timed = workflow('timed', function* (from: { times: number[]; left: number }): Operation<number[]> {
      yield* sleep('1h');
      const times = [...from.times, yield* now()];
      return from.left === 0 ? times : yield* continueAs({ times, left: from.left - 1 });
    });
    const world = await createTestRuntime({ ...options, workflows: [timed] });
    const startedAt = world.now();
    const instance = await world.start(timed, { times: [], left: 2 }, { id: 'a' });
    const result = watch(instance.result());

    const generations: unknown[] = [];
    for (let hour = 0; hour < 3; hour++) {
      const { generation, status, waitingFor, startedAt: began } = await instance.info();
      generations.push([generation, status, waitingFor.map(({ since, dueAt }) => [since - startedAt, (dueAt ?? 0) - startedAt]), began]);
      await world.advance('1h');
    }

    const hour = 3_600_000;
    expect(generations).toEqual([0, 1, 2].map((n) => [n, 'sleeping', [[n * hour, (n + 1) * hour]], startedAt]));
    expect(result.value).toEqual([1, 2, 3].map((n) => startedAt + n * hour));
    await expect(infoOf(world, 'a')).resolves.toMatchObject({ generation: 2, status: 'completed' });
  });

  test('its mailbox goes on: events from before, from while it is leaving, and from after are received once, in order', async () => {
    const slow = workflow('slow', function* (heard: string[]): Operation<string[]> {
      if (heard.length === 6) return heard;
      try {
        const next = [yield* receive(word), yield* receive(word, { key: 'k' })];
        return yield* continueAs([...heard, ...next]);
      } finally {
        yield* sleep('1h');
      }
    });
    const world = await createTestRuntime({ ...options, workflows: [slow] });
    for (const text of ['k1', 'k2']) await world.publish(word, 'k', text, { id: text });
    const instance = await world.start(slow, [], { id: 'a' });
    for (const text of ['d1', 'd2']) await instance.send(word, text, { id: text });
    await world.runUntilIdle();
    const whileLeaving = [await instance.send(word, 'd3'), await instance.send(word, 'd1', { id: 'd1' })];
    await world.advance('1h');
    const after = [await world.publish(word, 'k', 'k3'), await instance.send(word, 'd2', { id: 'd2' })];
    await world.advance('3h');

    expect([...whileLeaving, ...after].map(({ status }) => status)).toEqual(['buffered', 'duplicate', 'buffered', 'duplicate']);
    await expect(instance.result()).resolves.toEqual(['d1', 'k1', 'd2', 'k2', 'd3', 'k3']);
  });

  test('its children go on, and are told apart by generation', async () => {
    const child = workflow('child', () => receive(done));
    const parent = workflow('parent', function* (generation: number): Operation<string> {
      const { id } = yield* startChild(child, undefined, { id: `child-${generation}` });
      yield* receive(word);
      return generation === 1 ? id : yield* continueAs(generation + 1);
    });
    const world = await createTestRuntime({ ...options, workflows: [child, parent] });
    const instance = await world.start(parent, 0, { id: 'a' });
    await instance.send(word, 'go');
    await world.runUntilIdle();

    await expect(infoOf(world, 'child-0')).resolves.toMatchObject({ status: 'sleeping' });
    await instance.send(word, 'go');
    await expect(instance.result()).resolves.toBe('child-1');
    await world.send('child-0', done, 'still here');
    await expect(world.instance('child-0').result()).resolves.toBe('still here');
  });

  test('the next generation may wait for nothing that the one before it asked for, though it asks in the same places', async () => {
    const gates = [new Gate<string>(), new Gate<string>()];
    const calls: { key: string; isAborted: () => boolean }[] = [];
    const racing = workflow('racing', function* (generation: number): Operation<string> {
      const outcome = yield* timeout(
        '1h',
        step('work', ({ idempotencyKey, signal }) => {
          calls.push({ key: idempotencyKey, isAborted: () => signal.aborted });
          return gates[generation]?.passed;
        }),
        { orElse: 'late' },
      );
      return outcome === 'late' ? yield* continueAs(generation + 1) : (outcome ?? '');
    });
    const world = await createTestRuntime({ ...options, workflows: [racing] });
    const instance = await world.start(racing, 0, { id: 'a' });
    await world.advance('1h');
    gates[0]?.open('of before');
    await world.start(racing, 1, { id: 'a/1' });

    expect(await infoOf(world, 'a')).toMatchObject({ status: 'running', generation: 1 });
    gates[1]?.open('mine');
    await expect(instance.result()).resolves.toBe('mine');
    expect(calls.map((call) => call.isAborted())).toEqual([true, false, false]);
    expect(new Set(calls.map((call) => call.key)).size).toBe(3);
  });

  test('a token of a generation that is over is used, whether it was answered or not; that of the next one is open', async () => {
    const tokens: string[] = [];
    const asking = workflow('asking', function* (generation: number): Operation<string> {
      const answer = waitForCallback<string>('answer', (token) => void tokens.push(token));
      const given = yield* timeout('1h', answer, { orElse: 'late' });
      return given === 'stop' ? `stopped in ${generation}` : yield* continueAs(generation + 1);
    });
    const world = await createTestRuntime({ ...options, workflows: [asking] });
    const instance = await world.start(asking, 0, { id: 'a~1.b/c' });
    await world.advance('1h');
    await world.complete(tokens[1] ?? '', 'go on');
    await world.runUntilIdle();

    for (const token of tokens.slice(0, 2)) await expect(world.complete(token, 'stop')).rejects.toMatchObject({ code: 'TOKEN_USED' });
    expect(tokens).toHaveLength(3);
    await world.complete(tokens[2] ?? '', 'stop');
    await expect(instance.result()).resolves.toBe('stopped in 2');
  });

  test('a repeated start with the first input is the same instance in every generation, and after a crash', async () => {
    let world = await createTestRuntime({ ...options, workflows: [collecting] });
    await world.start(collecting, [], { id: 'a' });
    const codeOf = (input: string[]) =>
      world.start(collecting, input, { id: 'a' }).then(
        () => 'same',
        (error: { code: string }) => error.code,
      );
    const seen: unknown[] = [];
    for (const text of ['one', 'last']) {
      await world.send('a', word, text);
      seen.push(await codeOf([]), await codeOf(['one']));
      world = await world.crash();
      seen.push(await codeOf([]), await codeOf(['one']));
    }

    expect(seen).toEqual([1, 2, 3, 4].flatMap(() => ['same', 'INSTANCE_CONFLICT']));
    await expect(infoOf(world, 'a')).resolves.toMatchObject({ generation: 1 });
    await expect(world.instance('a').result()).resolves.toEqual(['one', 'last']);
  });
});

test('what is exposed stays, or goes where that is asked for', async () => {
  const showing = workflow('showing', function* (stage: number): Operation<number> {
    yield* expose(`of ${stage}`, stage);
    yield* receive(word);
    yield* expose('last', stage);
    return stage === 3 ? stage : yield* continueAs(stage + 1, { keepExposed: stage !== 1 });
  });
  let world = await createTestRuntime({ workflows: [showing] });
  await world.start(showing, 0, { id: 'a' });
  const seen: unknown[] = [];
  for (let stage = 0; stage < 4; stage++) {
    world = await world.crash();
    await world.runUntilIdle();
    seen.push((await infoOf(world, 'a')).exposed);
    await world.send('a', word, 'on');
  }

  expect(seen).toEqual([{ 'of 0': 0 }, { 'of 0': 0, last: 0, 'of 1': 1 }, { 'of 2': 2 }, { 'of 2': 2, last: 2, 'of 3': 3 }]);
  await expect(world.query('a', 'last')).resolves.toBe(3);
});

test('the input is checked where it is given: what is refused is thrown there, and the body may go on', async () => {
  const checked = workflow(
    { name: 'checked', input: z.object({ left: z.coerce.number().int() }) },
    function* ({ left }: { left: number }): Operation<unknown> {
      if (left === 0) return ['ended', typeof left];
      const refused: unknown[] = [];
      for (const bad of [{ left: 'x' }, undefined, { left: 1.5 }]) {
        try {
          yield* continueAs(bad);
        } catch (error) {
          refused.push((error as ValidationError).code);
        }
      }
      if (refused.length !== 3) return refused;
      return yield* continueAs({ left: String(left - 1) });
    },
  );
  const plain = workflow('plain', function* (_input: unknown): Operation<unknown> {
    try {
      return yield* continueAs(() => 'a function');
    } catch (error) {
      return error instanceof UnstorableValueError ? error.path : error;
    }
  });
  const uncaught = workflow({ name: 'uncaught', input: z.string() }, () => continueAs(7));
  const world = await createTestRuntime({ workflows: [checked, plain, uncaught] });

  await expect((await world.start(checked, { left: '2' })).result()).resolves.toEqual(['ended', 'number']);
  await expect((await world.start(plain, 1)).result()).resolves.toEqual(expect.any(String));
  const error = await failureOf(await world.start(uncaught, 'x'));
  expect(error.code).toBe(new ValidationError('', []).code);
});

test('only the body continues: in a task, a member of a group or a compensation it is refused, through a helper it is not', async () => {
  const refusals: unknown[] = [];
  function* refused(where: string, operation: Operation<unknown>): Operation<void> {
    try {
      yield* operation;
    } catch (error) {
      refusals.push([where, error instanceof AuthoringError, /task \d/.test(String(error))]);
    }
  }
  function* helper(input: string): Operation<never> {
    return yield* continueAs(input);
  }
  const trying = workflow('trying', function* (stage: string): Operation<string> {
    if (stage === 'second') return stage;
    const task = yield* spawn(() => continueAs('spawned'));
    yield* refused('task', task.join());
    yield* refused('timeout', timeout('1h', continueAs('timed')));
    yield* refused('all', all([continueAs('member')]));
    return yield* helper('second');
  });
  const failing = workflow('failing', function* (stage: number): Operation<number> {
    if (stage > 0) return stage;
    yield* compensate(() => continueAs(1));
    throw new RangeError('out of range');
  });
  const world = await createTestRuntime({ workflows: [trying, failing] });

  await expect((await world.start(trying, 'first')).result()).resolves.toBe('second');
  expect(refusals).toEqual(['task', 'timeout', 'all'].map((where) => [where, true, true]));
  await expect(failureOf(await world.start(failing, 0))).resolves.toMatchObject({ code: 'COMPENSATION_FAILED' });
});

describe('leaving the generation', () => {
  test('its finally blocks run as at a return, from the inside out, with waits of their own', async () => {
    const order: string[] = [];
    const leaving = workflow('leaving', function* (stage: number): Operation<string> {
      if (stage === 1) return order.join(', ');
      try {
        try {
          return yield* continueAs(1);
        } catch {
          order.push('caught');
        } finally {
          yield* sleep('1h');
          order.push(`inner ${yield* step('work', () => 'worked')}`);
        }
        order.push('after');
      } finally {
        yield* sleep('1h');
        order.push('outer');
      }
      return 'went on';
    });
    const world = await createTestRuntime({ workflows: [leaving], passivateAfter: '1 day' });
    const instance = await world.start(leaving, 0);
    await world.advance('2h');

    await expect(instance.result()).resolves.toBe('inner worked, outer');
  });

  test('an error thrown on the way out fails the instance; one that the body catches, and a return on the way out, decide as they do in JavaScript', async () => {
    const bodies: Record<string, () => Operation<unknown>> = {
      *thrown() {
        try {
          yield* continueAs('next');
        } finally {
          yield* sleep('1h');
          // biome-ignore lint/correctness/noUnsafeFinally: it is what is tested
          throw new RangeError('on the way out');
        }
      },
      *caught() {
        try {
          try {
            yield* continueAs('next');
          } finally {
            // biome-ignore lint/correctness/noUnsafeFinally: it is what is tested
            throw new RangeError('on the way out');
          }
        } catch {
          return 'caught it';
        }
      },
      *returned() {
        try {
          yield* continueAs('next');
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: it is what is tested
          return 'returned something else';
        }
      },
    };
    const leaving = workflow('leaving', function* (name: string): Operation<unknown> {
      return name === 'next' ? 'continued' : yield* bodies[name]?.() ?? sleep(0);
    });
    const world = await createTestRuntime({ workflows: [leaving] });
    const ends = await Promise.all(Object.keys(bodies).map((name) => world.start(leaving, name)));
    await world.advance('1h');

    const results = await Promise.allSettled(ends.map((end) => end.result()));
    expect(results.map((each) => (each.status === 'fulfilled' ? each.value : String(each.reason)))).toEqual([
      expect.stringContaining('RangeError: on the way out'),
      'caught it',
      'returned something else',
    ]);
  });

  test('its tasks are waited for; one that fails then fails the instance', async () => {
    const spawning = workflow('spawning', function* (stage: string): Operation<string> {
      if (stage === 'next') return `continued at ${yield* now()}`;
      yield* spawn(function* () {
        yield* sleep('2h');
        if (stage === 'bad') throw new RangeError('in a task');
      });
      return yield* continueAs('next');
    });
    const world = await createTestRuntime({ workflows: [spawning] });
    const at = world.now();
    const [good, bad] = [await world.start(spawning, 'good'), await world.start(spawning, 'bad')];
    await world.advance('1h');
    expect(await good.info()).toMatchObject({ generation: 0, tasks: [{ id: '0', waitsFor: 'the end of its tasks' }, { id: '1' }] });
    await world.advance('1h');

    await expect(good.result()).resolves.toBe(`continued at ${at + 7_200_000}`);
    expect(await failureOf(bad)).toMatchObject({ name: 'RangeError', message: 'in a task' });
    expect(await bad.info()).toMatchObject({ generation: 0 });
  });

  test('what was to be undone is forgotten', async () => {
    let undone = 0;
    const working = workflow('working', function* (stage: number): Operation<never> {
      yield* compensate(() => step('undo', () => ++undone));
      if (stage === 2) throw new RangeError('out of range');
      return yield* continueAs(stage + 1);
    });
    const world = await createTestRuntime({ workflows: [working] });

    await failureOf(await world.start(working, 0));
    expect(undone).toBe(1);
  });
});

test('handles of tasks and of what they share are refused in the next generation', async () => {
  const kept: { task?: Task<void>; queue?: Queue<string> } = {};
  const keeping = workflow('keeping', function* (stage: number): Operation<unknown[]> {
    if (stage === 0) {
      kept.task = yield* spawn(() => sleep(0));
      kept.queue = yield* createQueue<string>();
      return yield* continueAs(1);
    }
    const refused: unknown[] = [];
    for (const use of [kept.task?.join(), kept.queue?.put('x')]) {
      try {
        if (use !== undefined) yield* use;
      } catch (error) {
        refused.push(error instanceof ForeignPrimitiveError);
      }
    }
    return refused;
  });
  const world = await createTestRuntime({ workflows: [keeping] });

  await expect((await world.start(keeping, 0)).result()).resolves.toEqual([true, true]);
});
