// call and startChild: workflows that run others.

import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type AnyWorkflow,
  call,
  event,
  type Operation,
  race,
  receive,
  sleep,
  startChild,
  step,
  timeout,
  type Workflow,
  WorkflowFailedError,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { RecordingStore, storeAfter } from '../support/committed-history.js';
import { failureOf } from '../support/rejection.js';

const word = event<string>('word');
const double = workflow('double', function* (n: number) {
  yield* sleep('1 hour');
  return 2 * (yield* step('twice', () => n));
});
const failing = workflow('failing', function* (): Operation<void> {
  yield* sleep('1 hour');
  throw Object.assign(new Error('child failed'), { code: 'E_CHILD' });
});
const cleaning = workflow('cleaning', function* () {
  try {
    yield* receive(word);
  } finally {
    yield* step('clean', () => void trail.push('cleaned'));
  }
});
let trail: string[] = [];

beforeEach(() => {
  trail = [];
});

/** Starts a parent of this body, in a runtime that knows the children of this file. */
async function begin<O>(body: () => Operation<O>, children: AnyWorkflow[] = [double, failing, cleaning]) {
  const parent = workflow('parent', body);
  const runtime = await createTestRuntime({ workflows: [parent, ...children] });
  const instance = await runtime.start(parent, undefined, { id: 'p' });
  await runtime.runUntilIdle();
  return { runtime, instance };
}

describe('call', () => {
  test('it runs the child as an instance of its own, and gives its output', async () => {
    const { runtime, instance } = await begin(() => call(double, 21, { id: 'c' }));
    expect(await instance.info()).toMatchObject({ status: 'sleeping', waitingFor: [{ kind: 'child', name: 'double', key: 'c' }] });
    expect(await runtime.instance('c').info()).toMatchObject({ workflow: 'double', status: 'sleeping' });

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toBe(42);
    await expect(runtime.instance('c', double).result()).resolves.toBe(42);
  });

  test('without an id the child gets one of its own each time', async () => {
    const { runtime, instance } = await begin(function* () {
      return [yield* call(double, 1), yield* call(double, 2)];
    });

    await runtime.advance('2 hours');

    await expect(instance.result()).resolves.toEqual([2, 4]);
    const children: string[] = [];
    for await (const { id } of runtime.list({ workflow: 'double' })) children.push(id);
    expect(new Set(children).size).toBe(2);
  });

  test('a child that fails throws WorkflowFailedError, with the child’s error as data', async () => {
    const { runtime, instance } = await begin(function* () {
      try {
        return yield* call(failing, undefined, { id: 'c' });
      } catch (error) {
        return error instanceof WorkflowFailedError ? [error.instanceId, error.workflow, error.error] : error;
      }
    });

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toMatchObject(['c', 'failing', { message: 'child failed', code: 'E_CHILD' }]);
  });

  test('a child that was cancelled from outside throws WorkflowFailedError too', async () => {
    const { runtime, instance } = await begin(() => call(cleaning, undefined, { id: 'c' }));

    await runtime.instance('c').cancel('by hand');

    expect(await failureOf(instance)).toMatchObject({ name: 'WorkflowFailedError', data: { error: { name: 'CancelledError' } } });
  });

  test('the parent gets the outcome after any number of crashes', async () => {
    const { runtime } = await begin(() => call(double, 21));

    const recovered = await (await runtime.crash()).crash();
    await recovered.advance('1 hour');
    const again = await recovered.crash();

    await expect(again.instance('p').result()).resolves.toBe(42);
  });

  test('cancelling the parent cancels the child it waits for', async () => {
    const { runtime, instance } = await begin(() => call(cleaning, undefined, { id: 'c' }));

    await instance.cancel('no need');
    await runtime.runUntilIdle();

    expect((await instance.info()).status).toBe('cancelled');
    expect(await failureOf(runtime.instance('c'))).toMatchObject({ name: 'CancelledError' });
    expect(trail).toEqual(['cleaned']);
  });

  test.each([
    ['a race that it lost', () => race([call(cleaning, undefined, { id: 'c' }), sleep('1 hour')])],
    ['a timeout', () => timeout('1 hour', call(cleaning, undefined, { id: 'c' }), { orElse: undefined })],
  ])('%s cancels the child', async (_what, operation) => {
    const { runtime, instance } = await begin<unknown>(operation);

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toBeUndefined();
    expect((await runtime.instance('c').info()).status).toBe('cancelled');
    expect(trail).toEqual(['cleaned']);
  });

  test('the child goes by its schemas, for input and output', async () => {
    const schema = { name: 'dated', input: z.string().transform((text) => new Date(text)), output: z.object({ year: z.number() }) };
    const dated = workflow(schema, function* (date) {
      yield* sleep('1 hour');
      return { year: date.getUTCFullYear(), more: 'than the schema has' };
    });
    const { runtime, instance } = await begin(() => call(dated, '2020-05-01'), [dated]);

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toEqual({ year: 2020 });
  });

  test('workflows may call themselves', async () => {
    const factorial: Workflow<number, number> = workflow('factorial', function* (n: number): Operation<number> {
      return n < 2 ? 1 : n * (yield* call(factorial, n - 1));
    });
    const { runtime, instance } = await begin(() => call(factorial, 10), [factorial]);
    await runtime.runUntilIdle();

    await expect(instance.result()).resolves.toBe(3_628_800);
  });

  test('endless calling ends at the limit, with an error that names it', async () => {
    const endless: Workflow<number, string> = workflow('endless', function* (depth: number): Operation<string> {
      try {
        return yield* call(endless, depth + 1);
      } catch (error) {
        return `${(error as Error).name} at ${depth}: ${(error as Error).message}`;
      }
    });
    const { instance } = await begin(() => call(endless, 1), [endless]);

    await expect(instance.result()).resolves.toMatch(/^LimitError at 100: .*the limit \(nestingMax\) is 100/);
  });

  test.each([
    ['a workflow that the runtime does not know', () => call(workflow('stranger', function* () {})), 'UnknownWorkflowError'],
    ['an input that its schema refuses', () => call(strict, 'x' as never), 'ValidationError'],
    ['an input that cannot be stored', () => call(anything, () => 1), 'UnstorableValueError'],
    ['an id that is taken', () => call(anything, 1, { id: 'p' }), 'InstanceConflictError'],
    ['an id that is none', () => call(anything, 1, { id: '' }), 'InvalidIdError'],
    ['what is no workflow', () => call({ name: 'double', version: 1 } as Workflow<void, void>), 'DefinitionError'],
  ])('%s is refused, and can be caught', async (_what, operation, name) => {
    const { instance } = await begin<unknown>(
      function* () {
        try {
          return yield* operation();
        } catch (error) {
          return (error as Error).name;
        }
      },
      [strict, anything],
    );

    await expect(instance.result()).resolves.toBe(name);
  });
});

