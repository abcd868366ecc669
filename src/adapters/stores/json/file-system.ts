// The disk, as the JSON store needs it: small enough to be simulated, and to have every one of its calls fail in a
// test. Paths are whole; files are made 0600 and directories 0700.
//
// `write` and `sync` take callbacks because they are the hot path: a batch makes one promise, not one a call.

import fs from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** An open file. */
export type FileId = number;

export type OpenMode = 'read' | 'write' | 'create';

export interface FileSystem {
  /** Makes a directory and those above it, unless they are there. Those made are on disk when it resolves. */
  makeDirectory(path: string): Promise<void>;
  /** The names in a directory. */
  list(path: string): Promise<string[]>;
  /** Opens a file; `create` makes it, and fails when it is there. */
  open(path: string, mode: OpenMode): Promise<FileId>;
  openSync(path: string): FileId;
  close(file: FileId): Promise<void>;
  closeSync(file: FileId): void;
  size(file: FileId): Promise<number>;
  read(file: FileId, into: Uint8Array, position: number): Promise<number>;
  readSync(file: FileId, into: Uint8Array, position: number): number;
  write(file: FileId, data: Uint8Array, position: number, done: (error: Error | null, written: number) => void): void;
  /** Data and size are on disk when it is done (fdatasync). */
  sync(file: FileId, done: (error: Error | null) => void): void;
  truncate(file: FileId, size: number): Promise<void>;
  /** Names that were made, replaced or removed in this directory are on disk when it resolves. */
  syncDirectory(path: string): Promise<void>;
  /** Replaces `to`. */
  rename(from: string, to: string): Promise<void>;
  /** Gives a file a second name; fails when that is taken. */
  link(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

const openFile = promisify(fs.open);
const closeFile = promisify(fs.close);
const truncateFile = promisify(fs.ftruncate);
const flags = { read: 'r', write: 'r+', create: 'wx+' } as const;

/** Writes up to this size go into the page cache at once: a trip through the thread pool costs more than the copy. */
const writeAtOnceMax = 65_536;

function write(file: FileId, data: Uint8Array, position: number, done: (error: Error | null, written: number) => void): void {
  if (data.byteLength > writeAtOnceMax) {
    fs.write(file, data, 0, data.byteLength, position, done);
    return;
  }
  let written: number;
  try {
    written = fs.writeSync(file, data, 0, data.byteLength, position);
  } catch (error) {
    done(error as Error, 0);
    return;
  }
  done(null, written);
}

/** The disk of this machine. */
export const nodeFileSystem: FileSystem = {
  makeDirectory,
  list: (path) => fs.promises.readdir(path),
  open: (path, mode) => openFile(path, flags[mode], 0o600),
  openSync: (path) => fs.openSync(path, 'r'),
  close: (file) => closeFile(file),
  closeSync: (file) => fs.closeSync(file),
  size: (file) =>
    new Promise((resolve, reject) => {
      fs.fstat(file, (error, stats) => (error === null ? resolve(stats.size) : reject(error)));
    }),
  read: (file, into, position) =>
    new Promise((resolve, reject) => {
      fs.read(file, into, 0, into.byteLength, position, (error, count) => (error === null ? resolve(count) : reject(error)));
    }),
  readSync: (file, into, position) => fs.readSync(file, into, 0, into.byteLength, position),
  write,
  sync: (file, done) => fs.fdatasync(file, done),
  truncate: (file, size) => truncateFile(file, size),
  syncDirectory,
  rename: (from, to) => fs.promises.rename(from, to),
  link: (from, to) => fs.promises.link(from, to),
  remove: (path) => fs.promises.unlink(path),
};

async function makeDirectory(path: string): Promise<void> {
  const first = await fs.promises.mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => reasonWhyNot(path, error));
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

/** Node says of a read-only disk that the directory is not there: asked for its first part alone, the disk says why. */
async function reasonWhyNot(path: string, error: unknown): Promise<never> {
  let missing = path;
  while (!fs.existsSync(dirname(missing))) missing = dirname(missing);
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') await fs.promises.mkdir(missing, 0o700);
  throw error;
}

/** Windows cannot open a directory, and some file systems cannot sync one: there, names are durable by other means or not at all. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await fs.promises.open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    await handle.close();
  }
}
