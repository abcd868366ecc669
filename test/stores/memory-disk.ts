// A disk in memory that knows what was synced: tests stop it between any two calls and look at what a power cut would
// leave. A sync makes a file's bytes durable, a directory's sync its names; everything else may be lost, kept or torn.

import { dirname } from 'node:path';
import type { FileId, FileSystem } from '../../src/adapters/stores/json/file-system.js';

export type DiskCall = keyof FileSystem;

/** What a call does: nothing for the real thing, an error code to fail, or a count of bytes to write and no more. Subjects are paths. */
export type Fault = (call: DiskCall, path: string) => string | number | undefined;

const sectorBytes = 512;

interface Inode {
  data: Buffer;
  durable: Buffer;
}

/** What becomes of something that was not synced: true for its new state. Asked for each name and each sector. */
export type Luck = () => boolean;

export const nothingKept: Luck = () => false;
export const everythingKept: Luck = () => true;

/** The same series of coin flips for the same seed. */
export function seededLuck(seed: number): Luck {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state & 1) === 0;
  };
}

export class MemoryDisk implements FileSystem {
  /** Calls that change something, so far. */
  calls = 0;
  /** After so many of them, nothing happens any more and nobody is answered. */
  stopAfter = Number.POSITIVE_INFINITY;
  fault: Fault = () => undefined;
  readonly #directories = new Set<string>(['/']);
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  readonly #open = new Map<FileId, { inode: Inode; path: string }>();
  #nextFile = 1;

