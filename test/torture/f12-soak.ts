// F12: hours of work. Instances are born and end, events come, checkpoints are written; what the process and its store
// take has to stay what it was. ROUSE_SOAK_MINUTES sets how long the long run is (60).

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../kill/build.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';
import { type Driven, drive } from './load/driver.js';
import { LoadHost } from './load/host.js';
import type { Counts, Ended, Sample, SoakQuestion } from './load/soak-guest.js';

const MEGABYTE = 1_048_576;
/** What comes before is warming up. */
const WARM_SHARE = 0.25;
/** What a figure may be above what it was, so that noise is not taken for growth: a share of it, and so much. */
const GROWTH_SHARE = 0.1;
const slack = { heapBytes: 4 * MEGABYTE, rssBytes: 32 * MEGABYTE, descriptors: 8, storeBytes: 4 * MEGABYTE, storeFiles: 8 };

const plans = {
  short: { perSecond: 1_000, lanes: 200, seconds: 5, sampleMs: 250, logBytesMin: 500_000 },
  long: { perSecond: 2_000, lanes: 1_000, seconds: minutes() * 60, sampleMs: 5_000, logBytesMin: null },
};

export const soak: Fault = {
  id: 'F12',
  title: 'Soak: instances are born and end, for an hour at 2,000 events a second',
  must: 'all acknowledged, every result right; at full length memory flat after warm-up, descriptors constant, disk bounded',
  run,
};

interface Taken extends Sample {
  readonly second: number;
}

async function run({ scale, seed, progress }: FaultOptions): Promise<FaultOutcome> {
  const { perSecond, lanes, seconds, sampleMs, logBytesMin } = plans[scale];
  const folder = await mkdtemp(join(tmpdir(), 'rouse-f12-'));
  await mkdir(join(folder, 'program'));
  const program = build(join(folder, 'program'), new URL('./load/soak-guest.ts', import.meta.url));
  const opening = { kind: 'open', directory: join(folder, 'store'), lanes, logBytesMin } as const;
  const host = new LoadHost<SoakQuestion>(program);
  let next: LoadHost<SoakQuestion> | null = null;
  const samples: Taken[] = [];
  try {
    await host.ask(opening);
    const begin = performance.now();
    const timer = setInterval(() => {
      const second = (performance.now() - begin) / 1_000;
      // A process that has ended is told by its arrivals.
      host.ask({ kind: 'sample' }).then(
        (sample) => samples.push({ ...(sample as Sample), second }),
        () => {},
      );
    }, sampleMs);
    const onSecond = (arrivals: number): void => progress(`${show(arrivals)} events, ${describe(samples.at(-1))}`);
    const driven = await drive(host.pipe, { perSecond, seconds, seed, onSecond }).finally(() => clearInterval(timer));
    const ended = (await host.ask({ kind: 'end' })) as Ended;
    assert.deepEqual(host.complaints, [], `F12, seed ${seed}`);
    assert.deepEqual({ refused: driven.refused, wrong: ended.wrong }, { refused: 0, wrong: 0 }, `F12, seed ${seed}`);
    await host.kill();
    progress('counting what is there');
    next = new LoadHost<SoakQuestion>(program);
    await next.ask(opening);
    const { others } = (await next.ask({ kind: 'count' })) as Counts;
    assert.equal(others, ended.born - ended.ended, `after a kill there were not as many instances under way as before it, seed ${seed}`);
    const figures = toFigures(driven, ended, samples);
    if (scale === 'long') assertFlat(samples, figures);
    return { figures };
  } finally {
    await Promise.all([host.kill(), next?.kill()]);
    await rm(folder, { recursive: true, force: true });
  }
}

