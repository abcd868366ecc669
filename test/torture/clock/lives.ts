// One store, and three lives of a process on it whose clock is set by a day: while it works, to before what its records
// say, and to long after.

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from '../../kill/build.js';
import type { FaultOptions } from '../fault.js';
import type { Found } from './clock-child.js';
import { judgeWakes, readWakes } from './wakes.js';

const plans = { short: { sleepers: 200, waits: 'no' }, long: { sleepers: 5_000, waits: 'waits' } };

export async function liveWithAClockThatJumps(folder: string, { scale, progress }: FaultOptions): Promise<string[]> {
  const room = join(folder, 'program');
  await mkdir(room);
  const program = build(room, new URL('./clock-child.ts', import.meta.url));
  const { sleepers, waits } = plans[scale];
  const wakesFile = join(folder, 'wakes');
  const live = (life: string): Promise<Found> => {
    progress(`life: ${life}`);
    return findOut(program, [join(folder, 'store'), wakesFile, life, String(sleepers), waits]);
  };
  const first = await live('first');
  assertRight(first);
  assert.deepEqual(
    first.first,
    ['delivered', 'delivered', 'delivered'].map(() => 'buffered'),
  );
  for (const each of [first.again, first.later]) assert.deepEqual(each, ['duplicate', 'duplicate', 'duplicate'], 'ids were forgotten');
  const earlier = await live('earlier');
  assertRight(earlier);
  assert.equal(earlier.completed, first.completed, 'deadlines fired though the clock was a day behind');
  assert.deepEqual(earlier.again, ['duplicate', 'duplicate', 'duplicate'], 'ids were forgotten');
  const later = await live('later');
  assertRight(later);
  assert.deepEqual([later.buffered, later.dead], ['3', '0'], 'events that nobody had received are gone');

  const wakes = readWakes(wakesFile);
  assert.deepEqual(judgeWakes(wakes), []);
  const alone =
    typeof first.aloneMs === 'number' ? [`with no other event ${(first.aloneMs / 1_000).toFixed(0)} s after the clock was set`] : [];
  return [
    `${wakes.length.toLocaleString('en-US')} deadlines of ${Number(later.completed).toLocaleString('en-US')} instances on a real disk, the clock set by a day forward, back, behind the records and past all of them: each fired once, 0 early`,
    `what was due after a day forward had fired ${[`${Math.round(Number(first.firedMs))} ms after the next event`, ...alone].join(', ')}; all that was past fired on recovery`,
    'steps that were running, hanging or about to be tried again took as long as without; ids stayed known, events and results stayed',
  ];
}

function assertRight({ wrong = [], early = 0 }: Found): void {
  assert.deepEqual(wrong, []);
  assert.equal(early, 0, 'deadlines fired that were not due');
}

/** What a life finds. Then it is killed. */
function findOut(program: string, argv: readonly string[]): Promise<Found> {
  return new Promise((resolve, reject) => {
    const child = fork(program, [...argv], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    let found: Found | null = null;
    child.once('message', (message: Found) => {
      found = message;
      child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (found === null) reject(new Error(`The process ended before it said what it found (${signal ?? `exit code ${code}`}).`));
      else resolve(found);
    });
  });
}