  /** The files with their bytes, to be looked at or changed. */
  get files(): ReadonlyMap<string, Buffer> {
    return new Map([...this.#names].map(([path, inode]) => [path, inode.data]));
  }

  get openFiles(): number {
    return this.#open.size;
  }

  /** Puts a file there, durably. */
  put(path: string, data: Buffer): void {
    const inode = { data, durable: data };
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
    this.#directories.add(dirname(path));
  }

  drop(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  /** What the next process finds. Its owner is gone, so the lock is too. */
  afterCrash(luck: Luck): MemoryDisk {
    const disk = new MemoryDisk();
    for (const directory of this.#directories) disk.#directories.add(directory);
    for (const path of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const inode = this.#names.get(path) === this.#durableNames.get(path) || luck() ? this.#names.get(path) : this.#durableNames.get(path);
      if (inode !== undefined && !path.endsWith('/lock')) disk.put(path, remainsOf(inode, luck));
    }
    return disk;
  }

  /** What the next process finds when only this one was killed: what is not synced is there, and can still be lost. */
  afterKill(): MemoryDisk {
    const disk = new MemoryDisk();
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode): Inode => {
      const copy = copies.get(inode) ?? { ...inode };
      copies.set(inode, copy);
      return copy;
    };
    for (const directory of this.#directories) disk.#directories.add(directory);
    for (const [path, inode] of this.#names) if (!path.endsWith('/lock')) disk.#names.set(path, copyOf(inode));
    for (const [path, inode] of this.#durableNames) if (!path.endsWith('/lock')) disk.#durableNames.set(path, copyOf(inode));
    return disk;
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#change('makeDirectory', path);
    for (let each = path; each !== '/'; each = dirname(each)) this.#directories.add(each);
  }

  async list(path: string): Promise<string[]> {
    this.#check('list', path);
    if (!this.#directories.has(path)) throw failure('ENOENT', path);
    const prefix = `${path}/`;
    return [...this.#names.keys()].filter((name) => dirname(name) === path).map((name) => name.slice(prefix.length));
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<FileId> {
    if (mode === 'create') await this.#change('open', path);
    else this.#check('open', path);
    if (mode === 'create' && this.#names.has(path)) throw failure('EEXIST', path);
    if (mode === 'create') this.#names.set(path, { data: Buffer.alloc(0), durable: Buffer.alloc(0) });
    return this.#give(path);
  }

  openSync(path: string): FileId {
    this.#check('openSync', path);
    return this.#give(path);
  }

  async close(file: FileId): Promise<void> {
    this.closeSync(file);
  }

  closeSync(file: FileId): void {
    if (!this.#open.delete(file)) throw failure('EBADF', String(file));
  }

  async size(file: FileId): Promise<number> {
    const { inode, path } = this.#at(file);
    this.#check('size', path);
    return inode.data.byteLength;
  }

  async read(file: FileId, into: Uint8Array, position: number): Promise<number> {
    const { inode, path } = this.#at(file);
    this.#check('read', path);
    return inode.data.subarray(position).copy(into);
  }

  readSync(file: FileId, into: Uint8Array, position: number): number {
    const { inode, path } = this.#at(file);
    this.#check('readSync', path);
    return inode.data.subarray(position).copy(into);
  }

  write(file: FileId, data: Uint8Array, position: number, done: (error: Error | null, written: number) => void): void {
    const { inode, path } = this.#at(file);
    this.#change('write', path).then(
      (count) => {
        const written = data.subarray(0, count ?? data.byteLength);
        const grown = Buffer.alloc(Math.max(inode.data.byteLength, position + written.byteLength));
        inode.data.copy(grown);
        grown.set(written, position);
        inode.data = grown;
        done(null, written.byteLength);
      },
      (error: Error) => done(error, 0),
    );
  }

  /** Takes a turn of the loop, as a real one takes longer than anything else. A failed one is not made up for by the next. */
  sync(file: FileId, done: (error: Error | null) => void): void {
    const { inode, path } = this.#at(file);
    this.#change('sync', path).then(
      () => {
        inode.durable = inode.data;
        setImmediate(done, null);
      },
      (error: Error) => setImmediate(done, error),
    );
  }

  async truncate(file: FileId, size: number): Promise<void> {
    const { inode, path } = this.#at(file);
    await this.#change('truncate', path);
    inode.data = Buffer.from(inode.data.subarray(0, size));
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#change('syncDirectory', path);
    for (const name of [...this.#durableNames.keys()])
      if (dirname(name) === path && !this.#names.has(name)) this.#durableNames.delete(name);
    for (const [name, inode] of this.#names) if (dirname(name) === path) this.#durableNames.set(name, inode);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#change('rename', to);
    const inode = this.#names.get(from);
    if (inode === undefined) throw failure('ENOENT', from);
    this.#names.delete(from);
    this.#names.set(to, inode);
  }

  async link(from: string, to: string): Promise<void> {
    await this.#change('link', to);
    const inode = this.#names.get(from);
    if (inode === undefined) throw failure('ENOENT', from);
    if (this.#names.has(to)) throw failure('EEXIST', to);
    this.#names.set(to, inode);
  }

  async remove(path: string): Promise<void> {
    await this.#change('remove', path);
    if (!this.#names.delete(path)) throw failure('ENOENT', path);
  }

  #give(path: string): FileId {
    const inode = this.#names.get(path);
    if (inode === undefined) throw failure('ENOENT', path);
    const file = this.#nextFile;
    this.#nextFile += 1;
    this.#open.set(file, { inode, path });
    return file;
  }

  #at(file: FileId): { inode: Inode; path: string } {
    const open = this.#open.get(file);
    if (open === undefined) throw failure('EBADF', String(file));
    return open;
  }

  #check(call: DiskCall, path: string): number | undefined {
    const outcome = this.fault(call, path);
    if (typeof outcome === 'string') throw failure(outcome, `${call} ${path}`);
    return outcome;
  }

  /** Counts a call that changes something, and stops the disk behind it when it was the last. */
  async #change(call: DiskCall, path: string): Promise<number | undefined> {
    this.calls += 1;
    if (this.calls > this.stopAfter) return new Promise(() => {});
    return this.#check(call, path);
  }
}

function remainsOf({ data, durable }: Inode, luck: Luck): Buffer {
  if (data === durable) return data;
  const size = luck() ? data.byteLength : durable.byteLength;
  const remains = Buffer.alloc(size);
  for (let start = 0; start < size; start += sectorBytes) {
    const source = luck() ? data : durable;
    remains.set(source.subarray(start, Math.min(start + sectorBytes, size)), start);
  }
  return remains;
}

function failure(code: string, subject: string): Error {
  return Object.assign(new Error(`${code}: ${subject}`), { code });
}