/** The last third is held against the first, after warm-up: its highest for what is bounded, its middle for memory. */
function assertFlat(samples: readonly Taken[], figures: readonly string[]): void {
  const warm = samples.slice(Math.floor(samples.length * WARM_SHARE));
  const third = Math.floor(warm.length / 3);
  assert.ok(third > 0, 'It was too short to say anything: set ROUSE_SOAK_MINUTES higher.');
  const [first, last] = [warm.slice(0, third), warm.slice(-third)];
  const check = (of: keyof typeof slack, toOne: (values: number[]) => number): void => {
    const [before, after] = [toOne(valuesOf(first, of)), toOne(valuesOf(last, of))];
    assert.ok(after <= before * (1 + GROWTH_SHARE) + slack[of], `${of} went from ${before} to ${after}:\n${figures.join('\n')}`);
  };
  check('heapBytes', median);
  check('rssBytes', median);
  check('descriptors', (values) => Math.max(...values));
  check('storeBytes', (values) => Math.max(...values));
  check('storeFiles', (values) => Math.max(...values));
}

function toFigures(driven: Driven, { born, ended }: Ended, samples: readonly Taken[]): string[] {
  const warm = samples.slice(Math.floor(samples.length * WARM_SHARE));
  const seconds = samples.at(-1)?.second ?? 0;
  // Of seconds, a slope means nothing.
  const isLong = seconds > 60;
  const memory = (what: string, of: 'heapBytes' | 'rssBytes'): string => {
    const values = valuesOf(warm, of);
    const slope = isLong ? `, slope ${(slopeOf(warm, of) / MEGABYTE).toFixed(2)} MB an hour` : '';
    return `${what} ${mb(median(values))} MB in the middle, ${mb(Math.max(...values))} at most${slope}`;
  };
  const range = (of: keyof typeof slack, unit: (value: number) => string): string => {
    const values = valuesOf(warm, of);
    return `${unit(Math.min(...values))} to ${unit(Math.max(...values))}`;
  };
  return [
    `${show(driven.arrivals)} events in ${(seconds / 60).toFixed(1)} min, ${show(born)} instances born, ${show(ended)} ended, every result right; ${samples.at(-1)?.checkpoints ?? 0} checkpoints`,
    `acknowledged after ${driven.p50Ms.toFixed(1)} ms (p50), ${driven.p99Ms.toFixed(1)} ms (p99), ${driven.maxMs.toFixed(0)} ms (most)`,
    `${memory('heap after a collection', 'heapBytes')}; ${memory('rss', 'rssBytes')}`,
    `descriptors ${range('descriptors', String)}, store ${range('storeBytes', mb)} MB in ${range('storeFiles', String)} files`,
  ];
}

/** Of the line that is nearest to all of them, by the hour. */
function slopeOf(samples: readonly Taken[], of: 'heapBytes' | 'rssBytes'): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const hours = samples.map(({ second }) => second / 3_600);
  const values = valuesOf(samples, of);
  const [hour, value] = [mean(hours), mean(values)];
  const rise = hours.reduce((sum, each, index) => sum + (each - hour) * ((values[index] ?? 0) - value), 0);
  return rise / hours.reduce((sum, each) => sum + (each - hour) ** 2, 0);
}

function valuesOf(samples: readonly Taken[], of: keyof typeof slack): number[] {
  return samples.map((sample) => sample[of] ?? 0);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function describe(sample: Taken | undefined): string {
  if (sample === undefined) return 'no sample yet';
  const { heapBytes, rssBytes, descriptors, storeBytes, storeFiles, instances } = sample;
  return `heap ${mb(heapBytes)} MB, rss ${mb(rssBytes)} MB, ${descriptors ?? '?'} descriptors, ${show(instances)} instances, store ${mb(storeBytes)} MB in ${storeFiles} files`;
}

function minutes(): number {
  const text = process.env.ROUSE_SOAK_MINUTES ?? '60';
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error(`ROUSE_SOAK_MINUTES is "${text}", and must be a number.`);
  return Number(text);
}

function mb(bytes: number): string {
  return (bytes / MEGABYTE).toFixed(1);
}

function show(count: number): string {
  return count.toLocaleString('en');
}
