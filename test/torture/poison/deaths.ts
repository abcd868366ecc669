// A step that ends the process each time it runs: the store is opened again and again, until its instance is stuck and
// the process lives.

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '../../../src/runtime/limits.js';
import { build } from '../../kill/build.js';
import type { FaultOptions } from '../fault.js';
import type { Found, ToDeadly } from './deadly.js';

const plans = { short: { sleepers: 1_000, workers: 10 }, long: { sleepers: 20_000, workers: 200 } };
/** What the step ends the process with when it does not kill it. */
const DEADLY_EXIT = 42;
/** More than it may take. */
const LIVES_MAX = 2 * limits.interruptionsMax;

export async function dieOfAStep(folder: string, { scale, progress }: FaultOptions): Promise<string[]> {
  const { sleepers, workers } = plans[scale];
  const room = join(folder, 'program');
  await mkdir(room);
  const program = build(room, new URL('./deadly.ts', import.meta.url));
  const store = join(folder, 'deadly');
  const isGone = await tellFirst(program, store, { kind: 'fill', sleepers, workers });
  assert.equal(isGone, null, 'the process survived its deadly step');
  let deaths = 1;
  for (; deaths < LIVES_MAX; deaths += 1) {
    progress(`death ${deaths} by a step`);
    const found = await tellFirst(program, store, { kind: 'look' }, deaths % 2 === 0 ? 'exit' : 'kill');
    if (found !== null) return [...(await judge(found, { deaths, sleepers, workers })), await mend(program, store)];
  }
  throw new Error(`The process died ${deaths} times of one step, which is started again and again.`);
}

async function judge(found: Found, filled: { deaths: number; sleepers: number; workers: number }): Promise<string[]> {
  const { deaths, sleepers, workers } = filled;
  assert.deepEqual(found.deadly, { status: 'stuck', code: 'INTERRUPTED_TOO_OFTEN' });
  assert.deepEqual(found.workers, { completed: workers }, 'of the others whose steps were in flight each time not all have completed');
  return [
    `a step that ends the process (SIGKILL, exit): its instance stuck after ${deaths} deaths; ${workers} others, whose steps were in flight beside it, completed; ${sleepers} sleepers answered ${found.eventsPerSecond.toLocaleString('en-US')} events/s`,
  ];
}

/** The code is put right, and the instance goes on. */
async function mend(program: string, store: string): Promise<string> {
  const found = await tellFirst(program, store, { kind: 'retry' }, 'mended');
  assert.deepEqual(found?.deadly, { status: 'completed', code: null });
  return 'after its code was put right, retry() let it complete';
}

/** Opens the store in a process of its own, and gives what that says to its first order; null when it died before. */
function tellFirst(program: string, store: string, order: ToDeadly, ending = 'kill'): Promise<Found | null> {
  return new Promise((resolve, reject) => {
    const argv = [store, ending === 'mended' ? 'mended' : 'deadly', ending];
    const child: ChildProcess = fork(program, argv, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    let answer: Found | null = null;
    child.on('message', (message: Found) => {
      if (message.kind === 'opened') {
        child.send(order, () => {});
        return;
      }
      answer = message;
      if (message.kind !== 'filled') child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (signal !== 'SIGKILL' && code !== DEADLY_EXIT)
        reject(new Error(`The process did not die of its step (${signal ?? `exit code ${code}`}).`));
      else resolve(answer?.kind === 'filled' ? null : answer);
    });
  });
}
