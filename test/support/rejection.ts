// What a promise was rejected with, as a value of the class that the test expects.

import { expect } from 'vitest';
import { WorkflowFailedError } from '../../src/index.js';

/** The error; fails the test when the promise resolves, or rejects with something else. */
export async function rejectionOf<E extends Error>(promise: Promise<unknown>, Class: abstract new (...args: never[]) => E): Promise<E> {
  const found: unknown = await promise.then(
    (value) => ({ resolvedWith: value }),
    (error: unknown) => error,
  );
  expect(found).toBeInstanceOf(Class);
  return found as E;
}

/** The error with which an instance ended, as data. */
export async function failureOf(instance: { result(): Promise<unknown> }): Promise<WorkflowFailedError['error']> {
  return (await rejectionOf(instance.result(), WorkflowFailedError)).error;
}
