// A disk whose syncs take so many milliseconds more than this machine's: what a network volume or a plain disk makes of
// group commit. The delay is counted from the end of the real sync by a thread that sleeps until then, so that neither
// a busy loop nor the grain of timers changes it.

import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { type FileSystem, nodeFileSystem } from '../../src/adapters/stores/json/file-system.js';

/** The same delay on every side: begun once for a process, it ends with it. */
export class SlowDisk {
  readonly #worker: Worker;
  readonly #delayNs: bigint;
  /** In the order in which they began, which is that of their ends. */
  readonly #waiting: (() => void)[] = [];
  readonly fileSystem: FileSystem = { ...nodeFileSystem, sync: (file, done) => this.sync(file, done) };

  constructor(delayMs: number) {
    this.#delayNs = BigInt(Math.round(delayMs * 1e6));
    this.#worker = new Worker(new URL('./slow-disk-worker.js', import.meta.url));
    this.#worker.on('message', () => this.#waiting.shift()?.());
    this.#worker.unref();
  }

  /** A real sync, and then the delay. */
  readonly sync = (file: number, done: (error: Error | null) => void): void => {
    fs.fdatasync(file, (error) => {
      this.#waiting.push(() => done(error));
      // Counted in its callback: the time that the callback waited for the loop is the loop's, not the disk's.
      this.#worker.postMessage(process.hrtime.bigint() + this.#delayNs);
    });
  };
}
