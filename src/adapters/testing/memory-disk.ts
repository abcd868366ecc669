// The simulated disk: directories of names, names of files, and calls that are counted, delayed, made to fail or never
// answered. What of a file or a name is left after a power cut is known to those, not here.
//
// Invariants:
//   Y5. The same seed and the same calls give the same disk, whatever names the files have.
//   Y6. A disk that was made from another one shares nothing with it that could be seen.
//   Y7. A call that was begun before the disk stopped is done and answered; one that was not, never.

import { basename, dirname, join, sep } from 'node:path';
import type { FileId, OpenMode } from '../stores/json/file-system.js';
import { type Kept, toLuck } from './luck.js';
import { seededRandom } from './seeded-random.js';
import { SimulatedDirectory } from './simulated-directory.js';
import type { DiskCall, DiskFault, FailedSync, SimulatedDisk } from './simulated-disk.js';
import { SimulatedFile } from './simulated-file.js';

interface OpenFile {
  readonly file: SimulatedFile;
  readonly path: string;
}

/** Captured here: tests replace timers, and a disk must not wait for theirs. */
const runLater = setImmediate;
/** Larger writes take a turn of the loop, as on a real disk. */
const writeAtOnceMax = 65_536;
/** Removed files that are remembered. */
const removedMax = 4;
/** Its owner is taken to be dead after a crash, though here it is the same process that goes on. */
const lockName = 'lock';

