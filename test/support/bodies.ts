// Running one body under test, and small bodies to run in it.

import { type Operation, sleep, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';

export const HOUR = 3_600_000;

/** Starts a workflow of this body, and lets a time pass. It stays in memory, so that its plain code runs once. */
export async function runBody<O>(body: () => Operation<O>, time: string | number = 0) {
  const tested = workflow('tested', body);
  const runtime = await createTestRuntime({ workflows: [tested], passivateAfter: '1000 days' });
  const instance = await runtime.start(tested, undefined, { id: 't' });
  await runtime.advance(time);
  return { runtime, instance };
}

/** Gives a value after some hours. */
export function* later<T>(hours: number, value: T): Operation<T> {
  yield* sleep(hours * HOUR);
  return value;
}

/** Throws after some hours. */
export function* failingAfter(hours: number, message: string): Operation<never> {
  yield* sleep(hours * HOUR);
  throw new Error(message);
}
