// What a benchmark is, and what it reports.

import { median, percentile } from './measure.js';
import type { Role, Session } from './role.js';

/** What a benchmark is given to run with. */
export interface Bench {
  /** How often everything is begun anew, in new processes. */
  readonly rounds: number;
  /** How many instances to take, for the benchmarks that take several sizes one after the other. */
  readonly sizes: readonly number[];
  /** Plays a role in a process of its own. */
  open<I, O, T>(role: Role<I, O, T>, input: I): Promise<Session<O, T>>;
  /** A new, empty directory on the disk that is measured. */
  directory(): string;
  /** Tells whoever watches how far it is. */
  note(text: string): void;
}

export interface Benchmark {
  readonly name: string;
  run(bench: Bench): Promise<readonly Report[]>;
}

export type Figures = Readonly<Record<string, number>>;

/** What both sides measured in neighbouring turns. */
export interface Pair<R, F> {
  readonly runtime: R;
  readonly floor: F;
}

/** The middle of several ratios; a quarter of them is below `lower`, a quarter above `upper`. */
export interface Ratio {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
  readonly comparisons: number;
}

/** Something that the figures are measured against. */
export interface Aim {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  /** Whether the value is to stay below the limit or to reach it. */
  readonly kind: 'at most' | 'at least';
  readonly unit: string;
}

/** One line of the table: the runtime beside its floor. */
export interface Row {
  readonly what: string;
  readonly runtime: string;
  readonly floor: string;
  /** The share of the floor's speed (or thrift) that the runtime reaches, in each comparison; none where there is no floor. */
  readonly ratios: readonly number[];
  /** Processor time for each record, the runtime's and the floor's. */
  readonly cpuUsPerRecord: readonly [number, number] | null;
  readonly syncP50Ms: number | null;
}

/** One measurement: medians over all turns. */
export interface Report {
  readonly benchmark: string;
  readonly case: string;
  readonly runtime: Figures;
  readonly floor: Figures;
  readonly ratio: Ratio;
  readonly aims: readonly Aim[];
  readonly rows: readonly Row[];
}

export function toRatio(ratios: readonly number[]): Ratio {
  return { median: median(ratios), lower: percentile(ratios, 0.25), upper: percentile(ratios, 0.75), comparisons: ratios.length };
}

export function isMet({ kind, value, limit }: Aim): boolean {
  return kind === 'at most' ? value <= limit : value >= limit;
}

/** Lets two sides take turns; each pair of neighbouring turns is one comparison. */
export async function takeTurns<R, F>(
  runtime: Session<unknown, R>,
  floor: Session<unknown, F>,
  { turns, jobs }: { turns: number; jobs: number },
): Promise<Pair<R, F>[]> {
  const pairs: Pair<R, F>[] = [];
  for (let turn = 0; turn < turns; turn += 1) pairs.push({ runtime: await runtime.turn(jobs), floor: await floor.turn(jobs) });
  return pairs;
}
