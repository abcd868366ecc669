// compensate: what was done is noted with how to undo it. (When it runs and when not is promise G7.)

import { beforeEach, expect, test } from 'vitest';
import { activity, all, compensate, type Operation, sleep, spawn, step, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { failureOf } from '../support/rejection.js';

let trail: string[] = [];
const undo = activity('undo', (what: string) => void trail.push(what));

beforeEach(() => {
  trail = [];
});

async function begin<O>(body: () => Operation<O>) {
  const tested = workflow('tested', body);
  const runtime = await createTestRuntime({ workflows: [tested] });
  return { runtime, instance: await runtime.start(tested, undefined, { id: 't' }) };
}

test('it undoes what the closure remembers, at the time of the failure', async () => {
  const { instance } = await begin(function* () {
    const ip = yield* step('allot', () => '10.0.0.7');
    const note = { text: 'early' };
    yield* compensate(() => undo(`${ip} ${note.text}`));
    note.text = 'late';
    throw new Error('failed');
  });

  await failureOf(instance);

  expect(trail).toEqual(['10.0.0.7 late']);
});

test('tasks note theirs beside the body’s, all in one order', async () => {
  const { runtime, instance } = await begin(function* () {
    yield* compensate(() => undo('body'));
    yield* spawn(function* () {
      yield* sleep('1 minute');
      yield* compensate(() => undo('task'));
    });
    yield* all([
      (function* () {
        yield* sleep('2 minutes');
        yield* compensate(() => undo('member'));
      })(),
    ]);
    yield* sleep('1 minute');
    throw new Error('failed');
  });

  await runtime.advance('3 minutes');
  await failureOf(instance);

  expect(trail).toEqual(['member', 'task', 'body']);
});

test('an error that the body catches undoes nothing', async () => {
  const { instance } = await begin(function* () {
    yield* compensate(() => undo('booked'));
    try {
      yield* step('refused', () => Promise.reject(new Error('no')), { retry: false });
    } catch {
      return 'went on';
    }
    return 'not refused';
  });

  await expect(instance.result()).resolves.toBe('went on');
  expect(trail).toEqual([]);
});

test('an error of a task that fails its scope undoes what was done', async () => {
  const { runtime, instance } = await begin(function* () {
    yield* compensate(() => undo('booked'));
    yield* spawn(function* () {
      yield* sleep('1 minute');
      throw new Error('task failed');
    });
    yield* sleep('1 day');
  });

  await runtime.advance('1 minute');

  expect(await failureOf(instance)).toMatchObject({ message: 'task failed' });
  expect(trail).toEqual(['booked']);
});

test('a compensation is retried like any step, and may run operations of all kinds', async () => {
  let attempts = 0;
  const { runtime, instance } = await begin(function* () {
    yield* compensate(function* () {
      yield* all([undo('a'), undo('b')]);
      yield* sleep('1 hour');
      yield* step('flaky', () => {
        if (++attempts < 3) throw new Error('not yet');
        trail.push('flaky');
      });
    });
    throw new Error('failed');
  });

  await runtime.advance('2 hours');

  expect(await failureOf(instance)).toMatchObject({ message: 'failed' });
  expect(trail).toEqual(['a', 'b', 'flaky']);
});

test('those that fail are all told, and the error that began it is the cause', async () => {
  const { instance } = await begin(function* () {
    for (const name of ['one', 'two']) {
      yield* compensate(() => step(name, () => Promise.reject(new RangeError(`cannot undo ${name}`)), { retry: false }));
      yield* compensate(() => undo(name));
    }
    throw new Error('failed');
  });

  expect(await failureOf(instance)).toMatchObject({
    name: 'CompensationError',
    message: expect.stringMatching(/2 compensation\(s\) failed: RangeError: cannot undo two; RangeError: cannot undo one/),
    cause: { message: 'failed' },
  });
  expect(trail).toEqual(['two', 'one']);
});

test('a task that one spawned and that fails is its failure', async () => {
  const { runtime, instance } = await begin(function* () {
    yield* compensate(() => undo('returned'));
    yield* compensate(function* () {
      yield* spawn(function* () {
        yield* sleep('1 minute');
        throw new RangeError('task of the compensation');
      });
      yield* sleep('1 hour');
    });
    throw new Error('failed');
  });

  await runtime.advance('2 hours');

  const error = await failureOf(instance);
  expect(trail).toEqual(['returned']);
  expect(error).toMatchObject({ name: 'CompensationError', cause: { message: 'failed' } });
  expect(error).toMatchObject({ data: { failures: [{ name: 'RangeError', message: 'task of the compensation' }] } });
});

test('one that notes another is undone too, before the end', async () => {
  const { instance } = await begin(function* () {
    yield* compensate(function* () {
      yield* compensate(() => undo('second'));
      yield* undo('first');
    });
    throw new Error('failed');
  });

  expect(await failureOf(instance)).toMatchObject({ message: 'failed' });
  expect(trail).toEqual(['first', 'second']);
});

test('what is no function is refused', async () => {
  const { instance } = await begin(() => compensate(undo('at once') as never));

  expect(await failureOf(instance)).toMatchObject({ name: 'DefinitionError' });
});

test('an output that cannot be stored is an error of the body, and undone like one', async () => {
  const { instance } = await begin(function* () {
    yield* compensate(() => undo('reserved'));
    return { done: () => {} };
  });

  const error = await failureOf(instance);

  expect(error).toMatchObject({ name: 'UnstorableValueError' });
  expect(trail).toEqual(['reserved']);
});
