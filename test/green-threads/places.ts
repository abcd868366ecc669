// Where tasks wait for each other: each place with what those who wait there are given, and what must be left of it
// when three have come and one has left.

import {
  createLatch,
  createPool,
  createQueue,
  createSemaphore,
  type Operation,
  type Pool,
  type QueueOptions,
  spawn,
} from '../../src/index.js';
import { hours, nameOf, told } from './rules.js';

/** Somewhere to wait at. */
export interface Place {
  /** Waits, and calls `got` when it has what it waited for. */
  wait(who: string, got: () => Operation<unknown>): Operation<unknown>;
  /** Gives it to the first who waits; where it is not one thing, to all. */
  give(): Operation<unknown>;
  /** Ends what goes on there, and says what is left. */
  end(): Operation<unknown>;
}

export interface PlaceKind {
  readonly make: () => Operation<Place>;
  /** What `end` says. */
  readonly rest: unknown;
  /** All who wait get it at once. */
  readonly isForAll?: boolean;
  /** What was handed over stays, though the task that brought it is cancelled before it knows. */
  readonly isFinal?: boolean;
}

/** A place whose waiters wait for an operation that all of them see end. */
function forAll(make: () => Operation<{ wait: () => Operation<unknown>; give: () => Operation<unknown> }>): PlaceKind {
  return {
    *make() {
      const { wait, give } = yield* make();
      return {
        *wait(_who, got) {
          yield* wait();
          yield* got();
        },
        give,
        *end() {
          return null;
        },
      };
    },
    rest: null,
    isForAll: true,
  };
}

function gettingFrom(capacity: number, options: QueueOptions<number> = {}): PlaceKind {
  return {
    *make() {
      const queue = yield* createQueue<number>(capacity, options);
      const taken: number[] = [];
      let next = 1;
      return {
        *wait(_who, got) {
          taken.push(yield* queue.get());
          yield* got();
        },
        give: () => queue.put(next++),
        *end() {
          return [taken, queue.size, (yield* queue.tryGet()) === undefined];
        },
      };
    },
    rest: [[1, 2], 0, true],
  };
}

function puttingInto(capacity: number): PlaceKind {
  return {
    *make() {
      const queue = yield* createQueue<string>(capacity);
      for (let n = 0; n < capacity; n++) yield* queue.put(`old ${n}`);
      const taken: string[] = [];
      return {
        *wait(who, got) {
          yield* queue.put(`${who}’s`);
          yield* got();
        },
        *give() {
          taken.push(yield* queue.get());
        },
        *end() {
          for (let item = yield* queue.tryGet(); item !== undefined; item = yield* queue.tryGet()) taken.push(item.item);
          return [taken.filter((item) => !item.startsWith('old')), queue.size];
        },
      };
    },
    rest: [['b’s', 'c’s'], 0],
    isFinal: true,
  };
}

/** Two permits, both taken; `hold` takes one and keeps it until everything is over. */
function* semaphoreTaken() {
  const semaphore = yield* createSemaphore(2);
  const over = yield* createLatch();
  for (let n = 0; n < 2; n++) yield* semaphore.acquire();
  const end = function* () {
    yield* over.open();
    yield* hours(1);
    return [semaphore.free, (yield* told(semaphore.release())).startsWith('AuthoringError')];
  };
  return { semaphore, over, end };
}

/** A pool of two, both slots taken by tasks that end one by one, or when everything is over. */
function* poolTaken() {
  const pool = yield* createPool(2);
  const over = yield* createLatch();
  const doors = [yield* createLatch(), yield* createLatch()];
  for (const door of doors) yield* pool.spawn(() => door.wait());
  const finish = () => doors.shift()?.open() ?? hours(0);
  const grow = () => pool.resize(pool.size + 1);
  const end = function* () {
    yield* over.open();
    while (doors.length > 0) yield* finish();
    yield* pool.waitAll();
    return [pool.running, pool.waiting, pool.free === pool.size];
  };
  return { pool, over, finish, grow, end };
}

const poolRest = [0, 0, true];

function slotOf(
  how: 'grow' | 'finish',
  wait: (pool: Pool, got: () => Operation<unknown>, over: () => Operation<void>) => Operation<unknown>,
): PlaceKind {
  return {
    *make() {
      const { pool, over, end, ...gives } = yield* poolTaken();
      return { wait: (_who, got) => wait(pool, got, () => over.wait()), give: gives[how], end };
    },
    rest: poolRest,
  };
}

function* spawning(pool: Pool, got: () => Operation<unknown>, over: () => Operation<void>) {
  yield* pool.spawn(over);
  yield* got();
}

function mapping(pool: Pool, got: () => Operation<unknown>, over: () => Operation<void>) {
  return pool.map(['item'], function* () {
    yield* got();
    yield* over();
  });
}

export const places: Readonly<Record<string, PlaceKind>> = {
  'the join of a task': forAll(function* () {
    const door = yield* createLatch();
    const task = yield* spawn(() => door.wait());
    return { wait: () => task.join(), give: () => door.open() };
  }),
  'the cancellation of a task': forAll(function* () {
    const door = yield* createLatch();
    const task = yield* spawn(function* () {
      try {
        yield* hours(99);
      } finally {
        yield* door.wait();
      }
    });
    return { wait: () => task.cancel(), give: () => door.open() };
  }),
  'a latch': forAll(function* () {
    const latch = yield* createLatch();
    return { wait: () => latch.wait(), give: () => latch.open() };
  }),
  'a latch that fails': forAll(function* () {
    const latch = yield* createLatch();
    const wait = function* () {
      try {
        yield* latch.wait();
      } catch (error) {
        if (nameOf(error) !== 'RangeError: it') throw error;
      }
    };
    return { wait, give: () => latch.fail(new RangeError('it')) };
  }),
  'the waitAll of a pool': forAll(function* () {
    const pool = yield* createPool(1);
    const door = yield* createLatch();
    yield* pool.spawn(() => door.wait());
    return { wait: () => pool.waitAll(), give: () => door.open() };
  }),
  'the get of a queue': gettingFrom(Number.POSITIVE_INFINITY),
  'the get of a bounded queue': gettingFrom(1),
  'the get of a rendezvous': gettingFrom(0),
  'the get of a lifo queue': gettingFrom(2, { order: 'lifo' }),
  'the get of a priority queue': gettingFrom(2, { order: 'priority' }),
  'the put of a full queue': puttingInto(2),
  'the put of a rendezvous': puttingInto(0),
  'the acquire of a semaphore': {
    *make() {
      const { semaphore, over, end } = yield* semaphoreTaken();
      return {
        *wait(_who, got) {
          yield* semaphore.acquire();
          yield* got();
          yield* over.wait();
          yield* semaphore.release();
        },
        give: () => semaphore.release(),
        end,
      };
    },
    rest: [2, true],
  },
  'the use of a semaphore': {
    *make() {
      const { semaphore, over, end } = yield* semaphoreTaken();
      const inside = function* (got: () => Operation<unknown>) {
        yield* got();
        yield* over.wait();
      };
      return { wait: (_who, got) => semaphore.use(inside(got)), give: () => semaphore.release(), end };
    },
    rest: [2, true],
  },
  'the spawn of a pool that grows': slotOf('grow', spawning),
  'the spawn of a pool whose tasks end': slotOf('finish', spawning),
  'the map of a pool that grows': slotOf('grow', mapping),
  'the map of a pool whose tasks end': slotOf('finish', mapping),
};
