// Stores of fifty commits on a simulated disk, to be damaged; and what a store says when it is opened and all of it read.

import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { describeStore, type History, makeHistory } from '../stores/history.js';
import { directory } from '../stores/layout.js';
import { MemoryLogger, openStore } from '../stores/store-harness.js';
import { orHang } from './disk-life.js';

/** Without checkpoints. */
export const never = 1_000_000_000;

export const fifty: History = makeHistory(50);

export interface StoreKind {
  readonly name: string;
  /** Its first half is in a checkpoint. */
  readonly checkpoint: boolean;
  /** It was closed in order. */
  readonly closed: boolean;
}

export const storeKinds: readonly StoreKind[] = [
  { name: 'all in the log', checkpoint: false, closed: false },
  { name: 'with a checkpoint', checkpoint: true, closed: false },
  { name: 'with a checkpoint, closed', checkpoint: true, closed: true },
];

export function openDamaged(disk: SimulatedDisk, logBytesMin = never, logger = new MemoryLogger()): Promise<OpenStore> {
  return openStore(jsonStore(directory, { fileSystem: disk, logBytesMin }), logger);
}

/** A store of fifty commits in batches of five. */
export async function makeStoreDisk({ checkpoint, closed }: StoreKind): Promise<SimulatedDisk> {
  const disk = createSimulatedDisk();
  let store = await openDamaged(disk, checkpoint ? 8 : never);
  for (let next = 0; next < fifty.commits.length; next += 5) {
    if (next === 25) {
      await store.close();
      store = await openDamaged(disk);
    }
    await store.append(fifty.commits.slice(next, next + 5));
  }
  if (closed) await store.close();
  return disk.afterPowerCut('everything');
}

export function withFile(disk: SimulatedDisk, path: string, data: Uint8Array): SimulatedDisk {
  const copy = disk.afterPowerCut('everything');
  copy.put(path, data);
  return copy;
}

/** What a store says of itself: its error, or what it holds and what it cut off. */
export interface Answer {
  readonly error?: unknown;
  readonly cut?: OpenStore['recovery']['cut'];
  readonly state?: string;
}

/** Opens a store and reads all of it. */
export function ask(disk: SimulatedDisk, what: string): Promise<Answer> {
  return orHang(read(disk), what);
}

async function read(disk: SimulatedDisk): Promise<Answer> {
  let store: OpenStore | undefined;
  try {
    store = await openDamaged(disk);
    return { cut: store.recovery.cut, state: describeStore(store) };
  } catch (error) {
    return { error };
  } finally {
    await store?.crash();
  }
}
