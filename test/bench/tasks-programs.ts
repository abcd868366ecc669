// What the sides of `tasks` run: the programs in rouse, and the bare ones, generators in a Map with nothing around them.
// The same programs in asyncio are in asyncio/tasks.py.

import {
  createRuntime,
  createSemaphore,
  type Delivery,
  event,
  type Instance,
  memoryStore,
  type Operation,
  type Runtime,
  receive,
  type Semaphore,
  spawn,
  type Task,
  workflow,
} from '../../src/index.js';
import { expectSame, type Memory, measure, settledMemory, shuffled } from './measure.js';
import { quietLogger } from './quiet-logger.js';

/** Publishes under way at once: what a daemon has at hand when it has read its sockets. */
const wakesAtOnce = 1_000;
/** Tasks that take turns. */
const ringTasks = 100;

/** One program, ready to run. */
export interface Program {
  /** What the count of sleepers has cost in memory; nothing where nobody sleeps. */
  readonly memory: { readonly heapBytesEach: number; readonly rssBytesEach: number } | null;
  /** Gives the processor time that so many jobs took, in µs. */
  run(jobs: number): Promise<number>;
  end(): Promise<void>;
}

export type Programs = Readonly<Record<string, (count: number) => Promise<Program>>>;

/** What the sleepers have seen: a wake that reran one, missed it or lost its payload would show here. */
const seen = { begun: 0, woken: 0, sum: 0 };

interface Ping {
  readonly value: number;
}

function note({ value }: Ping): void {
  seen.woken += 1;
  seen.sum += value;
}

const ping = event<Ping>('ping');

function* leaf(): Operation<number> {
  return 1;
}

function* awaitPings(key: string): Operation<never> {
  seen.begun += 1;
  for (;;) note(yield* receive(ping, { key }));
}

const spawner = workflow('spawner', function* (count: number) {
  const tasks: Task<number>[] = [];
  for (let made = 0; made < count; made += 1) tasks.push(yield* spawn(leaf));
  let ended = 0;
  for (const task of tasks) ended += yield* task.join();
  return ended;
});

const leaver = workflow('leaver', function* (count: number) {
  for (let made = 0; made < count; made += 1) yield* spawn(leaf);
  return count;
});

/** One token goes round: each task waits for its own semaphore, and then opens that of the next. */
const ring = workflow('ring', function* (rounds: number) {
  const doors: Semaphore[] = [];
  for (let made = 0; made < ringTasks; made += 1) doors.push(yield* createSemaphore(1));
  for (const door of doors) yield* door.acquire();
  const tasks: Task<number>[] = [];
  for (let index = 0; index < ringTasks; index += 1) {
    const [own, next] = [doors[index] as Semaphore, doors[(index + 1) % ringTasks] as Semaphore];
    tasks.push(yield* spawn(() => takeTurns(own, next, rounds)));
  }
  yield* (doors[0] as Semaphore).release();
  let resumes = 0;
  for (const task of tasks) resumes += yield* task.join();
  return resumes;
});

function* takeTurns(own: Semaphore, next: Semaphore, rounds: number): Operation<number> {
  for (let round = 0; round < rounds; round += 1) {
    yield* own.acquire();
    yield* next.release();
  }
  return rounds;
}

const ephemeralLeaf = workflow({ name: 'ephemeral-leaf', durable: false }, leaf);
const ephemeralSleeper = workflow({ name: 'ephemeral-sleeper', durable: false }, awaitPings);
const durableSleeper = workflow('durable-sleeper', awaitPings);
const nest = workflow({ name: 'nest', durable: false }, function* (count: number) {
  for (let job = 0; job < count; job += 1) yield* spawn(() => awaitPings(`key-${job}`));
});

const workflows = [spawner, leaver, ring, ephemeralLeaf, ephemeralSleeper, durableSleeper, nest];

export const runtimePrograms: Programs = {
  joined: () => inInstances(async (runtime, jobs) => expectSame('tasks joined', await (await runtime.start(spawner, jobs)).result(), jobs)),
  scope: () => inInstances(async (runtime, jobs) => expectSame('tasks left', await (await runtime.start(leaver, jobs)).result(), jobs)),
  ring: () =>
    inInstances(async (runtime, jobs) => {
      expectSame('resumes', await (await runtime.start(ring, jobs / ringTasks)).result(), jobs);
    }),
  ephemeral: () =>
    inInstances(async (runtime, jobs) => {
      const instances: Instance<number>[] = [];
      await inSlices(
        jobs,
        () => runtime.start(ephemeralLeaf),
        (instance) => instances.push(instance),
      );
      let ended = 0;
      for (const instance of instances) ended += await instance.result();
      expectSame('instances ended', ended, jobs);
    }),
  'ephemeral-sleepers': (count) =>
    sleepersIn(count, (runtime) => inSlices(count, (job) => runtime.start(ephemeralSleeper, `key-${job}`), forget)),
  'durable-sleepers': (count) =>
    sleepersIn(count, (runtime) => inSlices(count, (job) => runtime.start(durableSleeper, `key-${job}`), forget)),
  'task-sleepers': (count) =>
    sleepersIn(count, async (runtime) => {
      await runtime.start(nest, count);
    }),
};

