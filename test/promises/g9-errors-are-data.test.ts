// G9: an error that leaves a workflow is data, the same wherever it is read and in whichever engine it was thrown.

import { expect, test } from 'vitest';
import { createActor } from 'xstate';
import {
  call,
  type ErrorData,
  fromWorkflow,
  NonRetryableError,
  type Operation,
  sleep,
  step,
  WorkflowFailedError,
  workflow,
} from '../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { failureOf, rejectionOf } from '../support/rejection.js';

class PaymentError extends Error {
  readonly code = 'CARD_DECLINED';
  readonly amount: number;
  readonly tried: ReadonlySet<string>;

  constructor(message: string, options: { amount: number; cause: unknown }) {
    super(message, { cause: options.cause });
    this.amount = options.amount;
    this.tried = new Set(['visa', 'amex']);
  }
}

function declined(): PaymentError {
  return new PaymentError('declined', { amount: 12, cause: new TypeError('no cover') });
}

const asData = {
  name: 'PaymentError',
  message: 'declined',
  stack: expect.stringContaining('g9-errors-are-data.test.ts'),
  code: 'CARD_DECLINED',
  data: { amount: 12, tried: new Set(['visa', 'amex']) },
  cause: { name: 'TypeError', message: 'no cover', stack: expect.any(String) },
};

const paying = workflow('paying', function* (): Operation<void> {
  yield* sleep('1 hour');
  throw declined();
});

async function startPaying() {
  const runtime = await createTestRuntime({ workflows: [paying] });
  await runtime.start(paying, undefined, { id: 'p' });
  return runtime;
}

test('G9: result() rejects with WorkflowFailedError that carries the error as data', async () => {
  const runtime = await startPaying();
  const result = rejectionOf(runtime.instance('p').result(), WorkflowFailedError);

  await runtime.advance('1 hour');
  const error = await result;

  expect(error).toMatchObject({ code: 'WORKFLOW_FAILED', instanceId: 'p', workflow: 'paying' });
  expect(error.message).toContain('PaymentError: declined');
  expect(error.error).toEqual(asData);
  expect(Object.getPrototypeOf(error.error)).toBe(Object.prototype);
});

test('G9: it reads the same from info() and result(), live and after a crash', async () => {
  const runtime = await startPaying();
  await runtime.advance('1 hour');
  const read = async (from: TestRuntime) => [(await from.instance('p').info()).error, await failureOf(from.instance('p'))];

  const live = await read(runtime);
  const recovered = await read(await runtime.crash());

  expect(live).toEqual([asData, asData]);
  expect(recovered).toEqual(live);
});

test('G9: it is the same in a workflow actor by itself', async () => {
  const failing = workflow('failing', function* (): Operation<void> {
    yield* step(
      'fail',
      () => {
        throw declined();
      },
      { retry: false },
    );
  });
  const runtime = await createTestRuntime({ workflows: [failing] });
  const actor = createActor(fromWorkflow(failing), { input: undefined });
  const failed = new Promise<unknown>((resolve) => actor.subscribe({ error: resolve }));

  const inRuntime = await failureOf(await runtime.start(failing));
  actor.start();
  const error = (await failed) as PaymentError & { cause: Error };

  expect(inRuntime).toEqual(asData);
  expect({ ...inRuntime, stack: '', cause: { ...(inRuntime as ErrorData).cause, stack: '' } }).toEqual({
    name: error.name,
    message: error.message,
    stack: '',
    code: error.code,
    data: { amount: error.amount, tried: error.tried },
    cause: { name: error.cause.name, message: error.cause.message, stack: '' },
  });
});

test('G9: whatever is thrown becomes data, also what is no error', async () => {
  const throwing = workflow('throwing', function* (what: number): Operation<void> {
    const thrown: unknown[] = ['a text', undefined, { reason: 'plain' }, () => 1, Symbol('s')];
    throw thrown[what];
  });
  const runtime = await createTestRuntime({ workflows: [throwing] });
  const errors: unknown[] = [];
  for (const what of [0, 1, 2, 3, 4]) errors.push(await failureOf(await runtime.start(throwing, what)));

  expect(errors).toMatchObject([
    { name: 'Error', message: 'a text', data: { thrown: 'a text' } },
    { name: 'Error', message: 'undefined' },
    { name: 'Error', data: { reason: 'plain' } },
    { name: 'Error', message: 'A function was thrown.' },
    { name: 'Error', message: 'Symbol(s)' },
  ]);
});

test('G9: a catch sees the same error live and in replay', async () => {
  const seen: unknown[] = [];
  const catching = workflow('catching', function* () {
    try {
      yield* step('fail', () => Promise.reject(declined()), { retry: false });
    } catch (error) {
      const { name, message, code, amount, cause } = error as PaymentError;
      seen.push({ name, message, code, amount, cause: (cause as Error).message, isError: error instanceof Error });
    }
    yield* sleep('1 day');
  });
  const runtime = await createTestRuntime({ workflows: [catching] });
  await runtime.start(catching);
  await runtime.runUntilIdle();
  const recovered = await runtime.crash();
  await recovered.advance('1 day');

  expect(seen).toHaveLength(2);
  expect(seen[0]).toEqual({
    name: 'PaymentError',
    message: 'declined',
    code: 'CARD_DECLINED',
    amount: 12,
    cause: 'no cover',
    isError: true,
  });
  expect(seen[1]).toEqual(seen[0]);
});

test('G9: a parent is thrown WorkflowFailedError with its child’s error in it, the same live and in replay', async () => {
  const seen: unknown[] = [];
  const parent = workflow('parent', function* () {
    try {
      yield* call(paying, undefined, { id: 'child' });
    } catch (error) {
      seen.push(error instanceof WorkflowFailedError ? { id: error.instanceId, code: error.code, error: error.error } : error);
    }
    yield* sleep('1 day');
  });
  const runtime = await createTestRuntime({ workflows: [parent, paying] });
  await runtime.start(parent);
  await runtime.advance('1 hour');
  await (await runtime.crash()).advance('1 day');

  expect(seen).toEqual([
    { id: 'child', code: 'WORKFLOW_FAILED', error: asData },
    { id: 'child', code: 'WORKFLOW_FAILED', error: asData },
  ]);
});

test('G9: the library’s own errors are of their class again where they are caught', async () => {
  const seen: unknown[] = [];
  const catching = workflow('catching', function* () {
    try {
      yield* step('refuse', () => {
        throw new NonRetryableError('never again', { cause: new Error('why') });
      });
    } catch (error) {
      seen.push(error);
    }
  });
  const runtime = await createTestRuntime({ workflows: [catching] });
  await (await runtime.start(catching)).result();

  expect(seen).toEqual([expect.any(NonRetryableError)]);
  expect(seen).toMatchObject([{ code: 'NON_RETRYABLE', message: 'never again', cause: { message: 'why' } }]);
});
