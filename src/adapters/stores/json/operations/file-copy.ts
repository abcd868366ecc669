// Copies one file, or gives it a second name.

import { limits } from '../../../../runtime/limits.js';
import { StoreCorruptError, StoreReadError } from '../../../../runtime/store-errors.js';
import { codeOf, messageOf, readExactly, syncFile, toWriteError, writeAll } from '../durable-file.js';
import type { FileSystem } from '../file-system.js';
import { cannotLink } from '../lock.js';
import type { HeldFile } from './file-lines.js';
import type { Pace } from './pace.js';

/** Makes a file of what a held one has. It is not synced. */
export async function copyFile(fs: FileSystem, from: HeldFile, to: string, pace: Pace): Promise<void> {
  const file = await fs.open(to, 'create').catch((error: unknown) => {
    throw toWriteError(error);
  });
  try {
    for (let position = 0; position < from.size; ) {
      const length = Math.min(limits.storeReadBytes, from.size - position);
      await writeAll(fs, file, await readPiece(fs, from, position, length), position);
      position += length;
      await pace.rest();
    }
  } finally {
    await fs.close(file);
  }
}

async function readPiece(fs: FileSystem, { path, file }: HeldFile, position: number, length: number): Promise<Buffer> {
  try {
    return await readExactly(fs, file, { path, position, length });
  } catch (error) {
    throw error instanceof StoreCorruptError ? error : new StoreReadError(path, messageOf(error), { cause: error });
  }
}

/** Whether the file has this second name now: some file systems cannot do that. */
export async function linkFile(fs: FileSystem, from: string, to: string): Promise<boolean> {
  try {
    await fs.link(from, to);
    return true;
  } catch (error) {
    if (cannotLink.has(codeOf(error) ?? '')) return false;
    throw error;
  }
}

/** Syncs what was written before, whoever wrote it. */
export async function syncWhole(fs: FileSystem, path: string): Promise<void> {
  const file = await fs.open(path, 'write');
  try {
    await syncFile(fs, file, path);
  } finally {
    await fs.close(file);
  }
}

export async function cutFile(fs: FileSystem, path: string, size: number): Promise<void> {
  const file = await fs.open(path, 'write');
  try {
    await fs.truncate(file, size);
  } finally {
    await fs.close(file);
  }
}
