// The file of attempts: what the steps did to the world outside, in the order in which they did it. It is not part of
// the store and is never repaired: one line an attempt, appended as the first thing that the attempt does.

import { openSync, readFileSync, writeSync } from 'node:fs';

export interface Attempt {
  readonly instance: string;
  /** Counts within the instance: a stage begins when the outcomes of the one before it are recorded. */
  readonly stage: number;
  readonly name: string;
  readonly key: string;
  /** Which attempt it took itself for. */
  readonly attempt: number;
  /** Which process it ran in. */
  readonly process: number;
  /** What it returns. No two attempts return the same. */
  readonly value: string;
  /** It throws instead. */
  readonly fails: boolean;
}

export type Note = Omit<Attempt, 'process' | 'value'>;

export class AttemptFile {
  readonly #file: number;
  readonly #process: number;
  #count = 0;

  /** Begins a line of its own: the last process may have been killed within one. */
  constructor(path: string, process: number) {
    this.#file = openSync(path, 'a');
    this.#process = process;
    writeSync(this.#file, '\n');
  }

  /** Notes an attempt, and gives the value that it is to return. */
  note(note: Note): string {
    const value = `${this.#process}:${this.#count}`;
    this.#count += 1;
    const attempt: Attempt = { ...note, process: this.#process, value };
    writeSync(this.#file, `${JSON.stringify(attempt)}\n`);
    return value;
  }
}

/** Every attempt, in order. A line that a kill tore is no attempt: its step had not begun. */
export function readAttempts(path: string): { attempts: Attempt[]; torn: number } {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  const attempts = lines.flatMap((line) => parse(line) ?? []);
  return { attempts, torn: lines.length - attempts.length };
}

function parse(line: string): Attempt | undefined {
  try {
    return JSON.parse(line) as Attempt;
  } catch {
    return undefined;
  }
}
