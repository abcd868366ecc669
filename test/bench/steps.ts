// `steps`: workflows of five trivial steps each on the JSON store, one after the other, a hundred at a time, and a
// hundred at a time over whole checkpoint cycles: what it costs to keep the log short is paid by somebody.

import { type Aim, type Bench, type Benchmark, type Pair, type Report, takeTurns, toRatio } from './benchmark.js';
import { median, medians } from './measure.js';
import type { Role } from './role.js';
import { commitsEach, cycleOnRuntime, type Load, type Sample, type StepsFigures, stepsOnFloor, stepsOnRuntime } from './steps-sides.js';

interface Comparison {
  readonly name: string;
  readonly concurrency: number;
  readonly turns: number;
  readonly jobs: number;
  readonly role: Role<Load, Sample, StepsFigures>;
}

const comparisons: readonly Comparison[] = [
  { name: 'concurrency 1', concurrency: 1, turns: 12, jobs: 30, role: stepsOnRuntime },
  { name: 'concurrency 100', concurrency: 100, turns: 12, jobs: 800, role: stepsOnRuntime },
  { name: 'concurrency 100, checkpoints included', concurrency: 100, turns: 1, jobs: 0, role: cycleOnRuntime },
];

export const steps: Benchmark = {
  name: 'steps',
  async run(bench) {
    const reports: Report[] = [];
    for (const comparison of comparisons) reports.push(await compare(bench, comparison));
    return reports;
  },
};

async function compare(bench: Bench, comparison: Comparison): Promise<Report> {
  const { concurrency, turns, jobs } = comparison;
  const pairs: Pair<StepsFigures, StepsFigures>[] = [];
  const recordBytes: number[] = [];
  for (let round = 1; round <= bench.rounds; round += 1) {
    const runtime = await bench.open(comparison.role, { directory: bench.directory(), concurrency });
    const { records } = runtime.opening;
    const floor = await bench.open(stepsOnFloor, { directory: bench.directory(), concurrency, records });
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
    aims: toAims(comparison, runtime, median(ratios)),
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

function toAims({ role, concurrency, name }: Comparison, runtime: StepsFigures, ratio: number): Aim[] {
  if (role === cycleOnRuntime) return [];
  if (concurrency === 1)
    return [{ what: 'syncs for a start and 5 steps', value: runtime.syncsPerWorkflow, limit: commitsEach, kind: 'at most', unit: '' }];
  return [
    { what: `5 steps, ${name}: ratio to the floor`, value: ratio, limit: 0.45, kind: 'at least', unit: '' },
    { what: `5 steps, ${name}: CPU for each record`, value: runtime.cpuUsPerRecord, limit: 20, kind: 'at most', unit: 'µs' },
  ];
}
