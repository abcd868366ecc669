// What the tests of the JSON store share: directories of their own, crashes, and a disk that can be held still.

import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type FileSystem, nodeFileSystem } from '../../src/adapters/stores/json/file-system.js';

/** A directory for one test. */
export async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rouse-store-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** What a store's directory is to the next process when its owner is gone: all of it, without the lock. */
export async function copyCrashed(directory: string): Promise<string> {
  const copy = join(await makeDirectory(), 'store');
  await cp(directory, copy, { recursive: true });
  await rm(join(copy, 'lock'), { force: true });
  return copy;
}

/** A disk that can be held still between two calls, to see what a crash there would leave. */
export class PausableDisk {
  readonly fileSystem: FileSystem;
  #held: Promise<void> | null = null;
  #underWay = 0;
  #onStill: (() => void) | null = null;

  constructor(real: FileSystem = nodeFileSystem) {
    const gated = <A extends unknown[], T>(call: (...args: A) => Promise<T>) => {
      return (...args: A): Promise<T> => this.#pass(() => call(...args));
    };
    this.fileSystem = {
      ...real,
      makeDirectory: gated(real.makeDirectory),
      open: gated(real.open),
      truncate: gated(real.truncate),
      syncDirectory: gated(real.syncDirectory),
      rename: gated(real.rename),
      link: gated(real.link),
      remove: gated(real.remove),
      write: (file, data, position, done) => {
        const write = () =>
          new Promise<[Error | null, number]>((resolve) => real.write(file, data, position, (error, count) => resolve([error, count])));
        void this.#pass(write).then(([error, count]) => done(error, count));
      },
      sync: (file, done) => {
        void this.#pass(() => new Promise<Error | null>((resolve) => real.sync(file, resolve))).then(done);
      },
    };
  }

  /** Lets calls that are under way end, and makes others wait for the task. */
  async whileStill<T>(task: () => Promise<T>): Promise<T> {
    let release = (): void => {};
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onStill = resolve;
      });
    }
    try {
      return await task();
    } finally {
      this.#held = null;
      release();
    }
  }

  async #pass<T>(call: () => Promise<T>): Promise<T> {
    while (this.#held !== null) await this.#held;
    this.#underWay += 1;
    try {
      return await call();
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onStill?.();
    }
  }
}
