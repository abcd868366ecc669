// busy-child, as whoever watches it sees it.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const script = fileURLToPath(new URL('./busy-child.ts', import.meta.url));

export class BusyProcess {
  /** The last commit that was acknowledged. */
  acknowledged = 0;
  checkpoints = 0;
  readonly pid: number;
  readonly #child: ChildProcess;
  #waiting: { until: () => boolean; resolve: () => void }[] = [];

  constructor(directory: string) {
    this.#child = spawn(process.execPath, ['--import', 'tsx', script, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.pid = this.#child.pid ?? 0;
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no output');
    createInterface({ input: stdout }).on('line', (line) => this.#told(line));
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  /** Resolves once it has acknowledged so many more commits and written so many more checkpoints. */
  goesOn(more: { commits: number; checkpoints: number }): Promise<void> {
    const commits = this.acknowledged + more.commits;
    const checkpoints = this.checkpoints + more.checkpoints;
    return new Promise((resolve) => {
      this.#waiting.push({ until: () => this.acknowledged >= commits && this.checkpoints >= checkpoints, resolve });
    });
  }

  /** Resolves when it has closed its store. */
  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    await ended;
  }

  #told(line: string): void {
    const [word, number, checkpoints] = line.split(' ');
    if (word !== 'acked') return;
    this.acknowledged = Number(number);
    this.checkpoints = Number(checkpoints);
    this.#waiting = this.#waiting.filter(({ until, resolve }) => {
      if (until()) resolve();
      return !until();
    });
  }
}