export const barePrograms: Programs = {
  spawn: async () =>
    programOf(async (jobs) => {
      const tasks = new Map<number, Iterator<unknown, number>>();
      for (let job = 0; job < jobs; job += 1) tasks.set(job, leaf()[Symbol.iterator]());
      let ended = 0;
      for (const [job, task] of tasks) {
        ended += task.next().value as number;
        tasks.delete(job);
      }
      expectSame('generators ended', ended, jobs);
    }),
  turns: async () =>
    programOf(async (jobs) => {
      const tasks = Array.from({ length: ringTasks }, () => counting());
      for (let resumes = 0; resumes < jobs; resumes += ringTasks) for (const task of tasks) task.next();
      expectSame('resumes', tasks[0]?.next().value, jobs / ringTasks);
    }),
  sleepers: async (count) => {
    const before = await settledMemory();
    const parked = new Map<string, Generator<string, never, Ping>>();
    for (let job = 0; job < count; job += 1) {
      const sleeper = bareSleeper(`key-${job}`);
      parked.set(sleeper.next().value, sleeper);
    }
    const memory = toCost(before, await settledMemory(), count);
    const run = wakingAll(count, async (order) => {
      for (const job of order) {
        const key = `key-${job}`;
        expectSame('where a generator sleeps', parked.get(key)?.next({ value: job }).value, key);
      }
    });
    return { memory, run, end: async () => {} };
  },
};

function* counting(): Generator<number, never> {
  for (let resumes = 0; ; resumes += 1) yield resumes;
}

function* bareSleeper(key: string): Generator<string, never, Ping> {
  seen.begun += 1;
  for (;;) note(yield key);
}

function forget(): void {}

function programOf(run: (jobs: number) => Promise<void>, end: Program['end'] = async () => {}): Program {
  return { memory: null, run: async (jobs) => (await measure(() => run(jobs))).cpuUs, end };
}

function openRuntime(sleepers: number): Promise<Runtime> {
  const staying = { maxResident: sleepers + 1, passivateAfter: '1 day' };
  return createRuntime({ workflows, store: memoryStore(), logger: quietLogger, ...staying });
}

async function inInstances(run: (runtime: Runtime, jobs: number) => Promise<void>): Promise<Program> {
  const runtime = await openRuntime(1_000);
  return programOf(
    (jobs) => run(runtime, jobs),
    () => runtime.stop(),
  );
}

async function sleepersIn(count: number, begin: (runtime: Runtime) => Promise<void>): Promise<Program> {
  const before = await settledMemory();
  const runtime = await openRuntime(count);
  await begin(runtime);
  const memory = toCost(before, await settledMemory(), count);
  const run = wakingAll(count, async (order) => {
    let delivered = 0;
    const send = (index: number): Promise<Delivery> => {
      const job = order[index] ?? 0;
      return runtime.publish(ping, `key-${job}`, { value: job });
    };
    await inSlices(order.length, send, ({ status }) => {
      if (status === 'delivered') delivered += 1;
    });
    expectSame('payloads delivered', delivered, order.length);
  });
  return { memory, run, end: () => runtime.stop() };
}

/** Begins a slice, takes all that it gives, and begins the next one. */
async function inSlices<T>(jobs: number, begin: (job: number) => Promise<T>, take: (given: T) => void): Promise<void> {
  for (let first = 0; first < jobs; first += wakesAtOnce) {
    const begun = Array.from({ length: Math.min(wakesAtOnce, jobs - first) }, (_, index) => begin(first + index));
    for (const given of await Promise.all(begun)) take(given);
  }
}

/** Turns go on through a mixed order of all sleepers, from where the last one ended; and check who was woken with what. */
function wakingAll(count: number, wakeAll: (order: readonly number[]) => Promise<void>): Program['run'] {
  const order = shuffled(count);
  let next = 0;
  return async (jobs) => {
    const chosen = Array.from({ length: jobs }, (_, index) => order[(next + index) % count] ?? 0);
    next += jobs;
    const before = { ...seen };
    const { cpuUs } = await measure(() => wakeAll(chosen));
    expectSame('sleepers begun', seen.begun, count);
    expectSame('wakes', seen.woken - before.woken, jobs);
    const sum = chosen.reduce((total, job) => total + job, 0);
    expectSame('the sum of all payloads', seen.sum - before.sum, sum);
    return cpuUs;
  };
}

function toCost(before: Memory, after: Memory, count: number): Program['memory'] {
  return { heapBytesEach: (after.heapBytes - before.heapBytes) / count, rssBytesEach: (after.rssBytes - before.rssBytes) / count };
}
