// Plain lowdb under the same power cuts, as the test sees it: what it acknowledged, and what of that is there after the
// cut. It has to lose: else the cuts prove nothing.

import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';

export interface ControlTally {
  acknowledged: number;
  /** Acknowledged, and not in the file after a cut. */
  lost: number;
  cutsWithLoss: number;
  /** Files that are there after a cut, and hold nothing, or no document. */
  empty: number;
  broken: number;
}

export class Control {
  readonly #program: string;
  readonly #path: string;
  readonly #tally: ControlTally;
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  /** The last number that was seen acknowledged while there was power, and what the file had before it. */
  #seen = 0;
  #kept = 0;

  constructor(program: string, path: string, tally: ControlTally) {
    this.#program = program;
    this.#path = path;
    this.#tally = tally;
  }

  /** Loads the program for the next life. */
  async load(): Promise<void> {
    const child = fork(this.#program, [this.#path], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()));
    await Promise.race([new Promise((resolve) => child.once('message', resolve)), this.#ended]);
  }

  /** Resolves when its first write was acknowledged, or it is gone. */
  begin(): Promise<void> {
    const child = this.#child;
    return new Promise((resolve) => {
      child?.on('message', (number) => {
        if (this.#child === child) this.#seen = Number(number);
        resolve();
      });
      void this.#ended.then(resolve);
      child?.send('begin', () => {});
    });
  }

  get pids(): number[] {
    return this.#child?.pid === undefined ? [] : [this.#child.pid];
  }

  /** To be called before the power is cut: what it says from now on is not listened to. Resolves when it is gone. */
  kill(): () => Promise<void> {
    const child = this.#child;
    this.#child = null;
    return async () => {
      child?.kill('SIGKILL');
      await this.#ended;
    };
  }

  /** Holds the file against what was acknowledged, and lets the next life begin with what there is. */
  judge(): void {
    const found = this.#read();
    this.#tally.acknowledged += Math.max(0, this.#seen - this.#kept);
    if (found < this.#seen) {
      this.#tally.lost += this.#seen - found;
      this.#tally.cutsWithLoss += 1;
    }
    this.#kept = found;
    this.#seen = found;
  }

  #read(): number {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch {
      return 0;
    }
    try {
      return (JSON.parse(text) as { last: number }).last;
    } catch {
      if (text === '') this.#tally.empty += 1;
      else this.#tally.broken += 1;
      rmSync(this.#path);
      return 0;
    }
  }
}
