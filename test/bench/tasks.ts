// `tasks`: what green threads cost. Tasks that begin and end, in one instance and as ephemeral instances; tasks that
// take turns; sleepers woken by key in a mixed order. Beside each stand bare generators in a Map, and the same program in
// asyncio. All times are processor time: the sides take turns, and what else the machine does falls on all of them.
//
// A thousand publishes are under way at once and awaited together, as a daemon has them that has read its sockets;
// asyncio sets a thousand futures and lets the loop run. Whoever is woken waits again, so that all turns are alike.

import { type Aim, type Bench, type Benchmark, type Figures, type Report, type Row, toRatio } from './benchmark.js';
import { median, percentile } from './measure.js';
import { openSide, type Play, pythonVersion, type Side, type SideName } from './tasks-sides.js';

interface Floor {
  readonly side: 'generators' | 'asyncio';
  readonly program: string;
  readonly title: string;
}

/** One program in rouse, and what it is measured against. */
interface Case {
  readonly what: string;
  readonly unit: string;
  readonly program: string;
  readonly floors: readonly Floor[];
  /** Of sleepers: how many. */
  readonly count: number;
  readonly jobs: number;
  /** Turns that are measured. */
  readonly turns: number;
  readonly roundsMax: number;
  /** Turns before them, which are not. */
  readonly warmups: number;
}

/** Of each side, rouse first, the µs of each turn; and the bytes of a sleeper. */
interface Measured {
  readonly title: string;
  readonly us: readonly number[];
  readonly heapBytesEach: number | null;
  readonly rssBytesEach: number | null;
}

const generators = (program: string): Floor => ({ side: 'generators', program, title: 'generators' });
const asyncio = (program: string, title = 'asyncio'): Floor => ({ side: 'asyncio', program, title });
const spawning = [generators('spawn'), asyncio('spawn')];
const waking = [generators('sleepers'), asyncio('sleepers')];

const plain = { count: 0, jobs: 100_000, turns: 8, roundsMax: 1, warmups: 2 };

const spawned: Case = {
  ...plain,
  ...{ what: '100000 tasks in one instance, joined', unit: 'tasks', program: 'joined', floors: spawning, roundsMax: 2 },
};
const woken: Case = {
  ...{ what: '100000 ephemeral instances woken by key', unit: 'wakes', program: 'ephemeral-sleepers', floors: waking },
  ...{ count: 100_000, jobs: 100_000, turns: 6, roundsMax: 2, warmups: 2 },
};
const wokenOfMillion: Case = {
  ...woken,
  what: '1000000 ephemeral instances woken by key',
  count: 1_000_000,
  jobs: 200_000,
  turns: 4,
  roundsMax: 1,
  warmups: 1,
};

const cases: readonly Case[] = [
  spawned,
  { ...plain, what: '100000 tasks in one instance, left to their scope', unit: 'tasks', program: 'scope', floors: spawning },
  { ...plain, what: '100000 ephemeral instances, start to result', unit: 'instances', program: 'ephemeral', floors: spawning },
  {
    ...{ ...plain, what: '100 tasks in a ring of semaphores', unit: 'resumes', program: 'ring' },
    floors: [generators('turns'), asyncio('ring', 'asyncio, same ring'), asyncio('yielding', 'asyncio, sleep(0)')],
  },
  woken,
  wokenOfMillion,
  { ...woken, what: '50000 tasks of one instance woken by key', program: 'task-sleepers', count: 50_000, roundsMax: 1 },
  { ...woken, what: '100000 durable instances in memory woken by key', program: 'durable-sleepers', jobs: 50_000, roundsMax: 1 },
];

const sizes = [4_000, 20_000, 80_000, 320_000];

export const tasks: Benchmark = {
  name: 'tasks',
  async run(bench) {
    const python = pythonVersion();
    bench.note(
      python === null ? 'tasks: there is NO python3 (3.10 or later) here: asyncio is LEFT OUT' : `tasks: asyncio of Python ${python}`,
    );
    const reports: Report[] = [];
    for (const one of cases) reports.push(await compare(bench, one));
    reports.push(await growing(bench));
    return reports;
  },
};

