// F1, kill -9: a process with 64 busy instances is killed at random moments, and started again on the same store.
// What it does is in test/kill: the process, what is asked of it, the ledger of what it acknowledged, and the verdict.

import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from '../kill/build.js';
import { toFigures } from '../kill/summary.js';
import { BERTHS } from '../kill/traffic.js';
import { type Outcome, Trial, type TrialOptions } from '../kill/trial.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';
import { inFolder } from './folder.js';

/** A store has so many rounds; then the next one begins, so that a long run checks often. */
const ROUNDS = 25;
const trialsOf = { short: 1, long: 40 };

export const killed: Fault = {
  id: 'F1',
  title: 'kill -9, again and again',
  must: '0 acknowledged lost; what was not survives at most once; every store opens; no committed step runs again',
  run: (options) => inFolder('f1', (folder) => run(folder, options)),
};

async function run(folder: string, { scale, seed, progress }: FaultOptions): Promise<FaultOutcome> {
  const program = build(folder, new URL('../kill/child.ts', import.meta.url));
  const trials = trialsOf[scale];
  const outcomes: Outcome[] = [];
  for (let number = 0; number < trials; number += 1) {
    let kills = number * ROUNDS;
    const onKill = () => {
      kills += 1;
      progress(`${kills} of ${trials * ROUNDS} kills`);
    };
    const directory = join(folder, `trial-${number}`);
    await mkdir(directory);
    outcomes.push(await runTrial({ program, directory, seed: seed + number, rounds: ROUNDS, onKill }));
    await rm(directory, { recursive: true });
  }
  return { figures: toFigures(outcomes, BERTHS) };
}

async function runTrial(options: TrialOptions): Promise<Outcome> {
  const { seed } = options;
  const trial = new Trial(options);
  try {
    const outcome = await trial.run();
    assert.deepEqual(outcome.broken, [], `promises were broken in the trial with seed ${seed}`);
    for (const [phase, kills] of Object.entries(outcome.kills)) assert.ok(kills > 0, `no kill fell within ${phase}, with seed ${seed}`);
    return outcome;
  } finally {
    await trial.end();
  }
}
