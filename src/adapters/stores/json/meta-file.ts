// `meta.json`: which shards make up the checkpoint, and from where on the log is needed. Whoever replaces it replaces
// the checkpoint, at once.
//
// Invariants:
//   E1. The file is right only byte for byte: what it says, written again, gives the same text.
//   E2. A file that is missing, empty, `null` or of another shape is an error, never an empty store.

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Adapter, Low } from 'lowdb';
import { StoreCorruptError, StoreFormatError } from '../../../runtime/store-errors.js';
import { readWhole, replaceFile, syncNames } from './durable-file.js';
import type { FileSystem } from './file-system.js';
import { toChecksum } from './log-line.js';

const format = 'rouse-store';
/** The format that is written. Older ones are upgraded when the store is opened (upgrade.ts). */
export const formatVersion = 2;
/** In place of the format's name while a copy of a store is being made: what it leads to is not to be opened. */
const unfinished = 'rouse-unfinished-copy';

export const metaName = 'meta.json';

export interface Meta {
  /** Counts checkpoints; no two files of a shard have the same. */
  readonly generation: number;
  /** The log is needed from this sequence number on, and a segment begins with it. */
  readonly logFrom: number;
  /** The generation of each shard's file, 0 for a shard that has none. */
  readonly instance: readonly number[];
  readonly mailbox: readonly number[];
}

/** What was read, and the version of the format that it is in. */
export interface StoredMeta extends Meta {
  readonly version: number;
}

export const emptyMeta: StoredMeta = { version: formatVersion, generation: 0, logFrom: 1, instance: [0], mailbox: [0] };

/** What stands in the place of `meta.json` until a copy of a store is whole. */
export const unfinishedMeta = `{"format":"${unfinished}"}\n`;

export class MetaFile {
  readonly #adapter: MetaAdapter;

  constructor(fs: FileSystem, directory: string) {
    this.#adapter = new MetaAdapter(fs, directory);
  }

  get path(): string {
    return this.#adapter.path;
  }

  /**
   * Resolves undefined when there is none.
   *
   * @throws StoreCorruptError, StoreFormatError
   */
  async read(): Promise<StoredMeta | undefined> {
    const low = new Low<StoredMeta>(this.#adapter, emptyMeta);
    await low.read();
    // lowdb keeps what it had when there is no file: then, and only then, it is what we gave it.
    return low.data === emptyMeta ? undefined : low.data;
  }

  /** It is durable when this resolves. In a copy of a store the format is that of the original. */
  async write(meta: Meta, version = formatVersion): Promise<void> {
    await new Low<StoredMeta>(this.#adapter, { ...meta, version }).write();
  }
}

class MetaAdapter implements Adapter<StoredMeta> {
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #directory: string;

  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
    this.path = join(directory, metaName);
  }

  async read(): Promise<StoredMeta | null> {
    const data = await readWhole(this.#fs, this.path);
    if (data === undefined) return null;
    return this.#decode(data.toString('utf8'));
  }

  async write(meta: StoredMeta): Promise<void> {
    await replaceFile(this.#fs, this.#directory, metaName, Buffer.from(encodeMeta(meta)));
    await syncNames(this.#fs, this.#directory);
  }

  #decode(text: string): StoredMeta {
    const value = this.#parse(text) as Partial<Record<string, unknown>> | null;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new StoreCorruptError(this.path, 0, 'it holds no object');
    if (value.format === unfinished) {
      throw new StoreFormatError(this.#directory, 'it is a copy of a store that was not finished. Make another copy');
    }
    if (value.format !== format) {
      throw new StoreFormatError(
        this.#directory,
        `its ${metaName} is not that of a rouse store, or is damaged. Give a directory of its own, or restore the file`,
      );
    }
    const { meta, version } = value;
    if (typeof version === 'number' && version > formatVersion) {
      throw new StoreFormatError(
        this.#directory,
        `its format ${version} is newer than this version of rouse reads (${formatVersion}). Use the version that wrote it`,
      );
    }
    if (isMeta(meta) && isCount(version) && version > 0) {
      const stored = { ...meta, version };
      if (encodeMeta(stored) === text) return stored;
    }
    throw new StoreCorruptError(this.path, 0, 'its checksum or its shape is wrong');
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (error) {
      const position = /position ([0-9]+)/.exec(String(error))?.[1];
      throw new StoreCorruptError(this.path, Number(position ?? text.length), 'it is no JSON');
    }
  }
}

function encodeMeta({ version, generation, logFrom, instance, mailbox }: StoredMeta): string {
  const meta = JSON.stringify({ generation, logFrom, instance, mailbox });
  return `{"format":"${format}","version":${version},"crc":"${toChecksum(crc32(meta))}","meta":${meta}}\n`;
}

function isMeta(value: unknown): value is Meta {
  if (typeof value !== 'object' || value === null) return false;
  const { generation, logFrom, instance, mailbox } = value as Partial<Record<keyof Meta, unknown>>;
  return isCount(generation) && isCount(logFrom) && isShardList(instance) && isShardList(mailbox);
}

function isShardList(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isCount);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
