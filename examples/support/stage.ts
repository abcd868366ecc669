// Where an example with processes plays: a temporary directory and child processes, both of which are gone afterwards,
// whether it ends well, fails, takes too long or is interrupted.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Processes } from './processes.js';

export interface Stage {
  readonly directory: string;
  readonly processes: Processes;
}

/** Plays, cleans up, and ends this process: with exit code 0 when the play came out well. */
export async function onStage(play: (stage: Stage) => Promise<boolean>, totalMs: number): Promise<never> {
  const directory = await mkdtemp(join(tmpdir(), 'rouse-example-'));
  const processes = new Processes();
  let isWell = false;
  try {
    isWell = await Promise.race([play({ directory, processes }), rejectWhenStopped(totalMs)]);
  } catch (error) {
    console.error(error);
    console.error(processes.errors());
  } finally {
    await processes.killAll();
    await rm(directory, { recursive: true, force: true, maxRetries: 10 });
  }
  process.exit(isWell ? 0 : 1);
}

function rejectWhenStopped(totalMs: number): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => reject(new Error(`Stopped by ${signal}.`)));
    setTimeout(() => reject(new Error(`Not done after ${totalMs} ms.`)), totalMs);
  });
}
