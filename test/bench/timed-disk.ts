// The disk under the JSON store with a stopwatch in it: how long batches and their syncs take in the very run that is
// measured. Absolute times differ from minute to minute; in units of this run's sync they can be compared.

import { type FileId, type FileSystem, nodeFileSystem } from '../../src/adapters/stores/json/file-system.js';

export class TimedDisk {
  /** From the first write of each batch to the end of its sync. */
  batchMs: number[] = [];
  /** Of that, the sync alone. */
  syncMs: number[] = [];
  readonly #writtenAt = new Map<FileId, number>();
  readonly fileSystem: FileSystem;

  constructor(under: FileSystem = nodeFileSystem) {
    this.fileSystem = {
      ...under,
      write: (file, data, position, done) => {
        if (!this.#writtenAt.has(file)) this.#writtenAt.set(file, performance.now());
        under.write(file, data, position, done);
      },
      sync: (file, done) => {
        const start = performance.now();
        under.sync(file, (error) => {
          const now = performance.now();
          this.syncMs.push(now - start);
          this.batchMs.push(now - (this.#writtenAt.get(file) ?? start));
          this.#writtenAt.delete(file);
          done(error);
        });
      },
    };
  }

  /** Forgets what it has measured. */
  reset(): void {
    this.batchMs = [];
    this.syncMs = [];
  }
}
