// Programs at random. They are made to meet: few primitives, small capacities, short times that often fall together,
// and a crew of tasks that all begin at once.

import fc from 'fast-check';
import { type Block, type Program, type Step, withNames } from './program.js';

const QUEUES = 2;
const TASKS = 5;
const DEPTH_MAX = 3;

const task = fc.nat({ max: TASKS - 1 });
const queue = fc.nat({ max: QUEUES - 1 });
const one = fc.constant(0);
const rank = fc.nat({ max: 3 });
const seconds = fc.integer({ min: 1, max: 4 });

/** A step that contains no other. */
const leaf: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ op: fc.constantFrom('put', 'put', 'put', 'tryPut'), queue, rank }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constantFrom('get', 'get', 'get', 'tryGet'), queue }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('lookAtQueue', 'lookAtQueue', 'close'), queue }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constantFrom('acquire', 'acquire', 'acquire', 'acquire', 'tryAcquire', 'release'), semaphore: one }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('wait', 'wait', 'wait', 'open', 'open', 'reset', 'fail'), latch: one }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('join', 'join', 'join', 'onDone'), task }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('cancel'), task }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('sleep'), seconds }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('receive', 'receive', 'throw') }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('waitAll', 'waitAll', 'lookAtPool'), pool: one }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('resize'), pool: one, size: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('lookAtSemaphore', 'tryAcquire'), semaphore: one }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('lookAtLatch', 'wait'), latch: one }) },
) as fc.Arbitrary<Step>;

/** What serves somebody who waits. */
const serving = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constantFrom('put' as const, 'put' as const, 'tryPut' as const), queue, rank }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('release' as const), semaphore: one }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('open' as const), latch: one }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('get' as const, 'tryGet' as const), queue }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('resize' as const), pool: one, size: fc.nat({ max: 3 }) }) },
);

function putting(to: number): fc.Arbitrary<Step> {
  return fc.record({ op: fc.constant('put' as const), queue: fc.constant(to), rank });
}

/** Some are served in one go, and cancelled before they can go on. */
const burst: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.oneof(
      { weight: 2, arbitrary: queue.chain((to) => fc.array(putting(to), { minLength: 2, maxLength: 4 })) },
      {
        weight: 1,
        arbitrary: fc.array(fc.record({ op: fc.constant('release' as const), semaphore: one }), { minLength: 1, maxLength: 2 }),
      },
      { weight: 2, arbitrary: fc.array(serving, { minLength: 1, maxLength: 3 }) },
    ),
    fc.array(fc.record({ op: fc.constant('cancel' as const), task }), { maxLength: 2 }),
  )
  .map(([served, cancelled]) => [...served, ...cancelled]);

/** Several wait for one thing. */
const crowd: fc.Arbitrary<Step> = fc
  .record({
    op: fc.constantFrom('race' as const, 'race' as const, 'any' as const, 'all' as const),
    keyed: fc.boolean(),
    wait: fc.oneof(
      { weight: 3, arbitrary: fc.record({ op: fc.constant('get' as const), queue }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('put' as const), queue, rank }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('acquire' as const), semaphore: one }) },
    ),
    count: fc.integer({ min: 2, max: 3 }),
  })
  .map(({ wait, count, ...group }) => ({
    ...group,
    bodies: Array.from({ length: count }, () => ({ name: '', temper: 'strict', steps: [wait], cleanup: [] })),
  }));

/** A step that may contain blocks, so many levels deep. */
const step = fc.memo((depth): fc.Arbitrary<Step> => {
  if (depth <= 1) return leaf;
  const body = block(depth - 1);
  const bodies = fc.array(body, { minLength: 1, maxLength: 3 });
  return fc.oneof(
    { weight: 16, arbitrary: leaf },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('spawn' as const), task, body }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('spawnAfter' as const), task, seconds, body }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('poolSpawn' as const), pool: one, task, body }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('map' as const), pool: one, bodies: fc.array(body, { maxLength: 4 }) }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('use' as const), semaphore: one, body }) },
    { weight: 5, arbitrary: fc.record({ op: fc.constant('timeout' as const), seconds, orElse: fc.boolean(), body }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constantFrom('race' as const, 'any' as const), keyed: fc.boolean(), bodies }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('all' as const, 'allSettled' as const), keyed: fc.boolean(), bodies }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('block' as const), body }) },
    { weight: 2, arbitrary: crowd },
  );
});

function steps(depth: number, { minLength, maxLength }: { minLength: number; maxLength: number }): fc.Arbitrary<Step[]> {
  const some = fc.oneof({ weight: 6, arbitrary: step(depth).map((each) => [each]) }, { weight: 1, arbitrary: burst });
  return fc.array(some, { minLength, maxLength }).map((lists) => lists.flat());
}

const block = fc.memo(
  (depth): fc.Arbitrary<Block> =>
    fc.record({
      name: fc.constant(''),
      temper: fc.oneof(
        { weight: 6, arbitrary: fc.constant('tolerant' as const) },
        { weight: 2, arbitrary: fc.constant('strict' as const) },
        { weight: 1, arbitrary: fc.constant('stubborn' as const) },
      ),
      steps: steps(depth, { minLength: 1, maxLength: 4 }),
      cleanup: fc.oneof({ weight: 7, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(leaf, { maxLength: 2 }) }),
    }),
);

/** A task that serves somebody now and then, so that not all wait for each other at once. */
const feeder: fc.Arbitrary<Block> = fc
  .array(fc.tuple(fc.record({ op: fc.constant('sleep' as const), seconds }), serving), { minLength: 1, maxLength: 5 })
  .map((pairs) => ({ name: '', temper: 'tolerant', steps: pairs.flat(), cleanup: [] }));

/** Tasks that the body spawns first. */
const crew: fc.Arbitrary<Step[]> = fc
  .tuple(fc.array(block(DEPTH_MAX - 1), { maxLength: 4 }), fc.oneof(fc.constant([]), fc.tuple(feeder)))
  .map(([bodies, feeders]) => [...bodies, ...feeders].map((body, index) => ({ op: 'spawn', task: index, body })));

const capacity = fc.constantFrom(0, 0, 1, 1, 2, null, null);
const order = fc.constantFrom('fifo' as const, 'fifo' as const, 'lifo' as const, 'priority' as const);

export const programs: fc.Arbitrary<Program> = fc
  .record({
    pools: fc.tuple(fc.record({ size: fc.constantFrom(1, 2, 0) })),
    queues: fc.array(fc.record({ capacity, order }), { minLength: QUEUES, maxLength: QUEUES }),
    semaphores: fc.tuple(fc.record({ permits: fc.constantFrom(1, 2, 0) })),
    latches: fc.constant(1),
    crew,
    steps: steps(DEPTH_MAX, { minLength: 0, maxLength: 5 }),
    temper: fc.constantFrom('tolerant' as const, 'tolerant' as const, 'strict' as const, 'stubborn' as const),
    events: fc.array(fc.nat({ max: 6 }), { maxLength: 2 }),
    cancelAt: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat({ max: 6 }) }),
    isPassivated: fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  })
  .map(({ crew, steps, temper, ...rest }) =>
    withNames({
      ...rest,
      body: { name: '', temper, steps: [...crew, ...steps], cleanup: [] },
      events: rest.events.toSorted((a, b) => a - b),
    }),
  );
