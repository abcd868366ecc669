// What `store` compares with the bare group commit of steps-sides.ts: the same load on this machine's disk, and on one
// whose syncs take 8 ms more, where little but the sharing of syncs counts.

import type { Aim, Bench, Report } from './benchmark.js';
import { type Comparison, compare, hundredAtOnce } from './steps.js';
import { type StepsFigures, stepsOnRuntime } from './steps-sides.js';

const syncDelayMs = 8;
const ratioMin = 0.9;
/** Of a lone client, in syncs: it waits for its own sync and for nothing else. */
const aloneMax = 1.1;

const comparisons: readonly Comparison[] = [
  hundredAtOnce,
  onSlowDisk({ concurrency: 1, jobs: 20, turns: 4 }, ({ syncsPerCommit }) => [
    { what: 'a slow disk, concurrency 1: a commit', value: syncsPerCommit, limit: aloneMax, kind: 'at most', unit: 'syncs' },
  ]),
  onSlowDisk({ concurrency: 100, jobs: 2_000, turns: 6 }, toRatioAim(100)),
  onSlowDisk({ concurrency: 1_000, jobs: 10_000, turns: 6 }, toRatioAim(1_000)),
];

/** One report for each load. */
export async function compareThroughput(bench: Bench): Promise<Report[]> {
  const reports: Report[] = [];
  for (const comparison of comparisons) reports.push({ ...(await compare(bench, comparison)), benchmark: 'store' });
  return reports;
}

function onSlowDisk(load: Pick<Comparison, 'concurrency' | 'jobs' | 'turns'>, toAims: Comparison['toAims']): Comparison {
  return { ...load, name: `concurrency ${load.concurrency}, syncs ${syncDelayMs} ms slower`, syncDelayMs, role: stepsOnRuntime, toAims };
}

function toRatioAim(concurrency: number): (runtime: StepsFigures, ratio: number) => Aim[] {
  return (_, ratio) => [
    { what: `a slow disk, concurrency ${concurrency}: ratio to the floor`, value: ratio, limit: ratioMin, kind: 'at least', unit: '' },
  ];
}
