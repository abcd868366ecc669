// What the torture run says: its document, and its progress.

import { describe, expect, test } from 'vitest';
import { fileSystemIn } from './machine.js';
import { ProgressLine } from './progress-line.js';
import { type Result, type Run, toDocument } from './summary.js';

function passed(id: string, change: Partial<Result> = {}): Result {
  return {
    id,
    title: 'a fault',
    must: 'nothing lost',
    result: 'passed',
    figures: ['3 kills'],
    reason: null,
    seconds: 1.25,
    seed: 7,
    ...change,
  };
}

function runOf(results: readonly Result[], change: Partial<Run> = {}): Run {
  return { date: '2026-01-02', machine: '2 x chip, ext4', scale: 'long', results, ...change };
}

function rowsIn(document: string): string[] {
  return document.split('\n').filter((line) => /^\| F\d/.test(line));
}

describe('the document', () => {
  test('has a row for each fault, in the order of their numbers, below when and where it was', () => {
    const document = toDocument(runOf([passed('F10'), passed('F2')]));

    expect(document).toContain('- Date: 2026-01-02\n- Machine: 2 x chip, ext4\n');
    expect(document).toContain('npm run torture');
    expect(rowsIn(document)).toEqual([
      '| F2 a fault | nothing lost | 3 kills | 1.3 | 7, 2026-01-02 | passed |',
      '| F10 a fault | nothing lost | 3 kills | 1.3 | 7, 2026-01-02 | passed |',
    ]);
  });

  test('says why a fault was skipped, and how one failed, whatever the text is made of', () => {
    const skipped = passed('F2', { result: 'skipped', figures: [], reason: 'needs root' });
    const failed = passed('F3', { result: 'FAILED', figures: [], reason: 'a|b\nc <d>' });

    const [first, second] = rowsIn(toDocument(runOf([skipped, failed])));

    expect(first).toContain('| needs root |');
    expect(first).toContain('| skipped |');
    expect(second).toContain('| a\\|b c &lt;d> |');
    expect(second).toContain('| FAILED |');
  });

  test('says that a run was short', () => {
    expect(rowsIn(toDocument(runOf([passed('F1')], { scale: 'short' })))[0]).toContain('| passed (short) |');
  });

  test('keeps the rows of faults that were left out, when they are of the same machine', () => {
    const before = toDocument(runOf([passed('F1', { seed: 1 }), passed('F2', { seed: 1 })]));

    const same = toDocument(runOf([passed('F2')], { date: '2026-01-03' }), before);
    const other = toDocument(runOf([passed('F2')], { machine: '8 x chip, xfs' }), before);

    expect(rowsIn(same).map((row) => row.split(' | ')[4])).toEqual(['1, 2026-01-02', '7, 2026-01-03']);
    expect(rowsIn(other)).toHaveLength(1);
  });
});

describe('the file system of a directory', () => {
  const mountinfo = [
    '22 1 8:1 / / rw - ext4 /dev/a rw',
    '23 22 0:5 / /tmp rw,nosuid shared:1 - tmpfs tmpfs rw',
    '24 23 8:2 / /tmp/data rw - xfs /dev/b rw',
  ];

  test.each([
    { path: '/tmp/store', type: 'tmpfs' },
    { path: '/tmp/data', type: 'xfs' },
    { path: '/tmpfiles', type: 'ext4' },
    { path: '/', type: 'ext4' },
  ])('is that of the innermost mount: $path is on $type', ({ path, type }) => {
    expect(fileSystemIn(mountinfo.join('\n'), path)).toBe(type);
  });
});

describe('progress', () => {
  function show(isTTY: boolean): { line: ProgressLine; written: string[]; clock: { now: number } } {
    const written: string[] = [];
    const clock = { now: 0 };
    const line = new ProgressLine({ isTTY, columns: 20, write: (text) => written.push(text) }, () => clock.now);
    return { line, written, clock };
  }

  test('is one line on a terminal, no longer than that is wide, and makes room for lines that stay', () => {
    const { line, written, clock } = show(true);

    line.update('1 of 1,000 kills and many more');
    line.update('too soon');
    clock.now = 100;
    line.update('2 of 1,000');
    line.say('F1 passed');

    expect(written).toEqual(['\r\u001b[2K1 of 1,000 kills an', '\r\u001b[2K2 of 1,000', '\r\u001b[2KF1 passed\n']);
  });

  test('is a plain line now and then elsewhere', () => {
    const { line, written, clock } = show(false);

    line.update('1 of 1,000');
    clock.now = 9_999;
    line.update('too soon');
    clock.now = 10_000;
    line.update('900 of 1,000');
    line.say('F1 passed');

    expect(written).toEqual(['1 of 1,000\n', '900 of 1,000\n', 'F1 passed\n']);
  });
});
