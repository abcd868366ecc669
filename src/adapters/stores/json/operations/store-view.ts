// A store as it stands on disk at one moment, for those who only read it while its owner, in whatever process, goes on.
// All files of a checkpoint, and the log behind it, are opened at once and stay open: the owner may remove them, and they
// can still be read. What is opened too late begins anew with the checkpoint that replaced it.
//
// Invariants:
//   SV1. Whatever is read through one view belongs to one checkpoint and the log behind it.
//   SV2. All that had been acknowledged when a view was opened is in it.

import { join } from 'node:path';
import { RouseError } from '../../../../runtime/errors.js';
import { limits } from '../../../../runtime/limits.js';
import type { Table } from '../../../../runtime/ports.js';
import { StoreCorruptError, StoreFormatError, StoreReadError } from '../../../../runtime/store-errors.js';
import { codeOf, messageOf, readWhole } from '../durable-file.js';
import type { FileId, FileSystem } from '../file-system.js';
import { encodeMarker } from '../log-line.js';
import { findSegments } from '../log-segment.js';
import { MetaFile, type StoredMeta } from '../meta-file.js';
import { isShardName, parseShardName, type ShardPlace, toShardName } from '../shard-file.js';
import type { HeldSegment } from './log-walk.js';

const tooManyFiles = new Set(['EMFILE', 'ENFILE']);

/** What is read changed meanwhile: it has to be begun anew. Nobody outside sees it. */
export class Outdated extends Error {
  readonly code = 'STORE_OUTDATED';
}

export interface StoreFiles {
  readonly fs: FileSystem;
  readonly root: string;
}

/** Runs a task on a view; anew, on another one, when it finds that its files were taken away. */
export async function withView<T>(files: StoreFiles, task: (view: StoreView) => Promise<T>): Promise<T> {
  for (let reading = 0; reading < limits.storeReadingsMax; reading += 1) {
    const view = new StoreView(files);
    try {
      await view.open();
      return await task(view);
    } catch (error) {
      if (!(error instanceof Outdated)) throw error;
    } finally {
      await view.close();
    }
  }
  throw new StoreReadError(files.root, `it was changed ${limits.storeReadingsMax} times before all of it was read`);
}

export class StoreView {
  readonly segments: HeldSegment[] = [];
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #metaFile: MetaFile;
  readonly #shards = new Map<string, FileId>();
  readonly #files: FileId[] = [];
  #meta: StoredMeta | undefined;

  constructor({ fs, root }: StoreFiles) {
    this.#fs = fs;
    this.#root = root;
    this.#metaFile = new MetaFile(fs, root);
  }

