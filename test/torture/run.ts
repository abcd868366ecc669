// The torture run: npm run torture [-- F1 F7 ...] [-- --seed 7] [-- --short] [-- --out file]
// Does to stores and processes what can happen to them, at full length, and says what was found. A fault that shows
// something wrong is told with its seed, the others go on, and the run ends with exit code 1.
//
//   F1 F7 ...   only these faults. Default: all.
//   --seed n    what is done at random comes from it. Default: another one each time.
//   --short     as little as in `npm test`.
//   --out file  where the summary is written. Default: docs/torture.md when all were done at full length, else nowhere.
//               Rows that a file has of other faults stay when it was written on the same kind of machine.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { faults } from './all.js';
import type { Fault, Scale } from './fault.js';
import { describeMachine, machineText } from './machine.js';
import { ProgressLine } from './progress-line.js';
import { type Result, type Run, toDocument, toSummaryTable } from './summary.js';

const DOCUMENT = 'docs/torture.md';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    short: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const scale: Scale = values.short ? 'short' : 'long';
const line = new ProgressLine(process.stderr);

await runAll(choose(positionals), toSeed(values.seed));

async function runAll(chosen: readonly Fault[], seed: number): Promise<void> {
  const machine = machineText(describeMachine(tmpdir()));
  line.say(`${chosen.length} of ${faults.length} faults, ${scale}, seed ${seed}; ${machine}`);
  const results: Result[] = [];
  for (const fault of chosen) {
    const result = await runOne(fault, seed);
    results.push(result);
    tell(result);
  }
  const run: Run = { date: new Date().toISOString().slice(0, 10), machine, scale, results };
  console.log(`\n${toSummaryTable(run)}\n`);
  const out = values.out ?? (scale === 'long' && chosen.length === faults.length ? DOCUMENT : undefined);
  if (out !== undefined) write(out, run);
  // What a fault that failed has left behind is not waited for.
  process.exit(results.some(({ result }) => result === 'FAILED') ? 1 : 0);
}

async function runOne(fault: Fault, seed: number): Promise<Result> {
  const { id, title, must } = fault;
  const begin = performance.now();
  const seconds = () => (performance.now() - begin) / 1_000;
  const head = { id, title, must, seed };
  try {
    const progress = (text: string) => line.update(`${id} ${title}, ${Math.round(seconds())} s: ${text}`);
    const { figures, skipped } = await orStray(() => fault.run({ scale, seed, progress }));
    if (skipped !== undefined) return { ...head, result: 'skipped', figures, reason: skipped, seconds: seconds() };
    return { ...head, result: 'passed', figures, reason: null, seconds: seconds() };
  } catch (error) {
    line.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    const reason = (error instanceof Error ? error.message : String(error)).slice(0, 500);
    return { ...head, result: 'FAILED', figures: [], reason, seconds: seconds() };
  }
}

/** An error that nobody caught belongs to the fault that runs: it fails with it, and the others go on. */
async function orStray<T>(run: () => Promise<T>): Promise<T> {
  let onStray: (error: unknown) => void = () => {};
  const stray = new Promise<never>((_, reject) => {
    onStray = reject;
  });
  stray.catch(() => {});
  process.on('uncaughtException', onStray);
  process.on('unhandledRejection', onStray);
  try {
    return await Promise.race([run(), stray]);
  } finally {
    process.off('uncaughtException', onStray);
    process.off('unhandledRejection', onStray);
  }
}

function tell({ id, title, result, figures, reason, seconds, seed }: Result): void {
  line.say(`${id} ${title}: ${result} after ${seconds.toFixed(1)} s${reason === null || result === 'FAILED' ? '' : `: ${reason}`}`);
  for (const figure of figures) line.say(`  ${figure}`);
  if (result === 'FAILED') line.say(`  seed ${seed}; to repeat: npm run torture -- ${id} --seed ${seed}${values.short ? ' --short' : ''}`);
}

function choose(names: readonly string[]): readonly Fault[] {
  const unknown = names.find((name) => !faults.some(({ id }) => id === name.toUpperCase()));
  if (unknown !== undefined) throw new Error(`There is no fault ${unknown}; there are ${faults.map(({ id }) => id).join(', ')}.`);
  const wanted = new Set(names.map((name) => name.toUpperCase()));
  return wanted.size === 0 ? faults : faults.filter(({ id }) => wanted.has(id));
}

function toSeed(text: string | undefined): number {
  if (text === undefined) return Date.now() % 1_000_000_000;
  if (!/^[0-9]{1,9}$/.test(text)) throw new Error(`--seed takes a whole number, and was given "${text}".`);
  return Number(text);
}

function write(file: string, run: Run): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, toDocument(run, readIfThere(file)));
  line.say(`The summary is in ${file}.`);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
