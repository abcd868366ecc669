// G15, a forgotten yield*: an operation that was made and never run fails its instance in strict mode, with kind, name,
// task and line; otherwise it is logged, once per place.

import { afterEach, describe, expect, test } from 'vitest';
import {
  activity,
  all,
  call,
  createRuntime,
  event,
  expose,
  memoryStore,
  type Operation,
  race,
  receive,
  sleep,
  spawn,
  startChild,
  step,
  timeout,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { failureOf } from '../support/rejection.js';
import { lineOf } from '../support/source-line.js';

const line = (marker: string) => lineOf(import.meta.url, marker);
const deploy = activity('deploy', (_ip: string) => {});
const approval = event<boolean>('approval');
const child = workflow('child', function* () {});

/** How an instance of this body ends, after an hour. */
async function failureOfBody(body: () => Operation<unknown>) {
  const mistaken = workflow('mistaken', body);
  const runtime = await createTestRuntime({ workflows: [mistaken, child] });
  const instance = await runtime.start(mistaken);
  await runtime.advance('1 hour');
  expect((await instance.info()).status).toBe('failed');
  return failureOf(instance);
}

interface Forgotten {
  readonly body: () => Operation<unknown>;
  readonly kind: string;
  readonly operation: string;
  readonly task?: string;
}

const forgotten: Readonly<Record<string, Forgotten>> = {
  'a sleep': {
    *body() {
      sleep('1 day'); // <- a sleep
    },
    kind: 'sleep',
    operation: 'sleep',
  },
  'an activity': {
    *body() {
      deploy('10.0.0.7'); // <- an activity
    },
    kind: 'activity',
    operation: 'deploy',
  },
  'a step after other turns': {
    *body() {
      yield* step('before', () => 1);
      yield* sleep('1 minute');
      step('release', () => 2); // <- a step after other turns
      yield* step('after', () => 3);
    },
    kind: 'step',
    operation: 'release',
  },
  'a receive in a helper': {
    *body() {
      yield* asking();
    },
    kind: 'receive',
    operation: 'approval',
  },
  'a composed operation': {
    *body() {
      call(child); // <- a composed operation
      yield* sleep('1 minute');
    },
    kind: 'call',
    operation: 'child',
  },
  'operations of several': {
    *body() {
      all([sleep(1), deploy('10.0.0.7')]); // <- operations of several
    },
    kind: 'all',
    operation: 'all',
  },
  'an exposed value': {
    *body() {
      expose('state', 'deploying'); // <- an exposed value
    },
    kind: 'expose',
    operation: 'state',
  },
  'the result of a child': {
    *body() {
      const started = yield* startChild(child);
      started.result(); // <- the result of a child
    },
    kind: 'child',
    operation: 'child',
  },
  'the join of a task': {
    *body() {
      const task = yield* spawn(() => sleep('1 minute'));
      task.join(); // <- the join of a task
    },
    kind: 'join',
    operation: 'task 1',
  },
  'one made in a spawned task': {
    *body() {
      yield* spawn(function* () {
        yield* sleep('1 minute');
        deploy('10.0.0.7'); // <- one made in a spawned task
      });
      yield* sleep('1 day');
    },
    kind: 'activity',
    operation: 'deploy',
    task: 'task 1',
  },
  'one made in a member of a race': {
    *body() {
      yield* race([sleep('1 day'), hasty()]);
    },
    kind: 'step',
    operation: 'hurry',
    task: 'task 2',
  },
};

function* asking() {
  yield* sleep('1 minute');
  receive(approval); // <- a receive in a helper
}

function* hasty() {
  yield* step('first', () => 1);
  step('hurry', () => 2); // <- one made in a member of a race
}

describe('in strict mode', () => {
  test.each(Object.entries(forgotten))('G15: %s fails the instance, and is told with its line', async (marker, given) => {
    const { body, kind, operation, task = 'the body' } = given;

    const error = await failureOfBody(body);

    expect(error).toMatchObject({ name: 'ForgottenYieldError', code: 'FORGOTTEN_YIELD' });
    expect(error).toMatchObject({ data: { kind, operation, task, where: expect.stringContaining(`${line(marker)}:`) } });
    for (const text of [`${kind} "${operation}"`, task, line(marker), 'yield*']) expect(error.message).toContain(text);
  });

  test('G15: the first of several is told', async () => {
    const error = await failureOfBody(function* () {
      deploy('10.0.0.7'); // <- the first of two
      sleep('1 day');
    });

    expect(error).toMatchObject({ data: { kind: 'activity', where: expect.stringContaining(line('the first of two')) } });
  });

  test('G15: its line is found with other commits of the instance still on their way to the disk', async () => {
    const busy = workflow('busy', function* () {
      yield* all([step('a', () => 1), step('b', async () => 2), step('c', () => 3)]);
      yield* receive(approval);
      sleep('1 day'); // <- with other commits under way
    });
    const runtime = await createTestRuntime({ workflows: [busy] });
    const [instance] = await Promise.all([
      runtime.start(busy, undefined, { id: 'b' }),
      ...[1, 2, 3].map(() => runtime.start(busy, undefined, { id: 'b' })),
    ]);
    if (instance === undefined) throw new Error('not started');
    await Promise.allSettled([instance.send(approval, true), instance.send(approval, false)]);

    expect(await failureOf(instance)).toMatchObject({ data: { where: expect.stringContaining(line('with other commits under way')) } });
  });

  test('G15: operations that are run later, or by another operation or task, are not forgotten', async () => {
    const late = workflow('late', function* () {
      const made = [deploy('1'), deploy('2'), deploy('3'), deploy('4'), deploy('5')] as const;
      yield* sleep('1 minute');
      yield* made[0];
      yield* all([made[1], timeout('1 minute', made[2])]);
      yield* race({ only: made[3] });
      yield* spawn(() => made[4]);
      return 'all run';
    });
    const runtime = await createTestRuntime({ workflows: [late] });
    const instance = await runtime.start(late);
    await runtime.advance('1 minute');

    await expect(instance.result()).resolves.toBe('all run');
  });

  test('G15: an error of the body is not hidden by what it left behind', async () => {
    const error = await failureOfBody(function* (): Operation<void> {
      sleep(1);
      throw new Error('the real one');
    });

    expect(error.message).toBe('the real one');
  });

  test('G15: who catches it sees the same in replay', async () => {
    const seen: unknown[] = [];
    const catching = workflow('catching', function* () {
      const task = yield* spawn(function* () {
        sleep(1); // <- caught
      });
      try {
        yield* task.join();
      } catch (error) {
        seen.push((error as Error).message);
      }
      yield* sleep('1 day');
    });
    const runtime = await createTestRuntime({ workflows: [catching] });
    await runtime.start(catching);
    const [live] = seen.splice(0);
    await (await runtime.crash()).advance('1 day');

    expect(live).toContain(line('caught'));
    expect(new Set(seen)).toEqual(new Set([live]));
  });
});

describe('otherwise', () => {
  const careless = workflow('careless', function* (twice: boolean) {
    yield* spawn(function* () {
      yield* sleep('1 minute');
      deploy('10.0.0.7'); // <- in a task
    });
    if (twice) sleep(1); // <- in the body
    yield* sleep('1 minute');
    return 'went on';
  });
  const nodeEnv = process.env.NODE_ENV;

  afterEach(() => {
    process.env.NODE_ENV = nodeEnv;
  });

  test('G15: the instance goes on, and each place is logged once', async () => {
    const runtime = await createTestRuntime({ workflows: [careless], strict: false });
    const instances = [await runtime.start(careless, false), await runtime.start(careless, false), await runtime.start(careless, true)];
    await runtime.advance('1 minute');

    for (const instance of instances) await expect(instance.result()).resolves.toBe('went on');

    const warnings = runtime.logged.filter(({ fields }) => fields.code === 'FORGOTTEN_YIELD');
    expect(warnings.map(({ level }) => level)).toEqual(['warn', 'warn']);
    expect(warnings[0]).toMatchObject({
      message: expect.stringContaining('activity "deploy" was made in task 1'),
      fields: { workflow: 'careless' },
    });
    expect(warnings[0]?.message).toContain(line('in a task'));
    expect(warnings[1]?.message).toContain(line('in the body'));
  });

  test.each([
    ['production', undefined, 'completed'],
    ['production', true, 'failed'],
    ['development', undefined, 'failed'],
    ['development', false, 'completed'],
  ])('G15: with NODE_ENV=%s and strict: %s the instance is %s', async (environment, strict, status) => {
    process.env.NODE_ENV = environment;
    const forgetful = workflow('forgetful', function* () {
      sleep(1);
    });
    const logger = { log: () => {} };
    await using runtime = await createRuntime({ workflows: [forgetful], store: memoryStore(), strict, logger });

    const instance = await runtime.start(forgetful);

    expect((await instance.info()).status).toBe(status);
  });
});
