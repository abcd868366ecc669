// What people read at the end of a run: Markdown tables, so that they can be shown elsewhere as they are.

import { type Aim, isMet, type Report, type Row, toRatio } from './benchmark.js';

export function toTables(reports: readonly Report[]): string {
  const rows = reports.flatMap((report) => report.rows).map(toCells);
  const aims = reports.flatMap((report) => report.aims).map(toAimCells);
  const head = ['benchmark', 'rouse', 'floor', 'ratio (quartiles)', 'CPU µs per record (floor)', 'sync p50'];
  const parts = [toTable(head, rows)];
  if (aims.length > 0) parts.push(toTable(['aim', 'limit', 'measured', 'met'], aims));
  return parts.join('\n\n');
}

function toCells(row: Row): string[] {
  const cpu = row.cpuUsPerRecord;
  return [
    row.what,
    row.runtime,
    row.floor,
    showRatio(row.ratios),
    cpu === null ? '' : `${cpu[0].toFixed(1)} (${cpu[1].toFixed(1)})`,
    row.syncP50Ms === null ? '' : `${row.syncP50Ms.toFixed(2)} ms`,
  ];
}

/** With the quartiles, where there are enough comparisons for them. */
function showRatio(ratios: readonly number[]): string {
  if (ratios.length === 0) return '';
  const { median, lower, upper } = toRatio(ratios);
  const show = (ratio: number): string => ratio.toFixed(median < 0.1 ? 3 : 2);
  return ratios.length < 4 ? show(median) : `${show(median)} (${show(lower)}-${show(upper)})`;
}

function toAimCells(aim: Aim): string[] {
  const digits = aim.limit >= 100 ? 0 : 2;
  return [
    aim.what,
    `${aim.kind} ${aim.limit} ${aim.unit}`.trim(),
    `${aim.value.toFixed(digits)} ${aim.unit}`.trim(),
    isMet(aim) ? 'yes' : 'NO',
  ];
}

function toTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const toLine = (cells: readonly string[]): string => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [toLine(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(toLine)].join('\n');
}
