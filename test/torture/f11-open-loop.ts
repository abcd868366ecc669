// F11: events arrive when they arrive, faster than one waits for another, for many instances that are asleep; and while
// checkpoints of all of them are written.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../kill/build.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';
import { type Driven, drive } from './load/driver.js';
import { LoadHost } from './load/host.js';
import type { SleepersQuestion, Verified } from './load/sleepers-guest.js';
import type { Lag, Lags } from './load/watched-loop.js';

const PER_SECOND = 5_000;
const ACKNOWLEDGED_P99_MS = 50;
const LAG_P99_MS = 20;

const plans = {
  // So little log that a checkpoint falls into it.
  short: { instances: 2_000, seconds: 2, idleMs: 500, logBytesMin: 300_000 },
  long: { instances: 100_000, seconds: 60, idleMs: 3_000, logBytesMin: null },
};

export const openLoop: Fault = {
  id: 'F11',
  title: `Open loop: ${show(PER_SECOND)} events a second that wait for nobody`,
  must: `all acknowledged and there after a kill; at full length p99 of acknowledgements < ${ACKNOWLEDGED_P99_MS} ms, and of the loop's lag < ${LAG_P99_MS} ms while a checkpoint of 100,000 instances is written`,
  run,
};

async function run({ scale, seed, progress }: FaultOptions): Promise<FaultOutcome> {
  const { instances, seconds, idleMs, logBytesMin } = plans[scale];
  const folder = await mkdtemp(join(tmpdir(), 'rouse-f11-'));
  const directory = join(folder, 'store');
  const program = await buildIn(join(folder, 'program'));
  const hosts: LoadHost<SleepersQuestion>[] = [];
  const start = (): LoadHost<SleepersQuestion> => {
    const host = new LoadHost<SleepersQuestion>(program);
    hosts.push(host);
    return host;
  };
  try {
    const host = start();
    progress(`parking ${show(instances)} instances`);
    await host.ask({ kind: 'open', directory, instances, logBytesMin });
    const idle = (await host.ask({ kind: 'idle', ms: idleMs })) as Lags;
    await host.ask({ kind: 'begin' });
    const onSecond = (arrivals: number, underWay: number): void =>
      progress(`${show(arrivals)} of ${show(PER_SECOND * seconds)} events, ${show(underWay)} under way`);
    const driven = await drive(host.pipe, { perSecond: PER_SECOND, seconds, seed, onSecond });
    const lags = (await host.ask({ kind: 'figures' })) as Lags;
    await (process.env.ROUSE_TORTURE_PROFILE === undefined ? host.kill() : host.end());
    progress('reading what is there');
    const verified = (await start().ask({ kind: 'verify', directory, instances, arrivals: driven.arrivals })) as Verified;
    assert.deepEqual(host.complaints, [], `F11, seed ${seed}`);
    assert.equal(driven.refused, 0, `${driven.refused} events were refused, seed ${seed}`);
    assert.deepEqual(verified, { lost: 0, twice: 0, misplaced: 0 }, `what was found after a kill, seed ${seed}`);
    const figures = toFigures(driven, lags, idle.alone);
    if (scale === 'long') assertFast(driven, lags, figures);
    return { figures };
  } finally {
    await Promise.all(hosts.map((host) => host.kill()));
    await rm(folder, { recursive: true, force: true });
  }
}

async function buildIn(folder: string): Promise<string> {
  await mkdir(folder);
  return build(folder, new URL('./load/sleepers-guest.ts', import.meta.url));
}

function assertFast({ p99Ms }: Driven, { checkpoints, meanwhile }: Lags, figures: readonly string[]): void {
  const found = `:\n${figures.join('\n')}`;
  assert.ok(checkpoints > 0, `no checkpoint was written meanwhile${found}`);
  assert.ok(p99Ms < ACKNOWLEDGED_P99_MS, `acknowledgements were slow${found}`);
  assert.ok(meanwhile.p99Ms < LAG_P99_MS, `the loop was late${found}`);
}

function toFigures(driven: Driven, { alone, meanwhile, checkpoints }: Lags, idle: Lag): string[] {
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  return [
    `${show(driven.arrivals)} events, all acknowledged, 0 lost after a kill`,
    `acknowledged after ${ms(driven.p50Ms)} (p50), ${ms(driven.p99Ms)} (p99), ${ms(driven.maxMs)} (most), from when each was due; sent up to ${ms(driven.sendP99Ms)} (p99) late, which counts`,
    `loop lag p99 ${ms(meanwhile.p99Ms)}, most ${ms(meanwhile.maxMs)}, during ${checkpoints} checkpoints; ${ms(alone.p99Ms)} and ${ms(alone.maxMs)} without; ${ms(idle.p99Ms)} and ${ms(idle.maxMs)} idle`,
  ];
}

function show(count: number): string {
  return count.toLocaleString('en');
}
