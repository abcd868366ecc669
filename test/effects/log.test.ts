// log: a plain call inside workflows, written once, silent in replay.

import { expect, test } from 'vitest';
import { type LogLevel, log, type Operation, sleep, spawn, step, workflow } from '../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

async function begin(body: () => Operation<unknown>) {
  const tested = workflow('tested', body);
  const runtime = await createTestRuntime({ workflows: [tested] });
  await runtime.start(tested, undefined, { id: 't' });
  await runtime.runUntilIdle();
  return runtime;
}

const messages = (runtime: TestRuntime) => runtime.logged.map(({ message }) => message);

test('each level is written with its fields, and with the workflow, instance and task', async () => {
  const runtime = await begin(function* () {
    for (const level of levels) log[level](`at ${level}`, { order: 7 });
    yield* sleep('1 hour');
  });

  expect(runtime.logged).toEqual(
    levels.map((level) => ({ level, message: `at ${level}`, fields: { order: 7, workflow: 'tested', instanceId: 't', task: 0 } })),
  );
});

test('fields cannot pass for another instance', async () => {
  const runtime = await begin(function* () {
    log.info('hello', { instanceId: 'other', workflow: 'other', task: 99 });
    yield* sleep('1 hour');
  });

  expect(runtime.logged[0]?.fields).toEqual({ instanceId: 't', workflow: 'tested', task: 0 });
});

test('a task logs under its own number', async () => {
  const runtime = await begin(function* () {
    yield* spawn(function* () {
      log.info('from the task');
      yield* sleep('1 hour');
    });
    log.info('from the body');
  });

  expect(runtime.logged.map(({ message, fields }) => [message, fields.task])).toEqual([
    ['from the body', 0],
    ['from the task', 1],
  ]);
});

test('a replay is silent: after crashes each line stands there once', async () => {
  const runtime = await begin(function* () {
    for (const round of [1, 2, 3]) {
      log.info(`round ${round} begins`);
      yield* step('work', () => round);
      yield* sleep('1 hour');
    }
    log.info('over');
  });
  await runtime.advance('1 hour');
  const recovered = await (await runtime.crash()).crash();

  await recovered.advance('2 hours');

  expect(messages(recovered)).toEqual(['round 1 begins', 'round 2 begins', 'round 3 begins', 'over']);
});

test('without fields it says where it comes from all the same', async () => {
  const runtime = await begin(function* () {
    log.warn('bare');
  });

  expect(runtime.logged).toEqual([{ level: 'warn', message: 'bare', fields: { workflow: 'tested', instanceId: 't', task: 0 } }]);
});
