// The JSON store: a write-ahead log of commits and, behind it, a checkpoint of sharded files written through lowdb.
// Everything is plain text that can be read with any tool. This file wires its parts; see log.ts for durability,
// checkpoint.ts for what happens in the background, recovery.ts for opening.
//
// Invariants:
//   J1. An append resolves after its batch is synced, and rows show it then, all of it at once.
//   J2. Appends, segment changes and the seal follow one another; none begins before the one before it has ended.
//   J3. Whatever happens while opening, the lock is given back and no file stays open.

import { join, resolve } from 'node:path';
import { RouseError } from '../../../runtime/errors.js';
import { type Head, LOOK_AT, toHead } from '../../../runtime/head.js';
import { limits } from '../../../runtime/limits.js';
import type { MailboxRecord } from '../../../runtime/mailbox-record.js';
import type { Commit, Logger, OpenStore, Recovery, StoreOpenOptions, StorePort } from '../../../runtime/ports.js';
import type { InstanceRecord } from '../../../runtime/record.js';
import { StoreCorruptError, StoreFailedError, StoreUnavailableError } from '../../../runtime/store-errors.js';
import { Checkpointer, type LogBounds, type StoreDirectories } from './checkpoint.js';
import { codeOf, messageOf } from './durable-file.js';
import { FileCache } from './file-cache.js';
import { type FileSystem, nodeFileSystem } from './file-system.js';
import { Lock } from './lock.js';
import type { Log } from './log.js';
import { MetaFile } from './meta-file.js';
import { type Recovered, recover } from './recovery.js';
import type { Tables } from './tables.js';
import { upgradeIfOlder } from './upgrade.js';

/**
 * Gives a store in a directory, which is made when it is missing. One process has it at a time. What was acknowledged
 * is on disk: it survives a crash of the process and of the machine.
 *
 * @example
 * const runtime = await createRuntime({ workflows: [provision], store: jsonStore('/var/lib/shop') });
 */
export function jsonStore(directory: string, options: JsonStoreOptions = {}): StorePort {
  return new JsonStore(resolve(directory), options);
}

export interface JsonStoreOptions {
  /** The disk that it is on: this machine's, unless a simulated one is given (`createSimulatedDisk` of `rouse/testing`). */
  readonly fileSystem?: FileSystem | undefined;
  /** A checkpoint begins when the log behind the last one is half as many bytes as that, and between these bounds. Default 8 and 64 MiB. */
  readonly logBytesMin?: number | undefined;
  readonly logBytesMax?: number | undefined;
}

class JsonStore implements StorePort {
  readonly kind = 'json';
  readonly #directories: StoreDirectories;
  readonly #fs: FileSystem;
  readonly #logBytes: LogBounds;

  constructor(root: string, { fileSystem = nodeFileSystem, logBytesMin, logBytesMax }: JsonStoreOptions) {
    this.#directories = { root, log: join(root, 'log'), shards: join(root, 'shards') };
    this.#fs = fileSystem;
    this.#logBytes = { min: logBytesMin ?? limits.storeLogBytesMin, max: logBytesMax ?? limits.storeLogBytesMax };
  }

