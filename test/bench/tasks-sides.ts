// The sides of `tasks`, each in a process of its own: rouse, bare generators, and asyncio where there is a Python.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Bench } from './benchmark.js';
import type { Played, Role } from './role.js';
import { barePrograms, type Programs, runtimePrograms } from './tasks-programs.js';

const asyncioPrograms = fileURLToPath(new URL('asyncio/tasks.py', import.meta.url));

export type SideName = 'rouse' | 'generators' | 'asyncio';

/** What to run on a side, and how many are to sleep in it. */
export interface Play {
  readonly program: string;
  readonly count: number;
}

interface Opening {
  /** Where nobody sleeps, or the side cannot tell: nothing. */
  readonly memory: { readonly heapBytesEach?: number; readonly rssBytesEach?: number } | null;
}

/** A side that is ready to take its turns. */
export interface Side extends Opening {
  /** Gives the processor time of each job, in µs. */
  turn(jobs: number): Promise<number>;
  end(): Promise<void>;
}

export const tasksOnRuntime = toRole('tasks-on-runtime', runtimePrograms);
export const tasksOnGenerators = toRole('tasks-on-generators', barePrograms);

function toRole(name: string, programs: Programs): Role<Play, Opening, number> {
  return {
    name,
    async open({ program: programName, count }): Promise<Played<Opening, number>> {
      const open = programs[programName];
      if (open === undefined) throw new Error(`There is no program ${programName}.`);
      const { memory, run, end } = await open(count);
      return { opening: { memory }, turn: run, end };
    },
  };
}

/** Opens a side; nothing for asyncio where there is none. */
export async function openSide(bench: Bench, name: SideName, play: Play): Promise<Side | null> {
  if (name === 'asyncio') return pythonVersion() === null ? null : openAsyncio(play);
  const session = await bench.open(name === 'rouse' ? tasksOnRuntime : tasksOnGenerators, play);
  return {
    memory: session.opening.memory,
    turn: async (jobs) => (await session.turn(jobs)) / jobs,
    end: session.end,
  };
}

let foundVersion: string | null | undefined;

/** The version of the Python at hand; null when there is none, or one too old for the programs. */
export function pythonVersion(): string | null {
  if (foundVersion === undefined) foundVersion = findPython();
  return foundVersion;
}

function findPython(): string | null {
  const program = 'import asyncio, platform, sys; print(platform.python_version()); sys.exit(sys.version_info < (3, 10))';
  const { status, stdout } = spawnSync('python3', ['-c', program], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

async function openAsyncio({ program, count }: Play): Promise<Side> {
  const child = spawn('python3', [asyncioPrograms, program, String(count)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async (): Promise<unknown> => {
    const { done, value } = await lines.next();
    if (done === true) throw new Error(`asyncio's ${program} ended without an answer.`);
    return JSON.parse(value);
  };
  const { memory } = (await read()) as Opening;
  return {
    memory,
    turn: async (jobs) => {
      child.stdin.write(`${jobs}\n`);
      return ((await read()) as { cpuUs: number }).cpuUs / jobs;
    },
    end: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