async function compare(bench: Bench, one: Case): Promise<Report> {
  const rounds = Math.min(bench.rounds, one.roundsMax);
  const taken: Measured[][] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const measured = await measureSides(bench, one);
    taken.push(measured);
    const shown = measured.map(({ title, us }) => `${title} ${median(us).toFixed(2)} µs`);
    bench.note(`${one.what}, round ${round}: ${shown.join(', ')}`);
  }
  const [runtime, ...floors] = merged(taken);
  if (runtime === undefined) throw new Error('Nothing was measured.');
  return toReport(one, runtime, floors);
}

/** Opens all sides, and lets them take turns. */
async function measureSides(bench: Bench, { program, floors, count, jobs, turns, warmups }: Case): Promise<Measured[]> {
  const sides: { title: string; side: Side; us: number[] }[] = [];
  const open = async (name: SideName, title: string, play: Play): Promise<void> => {
    const side = await openSide(bench, name, play);
    if (side !== null) sides.push({ title, side, us: [] });
  };
  await open('rouse', 'rouse', { program, count });
  for (const floor of floors) await open(floor.side, floor.title, { program: floor.program, count });
  for (let turn = -warmups; turn < turns; turn += 1) {
    for (const { side, us } of sides) {
      const each = await side.turn(jobs);
      if (turn >= 0) us.push(each);
    }
  }
  for (const { side } of sides) await side.end();
  return sides.map(({ title, side, us }) => ({
    title,
    us,
    heapBytesEach: side.memory?.heapBytesEach ?? null,
    rssBytesEach: side.memory?.rssBytesEach ?? null,
  }));
}

/** All rounds as one; memory is the first round's. */
function merged(rounds: readonly (readonly Measured[])[]): Measured[] {
  return (rounds[0] ?? []).map((first, index) => ({ ...first, us: rounds.flatMap((round) => round[index]?.us ?? []) }));
}

function toReport(one: Case, runtime: Measured, floors: readonly Measured[]): Report {
  const beside = floors.find(({ title }) => title.startsWith('asyncio')) ?? floors[0] ?? runtime;
  return {
    benchmark: 'tasks',
    case: one.what,
    runtime: toFigures(runtime),
    floor: Object.assign({}, ...floors.map((floor) => prefixed(floor.title, toFigures(floor)))) as Figures,
    ratio: toRatio(ratiosOf(runtime, beside)),
    aims: toAims(one, runtime, beside),
    rows: [...floors.map((floor) => toTimeRow(one, runtime, floor)), ...toMemoryRows(one, runtime, floors)],
  };
}

function toAims(one: Case, runtime: Measured, beside: Measured): Aim[] {
  if (one === spawned)
    return [{ what: 'spawn and end of a task in an instance, CPU', value: median(runtime.us), limit: 2, kind: 'at most', unit: 'µs' }];
  if ((one !== woken && one !== wokenOfMillion) || !beside.title.startsWith('asyncio')) return [];
  const value = median(ratiosOf(runtime, beside));
  return [{ what: `${one.what}: times asyncio's rate`, value, limit: 2, kind: 'at least', unit: '' }];
}

function toTimeRow({ what, unit }: Case, runtime: Measured, floor: Measured): Row {
  return {
    what,
    runtime: `${toRate(runtime)} ${unit}/s of CPU`,
    floor: `${toRate(floor)}/s of CPU (${floor.title})`,
    ratios: ratiosOf(runtime, floor),
    cpuUsPerRecord: [median(runtime.us), median(floor.us)],
    syncP50Ms: null,
  };
}

function toMemoryRows({ what, unit }: Case, runtime: Measured, floors: readonly Measured[]): Row[] {
  if (unit !== 'wakes') return [];
  return floors.flatMap((floor): Row[] => {
    // asyncio's heap is not to be had: processes are compared then.
    const kind = floor.heapBytesEach === null ? 'rssBytesEach' : 'heapBytesEach';
    const [own, other] = [runtime[kind], floor[kind]];
    if (own === null || other === null) return [];
    return [
      {
        what: what.replace('woken by key', `asleep, ${kind === 'rssBytesEach' ? 'process memory' : 'heap'} each`),
        runtime: `${Math.round(own)} B`,
        floor: `${Math.round(other)} B (${floor.title})`,
        ratios: [other / own],
        cpuUsPerRecord: null,
        syncP50Ms: null,
      },
    ];
  });
}

