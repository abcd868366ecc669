// What is asked wrongly of tasks, pools, queues, semaphores and latches is refused with an error that names it.

import { describe, expect, test } from 'vitest';
import {
  AuthoringError,
  all,
  allSettled,
  any,
  createLatch,
  createPool,
  createQueue,
  createSemaphore,
  DefinitionError,
  ForeignPrimitiveError,
  InvalidDurationError,
  type Latch,
  type Operation,
  OutsideWorkflowError,
  type Pool,
  type Queue,
  QueueClosedError,
  race,
  type Semaphore,
  sleep,
  spawn,
  spawnAfter,
  type Task,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { HOUR, later, runBody } from '../support/bodies.js';
import { failureOf } from '../support/rejection.js';
import { untyped } from '../support/untyped.js';
import { caught, hours } from './rules.js';

/** Passes anything off as what the types ask for. */
const as = <T>(value: unknown) => value as T;

interface Refused {
  readonly error: abstract new (...args: never[]) => Error;
  readonly code: string;
  readonly message: RegExp;
}

const definition = (message: RegExp): Refused => ({ error: DefinitionError, code: 'DEFINITION', message });
const authoring = (message: RegExp): Refused => ({ error: AuthoringError, code: 'AUTHORING', message });
const closed = (message: RegExp): Refused => ({ error: QueueClosedError, code: 'QUEUE_CLOSED', message });

/** Runs this in an instance `t`, where it is the first to make anything, and looks at what it is thrown. */
async function expectRefused(attempt: () => Operation<unknown>, refused: Refused) {
  let thrown: unknown;
  const { instance } = await runBody(function* () {
    thrown = yield* caught(attempt);
  }, '1 day');
  await instance.result();

  expect(thrown).toBeInstanceOf(refused.error);
  expect(thrown).toMatchObject({ code: refused.code, message: expect.stringMatching(refused.message) });
}

const badCounts: readonly (readonly [unknown, string])[] = [
  [-1, '-1'],
  [1.5, '1.5'],
  [Number.NaN, 'NaN'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
  [2 ** 53, '9007199254740992'],
  ['x', '"x"'],
  ['3', '"3"'],
  [3n, '3'],
  [null, 'null'],
  [[2], 'an array'],
];

describe.each(badCounts)('the number %s', (count, shown) => {
  const named = (what: string) => definition(new RegExp(`${what}.* not ${shown}\\.$`));

  test('is no size of a pool', () => expectRefused(() => createPool(as(count)), named('size of createPool')));

  test('is no new size of a pool, which keeps its own', async () => {
    let pool: Pool | null = null;
    await expectRefused(function* () {
      pool = yield* createPool(2);
      yield* pool.resize(as(count));
    }, named('size of resize'));
    expect(pool).toMatchObject({ size: 2, free: 2 });
  });

  test('is no number of permits', () => expectRefused(() => createSemaphore(as(count)), named('permits of createSemaphore')));

  test('is no capacity of a queue', () => expectRefused(() => createQueue(as(count)), named('capacity of createQueue')));
});

test('neither a pool nor a semaphore is without bounds', async () => {
  await expectRefused(() => createPool(Number.POSITIVE_INFINITY), definition(/not Infinity/));
  await expectRefused(() => createSemaphore(Number.POSITIVE_INFINITY), definition(/not Infinity/));
  await expectRefused(() => createPool(as(undefined)), definition(/not undefined/));
});

function* priorityQueue(put: unknown, priority?: () => number): Operation<void> {
  const queue = yield* createQueue<unknown>(2, { order: 'priority', priority });
  yield* queue.put(put);
}

const attempts: Readonly<Record<string, readonly [() => Operation<unknown>, Refused]>> = {
  'an order that is none': [() => createQueue(1, { order: as('random') }), definition(/order.*"random"/)],
  'a priority that is no function': [() => createQueue<unknown>(1, { order: 'priority', priority: as(5) }), definition(/priority/)],
  'a priority without its order': [() => createQueue<unknown>(1, { priority: () => 1 }), definition(/order: 'priority'/)],
  'an item of a priority queue that is no number': [() => priorityQueue('urgent'), authoring(/queue 1.*"urgent"/)],
  'NaN in a priority queue': [() => priorityQueue(Number.NaN), authoring(/queue 1.*NaN/)],
  'a priority that gives no number': [() => priorityQueue('item', () => as(undefined)), authoring(/queue 1.*undefined/)],
  'a try to put what has no priority': [
    function* () {
      const queue = yield* createQueue<unknown>(0, { order: 'priority' });
      yield* queue.tryPut('urgent');
    },
    authoring(/queue 1.*"urgent"/),
  ],
  'a generator for a pool': [
    function* () {
      const pool = yield* createPool(1);
      yield* pool.spawn(as(later(1, 1)));
    },
    definition(/pool\.spawn\(\(\) => /),
  ],
  'a generator to spawn after a delay': [() => spawnAfter(1, as(later(1, 1))), definition(/spawnAfter\(delay, \(\) => /)],
  'a delay that is none': [
    () => spawnAfter('soon', () => hours(1)),
    { error: InvalidDurationError, code: 'INVALID_DURATION', message: /soon/ },
  ],
  'a negative delay': [() => spawnAfter(-1, () => hours(1)), { error: InvalidDurationError, code: 'INVALID_DURATION', message: /-1/ }],
  'an async function in a pool': [
    function* () {
      const pool = yield* createPool(1);
      const task = yield* pool.spawn(untyped(async () => 1));
      yield* task.join();
    },
    authoring(/task 1 in instance "t" gave a promise/),
  ],
  'no iterable to map': [
    function* () {
      const pool = yield* createPool(1);
      yield* pool.map(as<Iterable<number>>(5), () => hours(1));
    },
    definition(/pool\.map\(\) takes an iterable/),
  ],
  'no function to map with': [
    function* () {
      const pool = yield* createPool(1);
      yield* pool.map([1], as<() => Operation<void>>('double'));
    },
    definition(/pool\.map\(\).* function/),
  ],
  'a function to map with that gives a promise': [
    function* () {
      const pool = yield* createPool(1);
      yield* pool.map(
        [1],
        as<() => Operation<number>>(async () => 1),
      );
    },
    authoring(/gave a promise/),
  ],
  'a function in place of an operation to use a permit for': [
    function* () {
      const semaphore = yield* createSemaphore(1);
      yield* semaphore.use(as<Operation<void>>(() => hours(1)));
    },
    definition(/use\(\) takes operations, not a function/),
  ],
  'more releases than permits': [
    function* () {
      const semaphore = yield* createSemaphore(2);
      yield* semaphore.release();
    },
    authoring(/release\(\) of semaphore 1 in instance "t"/),
  ],
  'a second opening': [
    function* () {
      const latch = yield* createLatch();
      yield* latch.open();
      yield* latch.open();
    },
    authoring(/open\(\) of latch 1 in instance "t": it is open already/),
  ],
  'an opening of what has failed': [
    function* () {
      const latch = yield* createLatch();
      yield* latch.fail(new Error('first'));
      yield* latch.open();
    },
    authoring(/open\(\) of latch 1 in instance "t": it has failed already/),
  ],
  'a failure of what is open': [
    function* () {
      const latch = yield* createLatch();
      yield* latch.open();
      yield* latch.fail(new Error('second'));
    },
    authoring(/fail\(\) of latch 1 in instance "t": it is open already/),
  ],
  'a put into a closed queue': [
    function* () {
      const queue = yield* createQueue();
      yield* queue.close();
      yield* queue.put(1);
    },
    closed(/put\(\) of queue 1 in instance "t"/),
  ],
  'a get from a closed queue': [
    function* () {
      const queue = yield* createQueue();
      yield* queue.close();
      yield* queue.get();
    },
    closed(/get\(\) of queue 1 in instance "t"/),
  ],
  'joining oneself': [() => onItself((task) => task.join()), authoring(/task 1 \(itself\) of instance "t" cannot join itself/)],
  'cancelling oneself': [() => onItself((task) => task.cancel()), authoring(/task 1 \(itself\) of instance "t" cannot cancel itself/)],
  'waitAll from a member of a map': [
    function* () {
      const pool = yield* createPool(1);
      yield* pool.map([1], () => pool.waitAll());
    },
    authoring(/waitAll\(\) of pool 1 in instance "t" was called by task 1/),
  ],
  'waitAll from below a task of the pool': [
    function* () {
      const pool = yield* createPool(1);
      const task = yield* pool.spawn(function* above() {
        yield* all([race([pool.waitAll()])]);
      });
      yield* task.join();
    },
    authoring(/waitAll\(\) of pool 1 .* below task 1 \(above\)/),
  ],
  'allSettled of what is no operation': [() => allSettled([hours(1), as(Promise.resolve(1))]), definition(/allSettled\(\).*promise/)],
  'any of what is no operation': [() => any([as<Operation<void>>(5)]), definition(/any\(\) takes operations, not a number/)],
  'any of nothing': [() => any(as<[Operation<void>]>([])), definition(/any\(\) needs at least one/)],
  'any of an empty object': [() => any({}), definition(/any\(\) needs at least one/)],
};

function* onItself(operate: (task: Task<unknown>) => Operation<unknown>): Operation<void> {
  const handles: Task<unknown>[] = [];
  const task = yield* spawn(function* itself() {
    yield* hours(1);
    yield* operate(handles[0] as Task<unknown>);
  });
  handles.push(task);
  yield* task.join();
}

test.each(Object.entries(attempts))('%s is refused', (_name, [attempt, refused]) => expectRefused(attempt, refused));

test('a priority that throws is the putter’s error, and nothing is put', async () => {
  const { instance } = await runBody(function* () {
    const priority = (item: number) => {
      if (item > 1) throw new RangeError('no rank');
      return item;
    };
    const queue = yield* createQueue<number>(5, { order: 'priority', priority });
    yield* queue.put(1);
    const errors = [yield* caught(queue.put(2)), yield* caught(queue.tryPut(3))];
    return [errors.map(({ name }) => name), queue.size, yield* queue.get()];
  });

  await expect(instance.result()).resolves.toEqual([['RangeError', 'RangeError'], 1, 1]);
});

test('a forgotten yield* in front of an operation on a queue is told, and names the queue', async () => {
  const { instance } = await runBody(function* () {
    const queue = yield* createQueue<number>();
    queue.put(1);
    yield* hours(1);
  }, '1 hour');

  expect(await failureOf(instance)).toMatchObject({ name: 'ForgottenYieldError', message: expect.stringContaining('put of queue 1') });
});

interface Handles {
  readonly task: Task<unknown>;
  readonly pool: Pool;
  readonly queue: Queue<number>;
  readonly semaphore: Semaphore;
  readonly latch: Latch<number>;
}

/** Everything of an instance whose handles have left it. */
async function withHandles() {
  let handles: Handles | null = null;
  const owner = workflow('owner', function* () {
    const pool = yield* createPool(1);
    const queue = yield* createQueue<number>();
    const semaphore = yield* createSemaphore(1);
    const latch = yield* createLatch<number>();
    const task = yield* spawn(() => latch.wait());
    handles = { task, pool, queue, semaphore, latch };
    yield* hours(1);
    yield* latch.open(7);
    return [yield* task.join(), queue.size, pool.size, yield* semaphore.tryAcquire()];
  });
  let use: (handles: Handles) => Operation<unknown> = () => hours(0);
  const stranger = workflow('stranger', () => use(handles as unknown as Handles));
  const runtime = await createTestRuntime({ workflows: [owner, stranger], passivateAfter: '1000 days' });
  const owning = await runtime.start(owner, undefined, { id: 'owner' });
  await runtime.runUntilIdle();
  const inStranger = async (operate: (handles: Handles) => Operation<unknown>) => {
    let thrown: unknown;
    use = function* (given) {
      thrown = yield* caught(() => operate(given));
    };
    await (await runtime.start(stranger)).result();
    return thrown;
  };
  return { runtime, owning, inStranger, handles: handles as unknown as Handles };
}

const uses: Readonly<Record<string, readonly [string, (handles: Handles) => Operation<unknown>]>> = {
  'join of a task': ['Task 1', ({ task }) => task.join()],
  'cancel of a task': ['Task 1', ({ task }) => task.cancel()],
  'spawn of a pool': ['Pool 1', ({ pool }) => pool.spawn(() => hours(1))],
  'map of a pool': ['Pool 1', ({ pool }) => pool.map([1], () => hours(1))],
  'waitAll of a pool': ['Pool 1', ({ pool }) => pool.waitAll()],
  'resize of a pool': ['Pool 1', ({ pool }) => pool.resize(5)],
  'put of a queue': ['Queue 2', ({ queue }) => queue.put(1)],
  'get of a queue': ['Queue 2', ({ queue }) => queue.get()],
  'tryPut of a queue': ['Queue 2', ({ queue }) => queue.tryPut(1)],
  'tryGet of a queue': ['Queue 2', ({ queue }) => queue.tryGet()],
  'close of a queue': ['Queue 2', ({ queue }) => queue.close()],
  'acquire of a semaphore': ['Semaphore 3', ({ semaphore }) => semaphore.acquire()],
  'tryAcquire of a semaphore': ['Semaphore 3', ({ semaphore }) => semaphore.tryAcquire()],
  'release of a semaphore': ['Semaphore 3', ({ semaphore }) => semaphore.release()],
  'use of a semaphore': ['Semaphore 3', ({ semaphore }) => semaphore.use(hours(1))],
  'wait of a latch': ['Latch 4', ({ latch }) => latch.wait()],
  'open of a latch': ['Latch 4', ({ latch }) => latch.open(1)],
  'fail of a latch': ['Latch 4', ({ latch }) => latch.fail(new Error('from a stranger'))],
  'reset of a latch': ['Latch 4', ({ latch }) => latch.reset()],
};

describe.each(Object.entries(uses))('%s', (_name, [title, operate]) => {
  test('is refused in another instance, and does nothing to its own', async () => {
    const { runtime, owning, inStranger } = await withHandles();

    const thrown = await inStranger(operate);

    expect(thrown).toBeInstanceOf(ForeignPrimitiveError);
    expect(thrown).toMatchObject({ code: 'FOREIGN_PRIMITIVE', what: title, message: expect.stringContaining(title) });
    await runtime.advance(HOUR);
    await expect(owning.result()).resolves.toEqual([7, 0, 1, true]);
  });

  test('is refused outside a workflow', async () => {
    const { handles } = await withHandles();

    const run = () => [...(operate(handles) as unknown as Iterable<unknown>)];

    expect(run).toThrow(OutsideWorkflowError);
    expect(run).toThrow(expect.objectContaining({ code: 'OUTSIDE_WORKFLOW' }));
  });
});

test.each([
  ['pool', () => createPool(1)],
  ['queue', () => createQueue()],
  ['semaphore', () => createSemaphore(1)],
  ['latch', () => createLatch()],
  ['spawn', () => spawnAfter('1 hour', () => sleep(1))],
])('%s: none is made outside a workflow', (name, make) => {
  const run = () => [...(make() as unknown as Iterable<unknown>)];

  expect(run).toThrow(OutsideWorkflowError);
  expect(run).toThrow(name);
});
