// How late the event loop is, while a checkpoint is written and while none is: what a timer of a millisecond sees. It
// sees what `monitorEventLoopDelay` would, but that one cannot say of a tick what it fell into.

import { basename } from 'node:path';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { type FileSystem, nodeFileSystem } from '../../../src/adapters/stores/json/file-system.js';

export interface Lag {
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Lags {
  /** While no checkpoint was written. */
  readonly alone: Lag;
  /** While one was: a tick counts here when any of it fell into one. */
  readonly meanwhile: Lag;
  /** Checkpoints that have ended. */
  readonly checkpoints: number;
}

export class WatchedLoop {
  /** The disk of this machine; it sees a checkpoint from its first new file to the renaming of meta.json. */
  readonly fileSystem: FileSystem;
  readonly #alone = createHistogram();
  readonly #meanwhile = createHistogram();
  #timer: NodeJS.Timeout | null = null;
  #lastTick = 0;
  #isWriting = false;
  /** Since the last tick. */
  #hasWritten = false;
  #checkpoints = 0;
  #whenWritten: (() => void)[] = [];

  constructor() {
    this.fileSystem = {
      ...nodeFileSystem,
      open: (path, mode) => {
        if (mode === 'create') {
          this.#isWriting = true;
          this.#hasWritten = true;
        }
        return nodeFileSystem.open(path, mode);
      },
      rename: async (from, to) => {
        await nodeFileSystem.rename(from, to);
        if (basename(to) !== 'meta.json') return;
        this.#isWriting = false;
        this.#checkpoints += 1;
        for (const resolve of this.#whenWritten.splice(0)) resolve();
      },
    };
  }

  /** Resolves when no checkpoint is being written. */
  quiet(): Promise<void> {
    return this.#isWriting ? new Promise((resolve) => this.#whenWritten.push(resolve)) : Promise.resolve();
  }

  /** Forgets what was measured, and begins. */
  begin(): void {
    this.#checkpoints = 0;
    this.#alone.reset();
    this.#meanwhile.reset();
    this.#lastTick = performance.now();
    this.#timer ??= setInterval(() => this.#tick(), 1);
  }

  /** Ends, and says what was seen. */
  take(): Lags {
    clearInterval(this.#timer ?? undefined);
    this.#timer = null;
    return { alone: toLag(this.#alone), meanwhile: toLag(this.#meanwhile), checkpoints: this.#checkpoints };
  }

  #tick(): void {
    const now = performance.now();
    const histogram = this.#hasWritten || this.#isWriting ? this.#meanwhile : this.#alone;
    histogram.record(Math.max(1, Math.round((now - this.#lastTick) * 1_000)));
    this.#lastTick = now;
    this.#hasWritten = this.#isWriting;
  }
}

function toLag(histogram: RecordableHistogram): Lag {
  return { p99Ms: histogram.percentile(99) / 1_000, maxMs: histogram.max / 1_000 };
}
