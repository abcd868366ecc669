// The benchmarks: npm run bench [-- name...] [-- --rounds 3] [-- --json file] [-- --directory folder] [-- --profile]
// Prints one JSON line for each measurement, and tables at the end. Each figure stands beside a floor that was measured
// in the same run, the two sides taking turns; ratios can be compared between machines, times cannot.
//
//   --directory   where stores and the floor's files are put: the disk that is measured. Default: the temporary folder.
//   --profile     shows on stderr what rouse's side of `steps` and `store` spends its processor time on, function by
//                 function; --profile-memory what it allocates. The figures of such a run are not to be quoted.
//   --cpu-prof    a folder for CPU profiles, one for each process.
//
// Numbers among the names are the sizes that `store` takes: npm run bench -- store 10000 100000

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bench, type Benchmark, isMet, type Report } from './benchmark.js';
import { build } from './build.js';
import { eventLatency, eventOnFloor, eventOnRuntime } from './event.js';
import { memory, memoryOnFloor, memoryOnRuntime } from './memory.js';
import { turnProfilingOn } from './profile.js';
import { type AnyRole, openRole, play } from './role.js';
import { sleepers } from './sleepers.js';
import { readingFloor, sleepersFill, sleepersRestart, sleepersWake, wakingFloor } from './sleepers-sides.js';
import { steps } from './steps.js';
import { cycleOnRuntime, stepsOnFloor, stepsOnRuntime } from './steps-sides.js';
import { store } from './store.js';
import { storeFlood } from './store-flood.js';
import { storeReadingFloor, storeWritingFloor } from './store-floors.js';
import { storePark, storeWake } from './store-sides.js';
import { toTables } from './table.js';
import { tasks } from './tasks.js';
import { tasksOnGenerators, tasksOnRuntime } from './tasks-sides.js';

const benchmarks: readonly Benchmark[] = [steps, eventLatency, sleepers, memory, tasks, store];
const roles: readonly AnyRole[] = [
  ...[stepsOnRuntime, cycleOnRuntime, stepsOnFloor, eventOnRuntime, eventOnFloor, memoryOnRuntime, memoryOnFloor],
  ...[sleepersFill, sleepersRestart, sleepersWake, readingFloor, wakingFloor],
  ...[tasksOnRuntime, tasksOnGenerators],
  ...[storePark, storeWake, storeReadingFloor, storeWritingFloor, storeFlood],
];

const defaultSizes: readonly number[] = [10_000, 100_000, 1_000_000];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
    'cpu-prof': { type: 'string' },
    profile: { type: 'boolean', default: false },
    'profile-memory': { type: 'boolean', default: false },
    role: { type: 'string' },
  },
});

if (values.role !== undefined) await play(values.role, roles);
else await runAll();

async function runAll(): Promise<void> {
  const chosen = choose(positionals.filter((name) => !isSize(name)));
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1.');
  const folder = mkdtempSync(join(resolve(values.directory), 'rouse-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

  if (values.profile || values['profile-memory']) turnProfilingOn(values.profile ? 'time' : 'memory');
  note('building ...');
  const compiled = join(folder, 'compiled');
  mkdirSync(compiled);
  const bench = toBench(folder, build(compiled), rounds);
  const environment = { node: process.version, processor: cpus()[0]?.model ?? 'unknown', cores: cpus().length, load: toLoad() };
  console.log(JSON.stringify({ environment, rounds }));

  const reports: Report[] = [];
  for (const benchmark of chosen) {
    for (const report of await benchmark.run(bench)) {
      reports.push(report);
      console.log(toLine(report));
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ environment, reports }, null, 2)}\n`);
  console.log(`\n${toTables(reports)}\n`);
  const loads = [environment.load, toLoad()];
  console.log(
    `Node ${process.version}, ${environment.cores} x ${environment.processor}, load ${loads.join(' to ')}. Medians of all turns.`,
  );
  if (Math.max(...loads) > environment.cores)
    console.log('The machine was busy with other things: do not quote these figures. Both sides were starved, not by the same amount.');
}

function isSize(argument: string): boolean {
  return /^[1-9][0-9_,]*$/.test(argument);
}

function choose(names: readonly string[]): readonly Benchmark[] {
  const known = benchmarks.map((benchmark) => benchmark.name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`There is no benchmark ${unknown}; there are ${known.join(', ')}.`);
  return names.length === 0 ? benchmarks : benchmarks.filter((benchmark) => names.includes(benchmark.name));
}

function toBench(folder: string, entry: string, rounds: number): Bench {
  const profiles = values['cpu-prof'];
  const execArgv = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profiles)}`];
  const sizes = positionals.filter(isSize).map((size) => Number(size.replaceAll(/[_,]/g, '')));
  let directories = 0;
  return {
    rounds,
    sizes: sizes.length === 0 ? defaultSizes : sizes,
    open: (role, input) => openRole(role, input, { entry, execArgv: [...execArgv, ...roomFor(role.name)] }),
    directory: () => join(folder, `data-${++directories}`),
    note,
  };
}

/** A million sleepers do not fit into the heap that Node takes by itself on a small machine. */
function roomFor(role: string): string[] {
  return role === tasksOnRuntime.name || role === tasksOnGenerators.name ? ['--max-old-space-size=6144'] : [];
}

/** How many threads wanted to run in the last minute. */
function toLoad(): number {
  return Number((loadavg()[0] ?? 0).toFixed(1));
}

/** Notes go to stderr: what stands on stdout can be read by a program. */
function note(text: string): void {
  console.error(`  ${text}`);
}

function toLine({ rows: _rows, aims, ...rest }: Report): string {
  return JSON.stringify({ ...rest, aims: aims.map((aim) => ({ ...aim, met: isMet(aim) })) }, (_key, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(5)) : value,
  );
}