  get meta(): StoredMeta {
    if (this.#meta === undefined) throw new Error('The view was not opened.');
    return this.#meta;
  }

  /** The shards that the checkpoint is made of, of one table. */
  places(table: Table): ShardPlace[] {
    return this.meta[table].map((generation, shard) => ({ table, shard, generation }));
  }

  pathOf(place: ShardPlace): string {
    return join(this.#root, 'shards', toShardName(place));
  }

  /** @throws StoreFormatError when there is no store, StoreCorruptError when meta.json is damaged, StoreReadError */
  async open(meta?: StoredMeta): Promise<void> {
    // A copy that is being made has no meta.json of its own yet.
    this.#meta = meta ?? (await this.#readMeta());
    await this.#holdSegments();
    await this.#holdShards();
  }

  /** Takes what files there are, for a store whose meta.json is lost: of each shard the newest, and all of the log. */
  async openWithoutMeta(): Promise<void> {
    const shards = (await listOrNone(this.#fs, join(this.#root, 'shards'))).flatMap((name) => parseShardName(name) ?? []);
    const [first] = findSegments(await listOrNone(this.#fs, join(this.#root, 'log')));
    const [instance, mailbox] = [newestOf(shards, 'instance'), newestOf(shards, 'mailbox')];
    this.#meta = { version: 0, generation: 0, logFrom: first?.firstSeq ?? 1, instance, mailbox };
    await this.#holdSegments();
    await this.#holdShards();
  }

  async close(): Promise<void> {
    this.#shards.clear();
    for (const file of this.#files.splice(0)) await this.#fs.close(file);
  }

  /**
   * Uses a shard's file. Resolves undefined when there is none.
   *
   * @throws Outdated when another checkpoint has taken it away
   */
  async useShard<T>(place: ShardPlace, use: (file: FileId) => Promise<T>): Promise<T | undefined> {
    const held = this.#shards.get(toShardName(place));
    if (held !== undefined) return use(held);
    const file = await this.#openShard(place);
    if (file === undefined) return undefined;
    try {
      return await use(file);
    } finally {
      await this.#fs.close(file);
    }
  }

  async #readMeta(): Promise<StoredMeta> {
    // A directory that is not there is another error than one without a store.
    await this.#fs.list(this.#root).catch((error: unknown) => {
      throw unreadable(this.#root, error);
    });
    const meta = await this.#metaFile.read().catch((error: unknown) => {
      throw error instanceof RouseError ? error : unreadable(this.#metaFile.path, error);
    });
    if (meta !== undefined) return meta;
    if (await this.#hasData()) throw new StoreCorruptError(this.#metaFile.path, 0, 'the file is missing, though the store has data');
    throw new StoreFormatError(this.#root, 'it holds no store: it has no meta.json');
  }

  /** A store that is just being made has a log without a commit. */
  async #hasData(): Promise<boolean> {
    if ((await listOrNone(this.#fs, join(this.#root, 'shards'))).some(isShardName)) return true;
    const directory = join(this.#root, 'log');
    for (const { name, firstSeq } of findSegments(await listOrNone(this.#fs, directory))) {
      const segment = await readWhole(this.#fs, join(directory, name));
      if (firstSeq > 1 || (segment !== undefined && segment.byteLength > encodeMarker(1, 0, false).length)) return true;
    }
    return false;
  }

  async #holdSegments(): Promise<void> {
    const directory = join(this.#root, 'log');
    const names = await listOrNone(this.#fs, directory);
    for (const segment of findSegments(names)) {
      if (segment.firstSeq < this.meta.logFrom) continue;
      const path = join(directory, segment.name);
      const file = await openOrUndefined(this.#fs, path);
      if (file === undefined) throw new Outdated();
      this.#files.push(file);
      this.segments.push({ segment, path, file, size: await this.#fs.size(file) });
    }
    if (this.segments[0]?.segment.firstSeq !== this.meta.logFrom) await this.#assertCurrent();
  }

  /** All of them or none: more than may be open at once are opened when they are read. */
  async #holdShards(): Promise<void> {
    const places = [...this.places('instance'), ...this.places('mailbox')].filter(({ generation }) => generation > 0);
    if (places.length > limits.storeFilesHeldMax) return;
    for (const place of places) {
      try {
        const file = await this.#openShard(place);
        if (file === undefined) continue;
        this.#files.push(file);
        this.#shards.set(toShardName(place), file);
      } catch (error) {
        if (error instanceof Outdated) throw error;
        // Whoever uses it is told why it cannot be opened. More than a process may hold are not held.
        if (!tooManyFiles.has(codeOf((error as Error).cause) ?? '')) continue;
        await this.#letGoOfShards();
        return;
      }
    }
  }

  async #letGoOfShards(): Promise<void> {
    const shards = new Set(this.#shards.values());
    this.#shards.clear();
    const others = this.#files.filter((file) => !shards.has(file));
    this.#files.splice(0, this.#files.length, ...others);
    for (const file of shards) await this.#fs.close(file);
  }

  async #openShard(place: ShardPlace): Promise<FileId | undefined> {
    const file = await openOrUndefined(this.#fs, this.pathOf(place));
    if (file === undefined) await this.#assertCurrent();
    return file;
  }

  /** @throws Outdated when there is another checkpoint than this one's */
  async #assertCurrent(): Promise<void> {
    if (this.meta.version === 0) return;
    const meta = await this.#metaFile.read();
    if (JSON.stringify(meta) !== JSON.stringify(this.meta)) throw new Outdated();
  }
}

async function openOrUndefined(fs: FileSystem, path: string): Promise<FileId | undefined> {
  try {
    return await fs.open(path, 'read');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
}

async function listOrNone(fs: FileSystem, directory: string): Promise<string[]> {
  try {
    return await fs.list(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw unreadable(directory, error);
  }
}

/** By number, 0 for one that there is not. */
function newestOf(places: readonly ShardPlace[], table: Table): number[] {
  const generations: number[] = [];
  for (const { shard, generation } of places.filter((place) => place.table === table))
    generations[shard] = Math.max(generations[shard] ?? 0, generation);
  return Array.from(generations, (generation) => generation ?? 0);
}

function unreadable(path: string, error: unknown): StoreReadError {
  const code = codeOf(error);
  const reason = code === 'ENOENT' ? 'there is no such directory' : code === 'ENOTDIR' ? 'it is not a directory' : messageOf(error);
  return new StoreReadError(path, reason, { cause: error });
}
