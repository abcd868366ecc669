// What an example shows: a story with times, a table, and a line for each thing it checked.

import { setTimeout as delay } from 'node:timers/promises';

const isColoured = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const paint = (code: number, text: string) => (isColoured ? `\x1b[${code}m${text}\x1b[0m` : text);
const dim = (text: string) => paint(2, text);
export const bold = (text: string) => paint(1, text);

/** Prints lines with the time since it was made in front of them. */
export function createStory(): (line: string) => void {
  const startedAt = performance.now();
  return (line) => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5);
    console.log(`${dim(`${seconds} s`)}  ${line}`);
  };
}

/** Collects what was checked, prints it line by line, and knows whether all of it held. */
export class Checks {
  #failed = 0;

  /** `problems` are what speaks against the claim: none, and it holds. */
  claim(claim: string, problems: readonly string[]): void {
    const holds = problems.length === 0;
    if (!holds) this.#failed += 1;
    console.log(`  ${holds ? paint(32, '✓') : paint(31, '✗')} ${claim}`);
    for (const problem of problems) console.log(`      ${paint(31, problem)}`);
  }

  get allHold(): boolean {
    return this.#failed === 0;
  }
}

/** Prints rows in columns that are as wide as they need to be; those of numbers are set to the right. */
export function printTable(rows: readonly Readonly<Record<string, string | number>>[]): void {
  const names = Object.keys(rows[0] ?? {});
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name] ?? '').length)));
  const isNumeric = names.map((name) => rows.every((row) => typeof row[name] === 'number'));
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => (isNumeric[at] ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0))).join('  ');
  console.log(`\n  ${bold(line(names.map((name) => name.toUpperCase())).trimEnd())}`);
  for (const row of rows) console.log(`  ${line(names.map((name) => String(row[name] ?? ''))).trimEnd()}`);
  console.log('');
}

/** Looks again and again until there is something to see. For what other processes show, which no promise here tells. */
export async function until<T>(what: string, look: () => Promise<T | undefined>, withinMs = 10_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain: ${what}.`);
    await delay(20);
  }
}
