// A disk that sees what the store does with it: how large the batches of the log are, and when a checkpoint is being
// written: from the first file that is made after the store was opened to the renaming of meta.json, behind which the
// new checkpoint stands.

import { basename, dirname } from 'node:path';
import { type FileId, type FileSystem, nodeFileSystem } from '../../src/adapters/stores/json/file-system.js';

export class WatchedDisk {
  /** Told when a checkpoint begins and when it has ended. */
  onChange: (isRunning: boolean) => void = () => {};
  #isWatching = false;
  #isCheckpointing = false;
  #begun = 0;
  #batchBytes = 0;
  #batchBytesMax = 0;
  #bytesWritten = 0;
  readonly #logFiles = new Set<FileId>();
  readonly fileSystem: FileSystem;

  constructor(under: FileSystem = nodeFileSystem) {
    this.fileSystem = {
      ...under,
      open: async (path, mode) => {
        if (mode === 'create') this.#begin();
        const file = await under.open(path, mode);
        if (basename(dirname(path)) === 'log') this.#logFiles.add(file);
        return file;
      },
      close: (file) => {
        this.#logFiles.delete(file);
        return under.close(file);
      },
      rename: async (from, to) => {
        await under.rename(from, to);
        if (basename(to) === 'meta.json') this.#end();
      },
      write: (file, data, position, done) => {
        this.#bytesWritten += data.byteLength;
        if (this.#logFiles.has(file)) this.#batchBytes += data.byteLength;
        under.write(file, data, position, done);
      },
      sync: (file, done) => {
        if (this.#logFiles.has(file)) {
          this.#batchBytesMax = Math.max(this.#batchBytesMax, this.#batchBytes);
          this.#batchBytes = 0;
        }
        under.sync(file, done);
      },
    };
  }

  get isCheckpointing(): boolean {
    return this.#isCheckpointing;
  }

  /** The most bytes of the log that one sync made durable. */
  get batchBytesMax(): number {
    return this.#batchBytesMax;
  }

  /** Checkpoints that have begun. */
  get begun(): number {
    return this.#begun;
  }

  /** Bytes given to the disk, log and checkpoints. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** From now on, files are made by checkpoints only. */
  watch(): void {
    this.#isWatching = true;
  }

  #begin(): void {
    if (!this.#isWatching || this.isCheckpointing) return;
    this.#isCheckpointing = true;
    this.#begun += 1;
    this.onChange(true);
  }

  #end(): void {
    if (!this.#isCheckpointing) return;
    this.#isCheckpointing = false;
    this.onChange(false);
  }
}
