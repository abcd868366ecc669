// One writer at a time: the file `lock` names the process that owns the store. It is made whole and at once (written
// under a name of its own, then linked), so whoever reads it reads all of it. The lock of a dead process is taken over
// by a claim: a file named after the dead one's token, which only one process can make.
//
// A holder that cannot be seen from here (another boot, container or machine) is refused, not taken over: its boot
// being over says nothing while the directory may be shared by machines, and two writers would ruin the store.
//
// Invariants:
//   L1. `lock` is replaced only by the maker of the claim on its token, and only while the lock still has that token.
//   L2. A process that is dead stays dead: a claim on its token, or on that of a dead claimant, is never outdated.
//   L3. A token from a file becomes part of a name only when it is sixteen hexadecimal digits.
//   L4. A file that is not byte for byte what a process writes says nothing of who has the store: it is refused.

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { StoreLockedError } from '../../../runtime/store-errors.js';
import { codeOf, nonce, readWhole, syncFile, temporaryName, writeAll } from './durable-file.js';
import type { FileSystem } from './file-system.js';
import { toChecksum } from './log-line.js';
import { identifySelf, type Liveness, livenessOf, type ProcessIdentity } from './process-identity.js';

export const lockName = 'lock';
const attemptsMax = 100;
const tokenPattern = /^[0-9a-f]{16}$/;
const claimPattern = /^lock\.[0-9a-f]{16}\.claim$/;
/** Errors of file systems that cannot link. */
export const cannotLink: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

interface Holder extends ProcessIdentity {
  readonly token: string;
}

/** Whether a file in the store's directory belongs to the lock and is of no use to anyone but a process that makes one. */
export function isLockLeftover(name: string): boolean {
  return claimPattern.test(name);
}

export function isLockName(name: string): boolean {
  return name === lockName;
}

export class Lock {
  readonly #fs: FileSystem;
  readonly #path: string;
  readonly #token: string;

  private constructor(fs: FileSystem, path: string, token: string) {
    this.#fs = fs;
    this.#path = path;
    this.#token = token;
  }

