// Small tools over the file system port: whole writes, whole reads, syncs whose failure is told as what it is, and
// replacing a file so that a crash leaves the old one or the new one.
//
// Invariants:
//   D1. A file under its own name is whole and synced: it was written under a name that nobody else uses, and renamed.
//   D2. A sync that fails is a StoreFailedError, whatever its cause: what the disk has is not known any more.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { StoreCorruptError, StoreFailedError, StoreFullError, StoreReadError, StoreWriteError } from '../../../runtime/store-errors.js';
import type { FileId, FileSystem } from './file-system.js';

const temporary = /^.+\.[0-9a-f]{16}\.tmp$/;

/** Sixteen hexadecimal digits that nobody else has. */
export function nonce(): string {
  return randomBytes(8).toString('hex');
}

export function temporaryName(name: string): string {
  return `${name}.${nonce()}.tmp`;
}

/** Whether a name is that of a temporary file of one of these names. */
export function isTemporaryOf(name: string, isOurs: (name: string) => boolean): boolean {
  return temporary.test(name) && isOurs(name.slice(0, -'.0123456789abcdef.tmp'.length));
}

/** What a caller of a failed write is told: there was no space, or the typed cause. */
export function toWriteError(error: unknown): StoreFullError | StoreWriteError {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return new StoreFullError({ cause: error });
  return new StoreWriteError(messageOf(error), { cause: error });
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Writes all of the data. A disk that takes a part is asked again for the rest; one that takes nothing is full. */
export function writeAll(fs: FileSystem, file: FileId, data: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let offset = 0;
    const onWritten = (error: Error | null, count: number): void => {
      if (error !== null || count === 0) {
        reject(error === null ? new StoreFullError() : toWriteError(error));
        return;
      }
      offset += count;
      if (offset < data.byteLength) fs.write(file, data.subarray(offset), position + offset, onWritten);
      else resolve();
    };
    fs.write(file, data, position, onWritten);
  });
}

/** @throws StoreFailedError when the sync fails (D2). */
export function syncFile(fs: FileSystem, file: FileId, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.sync(file, (error) => (error === null ? resolve() : reject(syncFailed(path, error))));
  });
}

/** @throws StoreFailedError when the sync fails (D2). */
export async function syncNames(fs: FileSystem, directory: string): Promise<void> {
  try {
    await fs.syncDirectory(directory);
  } catch (error) {
    throw syncFailed(directory, error);
  }
}

export function syncFailed(path: string, error: unknown): StoreFailedError {
  return new StoreFailedError(`"${path}" could not be synced to disk (${messageOf(error)})`, { cause: error });
}

/**
 * Replaces a file, or makes it. The caller syncs its directory: until then a crash leaves the old one or the new one.
 */
export async function replaceFile(fs: FileSystem, directory: string, name: string, data: Uint8Array): Promise<void> {
  const path = join(directory, temporaryName(name));
  try {
    const file = await fs.open(path, 'create');
    try {
      await writeAll(fs, file, data, 0);
      await syncFile(fs, file, path);
    } finally {
      await fs.close(file);
    }
    await fs.rename(path, join(directory, name));
  } catch (error) {
    // What is left of it is removed at the next opening.
    await fs.remove(path).catch(() => {});
    throw error;
  }
}

/** Reads a whole file, or undefined when there is none. */
export async function readWhole(fs: FileSystem, path: string): Promise<Buffer | undefined> {
  let file: FileId;
  try {
    file = await fs.open(path, 'read');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return await readExactly(fs, file, { path, position: 0, length: await fs.size(file) });
  } finally {
    await fs.close(file);
  }
}

export interface Span {
  readonly path: string;
  readonly position: number;
  readonly length: number;
}

/** @throws StoreCorruptError when the file ends before. */
export async function readExactly(fs: FileSystem, file: FileId, { path, position, length }: Span): Promise<Buffer> {
  const into = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const count = await fs.read(file, into.subarray(done), position + done);
    if (count === 0) throw endsBefore(path, position + done);
    done += count;
  }
  return into;
}

/** @throws StoreCorruptError when the file ends before, StoreReadError when the disk does not give it. */
export function readExactlySync(fs: FileSystem, file: FileId, { path, position, length }: Span): Buffer {
  const into = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const count = readSome(fs, file, into.subarray(done), { path, position: position + done, length });
    if (count === 0) throw endsBefore(path, position + done);
    done += count;
  }
  return into;
}

function readSome(fs: FileSystem, file: FileId, into: Uint8Array, { path, position }: Span): number {
  try {
    return fs.readSync(file, into, position);
  } catch (error) {
    throw new StoreReadError(path, messageOf(error), { cause: error });
  }
}

function endsBefore(path: string, offset: number): StoreCorruptError {
  return new StoreCorruptError(path, offset, 'the file ends before its data does');
}
