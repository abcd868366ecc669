// `memory`: a hundred thousand instances asleep in memory on the memory store, woken by key in a mixed order. The floor
// is a bare Map from keys to generators of the same body: what a wake costs when nothing is checked, recorded or kept.

import { createRuntime, event, memoryStore, receive, workflow } from '../../src/index.js';
import { type Benchmark, type Figures, type Pair, type Report, takeTurns, toRatio } from './benchmark.js';
import { closedLoop, expectSame, type Memory, measure, median, medians, settledMemory, shuffled } from './measure.js';
import { quietLogger } from './quiet-logger.js';
import type { Role } from './role.js';

const sleepers = 100_000;
const publishesAtOnce = 1_000;
const roundsMax = 2;
const turns = 8;
const wakesEachTurn = 20_000;

interface Cost extends Figures {
  readonly heapBytesEach: number;
  readonly rssBytesEach: number;
}

interface WakeFigures extends Figures {
  readonly wakesPerSecond: number;
  readonly cpuUsPerWake: number;
}

interface Ping {
  readonly value: number;
}

/** What the bodies have seen: a wake that reran a body, missed it or lost a payload would show here. */
const seen = { begun: 0, woken: 0, sum: 0 };

function note({ value }: Ping): void {
  seen.woken += 1;
  seen.sum += value;
}

const ping = event<Ping>('ping');
const sleeper = workflow('sleeper', function* (key: string) {
  seen.begun += 1;
  for (;;) note(yield* receive(ping, { key }));
});

function* bareSleeper(key: string): Generator<string, never, Ping> {
  seen.begun += 1;
  for (;;) note(yield key);
}

/** The runtime's side. */
export const memoryOnRuntime: Role<null, Cost, WakeFigures> = {
  name: 'memory-on-runtime',
  async open() {
    const before = await settledMemory();
    const staying = { maxResident: sleepers, passivateAfter: '1 day' };
    const runtime = await createRuntime({ workflows: [sleeper], store: memoryStore(), logger: quietLogger, ...staying });
    await closedLoop(sleepers, publishesAtOnce, async (job) => {
      await runtime.start(sleeper, `key-${job}`, { id: `instance-${job}` });
    });
    const opening = toCost(before, await settledMemory());
    const turn = toTurn((order) =>
      closedLoop(order.length, publishesAtOnce, async (index) => {
        const job = order[index] ?? 0;
        const { status } = await runtime.publish(ping, `key-${job}`, { value: job });
        expectSame(`the delivery to key-${job}`, status, 'delivered');
      }),
    );
    await turn(sleepers);
    const end = async (): Promise<void> => {
      expectSame('instances in memory', runtime.health().resident, sleepers);
      expectSame('addresses with a receiver', runtime.health().parkedAddresses, sleepers);
      await runtime.stop();
    };
    return { opening, turn, end };
  },
};

/** The floor's side. */
export const memoryOnFloor: Role<null, Cost, WakeFigures> = {
  name: 'memory-on-floor',
  async open() {
    const before = await settledMemory();
    const parked = new Map<string, Generator<string, never, Ping>>();
    for (let job = 0; job < sleepers; job += 1) {
      const generator = bareSleeper(`key-${job}`);
      parked.set(generator.next().value, generator);
    }
    const opening = toCost(before, await settledMemory());
    const turn = toTurn(async (order) => {
      for (const job of order) {
        const key = `key-${job}`;
        expectSame('where a generator sleeps', parked.get(key)?.next({ value: job }).value, key);
      }
    });
    await turn(sleepers);
    return { opening, turn, end: async () => expectSame('generators', parked.size, sleepers) };
  },
};

/** Turns go on through the mixed order, from where the last one ended. */
function toTurn(wakeAll: (order: readonly number[]) => Promise<void>): (wakes: number) => Promise<WakeFigures> {
  const order = shuffled(sleepers);
  let next = 0;
  return async (wakes) => {
    const chosen = Array.from({ length: wakes }, (_, index) => order[(next + index) % sleepers] ?? 0);
    next += wakes;
    const before = { ...seen };
    const { wallMs, cpuUs } = await measure(() => wakeAll(chosen));
    expectSame('bodies begun', seen.begun, sleepers);
    expectSame('wakes', seen.woken - before.woken, wakes);
    expectSame(
      'the sum of all payloads',
      seen.sum - before.sum,
      chosen.reduce((sum, job) => sum + job, 0),
    );
    return { wakesPerSecond: (wakes / wallMs) * 1_000, cpuUsPerWake: cpuUs / wakes };
  };
}

function toCost(before: Memory, after: Memory): Cost {
  return {
    heapBytesEach: (after.heapBytes - before.heapBytes) / sleepers,
    rssBytesEach: (after.rssBytes - before.rssBytes) / sleepers,
  };
}

export const memory: Benchmark = {
  name: 'memory',
  async run(bench) {
    const costs: Pair<Cost, Cost>[] = [];
    const wakes: Pair<WakeFigures, WakeFigures>[] = [];
    for (let round = 1; round <= Math.min(bench.rounds, roundsMax); round += 1) {
      const runtime = await bench.open(memoryOnRuntime, null);
      const floor = await bench.open(memoryOnFloor, null);
      const taken = await takeTurns(runtime, floor, { turns, jobs: wakesEachTurn });
      await runtime.end();
      await floor.end();
      costs.push({ runtime: runtime.opening, floor: floor.opening });
      wakes.push(...taken);
      bench.note(`memory, round ${round}: ${Math.round(median(taken.map((pair) => pair.runtime.wakesPerSecond)))} wakes/s`);
    }
    return [toReport(costs, wakes)];
  },
};

function toReport(costs: readonly Pair<Cost, Cost>[], wakes: readonly Pair<WakeFigures, WakeFigures>[]): Report {
  const runtime = { ...medians(wakes.map((pair) => pair.runtime)), ...medians(costs.map((pair) => pair.runtime)) };
  const floor = { ...medians(wakes.map((pair) => pair.floor)), ...medians(costs.map((pair) => pair.floor)) };
  const ratios = wakes.map((pair) => pair.runtime.wakesPerSecond / pair.floor.wakesPerSecond);
  return {
    benchmark: 'memory',
    case: `${sleepers} sleepers in memory`,
    runtime,
    floor,
    ratio: toRatio(ratios),
    aims: [],
    rows: [
      {
        what: `${sleepers} in memory, wakes by key`,
        runtime: `${Math.round(runtime.wakesPerSecond)} wakes/s`,
        floor: `${Math.round(floor.wakesPerSecond)}/s (generators)`,
        ratios,
        cpuUsPerRecord: [runtime.cpuUsPerWake, floor.cpuUsPerWake],
        syncP50Ms: null,
      },
      {
        what: `${sleepers} in memory, heap each`,
        runtime: `${Math.round(runtime.heapBytesEach)} B`,
        floor: `${Math.round(floor.heapBytesEach)} B (generators)`,
        ratios: costs.map((pair) => pair.floor.heapBytesEach / pair.runtime.heapBytesEach),
        cpuUsPerRecord: null,
        syncP50Ms: null,
      },
    ],
  };
}
