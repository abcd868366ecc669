// A disk whose calls take their time: each takes effect, and is answered, when the world says so. It can be told to
// fail. When the process that uses it is gone, nothing of what it asked for happens any more.

import { basename } from 'node:path';
import type { FileId, FileSystem, OpenMode } from '../../src/adapters/stores/json/file-system.js';
import type { DiskCall, DiskFault as FaultOfDisk, SimulatedDisk } from '../../src/adapters/testing/simulated-disk.js';
import type { Dice } from '../kill/dice.js';
import type { Happenings } from './happenings.js';
import type { DiskFault } from './scenario.js';

export interface DiskParts {
  readonly happenings: Happenings;
  readonly dice: Dice;
  /** Told of each call that takes effect, and of each that fails because it was to. */
  readonly told: (what: string) => void;
}

interface ArmedFault {
  readonly fault: DiskFault;
  after: number;
  times: number;
}

const failing = new Set<string>(['write', 'sync', 'truncate', 'open', 'rename', 'syncDirectory', 'remove']);

export class ScheduledDisk implements FileSystem {
  readonly #inner: SimulatedDisk;
  readonly #parts: DiskParts;
  readonly #names = new Map<FileId, string>();
  #faults: ArmedFault[] = [];
  /** Faults that have come up, by their calls. */
  readonly failed = new Set<string>();

  constructor(inner: SimulatedDisk, parts: DiskParts) {
    this.#inner = inner;
    this.#parts = parts;
    inner.fault = (call, path) => this.#faultOf(call, path);
  }

  arm(fault: DiskFault): void {
    this.#faults.push({ fault, after: fault.after, times: fault.times });
  }

  mend(): void {
    this.#faults = [];
  }

  makeDirectory(path: string): Promise<void> {
    return this.#later('makeDirectory', path, () => this.#inner.makeDirectory(path));
  }

  list(path: string): Promise<string[]> {
    return this.#later('list', path, () => this.#inner.list(path));
  }

  async open(path: string, mode: OpenMode): Promise<FileId> {
    const file = await this.#later('open', path, () => this.#inner.open(path, mode));
    this.#names.set(file, path);
    return file;
  }

  openSync(path: string): FileId {
    return this.#inner.openSync(path);
  }

  close(file: FileId): Promise<void> {
    return this.#later('close', this.#nameOf(file), () => this.#inner.close(file));
  }

  closeSync(file: FileId): void {
    this.#inner.closeSync(file);
  }

  size(file: FileId): Promise<number> {
    return this.#later('size', this.#nameOf(file), () => this.#inner.size(file));
  }

  read(file: FileId, into: Uint8Array, position: number): Promise<number> {
    return this.#later('read', this.#nameOf(file), () => this.#inner.read(file, into, position));
  }

  readSync(file: FileId, into: Uint8Array, position: number): number {
    return this.#inner.readSync(file, into, position);
  }

  write(file: FileId, data: Uint8Array, position: number, done: (error: Error | null, written: number) => void): void {
    const write = (): Promise<number> =>
      new Promise((resolve, reject) => {
        this.#inner.write(file, data, position, (error, written) => (error === null ? resolve(written) : reject(error)));
      });
    this.#later('write', this.#nameOf(file), write).then(
      (written) => done(null, written),
      (error: Error) => done(error, 0),
    );
  }

  sync(file: FileId, done: (error: Error | null) => void): void {
    const sync = (): Promise<void> =>
      new Promise((resolve, reject) => {
        this.#inner.sync(file, (error) => (error === null ? resolve() : reject(error)));
      });
    this.#later('sync', this.#nameOf(file), sync).then(
      () => done(null),
      (error: Error) => done(error),
    );
  }

  truncate(file: FileId, size: number): Promise<void> {
    return this.#later('truncate', this.#nameOf(file), () => this.#inner.truncate(file, size));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#later('syncDirectory', path, () => this.#inner.syncDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#later('rename', to, () => this.#inner.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return this.#later('link', to, () => this.#inner.link(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#later('remove', path, () => this.#inner.remove(path));
  }

  /** First it takes effect, then it is answered: a crash may come in between, and other calls. */
  #later<T>(call: DiskCall, path: string, run: () => Promise<T>): Promise<T> {
    const { happenings, dice, told } = this.#parts;
    const what = `${call} ${nameOf(path)}`;
    return new Promise((resolve, reject) => {
      happenings.add(what, () => {
        told(what);
        const isSlow = dice.chance(0.15);
        const answer = (tell: () => void): void => (isSlow ? happenings.add(`answer to ${what}`, tell) : tell());
        run().then(
          (value) => answer(() => resolve(value)),
          (error) => answer(() => reject(error as Error)),
        );
      });
    });
  }

  #faultOf(call: DiskCall, path: string): FaultOfDisk | undefined {
    for (const armed of this.#faults) {
      if (armed.times <= 0 || !(armed.fault.call === call || (armed.fault.call === 'any' && failing.has(call)))) continue;
      if (armed.after > 0) {
        armed.after -= 1;
        continue;
      }
      armed.times -= 1;
      this.failed.add(call);
      this.#parts.told(`${armed.fault.code} at ${call} ${nameOf(path)}`);
      const { code, written } = armed.fault;
      return written === undefined || call !== 'write' ? code : { code, done: written };
    }
    return undefined;
  }

  #nameOf(file: FileId): string {
    return this.#names.get(file) ?? 'file';
  }
}

/** Without what is random about it. */
function nameOf(path: string): string {
  return basename(path).replace(/\.[0-9a-f]{16}\./, '.*.');
}
