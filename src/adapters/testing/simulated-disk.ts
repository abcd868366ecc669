// A disk in memory that knows what was synced. A test stops it between any two calls, has any call fail, and looks at
// what a power cut or a kill would leave. A sync makes a file's bytes durable, a directory's sync its names; everything
// else may be lost, kept, torn or reordered. How it does so: memory-disk.ts.

import type { FileSystem } from '../stores/json/file-system.js';
import type { Kept } from './luck.js';
import { MemoryDisk } from './memory-disk.js';

export type DiskCall = keyof FileSystem;

/**
 * What a call does instead of what it should: it fails with an error code and does nothing, or, given a number, writes
 * so many bytes and no more. The long form fails though it was done, or though so many bytes were written.
 */
export type DiskFault = string | number | { readonly code: string; readonly done: true | number };

/** How a sync fails: what of the file is on disk all the same, and what readers are given from then on. */
export interface FailedSync {
  readonly kept: Kept;
  /** `new`: what was written, though it is not on disk and no later sync writes it; most kernels do this. `old`: what is on disk. */
  readonly reads: 'new' | 'old';
}

export interface SimulatedDiskOptions {
  /** Decides what is kept of what was not synced, where it is left open. Default 1. */
  seed?: number | undefined;
}

/** A disk in memory, to be given to `jsonStore`. The same seed and the same calls give the same disk. */
export interface SimulatedDisk extends FileSystem {
  /** The files with their bytes, by their paths. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** How many files are open. */
  readonly openFiles: number;
  /** Calls that change something, so far. */
  readonly calls: number;
  /** After so many of them nothing happens any more and nobody is answered. A write that comes next is done in part. */
  stopAfter: number;
  /** Resolves when it has stopped, and those who were answered before have seen it. */
  readonly stopped: Promise<void>;
  /** Asked at each call with the path that it is about (of two, the new one): what goes wrong. */
  fault: (call: DiskCall, path: string) => DiskFault | undefined;
  /** Asked at each call that can wait: what it waits for. */
  delay: (call: DiskCall, path: string) => Promise<unknown> | undefined;
  /** How a sync fails that a fault makes fail. By default nothing is kept, and readers are given the new bytes. */
  failedSync: FailedSync;
  /** Puts a file there, durably. */
  put(path: string, bytes: Uint8Array): void;
  /** Takes a file, or a directory with all that is in it, away durably. */
  drop(path: string): void;
  /**
   * The disk that is found after a power cut now. Of what was not synced it has what is said here, or what the seed
   * decides. This one stays as it is, so that several power cuts can be tried. The store's lock is gone with its owner.
   */
  afterPowerCut(kept?: Kept): SimulatedDisk;
  /** The disk that the next process finds when only this one was killed: what was not synced is there, and can still be lost. */
  afterKill(): SimulatedDisk;
}

/**
 * Gives a disk in memory, empty, for tests of what a power cut, a kill or a failing disk does to workflows.
 *
 * @example
 * const disk = createSimulatedDisk({ seed: 7 });
 * const before = await createTestRuntime({ workflows: [provision], store: jsonStore('/data', { fileSystem: disk }) });
 * const { id } = await before.start(provision, { model: 'cx22' });
 *
 * const found = disk.afterPowerCut();
 * const after = await createTestRuntime({ workflows: [provision], store: jsonStore('/data', { fileSystem: found }) });
 * await expect(after.instance(id).result()).resolves.toEqual({ status: 'live' });
 */
export function createSimulatedDisk({ seed = 1 }: SimulatedDiskOptions = {}): SimulatedDisk {
  return new MemoryDisk(seed);
}
