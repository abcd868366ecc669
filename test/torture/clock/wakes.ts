// Who woke for which deadline, and what the clock said then: kept outside the store, over all lives of a process.

import { appendFileSync, readFileSync } from 'node:fs';

export interface Wake {
  readonly id: string;
  readonly round: number;
  readonly dueAt: number;
  /** What the clock said, not the runtime. */
  readonly at: number;
}

export function noteWake(file: string, wake: Wake): void {
  appendFileSync(file, `${JSON.stringify(wake)}\n`);
}

export function readWakes(file: string): Wake[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Wake);
}

/** What is wrong with them: deadlines that fired early, or more than once. */
export function judgeWakes(wakes: readonly Wake[]): string[] {
  const seen = new Set<string>();
  return wakes.flatMap(({ id, round, dueAt, at }) => {
    const name = `deadline ${round} of ${id}`;
    const isRepeated = seen.has(name);
    seen.add(name);
    return [...(at < dueAt ? [`${name} fired ${dueAt - at} ms early`] : []), ...(isRepeated ? [`${name} fired twice`] : [])];
  });
}
