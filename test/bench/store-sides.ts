// The processes of `store`. One parks so many instances on the JSON store and is killed; one recovers what was left and
// wakes them, as fast as they go and at a pace, with checkpoints under way. Everything is left as users have it: the
// instances in memory, the log and the checkpoints keep their default bounds.

import { setTimeout as pause } from 'node:timers/promises';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { createRuntime, event, type Runtime, receive, workflow } from '../../src/index.js';
import type { Figures } from './benchmark.js';
import { bytesBelow, recordsOf } from './log-records.js';
import { idleLag, type Lag, LoopLag } from './loop-lag.js';
import { closedLoop, expectSame, measure, percentile, settledMemory, shuffled } from './measure.js';
import { openLoop } from './open-loop.js';
import { profiled } from './profile.js';
import { quietLogger } from './quiet-logger.js';
import type { Role } from './role.js';
import { TimedDisk } from './timed-disk.js';
import { WatchedDisk } from './watched-disk.js';

/** Starts and wakes under way at once, where they go as fast as they can. */
export const atOnce = 1_000;
export const pacePerSecond = 5_000;
const pacedMsMin = 6_000;
const pacedMsMax = 40_000;
/** Wakes that send their instance to sleep again, before those that end it. */
const wakesAgainMin = 100_000;
const idsSampled = 1_000;
const megabyte = 1_048_576;

export interface Place {
  readonly directory: string;
  readonly instances: number;
}

interface Ping {
  readonly value: number;
  readonly isLast: boolean;
}

interface Counts {
  readonly instances: number;
  readonly parkedAddresses: number;
  readonly commits: number;
  readonly syncs: number;
  readonly resident: number;
  readonly store: { readonly checkpoints: number };
}

const ping = event<Ping>('ping');
const sleeper = workflow('sleeper', function* (order: { order: number; item: string }) {
  for (let woken = 1, sum = 0; ; woken += 1) {
    const { value, isLast } = yield* receive(ping, { key: `key-${order.order}` });
    sum += value;
    if (isLast) return { order: order.order, woken, sum };
  }
});

/** What is written for one parked instance, and what was measured while all were. */
export interface Parked {
  readonly figures: Figures;
  readonly records: readonly string[];
}

/** Parks them all. To be killed then. */
export const storePark: Role<Place, Parked, null> = {
  name: 'store-park',
  async open({ directory, instances }) {
    const idle = await idleLag();
    const watched = new WatchedDisk();
    const runtime = await openRuntime(directory, watched);
    const lag = lagOfCheckpoints(watched);
    const start = async (job: number): Promise<void> => {
      await runtime.start(sleeper, { order: job, item: `item-${job % 100}` }, { id: toId(job) });
    };
    const parking = (): Promise<{ wallMs: number; cpuUs: number }> => measure(() => closedLoop(instances, atOnce, start));
    const { wallMs, cpuUs } = await profiled(`${instances} parked`, parking, () => instances);
    const counts = countsOf(runtime);
    const whileWriting = lag.take();
    await noCheckpoint(watched);
    expectSame('instances asleep', countsOf(runtime).parkedAddresses, instances);
    const { rssBytes, heapBytes } = await settledMemory();
    const figures = {
      parkedPerSecond: (instances / wallMs) * 1_000,
      parkCpuUsPerRecord: cpuUs / counts.commits,
      parkRecordsPerSync: counts.commits / counts.syncs,
      parkCheckpoints: counts.store.checkpoints,
      ...named('parkCheckpointLag', whileWriting),
      ...named('idleLag', idle),
      residents: countsOf(runtime).resident,
      residentRssMb: rssBytes / megabyte,
      residentHeapMb: heapBytes / megabyte,
      parkPeakRssMb: process.resourceUsage().maxRSS / 1_024,
      diskMb: bytesBelow(directory) / megabyte,
    };
    return { opening: { figures, records: recordsOf(directory, toId(instances - 1)) }, turn: async () => null, end: () => runtime.stop() };
  },
};

/** What was measured over a killed store, and what is written for one wake. */
export interface Woken {
  readonly figures: Figures;
  readonly record: string;
}