export class MemoryDisk implements SimulatedDisk {
  calls = 0;
  stopAfter = Number.POSITIVE_INFINITY;
  readonly stopped: Promise<void>;
  fault: SimulatedDisk['fault'] = () => undefined;
  delay: SimulatedDisk['delay'] = () => undefined;
  failedSync: FailedSync = { kept: 'nothing', reads: 'new' };
  readonly #random: () => number;
  readonly #directories = new Map<string, SimulatedDirectory>();
  readonly #open = new Map<FileId, OpenFile>();
  /** Files that lost a name: what they held may show in others. */
  #removed: SimulatedFile[] = [];
  #onStopped: () => void = () => {};
  #nextFile = 1;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.stopped = new Promise((resolve) => {
      // A sync that was under way is answered meanwhile.
      this.#onStopped = () => runLater(() => runLater(resolve));
    });
  }

  get files(): ReadonlyMap<string, Buffer> {
    const files = new Map<string, Buffer>();
    for (const [path, { names }] of this.#directories) for (const [name, file] of names) files.set(join(path, name), file.bytes);
    return files;
  }

  get openFiles(): number {
    return this.#open.size;
  }

  put(path: string, bytes: Uint8Array): void {
    for (const each of this.#missing(dirname(path))) this.#directories.set(each, new SimulatedDirectory());
    this.#at(dirname(path)).put(basename(path), new SimulatedFile(Buffer.from(bytes)));
  }

  drop(path: string): void {
    this.#directories.get(dirname(path))?.drop(basename(path));
    for (const each of [...this.#directories.keys()]) if (each === path || each.startsWith(path + sep)) this.#directories.delete(each);
  }

  afterPowerCut(kept: Kept = this.#seed()): SimulatedDisk {
    const luck = toLuck(kept);
    const removed = this.#removed.find(() => luck());
    const remainsOf = memoized((file: SimulatedFile) => file.afterPowerCut(luck, removed));
    return this.#next((directory) => directory.afterPowerCut(luck, remainsOf));
  }

  afterKill(): SimulatedDisk {
    const copyOf = memoized((file: SimulatedFile) => file.copy());
    return this.#next((directory) => directory.copy(copyOf));
  }

  async makeDirectory(path: string): Promise<void> {
    const missing = this.#missing(path);
    for (const each of missing.length === 0 ? [path] : missing) {
      await this.#change('makeDirectory', each, () => {
        if (this.#find(each) !== undefined) throw failure(each === path ? 'EEXIST' : 'ENOTDIR', each);
        if (!this.#directories.has(each)) this.#directories.set(each, new SimulatedDirectory());
      });
    }
  }

  list(path: string): Promise<string[]> {
    return this.#run('list', path, () => {
      const below = [...this.#directories.keys()].filter((each) => each !== path && dirname(each) === path);
      return [...this.#at(path).names.keys(), ...below.map((each) => basename(each))];
    });
  }

  async open(path: string, mode: OpenMode): Promise<FileId> {
    const file = await (mode === 'create' ? this.#create(path) : this.#run('open', path, () => this.#file(path)));
    return this.#give(path, file);
  }

  openSync(path: string): FileId {
    return this.#give(
      path,
      this.#perform('openSync', path, () => this.#file(path)),
    );
  }

  async close(file: FileId): Promise<void> {
    const { path } = this.#opened(file);
    // As the kernel does it: the file is closed though the call fails.
    this.#open.delete(file);
    await this.#run('close', path, () => {});
  }

  closeSync(file: FileId): void {
    const { path } = this.#opened(file);
    this.#open.delete(file);
    this.#perform('closeSync', path, () => {});
  }

  async size(file: FileId): Promise<number> {
    const { file: opened, path } = this.#opened(file);
    return this.#run('size', path, () => opened.size);
  }

  async read(file: FileId, into: Uint8Array, position: number): Promise<number> {
    const { file: opened, path } = this.#opened(file);
    return this.#run('read', path, (count) => opened.read(into.subarray(0, count), position));
  }

  readSync(file: FileId, into: Uint8Array, position: number): number {
    const { file: opened, path } = this.#opened(file);
    return this.#perform('readSync', path, (count) => opened.read(into.subarray(0, count), position));
  }

  write(file: FileId, data: Uint8Array, position: number, done: (error: Error | null, written: number) => void): void {
    const opened = this.#open.get(file);
    const delay = opened && this.delay('write', opened.path);
    if (opened === undefined) done(failure('EBADF', String(file)), 0);
    else if (delay === undefined) this.#write(opened, data, position, done);
    else void delay.then(() => this.#write(opened, data, position, done));
  }

  sync(file: FileId, done: (error: Error | null) => void): void {
    const opened = this.#open.get(file);
    const delay = opened && this.delay('sync', opened.path);
    if (opened === undefined) done(failure('EBADF', String(file)));
    else if (delay === undefined) this.#sync(opened, done);
    else void delay.then(() => this.#sync(opened, done));
  }

  async truncate(file: FileId, size: number): Promise<void> {
    const { file: opened, path } = this.#opened(file);
    await this.#change('truncate', path, () => opened.truncate(size));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#change('syncDirectory', path, () => this.#at(path).sync());
  }

  rename(from: string, to: string): Promise<void> {
    return this.#change('rename', to, () => {
      const file = this.#file(from);
      const directory = this.#at(dirname(to));
      if (this.#directories.has(to)) throw failure('EISDIR', to);
      // As POSIX has it: two names of one file stay what they are.
      if (this.#find(to) === file) return;
      this.#noteRemoved(this.#find(to));
      this.#at(dirname(from)).set(basename(from), undefined);
      directory.set(basename(to), file);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#change('link', to, () => {
      const file = this.#file(from);
      this.#assertFree(to);
      this.#at(dirname(to)).set(basename(to), file);
    });
  }

  remove(path: string): Promise<void> {
    return this.#change('remove', path, () => {
      if (this.#directories.has(path)) throw failure('EISDIR', path);
      this.#noteRemoved(this.#file(path));
      this.#at(dirname(path)).set(basename(path), undefined);
    });
  }

  /** A write that is the first behind the end was under way: some of it may have come through. */
  #write({ file, path }: OpenFile, data: Uint8Array, position: number, done: (error: Error | null, written: number) => void): void {
    if (this.#isOver()) {
      if (this.calls === this.stopAfter + 1) file.write(data.subarray(0, Math.floor(this.#random() * (data.byteLength + 1))), position);
      return;
    }
    const fault = this.fault('write', path);
    const { error, count } = toWriteOutcome(fault, data.byteLength, path);
    file.write(data.subarray(0, count), position);
    const answer = (): void => done(error, error === null ? count : 0);
    if (fault === undefined && data.byteLength <= writeAtOnceMax) answer();
    else runLater(answer);
  }

  /** Takes a turn of the loop, as a real one takes longer than anything else. What is written meanwhile is not part of it. */
  #sync({ file, path }: OpenFile, done: (error: Error | null) => void): void {
    if (this.#isOver()) return;
    const { seq } = file;
    const fault = this.fault('sync', path);
    runLater(() => {
      if (typeof fault === 'string') file.failSync(toLuck(this.failedSync.kept), this.failedSync.reads);
      else file.sync(seq);
      done(toError(fault, `sync ${path}`));
    });
  }

  #noteRemoved(file: SimulatedFile | undefined): void {
    if (file !== undefined && file.size > 0) this.#removed = [file, ...this.#removed.slice(0, removedMax - 1)];
  }

  /** A call that changes something: it is counted, and may come behind the end. */
  #change<T>(call: DiskCall, path: string, effect: () => T): Promise<T> {
    return this.#run(call, path, effect, true);
  }

  async #run<T>(call: DiskCall, path: string, effect: (count?: number) => T, isChange = false): Promise<T> {
    const delay = this.delay(call, path);
    if (delay !== undefined) await delay;
    if (isChange ? this.#isOver() : this.calls > this.stopAfter) return new Promise<never>(() => {});
    return this.#perform(call, path, effect);
  }

  #perform<T>(call: DiskCall, path: string, effect: (count?: number) => T): T {
    const fault = this.fault(call, path);
    const error = toError(fault, `${call} ${path}`);
    if (typeof fault === 'string') throw error;
    const result = effect(typeof fault === 'number' ? fault : undefined);
    if (error !== null) throw error;
    return result;
  }

  /** Counts a change, and says whether it comes behind the end. */
  #isOver(): boolean {
    this.calls += 1;
    if (this.calls === this.stopAfter + 1) this.#onStopped();
    return this.calls > this.stopAfter;
  }

  /** The disk that comes after this one. */
  #next(toDirectory: (directory: SimulatedDirectory) => SimulatedDirectory): MemoryDisk {
    const next = new MemoryDisk(this.#seed());
    for (const [path, directory] of this.#directories) {
      const left = toDirectory(directory);
      left.drop(lockName);
      next.#directories.set(path, left);
    }
    next.#removed = this.#removed;
    return next;
  }

  #seed(): number {
    return Math.floor(this.#random() * 2 ** 32);
  }

  /** The directories of a path that are not there, from the top. */
  #missing(path: string): string[] {
    const missing: string[] = [];
    for (let each = path; each !== dirname(each) && !this.#directories.has(each); each = dirname(each)) missing.unshift(each);
    return missing;
  }

  #at(path: string): SimulatedDirectory {
    const directory = this.#directories.get(path);
    if (directory === undefined) throw failure(this.#find(path) === undefined ? 'ENOENT' : 'ENOTDIR', path);
    return directory;
  }

  #find(path: string): SimulatedFile | undefined {
    return this.#directories.get(dirname(path))?.names.get(basename(path));
  }

  #file(path: string): SimulatedFile {
    const file = this.#find(path);
    if (file === undefined) throw failure(this.#directories.has(path) ? 'EISDIR' : 'ENOENT', path);
    return file;
  }

  #assertFree(path: string): void {
    if (this.#find(path) !== undefined || this.#directories.has(path)) throw failure('EEXIST', path);
  }

  #create(path: string): Promise<SimulatedFile> {
    return this.#change('open', path, () => {
      this.#assertFree(path);
      const file = new SimulatedFile();
      this.#at(dirname(path)).set(basename(path), file);
      return file;
    });
  }

  #give(path: string, file: SimulatedFile): FileId {
    const id = this.#nextFile;
    this.#nextFile += 1;
    this.#open.set(id, { file, path });
    return id;
  }

  #opened(id: FileId): OpenFile {
    const opened = this.#open.get(id);
    if (opened === undefined) throw failure('EBADF', String(id));
    return opened;
  }
}

function memoized(make: (file: SimulatedFile) => SimulatedFile): (file: SimulatedFile) => SimulatedFile {
  const made = new Map<SimulatedFile, SimulatedFile>();
  return (file) => {
    const known = made.get(file);
    if (known !== undefined) return known;
    const fresh = make(file);
    made.set(file, fresh);
    return fresh;
  };
}

/** What a write answers, and how many bytes it writes. */
function toWriteOutcome(fault: DiskFault | undefined, length: number, path: string): { error: Error | null; count: number } {
  const error = toError(fault, `write ${path}`);
  if (typeof fault === 'number') return { error, count: Math.min(fault, length) };
  if (typeof fault === 'object') return { error, count: fault.done === true ? length : Math.min(fault.done, length) };
  return { error, count: error === null ? length : 0 };
}

function toError(fault: DiskFault | undefined, subject: string): Error | null {
  if (fault === undefined || typeof fault === 'number') return null;
  return failure(typeof fault === 'string' ? fault : fault.code, subject);
}

function failure(code: string, subject: string): Error {
  return Object.assign(new Error(`${code}: ${subject}`), { code });
}
