// A process of its own that opens stores when told to, as whoever tells it sees it.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Opener {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** @param command what Node is given to run lock-child */
  constructor(command: readonly string[]) {
    this.#child = spawn(process.execPath, command, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.pid = this.#child.pid ?? 0;
    if (this.#child.stdout === null) throw new Error('no output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves when its program is loaded. */
  async ready(): Promise<this> {
    const line = await this.#next();
    if (line !== 'ready') throw new Error(`It is not ready: ${line}`);
    return this;
  }

  /** Resolves with what it answers. */
  async tell(command: string): Promise<string> {
    this.#child.stdin?.write(`${command}\n`);
    return this.#next();
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }

  async #next(): Promise<string> {
    const { value } = await this.#lines.next();
    return String(value);
  }
}
