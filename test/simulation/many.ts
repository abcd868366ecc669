// Many seeds, one after the other or in processes of their own.

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { generate } from './generate.js';
import { type Outcome, simulate } from './simulate.js';

const BATCH = 50;
const PROCESSES = 2;

/** What came of many seeds, added up. */
export interface Tally {
  seeds: number;
  crashes: number;
  commits: number;
  attempts: number;
  calls: number;
  events: number;
  /** Seeds that broke a promise, and which. */
  readonly broken: { readonly seed: number; readonly message: string }[];
}

export function emptyTally(): Tally {
  return { seeds: 0, crashes: 0, commits: 0, attempts: 0, calls: 0, events: 0, broken: [] };
}

export function addTo(tally: Tally, seed: number, outcome: Outcome): void {
  tally.seeds += 1;
  for (const figure of ['crashes', 'commits', 'attempts', 'calls', 'events'] as const) tally[figure] += outcome[figure];
  if (outcome.broken !== null) tally.broken.push({ seed, message: outcome.broken.message });
}

/** Runs seeds in this process until told otherwise. */
export async function runSeeds(from: number, goesOn: (tally: Tally) => boolean): Promise<Tally> {
  const tally = emptyTally();
  for (let seed = from; goesOn(tally); seed += 1) addTo(tally, seed, await simulate(generate(seed)));
  return tally;
}

/** What a process is told to run. */
export interface Batch {
  readonly from: number;
  readonly count: number;
}

/** Runs so many seeds in two processes. */
export async function runMany({ from, count }: Batch, onProgress: (tally: Tally) => void): Promise<Tally> {
  const total = emptyTally();
  let next = from;
  const takeBatch = (): Batch | null => {
    if (next >= from + count) return null;
    const batch = { from: next, count: Math.min(BATCH, from + count - next) };
    next += batch.count;
    return batch;
  };
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)));
      const tellNext = (): void => {
        const batch = takeBatch();
        if (batch === null) child.disconnect();
        else child.send(batch);
      };
      child.on('message', (message) => {
        merge(total, message as Tally);
        onProgress(total);
        tellNext();
      });
      child.on('error', reject);
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`A process of the simulation ended with ${code}.`))));
      tellNext();
    });
  await Promise.all(Array.from({ length: PROCESSES }, run));
  return total;
}

function merge(total: Tally, { broken, ...figures }: Tally): void {
  for (const [name, value] of Object.entries(figures)) total[name as keyof typeof figures] += value;
  total.broken.push(...broken);
}
