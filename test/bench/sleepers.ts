// `sleepers`: ten thousand instances asleep on keys in the JSON store. What they cost on disk and in memory, awake in it
// and out of it; how soon a new process is ready, after a kill and after a stop; how soon all of them have been woken
// and have ended.

import { type Aim, type Bench, type Benchmark, type Figures, type Pair, type Report, type Row, toRatio } from './benchmark.js';
import { medians } from './measure.js';
import type { Role } from './role.js';
import { instances, readingFloor, sleepersFill, sleepersRestart, sleepersWake, wakingFloor } from './sleepers-sides.js';

const roundsMax = 3;
const name = `${instances} sleepers`;

export const sleepers: Benchmark = {
  name: 'sleepers',
  async run(bench) {
    const pairs: Pair<Figures, Figures>[] = [];
    for (let round = 1; round <= Math.min(bench.rounds, roundsMax); round += 1) {
      const pair = await runRound(bench);
      pairs.push(pair);
      bench.note(
        `sleepers, round ${round}: ready in ${show(pair.runtime, 'readyAfterKillMs')} ms, woken in ${show(pair.runtime, 'wakeMs')} ms`,
      );
    }
    return [toReport(pairs)];
  },
};

async function runRound(bench: Bench): Promise<Pair<Figures, Figures>> {
  const directory = bench.directory();
  const filling = await bench.open(sleepersFill, { directory });
  await filling.kill();
  const { readMs: readAfterKillMs } = await openOnce(bench, readingFloor, { directory });
  const restarted = await openOnce(bench, sleepersRestart, { directory });
  const { readMs: readAfterStopMs } = await openOnce(bench, readingFloor, { directory });
  const woken = await openOnce(bench, sleepersWake, { directory });
  const floor = await openOnce(bench, wakingFloor, { directory: bench.directory(), record: woken.record });
  return { runtime: { ...filling.opening, ...restarted, ...woken.figures }, floor: { ...floor, readAfterKillMs, readAfterStopMs } };
}

async function openOnce<I, O>(bench: Bench, role: Role<I, O, null>, input: I): Promise<O> {
  const session = await bench.open(role, input);
  await session.end();
  return session.opening;
}

function toReport(pairs: readonly Pair<Figures, Figures>[]): Report {
  const runtime = medians(pairs.map((pair) => pair.runtime));
  const floor = medians(pairs.map((pair) => pair.floor));
  return {
    benchmark: 'sleepers',
    case: 'asleep on keys',
    runtime,
    floor,
    ratio: toRatio(ratiosOf(pairs, 'wakeMs', 'wakeMs')),
    aims: toAims(runtime),
    rows: toRows(runtime, floor, pairs),
  };
}

function toAims(runtime: Figures): Aim[] {
  const aim = (what: string, figure: string, limit: number, unit: string): Aim => ({
    what: `${name}: ${what}`,
    value: of(runtime, figure),
    limit,
    kind: 'at most',
    unit,
  });
  return [
    aim('the process while all are in memory', 'residentProcessMb', 120, 'MB'),
    aim('the process while none is', 'passivatedProcessMb', 120, 'MB'),
    aim('ready after a kill', 'readyAfterKillMs', 500, 'ms'),
    aim('ready after a stop', 'readyAfterStopMs', 500, 'ms'),
    aim('all woken and ended', 'wakeMs', 2_000, 'ms'),
  ];
}

function toRows(runtime: Figures, floor: Figures, pairs: readonly Pair<Figures, Figures>[]): Row[] {
  const plain = { cpuUsPerRecord: null, syncP50Ms: null };
  const alone = { floor: '', ratios: [], ...plain };
  const toMemory = (where: string): string =>
    `${show(runtime, `${where}ProcessMb`)} MB, ${show(runtime, `${where}HeapBytesEach`)} B of heap each`;
  const toReady = (what: string, figure: string): Row => ({
    what: `${name}, ready after a ${what}`,
    runtime: `${show(runtime, `readyAfter${figure}Ms`)} ms, ${show(runtime, `readyAfter${figure}CpuMs`)} ms of CPU`,
    floor: `${show(floor, `readAfter${figure}Ms`)} ms (reading)`,
    ratios: ratiosOf(pairs, `readAfter${figure}Ms`, `readyAfter${figure}Ms`),
    ...plain,
  });
  return [
    { what: `${name}, all in memory`, runtime: toMemory('resident'), ...alone },
    { what: `${name}, none in memory`, runtime: toMemory('passivated'), ...alone },
    {
      what: `${name}, on disk after a kill`,
      runtime: `${Math.round(of(runtime, 'killedBytes') / instances)} B each`,
      ...alone,
    },
    toReady('kill', 'Kill'),
    toReady('stop', 'Stop'),
    {
      what: `${name}, all woken and ended`,
      runtime: `${show(runtime, 'wakeMs')} ms`,
      floor: `${show(floor, 'wakeMs')} ms`,
      ratios: ratiosOf(pairs, 'wakeMs', 'wakeMs'),
      cpuUsPerRecord: [of(runtime, 'cpuUsPerRecord'), of(floor, 'cpuUsPerRecord')],
      syncP50Ms: of(runtime, 'syncP50Ms'),
    },
  ];
}

function ratiosOf(pairs: readonly Pair<Figures, Figures>[], floorMs: string, runtimeMs: string): number[] {
  return pairs.map((pair) => of(pair.floor, floorMs) / of(pair.runtime, runtimeMs));
}

function of(figures: Figures, figure: string): number {
  return figures[figure] ?? Number.NaN;
}

function show(figures: Figures, figure: string): string {
  return of(figures, figure).toFixed(0);
}
