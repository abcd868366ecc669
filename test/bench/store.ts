// `store`: ten thousand, a hundred thousand and a million instances asleep on keys in the JSON store. How fast they are
// parked, what they cost in memory and on disk, how soon a new process is ready after a kill, how fast they wake, and
// what a checkpoint does to everyone meanwhile; then what is left of a disk's speed (store-throughput.ts).
//
// npm run bench -- store [10000 100000 1000000]

import { type Aim, type Bench, type Benchmark, type Figures, type Pair, type Report, type Row, toRatio } from './benchmark.js';
import { medians } from './measure.js';
import type { Role } from './role.js';
import { measureFlood } from './store-flood.js';
import { storeReadingFloor, storeWritingFloor } from './store-floors.js';
import { atOnce, pacePerSecond, storePark, storeWake } from './store-sides.js';
import { compareThroughput } from './store-throughput.js';

const million = 1_000_000;
const roundsMax = 2;
/** More sleepers than these are taken once: they are minutes by themselves. */
const repeatedMax = 10_000;
/** A floor needs no more jobs than this to show its speed. */
const floorJobsMax = 100_000;

export const store: Benchmark = {
  name: 'store',
  async run(bench) {
    const reports: Report[] = [];
    for (const instances of bench.sizes) {
      const pairs: Pair<Figures, Figures>[] = [];
      const rounds = instances > repeatedMax ? 1 : Math.min(bench.rounds, roundsMax);
      for (let round = 1; round <= rounds; round += 1) pairs.push(await runRound(bench, instances));
      reports.push(toReport(instances, pairs));
    }
    return [...reports, ...(await compareThroughput(bench)), await measureFlood(bench)];
  },
};

async function runRound(bench: Bench, instances: number): Promise<Pair<Figures, Figures>> {
  const directory = bench.directory();
  const jobs = Math.min(instances, floorJobsMax);
  const note = (text: string): void => bench.note(`store, ${toCount(instances)}: ${text}`);
  const parking = await bench.open(storePark, { directory, instances });
  const { figures: parked, records } = parking.opening;
  note(`${toCount(parked.parkedPerSecond)} parked a second`);
  await parking.kill();
  const parkFloor = await openOnce(bench, storeWritingFloor, { directory: bench.directory(), jobs, records });
  const reading = await openOnce(bench, storeReadingFloor, { directory });
  const { figures: woken, record } = await openOnce(bench, storeWake, { directory, instances });
  note(`ready in ${toCount(woken.readyMs)} ms, ${toCount(woken.endPerSecond)} woken a second`);
  const wakeFloor = await openOnce(bench, storeWritingFloor, { directory: bench.directory(), jobs, records: [record] });
  return { runtime: { ...parked, ...woken }, floor: { ...reading, ...prefixed('park', parkFloor), ...prefixed('wake', wakeFloor) } };
}

async function openOnce<I, O>(bench: Bench, role: Role<I, O, null>, input: I): Promise<O> {
  const session = await bench.open(role, input);
  await session.end();
  return session.opening;
}

function toReport(instances: number, pairs: readonly Pair<Figures, Figures>[]): Report {
  const runtime = medians(pairs.map((pair) => pair.runtime));
  const floor = medians(pairs.map((pair) => pair.floor));
  return {
    benchmark: 'store',
    case: `${toCount(instances)} asleep on keys`,
    runtime,
    floor,
    ratio: toRatio(ratiosOf(pairs, 'endPerSecond', 'wakePerSecond')),
    aims: toAims(instances, runtime),
    rows: [...toParkedRows(instances, runtime, floor, pairs), ...toWokenRows(instances, runtime, floor, pairs)],
  };
}

function toAims(instances: number, runtime: Figures): Aim[] {
  const aim = (what: string, figure: string, kind: Aim['kind'], limit: number, unit: string): Aim => ({
    what: `${toCount(instances)}: ${what}`,
    value: of(runtime, figure),
    limit,
    kind,
    unit,
  });
  const ofMillion = [
    aim('the process, as it is by default', 'residentRssMb', 'at most', 1_200, 'MB'),
    aim('the process, none in memory', 'passivatedRssMb', 'at most', 1_200, 'MB'),
    aim('ready after a kill', 'readyMs', 'at most', 4_000, 'ms'),
  ];
  return [
    ...(instances >= million ? ofMillion : []),
    aim('wakes, each asleep again', 'againPerSecond', 'at least', 15_000, '/s'),
    aim('wakes, each to its end', 'endPerSecond', 'at least', 15_000, '/s'),
    aim('loop lag p99 while a checkpoint is written', 'checkpointLagP99Ms', 'at most', 20, 'ms'),
    aim(`${toCount(pacePerSecond)} wakes/s, acknowledgement p99`, 'pacedAllP99Ms', 'at most', 50, 'ms'),
  ];
}

type Pairs = readonly Pair<Figures, Figures>[];
const plain = { floor: '', ratios: [], cpuUsPerRecord: null, syncP50Ms: null };

