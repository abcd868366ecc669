// What must be true of every run, whatever a model says of it: read off the trace alone.

import type { Outcome } from './outcome.js';
import { type Program, stepsOf } from './program.js';

/** Items that were lost or doubled, slots and permits that were. */
export function flawsOf(program: Program, outcome: Outcome): string[] {
  return [
    ...program.queues.flatMap((_, queue) => itemFlaws(outcome, queue)),
    ...program.semaphores.flatMap(({ permits }, semaphore) => permitFlaws(program, outcome, semaphore, permits)),
    ...program.pools.flatMap((_, pool) => slotFlaws(outcome, pool)),
  ];
}

/** Every item that somebody was told is in the queue was given to one getter, or is in the queue. */
function itemFlaws(outcome: Outcome, queue: number): string[] {
  const put = outcome.flatMap((line) => new RegExp(` (?:put|tryPut) (\\S+) to ${queue}(?:: true)?$`).exec(line)?.[1] ?? []);
  const got = outcome.flatMap((line) => new RegExp(` (?:get|tryGet) (b\\S+) from ${queue}$`).exec(line)?.[1] ?? []);
  const left = numberIn(outcome, new RegExp(`^queue ${queue}: (\\d+)$`));
  const flaws = got.filter((item, index) => got.indexOf(item) !== index).map((item) => `${item} was given twice`);
  if (left !== put.length - got.length)
    flaws.push(`of ${put.length} items in queue ${queue}, ${got.length} were given and ${left} are left`);
  return flaws;
}

/**
 * Permits come back by themselves from `use`, and else by whoever was told to have one. There are never more than the
 * semaphore was made with. (Of a mixture, or when one was released that was on its way, only the model can tell.)
 */
function permitFlaws(program: Program, outcome: Outcome, semaphore: number, permits: number): string[] {
  const free = numberIn(outcome, new RegExp(`^semaphore ${semaphore}: (-?\\d+) free$`));
  const taken = count(outcome, new RegExp(` (?:acquire ${semaphore}|tryAcquire ${semaphore}: true)$`));
  const released = count(outcome, new RegExp(` release ${semaphore}$`));
  const flaws = [`${taken} of ${permits} permits were taken, ${released} released, ${free} are free`];
  if (free < 0 || free > permits) return flaws;
  const isUsed = stepsOf(program.body).some(({ op }) => op === 'use');
  const isOpen = isUsed ? taken + released > 0 || !hasEnded(outcome) : outcome.some((line) => / acquire threw /.test(line));
  return isOpen || free === permits - taken + released ? [] : flaws;
}

/** When the instance has ended, nothing runs and nobody waits. */
function slotFlaws(outcome: Outcome, pool: number): string[] {
  const figures = outcome.find((line) => line.startsWith(`pool ${pool}: `)) ?? '';
  return !hasEnded(outcome) || / 0 of \d+ run, 0 wait, /.test(figures) ? [] : [figures];
}

/** Whether all tasks have ended. Of a body that will not hear of a deadlock, they have not. */
function hasEnded(outcome: Outcome): boolean {
  return !/^(sleeping|failed DeadlockError)$/.test(outcome.at(-1) ?? '');
}

function count(outcome: Outcome, pattern: RegExp): number {
  return outcome.filter((line) => pattern.test(line)).length;
}

function numberIn(outcome: Outcome, pattern: RegExp): number {
  return Number(outcome.flatMap((line) => pattern.exec(line)?.[1] ?? [])[0]);
}