  async open({ logger }: StoreOpenOptions): Promise<OpenStore> {
    const { root } = this.#directories;
    try {
      await this.#fs.makeDirectory(root);
      const metaFile = new MetaFile(this.#fs, root);
      // Another tool's directory, or a newer format, is refused before even the lock is written.
      await metaFile.read();
      const lock = await Lock.acquire(this.#fs, root);
      return await this.#openLocked(lock, metaFile, logger);
    } catch (error) {
      if (error instanceof RouseError) throw error;
      throw new StoreUnavailableError(root, reasonOf(error), { cause: error });
    }
  }

  async #openLocked(lock: Lock, metaFile: MetaFile, logger: Logger): Promise<OpenStore> {
    const cache = new FileCache(this.#fs);
    const parts = { fs: this.#fs, directories: this.#directories, cache, metaFile, logger };
    try {
      await upgradeIfOlder(parts);
      const recovered = await recover(parts);
      const gate = new Gate();
      const { tables, log, meta, logBytes } = recovered;
      const checkpointer = new Checkpointer(
        { ...parts, tables, log, betweenAppends: (task) => gate.run(task) },
        { meta, logBytes, bounds: this.#logBytes },
      );
      return new OpenJsonStore({ recovered, lock, cache, checkpointer, gate, logger });
    } catch (error) {
      cache.close();
      await lock.release().catch(() => {});
      throw error;
    }
  }
}

interface OpenParts {
  readonly recovered: Recovered;
  readonly lock: Lock;
  readonly cache: FileCache;
  readonly checkpointer: Checkpointer;
  readonly gate: Gate;
  readonly logger: Logger;
}

class OpenJsonStore implements OpenStore {
  readonly recovery: Recovery;
  readonly #log: Log;
  readonly #tables: Tables;
  readonly #lock: Lock;
  readonly #cache: FileCache;
  readonly #checkpointer: Checkpointer;
  readonly #gate: Gate;
  readonly #logger: Logger;
  #batches = 0;
  #closing: Promise<void> | null = null;

  constructor({ recovered, lock, cache, checkpointer, gate, logger }: OpenParts) {
    this.recovery = recovered.recovery;
    this.#log = recovered.log;
    this.#tables = recovered.tables;
    this.#lock = lock;
    this.#cache = cache;
    this.#checkpointer = checkpointer;
    this.#gate = gate;
    this.#logger = logger;
    checkpointer.considerRun();
  }

  visitHeads(visit: (id: string, head: Head) => void): void {
    const { instances } = this.#tables;
    instances.visitHeads(visit, (id) => {
      const head = headOf(() => instances.read(id));
      if (head !== undefined) visit(id, head);
    });
  }

  instanceIds(): Iterable<string> {
    return this.#tables.instances.keys();
  }

  hasInstance(id: string): boolean {
    return this.#tables.instances.has(id);
  }

  mailboxes(): Iterable<MailboxRecord> {
    return this.#tables.mailboxes.records();
  }

  append(commits: readonly Commit[]): Promise<void> {
    if (this.#closing !== null) return Promise.reject(new StoreFailedError('it was closed'));
    if (commits.length === 0) return Promise.resolve();
    return this.#gate.run(() => this.#append(commits));
  }

  readInstance(id: string): InstanceRecord | undefined {
    return this.#tables.instances.read(id);
  }

  readMailbox(address: string): MailboxRecord | undefined {
    return this.#tables.mailboxes.read(address);
  }

  figures(): Readonly<Record<string, number>> {
    return {
      instances: this.#tables.instances.size,
      mailboxes: this.#tables.mailboxes.size,
      shards: this.#tables.instances.shards.length + this.#tables.mailboxes.shards.length,
      commits: this.#log.durableSeq,
      batches: this.#batches,
      logBytes: this.#checkpointer.logBytes,
      checkpoints: this.#checkpointer.count,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  crash(): Promise<void> {
    this.#closing ??= this.#crash();
    return this.#closing;
  }

  async #append(commits: readonly Commit[]): Promise<void> {
    await this.#log.append(commits);
    if (this.#batches === 0) this.#tables.releaseHeads();
    this.#tables.apply(commits, this.#log.durableSeq);
    this.#batches += 1;
    if (this.#closing === null) this.#checkpointer.considerRun();
  }

  /** What is being written is waited for: it may be on disk or not, as after a crash. */
  async #crash(): Promise<void> {
    this.#log.fail(new StoreFailedError('it was let go of as in a crash'));
    await this.#checkpointer.idle();
    await this.#gate.run(() => this.#log.close().catch(() => {}));
    this.#cache.close();
    await this.#release();
  }

  async #close(): Promise<void> {
    await this.#gate.idle();
    await this.#checkpointer.finish();
    await this.#gate.run(() => this.#seal());
    await this.#log.close().catch(() => {});
    this.#cache.close();
    await this.#release();
  }

  /** A lock that stays is taken over once this process has ended. */
  async #release(): Promise<void> {
    try {
      await this.#lock.release();
    } catch (error) {
      this.#logger.log('warn', 'The store could not give its lock back: nobody else can open it while this process lives.', {
        error: messageOf(error),
      });
    }
  }

  /** Without a seal the next opening takes this one for crashed, which costs it little. */
  async #seal(): Promise<void> {
    try {
      await this.#log.seal();
    } catch (error) {
      this.#logger.log('warn', 'The store could not seal its log: it will recover as after a crash.', { error: messageOf(error) });
    }
  }
}

/** One record that does not fold keeps nobody from opening the store: whoever looks at it finds out why. */
function headOf(read: () => InstanceRecord | undefined): Head | undefined {
  try {
    const record = read();
    return record && toHead(record);
  } catch (error) {
    if (error instanceof StoreCorruptError) return LOOK_AT;
    throw error;
  }
}

/** Lets one task at a time run, in the order in which they came. */
class Gate {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Waits for those that came before. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM') return 'this process may not write there';
  if (code === 'EROFS') return 'it is on a read-only file system';
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'it is not a directory';
  return messageOf(error);
}
