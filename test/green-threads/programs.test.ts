// Whoever leaves while waiting leaves no trace: programs at random over all that tasks wait for, with timeouts,
// cancellations and failures everywhere, played on rouse and on a model that is written from the rules.
//
// What is compared is all that tasks can see: every step of every task and what came of it, in one order over all
// tasks, because that order is what a replay has to find again; what is left in the primitives; how the instance ended;
// of a deadlock, who waits. Left open is what a task waits for in a deadlock, in so far as no rule gives the words, and
// whether an event that came early is received before a deadline that is due in the same moment.
//
//   ROUSE_PROGRAMS=100000      plays so many programs
//   ROUSE_PROGRAM_SEED=12345   draws the very same ones again; otherwise a seed is drawn, and is printed

import { isDeepStrictEqual } from 'node:util';
import fc, { type RunDetails } from 'fast-check';
import { expect, test } from 'vitest';
import { programs } from './program/arbitraries.js';
import { flawsOf } from './program/conservation.js';
import { found } from './program/found.js';
import { listingOf } from './program/listing.js';
import { predict } from './program/model.js';
import { differenceOf } from './program/outcome.js';
import { play, playFromEveryCommit } from './program/played.js';
import type { Program } from './program/program.js';

const COUNT = Number(process.env.ROUSE_PROGRAMS ?? 2_500);
const SEED = Number(process.env.ROUSE_PROGRAM_SEED ?? Date.now() % 2 ** 31);

/** One program in so many is also played from every one of its commits. */
const REPLAYED_ONE_IN = 10;
const REPLAYED = Math.ceil(COUNT / REPLAYED_ONE_IN);

test.each(found)('%s', async (_, program) => {
  const outcome = await play(program);

  expect(outcome).toEqual(predict(program));
  expect(flawsOf(program, outcome)).toEqual([]);
});

test(`what comes of ${COUNT} programs is what the rules say`, { timeout: timeoutFor(COUNT) }, async () => {
  console.log(`${COUNT} programs, seed ${SEED}`);

  await check(COUNT, async (program) => {
    const expected = predict(program);
    fc.pre(expected !== null);

    const outcome = await play(program);

    const flaws = flawsOf(program, outcome);
    if (flaws.length > 0) throw new Error([...outcome, '', ...flaws].join('\n'));
    if (!isDeepStrictEqual(outcome, expected)) throw new Error(differenceOf(outcome, expected));
  });
});

test(`from every commit of ${REPLAYED} programs on comes the very same`, { timeout: timeoutFor(COUNT) }, async () => {
  let positions = 0;

  await check(REPLAYED, async (program) => {
    fc.pre(predict(program) !== null);

    const { plain, points } = await playFromEveryCommit(program);

    positions += points.length;
    for (const { name, stored, outcome } of points) {
      const isSame = outcome === null || isDeepStrictEqual(outcome, plain.outcome);
      if (!isSame) throw new Error(`${name}\n${differenceOf(outcome, plain.outcome ?? [])}`);
      if (!isDeepStrictEqual(stored, plain.stored)) throw new Error(`${name}\n${inspect(stored)}\n${inspect(plain.stored)}`);
    }
  });

  console.log(`${positions} positions of ${REPLAYED} programs, seed ${SEED}`);
});

function check(count: number, property: (program: Program) => Promise<void>): Promise<void> {
  return fc.assert(fc.asyncProperty(programs, property), { numRuns: count, seed: SEED, asyncReporter: report });
}

/** Throws the smallest program that failed, as a person reads it. */
async function report(details: RunDetails<[Program]>): Promise<void> {
  if (!details.failed) return;
  const { counterexample, errorInstance, numRuns, numShrinks } = details;
  if (counterexample === null) throw new Error(`Too many programs were passed over (ROUSE_PROGRAM_SEED=${SEED}).`);
  const message = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  const again = `ROUSE_PROGRAM_SEED=${SEED}, program ${numRuns}, made smaller ${numShrinks} times:`;
  throw new Error(`${again}\n\n${listingOf(counterexample[0])}\n\n${message}`);
}

function inspect(value: unknown): string {
  return JSON.stringify(value, null, 1);
}

function timeoutFor(count: number): number {
  return 60_000 + count * 50;
}
