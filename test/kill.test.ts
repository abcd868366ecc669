// The kill test: a process with 64 busy instances is killed at random moments and started again on the same store.
// ROUSE_KILL_ROUNDS sets how often (25), ROUSE_KILL_SEED repeats the decisions of a run; the moments at which kills
// strike are the machine's.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { build } from './kill/build.js';
import { toSummary } from './kill/summary.js';
import { Trial } from './kill/trial.js';

/** A store has so many rounds; then the next one begins, so that a long run checks often. */
const ROUNDS_PER_TRIAL = 25;
const TRIAL_MS = 120_000;

const rounds = numberFrom('ROUSE_KILL_ROUNDS', ROUNDS_PER_TRIAL);
const firstSeed = numberFrom('ROUSE_KILL_SEED', Date.now() % 1_000_000_000);
const trials = Array.from({ length: Math.ceil(rounds / ROUNDS_PER_TRIAL) }, (_, number) => ({
  seed: firstSeed + number,
  rounds: Math.min(ROUNDS_PER_TRIAL, rounds - number * ROUNDS_PER_TRIAL),
}));

function numberFrom(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return otherwise;
  if (!/^[0-9]{1,9}$/.test(text)) throw new Error(`${name} is "${text}", and must be a whole number.`);
  return Number(text);
}

let program: string;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rouse-kill-program-'));
  program = build(folder);
  return () => rm(folder, { recursive: true, force: true });
});

test.each(trials)(
  'a process that is killed at random moments loses nothing acknowledged and repeats nothing recorded: seed $seed, $rounds kills',
  { timeout: TRIAL_MS },
  async ({ seed, rounds }) => {
    const directory = await mkdtemp(join(tmpdir(), 'rouse-kill-'));
    const trial = new Trial({ seed, rounds, program, directory });
    onTestFinished(async () => {
      await trial.end();
      await rm(directory, { recursive: true, force: true });
    });

    const outcome = await trial.run();

    console.log(toSummary(seed, outcome));
    expect(outcome.kills).toBe(rounds + 1);
    expect(outcome.broken, `to repeat: ROUSE_KILL_SEED=${seed}`).toEqual([]);
  },
);
