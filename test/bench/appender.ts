// The floor under what is written: a bare appender with group commit. No runtime, no routing, no recovery; for each
// record one JSON.stringify and one checksum, for each batch one write and one fdatasync. What gathers while a batch
// is on its way goes into the next one, which is on its way before the waiting are told.

import fs from 'node:fs';
import { crc32 } from 'node:zlib';

export class Appender {
  readonly #path: string;
  readonly #file: number;
  readonly #sync: (file: number, done: (error: Error | null) => void) => void;
  #lines: string[] = [];
  #waiting: (() => void)[] = [];
  #isBusy = false;
  #isScheduled = false;
  #end = 0;
  #seq = 0;
  /** From the write of each batch to the end of its sync. */
  batchMs: number[] = [];
  /** Of that, the sync alone. */
  syncMs: number[] = [];

  constructor(path: string, sync: (file: number, done: (error: Error | null) => void) => void = fs.fdatasync) {
    this.#path = path;
    this.#sync = sync;
    this.#file = fs.openSync(path, 'wx+');
  }

  /** Forgets the times that it has measured. */
  reset(): void {
    this.batchMs = [];
    this.syncMs = [];
  }

  /** Resolves when the record is on disk. */
  append(record: unknown): Promise<void> {
    const json = JSON.stringify(record);
    const seq = ++this.#seq;
    this.#lines.push(`${seq} ${crc32(json, seq)} ${json}\n`);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#isBusy || this.#isScheduled) return;
      this.#isScheduled = true;
      queueMicrotask(this.#flush);
    });
  }

  /** Closes the file, and checks that every record is in it. */
  close(): void {
    fs.closeSync(this.#file);
    const lines = fs.readFileSync(this.#path, 'utf8').split('\n').length - 1;
    if (lines !== this.#seq) throw new Error(`The appender was given ${this.#seq} records, and its file has ${lines}.`);
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    this.#isBusy = true;
    const data = Buffer.from(this.#lines.join(''));
    const waiting = this.#waiting;
    this.#lines = [];
    this.#waiting = [];
    const start = performance.now();
    // Small batches go into the page cache at once, as the store's do.
    const count = fs.writeSync(this.#file, data, 0, data.byteLength, this.#end);
    if (count !== data.byteLength) throw new Error('The disk took a part of a batch.');
    const written = performance.now();
    this.#sync(this.#file, (error) => {
      if (error !== null) throw error;
      const now = performance.now();
      this.batchMs.push(now - start);
      this.syncMs.push(now - written);
      this.#end += data.byteLength;
      this.#isBusy = false;
      if (this.#lines.length > 0) this.#flush();
      for (const resolve of waiting) resolve();
    });
  };
}