function toParkedRows(instances: number, runtime: Figures, floor: Figures, pairs: Pairs): Row[] {
  const toWhat = (what: string): string => `${toCount(instances)}: ${what}`;
  const toMemory = (where: string): string => `${show(runtime, `${where}RssMb`)} MB, ${show(runtime, `${where}HeapMb`)} MB of it heap`;
  const bytesEach = Math.round((of(runtime, 'diskMb') * 1_048_576) / instances);
  return [
    {
      what: toWhat(`parked, ${toCount(atOnce)} at once`),
      runtime: `${show(runtime, 'parkedPerSecond')}/s`,
      floor: `${show(floor, 'parkPerSecond')}/s`,
      ratios: ratiosOf(pairs, 'parkedPerSecond', 'parkPerSecond'),
      cpuUsPerRecord: [of(runtime, 'parkCpuUsPerRecord'), of(floor, 'parkCpuUsPerRecord')],
      syncP50Ms: of(floor, 'parkSyncP50Ms'),
    },
    { ...plain, what: toWhat(`asleep, ${show(runtime, 'residents')} of them in memory`), runtime: toMemory('resident') },
    { ...plain, what: toWhat('asleep, none in memory'), runtime: toMemory('passivated') },
    { ...plain, what: toWhat('on disk after a kill'), runtime: `${show(runtime, 'diskMb')} MB, ${bytesEach} B each` },
    {
      ...plain,
      what: toWhat('ready after the kill'),
      runtime: `${show(runtime, 'readyMs')} ms, ${show(runtime, 'readyCpuMs')} ms of CPU`,
      floor: `${show(floor, 'readMs')} ms (reading the bytes)`,
      ratios: pairs.map((pair) => of(pair.floor, 'readMs') / of(pair.runtime, 'readyMs')),
    },
  ];
}

function toWokenRows(instances: number, runtime: Figures, floor: Figures, pairs: Pairs): Row[] {
  const toWhat = (what: string): string => `${toCount(instances)}: ${what}`;
  // A loop that cannot keep the pace is never without a checkpoint.
  const toTimes = (p50: string, p99: string): string =>
    Number.isNaN(of(runtime, p50)) ? 'never' : `${show(runtime, p50, 1)} ms, ${show(runtime, p99, 1)} ms`;
  const toSpeed = (what: string, name: string): Row => ({
    what: toWhat(`wakes by key, ${toCount(atOnce)} at once, ${what}`),
    runtime: `${show(runtime, `${name}PerSecond`)}/s (${show(runtime, `${name}P50Ms`)} and ${show(runtime, `${name}P99Ms`)} ms)`,
    floor: `${show(floor, 'wakePerSecond')}/s`,
    ratios: ratiosOf(pairs, `${name}PerSecond`, 'wakePerSecond'),
    cpuUsPerRecord: [of(runtime, `${name}CpuUsPerRecord`), of(floor, 'wakeCpuUsPerRecord')],
    syncP50Ms: of(runtime, 'syncP50Ms'),
  });
  const toPaced = (what: string, name: string): Row => ({
    ...plain,
    what: toWhat(`${toCount(pacePerSecond)} wakes/s, ${what}: p50, p99`),
    runtime: toTimes(`${name}P50Ms`, `${name}P99Ms`),
  });
  const toLag = (what: string, name: string): Row => ({
    ...plain,
    what: toWhat(`loop lag ${what}: p99, most`),
    runtime: toTimes(`${name}P99Ms`, `${name}MaxMs`),
    floor: `${show(runtime, 'idleLagP99Ms', 1)} ms, ${show(runtime, 'idleLagMaxMs', 1)} ms (idle)`,
  });
  return [
    toSpeed('asleep again (p50 and p99)', 'again'),
    toSpeed('to an end', 'end'),
    toPaced('no checkpoint', 'paced'),
    toPaced('while one is written', 'pacedWhile'),
    toLag('of these wakes, no checkpoint', 'quietLag'),
    toLag('of these wakes, while one is written', 'checkpointLag'),
    toLag('of a checkpoint alone', 'aloneLag'),
    {
      ...plain,
      what: toWhat('a checkpoint alone'),
      runtime: `${show(runtime, 'aloneMs')} ms, ${show(runtime, 'aloneCpuMs')} ms of CPU, ${show(runtime, 'aloneWrittenMb')} MB written`,
    },
  ];
}

function ratiosOf(pairs: Pairs, runtimeSpeed: string, floorSpeed: string): number[] {
  return pairs.map((pair) => of(pair.runtime, runtimeSpeed) / of(pair.floor, floorSpeed));
}

function prefixed(prefix: string, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}${name[0]?.toUpperCase()}${name.slice(1)}`, value]));
}

function of(figures: Figures, figure: string): number {
  return figures[figure] ?? Number.NaN;
}

function show(figures: Figures, figure: string, digits = 0): string {
  const value = of(figures, figure);
  return digits === 0 ? toCount(value) : value.toFixed(digits);
}

/** With commas between the thousands. */
function toCount(value: number | undefined): string {
  return Math.round(value ?? Number.NaN).toLocaleString('en-US');
}