/** A new process over what the killed one left, in which everyone is woken. */
export const storeWake: Role<Place, Woken, null> = {
  name: 'store-wake',
  async open({ directory, instances }) {
    const opened: Runtime[] = [];
    const timed = new TimedDisk();
    const watched = new WatchedDisk(timed.fileSystem);
    const opening = async (): Promise<void> => {
      opened.push(await openRuntime(directory, watched));
    };
    const ready = await profiled(
      `${instances} recovered`,
      () => measure(opening),
      () => instances,
    );
    const [runtime] = opened;
    if (runtime === undefined) throw new Error('The runtime did not open.');
    expectSame('instances', countsOf(runtime).instances, instances);
    expectSame('instances asleep', countsOf(runtime).parkedAddresses, instances);
    expectSame('instances in memory', countsOf(runtime).resident, 0);
    await noCheckpoint(watched);
    const { rssBytes, heapBytes } = await settledMemory();
    const memory = { passivatedRssMb: rssBytes / megabyte, passivatedHeapMb: heapBytes / megabyte };
    const figures: Figures = { readyMs: ready.wallMs, readyCpuMs: ready.cpuUs / 1_000, ...memory };
    const wakes = new Wakes(runtime, { timed, watched, instances });
    const again = await wakes.untilCheckpoint();
    const alone = await wakes.checkpointAlone();
    const paced = await wakes.paced();
    const last = await wakes.toTheEnd();
    const record = await wakes.sample(directory);
    const peak = { wakePeakRssMb: process.resourceUsage().maxRSS / 1_024 };
    return {
      opening: { figures: { ...figures, ...again, ...alone, ...paced, ...last, ...peak }, record },
      turn: async () => null,
      end: () => runtime.stop(),
    };
  },
};

interface WakeParts {
  readonly timed: TimedDisk;
  readonly watched: WatchedDisk;
  readonly instances: number;
}

/** Wakes instances in a mixed order, and goes on through it from one measurement to the next. */
class Wakes {
  readonly #runtime: Runtime;
  readonly #parts: WakeParts;
  readonly #order: readonly number[];
  #next = 0;

  constructor(runtime: Runtime, parts: WakeParts) {
    this.#runtime = runtime;
    this.#parts = parts;
    this.#order = shuffled(parts.instances);
  }

