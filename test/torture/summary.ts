// What a run came to, as a document: a table with a row for each fault, and above it when and where it was and how to
// do it again. Rows of an earlier run on the same machine can be kept for the faults that this one left out.

import type { Scale } from './fault.js';

export interface Result {
  readonly id: string;
  readonly title: string;
  readonly must: string;
  readonly result: 'passed' | 'FAILED' | 'skipped';
  readonly figures: readonly string[];
  /** Why it was skipped, or how it failed. */
  readonly reason: string | null;
  readonly seconds: number;
  readonly seed: number;
}

export interface Run {
  /** As in 2026-01-31. */
  readonly date: string;
  readonly machine: string;
  readonly scale: Scale;
  readonly results: readonly Result[];
}

const HEAD = ['| fault | what it must show | figures | seconds | seed, date | result |', '|---|---|---|---:|---|---|'];

/** @param before the document that it replaces, of which rows are kept when they are of the same machine. */
export function toDocument(run: Run, before = ''): string {
  const rows = new Map(before.includes(machineLine(run)) ? rowsOf(before) : []);
  for (const result of run.results) rows.set(result.id, toRow(result, run));
  const sorted = [...rows].sort(([left], [right]) => numberOf(left) - numberOf(right));
  return [
    '# What the store was put through',
    '',
    'Each fault below was done for real, and what it must show was checked; a row is what one run of it found.',
    '',
    `- Date: ${run.date}`,
    machineLine(run),
    '- To repeat: `npm run torture`, and of one fault `npm run torture -- F1 --seed <its seed>`. Stores are put into the temporary folder: set `TMPDIR` to the disk that is meant.',
    '',
    ...toTable(sorted.map(([, row]) => row)),
    '',
  ].join('\n');
}

/** The table alone, for a terminal. */
export function toSummaryTable(run: Run): string {
  return toTable(run.results.map((result) => toRow(result, run))).join('\n');
}

function toTable(rows: readonly string[]): string[] {
  return [...HEAD, ...rows];
}

function toRow({ id, title, must, result, figures, reason, seconds, seed }: Result, { date, scale }: Run): string {
  const found = [...(reason === null ? [] : [reason]), ...figures].map(toCell).join('<br>');
  const verdict = `${result}${scale === 'short' ? ' (short)' : ''}`;
  return `| ${id} ${toCell(title)} | ${toCell(must)} | ${found} | ${seconds.toFixed(1)} | ${seed}, ${date} | ${verdict} |`;
}

/** What would end a cell or a row is written so that it does not. */
function toCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll(/\s+/g, ' ').trim();
}

function machineLine({ machine }: Run): string {
  return `- Machine: ${machine}`;
}

function rowsOf(document: string): [string, string][] {
  return document.split('\n').flatMap((line) => {
    const id = /^\| (F\d+) /.exec(line)?.[1];
    return id === undefined ? [] : [[id, line]];
  });
}

function numberOf(id: string): number {
  return Number(id.slice(1));
}
