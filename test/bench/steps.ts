// `steps`: workflows of five trivial steps each on the JSON store, one after the other, a hundred at a time, and a
// hundred at a time over whole checkpoint cycles: what it costs to keep the log short is paid by somebody.

import { type Aim, type Bench, type Benchmark, type Pair, type Report, takeTurns, toRatio } from './benchmark.js';
import { median, medians } from './measure.js';
import { isProfiling } from './profile.js';
import type { Role } from './role.js';
import { commitsEach, cycleOnRuntime, type Load, type Sample, type StepsFigures, stepsOnFloor, stepsOnRuntime } from './steps-sides.js';

export interface Comparison {
  readonly name: string;
  readonly concurrency: number;
  /** How much longer syncs take than this machine's, on both sides. */
  readonly syncDelayMs?: number;
  readonly turns: number;
  readonly jobs: number;
  readonly role: Role<Load, Sample, StepsFigures>;
  toAims(runtime: StepsFigures, ratio: number): Aim[];
}

const oneAtATime: Comparison = {
  name: 'concurrency 1',
  concurrency: 1,
  turns: 12,
  jobs: 30,
  role: stepsOnRuntime,
  toAims: ({ syncsPerWorkflow }) => [
    { what: 'syncs for a start and 5 steps', value: syncsPerWorkflow, limit: commitsEach, kind: 'at most', unit: '' },
  ],
};

export const hundredAtOnce: Comparison = {
  name: 'concurrency 100',
  concurrency: 100,
  turns: 12,
  jobs: 800,
  role: stepsOnRuntime,
  toAims: ({ cpuUsPerRecord }, ratio) => [
    { what: '5 steps, concurrency 100: ratio to the floor', value: ratio, limit: 0.6, kind: 'at least', unit: '' },
    { what: '5 steps, concurrency 100: CPU for each record', value: cpuUsPerRecord, limit: 15, kind: 'at most', unit: 'µs' },
  ],
};

const wholeCycles: Comparison = {
  name: 'concurrency 100, checkpoints included',
  concurrency: 100,
  turns: 1,
  jobs: 0,
  role: cycleOnRuntime,
  toAims: () => [],
};

export const steps: Benchmark = {
  name: 'steps',
  async run(bench) {
    const reports: Report[] = [];
    for (const comparison of [oneAtATime, hundredAtOnce, wholeCycles]) reports.push(await compare(bench, comparison));
    return reports;
  },
};

/** Lets the runtime and its floor do the same in turns. */
export async function compare(bench: Bench, comparison: Comparison): Promise<Report> {
  const { concurrency, syncDelayMs } = comparison;
  // One long turn can be looked into better than many short ones.
  const [turns, jobs] = isProfiling() ? [1, comparison.turns * comparison.jobs] : [comparison.turns, comparison.jobs];
  const pairs: Pair<StepsFigures, StepsFigures>[] = [];
  const recordBytes: number[] = [];
  for (let round = 1; round <= bench.rounds; round += 1) {
    const runtime = await bench.open(comparison.role, { directory: bench.directory(), concurrency, syncDelayMs });
    const { records } = runtime.opening;
    const floor = await bench.open(stepsOnFloor, { directory: bench.directory(), concurrency, syncDelayMs, records });
    const taken = jobs > 0 ? await takeTurns(runtime, floor, { turns, jobs }) : [await takeCycle(runtime, floor)];
    await runtime.end();
    await floor.end();
    pairs.push(...taken);
    recordBytes.push(records.join('').length / commitsEach);
    bench.note(`steps, ${comparison.name}, round ${round}: ${median(taken.map(speedRatio)).toFixed(2)} of the floor`);
  }
  return toReport(comparison, pairs, median(recordBytes));
}

/** One turn of the runtime lasts as long as its checkpoints want; the floor then does as much. */
async function takeCycle(
  runtime: { turn(jobs: number): Promise<StepsFigures> },
  floor: { turn(jobs: number): Promise<StepsFigures> },
): Promise<Pair<StepsFigures, StepsFigures>> {
  const cycle = await runtime.turn(0);
  return { runtime: cycle, floor: await floor.turn(cycle.workflows) };
}

function speedRatio({ runtime, floor }: Pair<StepsFigures, StepsFigures>): number {
  return runtime.workflowsPerSecond / floor.workflowsPerSecond;
}

function toReport(comparison: Comparison, pairs: readonly Pair<StepsFigures, StepsFigures>[], bytesPerRecord: number): Report {
  const runtime: StepsFigures = { ...medians(pairs.map((pair) => pair.runtime)), bytesPerRecord };
  const floor = medians(pairs.map((pair) => pair.floor));
  const ratios = pairs.map(speedRatio);
  return {
    benchmark: 'steps',
    case: comparison.name,
    runtime,
    floor,
    ratio: toRatio(ratios),
    aims: comparison.toAims(runtime, median(ratios)),
    rows: [
      {
        what: `5 steps, ${comparison.name}`,
        runtime: `${Math.round(runtime.workflowsPerSecond)} workflows/s`,
        floor: `${Math.round(floor.workflowsPerSecond)}/s`,
        ratios,
        cpuUsPerRecord: [runtime.cpuUsPerRecord, floor.cpuUsPerRecord],
        syncP50Ms: runtime.syncP50Ms,
      },
    ],
  };
}