/** The cost of one wake among few and among many: sleepers of all sizes are there at once, and take turns. */
async function growing(bench: Bench): Promise<Report> {
  const names: readonly SideName[] = ['rouse', 'generators', ...(pythonVersion() === null ? [] : (['asyncio'] as const))];
  const sides: { name: SideName; size: number; side: Side; us: number[] }[] = [];
  for (const name of names) {
    const program = name === 'rouse' ? woken.program : 'sleepers';
    for (const size of sizes) {
      const side = await openSide(bench, name, { program, count: size });
      if (side !== null) sides.push({ name, size, side, us: [] });
    }
  }
  for (let turn = -1; turn < 6; turn += 1) {
    for (const { side, us } of sides) {
      const each = await side.turn(40_000);
      if (turn >= 0) us.push(each);
    }
  }
  for (const { side } of sides) await side.end();
  const curves = names.map((name) =>
    toCurve(
      name,
      sides.filter((side) => side.name === name),
    ),
  );
  for (const { title, shown } of curves) bench.note(`one wake among ${sizes.join(', ')}: ${title} ${shown}`);
  return toGrowthReport(curves);
}

interface Curve {
  readonly title: string;
  readonly figures: Figures;
  /** Of each turn: what the dearest size costs in units of the cheapest. */
  readonly growths: readonly number[];
  readonly shown: string;
}

function toCurve(title: string, sides: readonly { size: number; us: readonly number[] }[]): Curve {
  const turns = sides[0]?.us.map((_, turn) => sides.map(({ us }) => us[turn] ?? Number.NaN)) ?? [];
  return {
    title,
    figures: Object.fromEntries(sides.map(({ size, us }) => [`cpuUsOf${size}`, median(us)])),
    growths: turns.map((costs) => Math.max(...costs) / Math.min(...costs)),
    shown: `${sides.map(({ us }) => median(us).toFixed(2)).join(', ')} µs`,
  };
}

function toGrowthReport(curves: readonly Curve[]): Report {
  const [runtime, ...floors] = curves;
  if (runtime === undefined) throw new Error('Nothing was measured.');
  const what = `one wake among ${sizes.map((size) => `${size / 1_000}k`).join(', ')} instances`;
  return {
    benchmark: 'tasks',
    case: what,
    runtime: { ...runtime.figures, growth: median(runtime.growths) },
    floor: Object.assign({}, ...floors.map(({ title, figures }) => prefixed(title, figures))) as Figures,
    ratio: toRatio(runtime.growths),
    aims: [{ what: `${what}: dearest by cheapest`, value: median(runtime.growths), limit: 3, kind: 'at most', unit: 'times' }],
    rows: floors.map((floor) => ({
      what,
      runtime: runtime.shown,
      floor: `${floor.shown} (${floor.title})`,
      ratios: [],
      cpuUsPerRecord: null,
      syncP50Ms: null,
    })),
  };
}

/** Turn by turn, what share of the other's speed rouse reaches. */
function ratiosOf(runtime: Measured, floor: Measured): number[] {
  return runtime.us.map((us, turn) => (floor.us[turn] ?? Number.NaN) / us);
}

function toFigures({ us, heapBytesEach, rssBytesEach }: Measured): Figures {
  return {
    cpuUsEach: median(us),
    cpuUsEachLower: percentile(us, 0.25),
    cpuUsEachUpper: percentile(us, 0.75),
    ...(heapBytesEach === null ? {} : { heapBytesEach }),
    ...(rssBytesEach === null ? {} : { rssBytesEach }),
  };
}

function prefixed(title: string, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${title}: ${name}`, value]));
}

function toRate({ us }: Measured): string {
  return String(Math.round(1_000_000 / median(us)));
}
