// G15: authoring mistakes are told, not suffered: what was written, where, and what to write instead.

import { describe, expect, test } from 'vitest';
import {
  AuthoringError,
  all,
  DefinitionError,
  event,
  ForeignPrimitiveError,
  log,
  type Operation,
  OutsideWorkflowError,
  receive,
  sleep,
  spawn,
  step,
  type Task,
  timeout,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { failureOf } from '../support/rejection.js';
import { untyped } from '../support/untyped.js';

/** How an instance of this body, which is no good, ends. */
async function failureOfBody(body: () => Operation<unknown>) {
  const mistaken = workflow('mistaken', body);
  const runtime = await createTestRuntime({ workflows: [mistaken] });
  const instance = await runtime.start(mistaken, undefined, { id: 'i' });
  await runtime.advance('1 hour');
  expect((await instance.info()).status).toBe('failed');
  return failureOf(instance);
}

const yields: Readonly<Record<string, { yielded: () => unknown; says: string[] }>> = {
  'a bare yield': { yielded: () => undefined, says: ['bare yield', 'yield*'] },
  'a promise': { yielded: () => Promise.resolve(1), says: ['a promise', "yield* step('name'"] },
  'a thenable': { yielded: () => Object.fromEntries([['then', () => {}]]), says: ['a promise', "yield* step('name'"] },
  'an operation with yield': { yielded: () => sleep(1), says: ['an operation with yield', 'Write yield* in place of yield'] },
  'an activity with yield': { yielded: () => step('s', () => 1), says: ['an operation with yield', 'Write yield* in place of yield'] },
  'a generator with yield': { yielded: () => helper(), says: ['an operation with yield', 'Write yield* in place of yield'] },
  'a number': { yielded: () => 5, says: ['a number', 'yield*'] },
  null: { yielded: () => null, says: ['null', 'yield*'] },
  'a look-alike of an effect': { yielded: () => ({ kind: 'sleep', ms: 5 }), says: ['an object', 'yield*'] },
};

function* helper() {
  yield* sleep(1);
}

describe('what is yielded', () => {
  test.each(Object.entries(yields))('G15: %s is told in the body', async (_name, { yielded, says }) => {
    const error = await failureOfBody(
      untyped(function* () {
        yield yielded();
      }),
    );

    expect(error).toMatchObject({ name: 'AuthoringError', code: 'AUTHORING' });
    for (const text of ['the body of instance "i"', ...says]) expect(error.message).toContain(text);
  });

  test('G15: it is told in a spawned task, by the name of the task', async () => {
    const error = await failureOfBody(function* () {
      yield* spawn(
        untyped(function* () {
          yield Promise.resolve(1);
        }),
      );
      yield* sleep('1 day');
    });

    expect(error).toMatchObject({ name: 'AuthoringError', message: expect.stringContaining('task 1 of instance "i" yielded a promise') });
  });

  test('G15: it is thrown where it was yielded, so that a debugger or a catch finds the place', async () => {
    const caught: unknown[] = [];
    await failureOfBody(
      untyped(function* () {
        try {
          yield 5;
        } catch (error) {
          caught.push(error);
          throw error;
        }
      }),
    );

    expect(caught).toEqual([expect.any(AuthoringError)]);
  });
});

describe('bodies that are no generators', () => {
  const bodies: Readonly<Record<string, { body: () => unknown; says: string }>> = {
    'an array': { body: () => [], says: 'an array' },
    'a Set': { body: () => new Set(), says: 'a Set' },
    'a text': { body: () => 'yield*', says: 'a string' },
    nothing: { body: () => undefined, says: 'undefined' },
    null: { body: () => null, says: 'null' },
    'a promise': { body: () => Promise.resolve(1), says: 'a promise (is it async?)' },
    'an async generator': { body: () => asyncGenerator(), says: 'an async generator' },
    'an iterator without throw': { body: () => [1].values(), says: 'not a generator' },
  };
  async function* asyncGenerator() {
    yield 1;
  }

  test.each(Object.entries(bodies))('G15: a body that gives %s is told', async (_name, { body, says }) => {
    const error = await failureOfBody(untyped(body));

    expect(error).toMatchObject({ name: 'AuthoringError', code: 'AUTHORING' });
    for (const text of ['the body in instance "i"', says, 'function* ()']) expect(error.message).toContain(text);
  });

  test.each(Object.entries(bodies))('G15: a task whose function gives %s is told', async (_name, { body, says }) => {
    const error = await failureOfBody(function* () {
      yield* spawn(untyped(body));
    });

    expect(error).toMatchObject({ name: 'AuthoringError', message: expect.stringContaining('task 1 (body) in instance "i"') });
    expect(error.message).toContain(says);
  });

  test('G15: an async body is refused where it is defined', () => {
    const bodies = [async () => 1, async function* () {}];

    for (const body of bodies) {
      expect(() => workflow('late', untyped(body))).toThrow(DefinitionError);
      expect(() => workflow('late', untyped(body))).toThrow(/workflow "late" is async.*function\*.*step\(\)/);
    }
  });

  test('G15: a body that is no function is refused where it is defined', () => {
    expect(() => workflow('none', helper() as never)).toThrow(/workflow "none" is not a function.*function\*/);
  });

  test('G15: spawn of a generator object, not of a function, says what to write', async () => {
    const error = await failureOfBody(function* () {
      yield* spawn(helper() as never);
    });

    expect(error).toMatchObject({ name: 'DefinitionError', message: expect.stringContaining('spawn(() => job(3))') });
  });

  test('G15: combinators of something else than operations say so', async () => {
    const promise = await failureOfBody(() => all([Promise.resolve(1) as never]));
    const nothing = await failureOfBody(() => timeout('1s', undefined as never));

    expect(promise).toMatchObject({ name: 'DefinitionError', message: expect.stringContaining('wrap the I/O in step()') });
    expect(nothing).toMatchObject({ name: 'DefinitionError', message: expect.stringContaining('timeout() takes operations') });
  });
});

describe('effects where they do not work', () => {
  const word = event<string>('word');

  test('G15: an effect run outside a workflow is told by kind and name', () => {
    const run = (operation: Operation<unknown>) => () => operation[Symbol.iterator]().next();

    expect(run(sleep(1))).toThrow(OutsideWorkflowError);
    expect(run(receive(word))).toThrow(/receive "word" was run outside a workflow.*yield\*/);
    expect(run(all([sleep(1)]))).toThrow(/all "all" was run outside/);
    expect(() => log.info('hello')).toThrow(/log\.info\(\) was run outside a workflow/);
  });

  test('G15: an effect run inside a step is outside the workflow too', async () => {
    const error = await failureOfBody(() =>
      step('inside', () => [...(sleep(1) as Iterable<unknown>)], {
        retry: false,
      }),
    );

    expect(error).toMatchObject({ name: 'OutsideWorkflowError', code: 'OUTSIDE_WORKFLOW' });
    expect(error.message).toContain('sleep "sleep"');
  });

  test('G15: a task of another instance is told, joined or cancelled', async () => {
    const shared: Task<void>[] = [];
    const owner = workflow('owner', function* () {
      shared.push(yield* spawn(() => sleep('1 day')));
    });
    const stranger = workflow('stranger', function* (how: 'join' | 'cancel') {
      for (const task of shared) yield* task[how]();
    });
    const runtime = await createTestRuntime({ workflows: [owner, stranger] });
    await runtime.start(owner);

    for (const how of ['join', 'cancel'] as const) {
      const error = await failureOf(await runtime.start(stranger, how, { id: how }));
      expect(error).toMatchObject({
        name: ForeignPrimitiveError.name,
        code: 'FOREIGN_PRIMITIVE',
        data: { what: 'Task 1', instanceId: how },
      });
      expect(error.message).toContain('send an event instead');
    }
  });

  test.each(['join', 'cancel'] as const)('G15: a task that would %s itself is told', async (how) => {
    const error = await failureOfBody(function* () {
      const own: Task<void>[] = [];
      own.push(
        yield* spawn(function* () {
          yield* sleep(1);
          yield* own[0]?.[how]() ?? sleep(1);
        }),
      );
      yield* sleep('1 day');
    });

    expect(error).toMatchObject({
      name: 'AuthoringError',
      message: expect.stringContaining(`task 1 of instance "i" cannot ${how} itself`),
    });
  });
});