const strict = workflow({ name: 'strict', input: z.number() }, function* () {});
const anything = workflow('anything', function* (_input: unknown) {});

describe('startChild', () => {
  test('it gives the id at once, and the result when asked', async () => {
    const { runtime, instance } = await begin(function* () {
      const child = yield* startChild(double, 5, { id: 'c' });
      yield* step('between', () => void trail.push(`started ${child.id}`));
      return yield* child.result();
    });
    expect(trail).toEqual(['started c']);

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toBe(10);
  });

  test('the result can be asked for long after the child has ended', async () => {
    const { runtime } = await begin(function* () {
      const child = yield* startChild(double, 5);
      yield* sleep('1 day');
      return yield* child.result();
    });
    await runtime.advance('2 hours');

    const recovered = await runtime.crash();
    await recovered.advance('1 day');

    await expect(recovered.instance('p').result()).resolves.toBe(10);
  });

  test('the child goes on when its parent has ended, or was cancelled', async () => {
    const { runtime, instance } = await begin(function* () {
      yield* startChild(double, 1, { id: 'c' });
      yield* sleep('1 minute');
    });

    await instance.cancel();
    await runtime.advance('1 hour');

    expect((await instance.info()).status).toBe('cancelled');
    await expect(runtime.instance('c').result()).resolves.toBe(2);
  });

  test('giving up its result does not cancel it', async () => {
    const { runtime, instance } = await begin(function* () {
      const child = yield* startChild(double, 1, { id: 'c' });
      return yield* timeout('1 minute', child.result(), { orElse: 'gave up' });
    });

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toBe('gave up');
    await expect(runtime.instance('c').result()).resolves.toBe(2);
  });

  test('several tasks and instances may wait for one child', async () => {
    const { runtime, instance } = await begin(function* () {
      const child = yield* startChild(double, 4);
      return yield* race([child.result(), child.result()]);
    });

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toBe(8);
  });

  test('a child that was begun without its workflow is stuck, and goes on by retry() when it is back', async () => {
    const parent = workflow('parent', function* () {
      return yield* call(double, 3, { id: 'c' });
    });
    const store = new RecordingStore();
    const runtime = await createTestRuntime({ workflows: [parent, double], store });
    await runtime.start(parent, undefined, { id: 'p' });
    const begun = await storeAfter(store.history.slice(0, 1));

    const without = await createTestRuntime({ workflows: [parent], store: begun });
    await without.runUntilIdle();
    expect(await without.instance('c').info()).toMatchObject({ status: 'stuck', error: { name: 'UnknownWorkflowError' } });

    const complete = await without.crash({ workflows: [parent, double] });
    await complete.instance('c').retry();
    await complete.advance('1 hour');

    await expect(complete.instance('p').result()).resolves.toBe(6);
  });
});