  /** As fast as they go, each asleep again after it, until enough were woken and a checkpoint has begun. */
  async untilCheckpoint(): Promise<Figures> {
    const { timed } = this.#parts;
    timed.reset();
    const latenciesMs: number[] = [];
    const before = countsOf(this.#runtime);
    const { wallMs, cpuUs } = await profiled(
      `wakes, asleep again`,
      () => measure(() => this.#untilNextCheckpoint(latenciesMs, wakesAgainMin)),
      () => latenciesMs.length,
    );
    const after = countsOf(this.#runtime);
    const commits = after.commits - before.commits;
    expectSame('commits of the wakes', commits, latenciesMs.length);
    return {
      ...speedOf('again', { wallMs, cpuUs, latenciesMs }),
      againRecordsPerSync: commits / (after.syncs - before.syncs),
      syncP50Ms: percentile(timed.batchMs, 0.5),
    };
  }

  /** The checkpoint that has begun, while nothing else is to be done. */
  async checkpointAlone(): Promise<Figures> {
    const { watched, instances } = this.#parts;
    const lag = new LoopLag();
    lag.go();
    const bytes = watched.bytesWritten;
    const { wallMs, cpuUs } = await profiled(
      'a checkpoint alone',
      () => measure(() => checkpointEnd(watched)),
      () => instances,
    );
    const writtenMb = (watched.bytesWritten - bytes) / megabyte;
    return { aloneMs: wallMs, aloneCpuMs: cpuUs / 1_000, aloneWrittenMb: writtenMb, ...named('aloneLag', lag.take()) };
  }

  /** At a pace, whatever happens; through a checkpoint, and some time without one. */
  async paced(): Promise<Figures> {
    const { watched } = this.#parts;
    await this.#untilNextCheckpoint([], 0);
    const lag = lagOfCheckpoints(watched, true);
    const quietLag = new LoopLag();
    const [during, quiet]: [number[], number[]] = [[], []];
    let firstMs: number | null = null;
    const arrivals = {
      perSecond: pacePerSecond,
      backlogMax: 5 * pacePerSecond,
      isOver: (elapsedMs: number): boolean => {
        if (!watched.isCheckpointing) firstMs ??= elapsedMs;
        if (watched.isCheckpointing) quietLag.rest();
        else quietLag.go();
        return elapsedMs > pacedMsMax || (firstMs !== null && elapsedMs > firstMs + pacedMsMin);
      },
    };
    const run = (): Promise<number> =>
      openLoop(arrivals, async (_, dueAt) => {
        const wasWriting = watched.isCheckpointing;
        await this.#wake(false, []);
        (wasWriting || watched.isCheckpointing ? during : quiet).push(performance.now() - dueAt);
      });
    const served = await profiled(
      `${pacePerSecond} wakes a second, through a checkpoint`,
      () => measureCount(run),
      ({ count }) => count,
    );
    return {
      pacedPerSecond: (served.count / served.wallMs) * 1_000,
      pacedCpuShare: served.cpuUs / served.wallMs / 1_000,
      pacedP50Ms: percentile(quiet, 0.5),
      pacedP99Ms: percentile(quiet, 0.99),
      pacedWhileP50Ms: percentile(during, 0.5),
      pacedWhileP99Ms: percentile(during, 0.99),
      pacedWhileArrivals: during.length,
      pacedAllP99Ms: percentile([...during, ...quiet], 0.99),
      ...named('checkpointLag', lag.take()),
      ...named('quietLag', quietLag.take()),
    };
  }

  /** As fast as they go: the last wake of each instance, and its end. */
  async toTheEnd(): Promise<Figures> {
    const { instances } = this.#parts;
    const latenciesMs: number[] = [];
    const before = countsOf(this.#runtime);
    const { wallMs, cpuUs } = await profiled(
      'wakes, each to its end',
      () => measure(() => closedLoop(instances, atOnce, () => this.#wake(true, latenciesMs))),
      () => instances,
    );
    const after = countsOf(this.#runtime);
    expectSame('commits of the ends', after.commits - before.commits, instances);
    expectSame('instances asleep', after.parkedAddresses, 0);
    for (const order of shuffled(instances).slice(0, idsSampled)) {
      const result = await this.#runtime.instance(toId(order), sleeper).result();
      expectSame(`the order of ${toId(order)}`, result.order, order);
      expectSame(`the sum of ${toId(order)}`, result.sum, result.woken * order);
    }
    return { ...speedOf('end', { wallMs, cpuUs, latenciesMs }), endCheckpoints: after.store.checkpoints - before.store.checkpoints };
  }

  /** What one wake writes. */
  async sample(directory: string): Promise<string> {
    const id = 'one-more';
    await this.#runtime.start(sleeper, { order: -1, item: 'item-1' }, { id });
    await this.#runtime.publish(ping, 'key--1', { value: 12_345, isLast: false });
    return recordsOf(directory, id).at(-1) ?? '';
  }

  /** Wakes at least so many, and goes on until a checkpoint begins after that. */
  async #untilNextCheckpoint(latenciesMs: number[], wakesMin: number): Promise<void> {
    const { watched } = this.#parts;
    let begunBefore: number | null = null;
    const isOver = (): boolean => {
      if (latenciesMs.length < wakesMin) return false;
      begunBefore ??= watched.begun;
      return watched.begun > begunBefore;
    };
    await loopUntil(isOver, () => this.#wake(false, latenciesMs));
  }

  async #wake(isLast: boolean, latenciesMs: number[]): Promise<void> {
    const order = this.#order[this.#next++ % this.#order.length] ?? 0;
    const start = performance.now();
    const { status } = await this.#runtime.publish(ping, `key-${order}`, { value: order, isLast });
    latenciesMs.push(performance.now() - start);
    expectSame(`the delivery to key-${order}`, status, 'delivered');
  }
}

function openRuntime(directory: string, watched: WatchedDisk): Promise<Runtime> {
  const store = jsonStore(directory, { fileSystem: watched.fileSystem });
  return createRuntime({ workflows: [sleeper], store, logger: quietLogger }).then((runtime) => {
    watched.watch();
    return runtime;
  });
}

function countsOf(runtime: Runtime): Counts {
  return runtime.health() as unknown as Counts;
}

/** A lag that is measured only while a checkpoint is being written. */
function lagOfCheckpoints(watched: WatchedDisk, isBegun = false): LoopLag {
  const lag = new LoopLag();
  if (isBegun) lag.go();
  watched.onChange = (isRunning) => {
    if (isRunning) lag.go();
    else lag.rest();
  };
  return lag;
}

async function noCheckpoint(watched: WatchedDisk): Promise<void> {
  // One may be about to begin: what makes it necessary has just been written.
  await pause(100);
  await checkpointEnd(watched);
}

async function checkpointEnd(watched: WatchedDisk): Promise<void> {
  while (watched.isCheckpointing) await pause(5);
}

/** Keeps as many under way as `atOnce` says, until it is over. */
async function loopUntil(isOver: () => boolean, run: () => Promise<void>): Promise<void> {
  const worker = async (): Promise<void> => {
    while (!isOver()) await run();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function measureCount(run: () => Promise<number>): Promise<{ count: number; wallMs: number; cpuUs: number }> {
  let count = 0;
  const cost = await measure(async () => {
    count = await run();
  });
  return { count, ...cost };
}

function speedOf(name: string, { wallMs, cpuUs, latenciesMs }: { wallMs: number; cpuUs: number; latenciesMs: readonly number[] }): Figures {
  return {
    [`${name}PerSecond`]: (latenciesMs.length / wallMs) * 1_000,
    [`${name}CpuUsPerRecord`]: cpuUs / latenciesMs.length,
    [`${name}P50Ms`]: percentile(latenciesMs, 0.5),
    [`${name}P99Ms`]: percentile(latenciesMs, 0.99),
  };
}

function named(name: string, { p99Ms, maxMs }: Lag): Figures {
  return { [`${name}P99Ms`]: p99Ms, [`${name}MaxMs`]: maxMs };
}

function toId(number: number): string {
  return `instance-${number}`;
}
