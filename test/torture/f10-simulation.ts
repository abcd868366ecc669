// F10: the whole runtime in one process under a seeded world: clock, order of everything, faults of the disk, kills,
// power cuts, events that come twice, late and in another order, steps that are slow, fail and hang. See
// test/simulation; its broken.ts says what must hold.

import { runMany, runSeeds, type Tally } from '../simulation/many.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';

/** A short run takes as many seeds as there is time for. */
const SHORT_MS = 7_000;
const LONG_SEEDS = 20_000;

export const simulation: Fault = {
  id: 'F10',
  title: 'deterministic simulation: crashes, clock jumps, duplicates, slow steps and store faults from a seed',
  must: 'each journal position has one outcome; events accepted = consumed + waiting + dead + ended; replay equals live; every promise settles; nothing is left over',
  run,
};

async function run({ scale, seed, progress }: FaultOptions): Promise<FaultOutcome> {
  const startedAt = performance.now();
  // The seeds of one run are not those of the next.
  const from = seed * 1_000_000;
  const tally =
    scale === 'short'
      ? await runSeeds(from, () => performance.now() - startedAt < SHORT_MS)
      : await runMany({ from, count: LONG_SEEDS }, ({ seeds, broken }) =>
          progress(`${seeds} of ${LONG_SEEDS} seeds, ${broken.length} broken`),
        );
  assertKept(tally);
  return { figures: toFigures(tally, performance.now() - startedAt) };
}

function assertKept({ broken }: Tally): void {
  const [first] = broken;
  if (first === undefined) return;
  throw new Error(
    `${broken.length} seed(s) broke a promise. The first: ${first.message}\nAgain, and made smaller: npm run simulate -- --seed ${first.seed}`,
  );
}

function toFigures({ seeds, crashes, commits, attempts, events, broken }: Tally, ms: number): string[] {
  const figures: readonly (readonly [number, string])[] = [
    [seeds, 'seeds'],
    [crashes, 'kills and power cuts'],
    [commits, 'commits'],
    [attempts, 'attempts of steps'],
    [events, 'events from outside'],
    [broken.length, 'promises broken'],
  ];
  return [
    ...figures.map(([count, what]) => `${count.toLocaleString('en-US')} ${what}`),
    `${(ms / Math.max(1, seeds)).toFixed(1)} ms a seed`,
  ];
}
