// `event`: from an event's sending to its instance's result, where two steps follow the event. That is three commits,
// each on disk before the next can begin; the floor appends the same three records one after the other.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { createRuntime, event, receive, step, workflow } from '../../src/index.js';
import { Appender } from './appender.js';
import { type Benchmark, type Pair, type Report, takeTurns, toRatio } from './benchmark.js';
import { recordsOf } from './log-records.js';
import { closedLoop, expectSame, measure, median, percentile } from './measure.js';
import { quietLogger } from './quiet-logger.js';
import type { Role } from './role.js';
import { TimedDisk } from './timed-disk.js';

const commitsEach = 3;
const warmupEvents = 500;
const turns = 12;
const eventsEachTurn = 40;

interface Place {
  readonly directory: string;
}

/** The records that follow one event, as JSON. */
interface Sample {
  readonly records: readonly string[];
}

interface Turn {
  readonly latenciesMs: readonly number[];
  /** Of each batch's write and sync. */
  readonly batchMs: readonly number[];
  readonly syncMs: readonly number[];
  readonly cpuUs: number;
}

interface EventFigures extends Readonly<Record<string, number>> {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly syncP50Ms: number;
  readonly fdatasyncP50Ms: number;
  /** The latencies in units of one durable write of the same turns. */
  readonly p50Syncs: number;
  readonly p99Syncs: number;
  readonly cpuUsPerRecord: number;
}

const approval = event<{ approved: boolean; by: string }>('approval');
const approve = workflow('approve', function* (order: { key: string }) {
  const answer = yield* receive(approval, { key: order.key });
  const ticket = yield* step('deploy', () => `job-${answer.by}`);
  const isLive = yield* step('point-dns', () => answer.approved);
  return { ticket, isLive };
});

/** The runtime's side. */
export const eventOnRuntime: Role<Place, Sample, Turn> = {
  name: 'event-on-runtime',
  async open({ directory }) {
    const disk = new TimedDisk();
    const store = jsonStore(directory, { fileSystem: disk.fileSystem });
    const runtime = await createRuntime({ workflows: [approve], store, logger: quietLogger });
    let first = 0;
    const takeEvents = async (events: number, concurrency: number): Promise<Turn> => {
      const latenciesMs: number[] = [];
      await closedLoop(events, 100, async (job) => {
        await runtime.start(approve, { key: `order-${first + job}` }, { id: `instance-${first + job}` });
      });
      disk.reset();
      const { cpuUs } = await measure(() =>
        closedLoop(events, concurrency, async (job) => {
          const number = first + job;
          const start = performance.now();
          await runtime.publish(approval, `order-${number}`, { approved: true, by: `person-${number}` });
          const result = await runtime.instance(`instance-${number}`, approve).result();
          latenciesMs.push(performance.now() - start);
          expectSame(`the result of instance-${number}`, JSON.stringify(result), `{"ticket":"job-person-${number}","isLive":true}`);
        }),
      );
      first += events;
      return { latenciesMs, batchMs: disk.batchMs, syncMs: disk.syncMs, cpuUs };
    };
    await takeEvents(warmupEvents, 100);
    await takeEvents(20, 1);
    const records = recordsOf(directory, `instance-${first - 1}`).slice(1);
    expectSame('records behind one event', records.length, commitsEach);
    return { opening: { records }, turn: (events) => takeEvents(events, 1), end: () => runtime.stop() };
  },
};

/** The floor's side. */
export const eventOnFloor: Role<Place & Sample, null, Turn> = {
  name: 'event-on-floor',
  async open({ directory, records }) {
    mkdirSync(directory);
    const templates = records.map((json): unknown => JSON.parse(json));
    const appender = new Appender(join(directory, 'floor.jsonl'));
    const takeEvents = async (events: number, concurrency: number): Promise<Turn> => {
      const latenciesMs: number[] = [];
      appender.reset();
      const { cpuUs } = await measure(() =>
        closedLoop(events, concurrency, async () => {
          const start = performance.now();
          for (const record of templates) await appender.append(record);
          latenciesMs.push(performance.now() - start);
        }),
      );
      return { latenciesMs, batchMs: appender.batchMs, syncMs: appender.syncMs, cpuUs };
    };
    await takeEvents(warmupEvents, 100);
    await takeEvents(20, 1);
    return { opening: null, turn: (events) => takeEvents(events, 1), end: async () => appender.close() };
  },
};

export const eventLatency: Benchmark = {
  name: 'event',
  async run(bench) {
    const pairs: Pair<Turn, Turn>[] = [];
    for (let round = 1; round <= bench.rounds; round += 1) {
      const runtime = await bench.open(eventOnRuntime, { directory: bench.directory() });
      const floor = await bench.open(eventOnFloor, { directory: bench.directory(), records: runtime.opening.records });
      const taken = await takeTurns(runtime, floor, { turns, jobs: eventsEachTurn });
      await runtime.end();
      await floor.end();
      for (const pair of taken) expectSame('syncs of the disk', pair.runtime.syncMs.length, eventsEachTurn * commitsEach);
      pairs.push(...taken);
      bench.note(`event, round ${round}: ${median(taken.map((pair) => toFigures([pair.runtime]).p50Syncs)).toFixed(2)} syncs`);
    }
    return [toReport(pairs)];
  },
};

function toReport(pairs: readonly Pair<Turn, Turn>[]): Report {
  const runtime = toFigures(pairs.map((pair) => pair.runtime));
  const floor = toFigures(pairs.map((pair) => pair.floor));
  const ratios = pairs.map((pair) => percentile(pair.floor.latenciesMs, 0.5) / percentile(pair.runtime.latenciesMs, 0.5));
  const { syncP50Ms } = runtime;
  return {
    benchmark: 'event',
    case: 'two steps follow',
    runtime,
    floor,
    ratio: toRatio(ratios),
    aims: [{ what: 'event to result, p50', value: runtime.p50Syncs, limit: 3.5, kind: 'at most', unit: 'syncs' }],
    rows: [
      {
        what: 'event to result, p50',
        runtime: `${runtime.p50Syncs.toFixed(2)} syncs`,
        floor: `${floor.p50Syncs.toFixed(2)} syncs`,
        ratios,
        cpuUsPerRecord: [runtime.cpuUsPerRecord, floor.cpuUsPerRecord],
        syncP50Ms,
      },
      {
        what: 'event to result, p99',
        runtime: `${runtime.p99Syncs.toFixed(2)} syncs`,
        floor: `${floor.p99Syncs.toFixed(2)} syncs`,
        ratios: [floor.p99Ms / runtime.p99Ms],
        cpuUsPerRecord: null,
        syncP50Ms,
      },
    ],
  };
}

/** Units of a sync are those of the same turn: syncs become slower and faster from second to second. */
function toFigures(taken: readonly Turn[]): EventFigures {
  const inSyncs = taken.flatMap((turn) => {
    const sync = percentile(turn.batchMs, 0.5);
    return turn.latenciesMs.map((ms) => ms / sync);
  });
  const all = taken.flatMap((turn) => turn.latenciesMs);
  return {
    p50Ms: percentile(all, 0.5),
    p99Ms: percentile(all, 0.99),
    syncP50Ms: median(taken.map((turn) => percentile(turn.batchMs, 0.5))),
    fdatasyncP50Ms: median(taken.map((turn) => percentile(turn.syncMs, 0.5))),
    p50Syncs: percentile(inSyncs, 0.5),
    p99Syncs: percentile(inSyncs, 0.99),
    cpuUsPerRecord: median(taken.map((turn) => turn.cpuUs / (turn.latenciesMs.length * commitsEach))),
  };
}