  /**
   * Takes the store for this process.
   *
   * @throws StoreLockedError when another process has it, or may have it.
   */
  static async acquire(fs: FileSystem, directory: string): Promise<Lock> {
    const taker = new Taker(fs, directory);
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      if (await taker.take()) return new Lock(fs, taker.path, taker.self.token);
    }
    throw new StoreLockedError(
      directory,
      taker.claimant,
      'It is being taken over right now. Try again, or give this process another directory.',
    );
  }

  /** Gives the store back. */
  async release(): Promise<void> {
    const text = await readWhole(this.#fs, this.#path);
    if (text !== undefined && parseHolder(text)?.token === this.#token) await this.#fs.remove(this.#path);
  }
}

class Taker {
  readonly path: string;
  readonly self: Holder = { ...identifySelf(), token: nonce() };
  /** Who was taking it over when we last looked. */
  claimant: number | null = null;
  readonly #fs: FileSystem;
  readonly #directory: string;

  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
    this.path = join(directory, lockName);
  }

  /** Resolves false when somebody else was faster, and has to be looked at. */
  async take(): Promise<boolean> {
    const holder = await this.#readHolder(this.path);
    if (holder !== undefined) this.#refuse(holder, livenessOf(holder, this.self));
    const claim = holder && (await this.#findFreeClaim(holder));
    if (claim === null) return false;
    const temporary = join(this.#directory, temporaryName(lockName));
    await this.#writeTo(temporary);
    try {
      if (claim === undefined) return await this.#make(temporary, this.path);
      if (!(await this.#make(temporary, claim))) return false;
      const replaced = await this.#replaceDead(holder, temporary);
      await this.#fs.remove(claim).catch(() => {});
      return replaced;
    } finally {
      await this.#fs.remove(temporary).catch(() => {});
    }
  }

  /** The claim on the dead holder; on its claimant, if that died with the claim in hand; and so on. Null while a living one has it. */
  async #findFreeClaim(holder: Holder): Promise<string | null> {
    for (let dead = holder; ; ) {
      const claim = `${this.path}.${dead.token}.claim`;
      const claimant = await this.#readHolder(claim);
      if (claimant === undefined) return claim;
      const liveness = livenessOf(claimant, this.self);
      this.claimant = claimant.pid;
      if (liveness === 'alive') return null;
      this.#refuse(claimant, liveness);
      dead = claimant;
    }
  }

  /** With the claim in hand nobody else can replace this lock; but it may have been replaced before (L1). */
  async #replaceDead(dead: Holder | undefined, temporary: string): Promise<boolean> {
    const current = await this.#readHolder(this.path);
    if (current === undefined || current.token !== dead?.token) return false;
    await this.#fs.rename(temporary, this.path);
    return true;
  }

  /** Gives our file this name, too. Resolves false when the name is taken. */
  async #make(temporary: string, path: string): Promise<boolean> {
    try {
      await this.#fs.link(temporary, path);
      return true;
    } catch (error) {
      // ENOENT: the owner took our temporary file for a crashed process's.
      if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false;
      if (cannotLink.has(codeOf(error) ?? '')) return await this.#makeWithoutLink(path);
      throw error;
    }
  }

  async #makeWithoutLink(path: string): Promise<boolean> {
    try {
      await this.#writeTo(path);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  async #writeTo(path: string): Promise<void> {
    const file = await this.#fs.open(path, 'create');
    try {
      await writeAll(this.#fs, file, Buffer.from(encodeHolder(this.self)), 0);
      await syncFile(this.#fs, file, path);
    } catch (error) {
      await this.#fs.remove(path).catch(() => {});
      throw error;
    } finally {
      await this.#fs.close(file);
    }
  }

  async #readHolder(path: string): Promise<Holder | undefined> {
    const text = await readWhole(this.#fs, path);
    if (text === undefined) return undefined;
    const holder = parseHolder(text);
    if (holder === undefined)
      throw new StoreLockedError(this.#directory, null, `"${path}" does not say which one. ${this.#removeIt(path)}`);
    return holder;
  }

  #refuse(holder: Holder, liveness: Liveness): void {
    if (liveness === 'dead') return;
    const whatToDo =
      liveness === 'alive'
        ? 'Stop that one first, or give this process another directory.'
        : `It ran on host "${holder.host}", before a reboot, in another container or on another machine, so whether it lives cannot be seen from here. ${this.#removeIt(this.path)}`;
    throw new StoreLockedError(this.#directory, holder.pid, whatToDo);
  }

  #removeIt(path: string): string {
    return `When you are sure that no process uses this store, remove "${path}" and start again.`;
  }
}

export function parseHolder(text: Buffer): Holder | undefined {
  let holder: Partial<Record<keyof Holder, unknown>> | null;
  try {
    holder = JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof holder !== 'object' || holder === null) return undefined;
  const { pid, startedAt, boot, pidNamespace, host, token } = holder;
  if (!Number.isInteger(pid) || (pid as number) <= 0 || typeof host !== 'string' || typeof token !== 'string' || !tokenPattern.test(token))
    return undefined;
  const read = { pid: pid as number, startedAt: toText(startedAt), boot: toText(boot), pidNamespace: toText(pidNamespace), host, token };
  return encodeHolder(read) === text.toString('utf8') ? read : undefined;
}

/** It is right only byte for byte: a damaged lock must not be taken for that of a dead process. */
function encodeHolder({ pid, startedAt, boot, pidNamespace, host, token }: Holder): string {
  const json = JSON.stringify({ pid, startedAt, boot, pidNamespace, host, token });
  return `${json.slice(0, -1)},"crc":"${toChecksum(crc32(json))}"}\n`;
}

function toText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
