// A table: rows spread over shards by the hash of their key. It grows by linear hashing: one shard at a time is split
// in two, so growth never touches more than a shard, and the number of shards alone says where a key belongs.
//
// Invariants:
//   T4. A key is in the shard that its hash and the number of shards give. Keys are never part of a file's name.
//   T5. The number of shards does not change while a checkpoint runs: what it writes are the shards it began with.

import type { Head } from '../../../runtime/head.js';
import { limits } from '../../../runtime/limits.js';
import type { Change } from '../../../runtime/ports.js';
import { StoreCorruptError, StoreReadError } from '../../../runtime/store-errors.js';
import { messageOf } from './durable-file.js';
import type { FileCache } from './file-cache.js';
import { foldTexts, type RowCodec } from './row-codec.js';
import { type Row, type RowSnapshot, Shard } from './shard.js';
import type { RowPlace, ShardFile } from './shard-file.js';

export interface TableOptions<R> {
  readonly codec: RowCodec<R>;
  readonly cache: FileCache;
  /** Where deltas that have no base come from, for whoever is told that they are damaged. */
  readonly logPath: string;
  readonly shards: number;
}

export class ShardTable<R> {
  readonly codec: RowCodec<R>;
  /** Set while a checkpoint runs (T5). */
  frozen = false;
  readonly #cache: FileCache;
  readonly #logPath: string;
  readonly #shards: Shard[] = [];
  #size = 0;

  constructor({ codec, cache, logPath, shards }: TableOptions<R>) {
    this.codec = codec;
    this.#cache = cache;
    this.#logPath = logPath;
    for (let number = 0; number < shards; number += 1) this.#shards.push(new Shard(number));
  }

  get shards(): readonly Shard[] {
    return this.#shards;
  }

  /** Rows, mailboxes that were emptied since the last checkpoint among them. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of its files. */
  get bytes(): number {
    const files = new Set(this.#shards.map((shard) => shard.file));
    let bytes = 0;
    for (const file of files) bytes += file?.bytes ?? 0;
    return bytes;
  }

  shardOf(key: string): Shard {
    return this.#shardAt(toShardIndex(hashKey(key), this.#shards.length));
  }

  /** Adds a committed delta. */
  push(key: string, delta: string): void {
    const shard = this.shardOf(key);
    const before = shard.rows.size;
    shard.push(key, delta);
    this.#size += shard.rows.size - before;
    if (this.#size > this.#shards.length * limits.storeShardRows && !this.frozen) this.split();
  }

  /** Adds a delta from the log, unless the shard's file has it already. */
  recover(seq: number, { key, delta }: Pick<Change, 'key' | 'delta'>): void {
    if (seq > this.shardOf(key).upTo) this.push(key, delta);
  }

  /** Gives a shard the rows of its file. */
  adopt(file: ShardFile, places: readonly RowPlace[]): void {
    this.#shardAt(file.shard).adopt(file, places);
    this.#size += places.length;
  }

  /** Lets a shard go over to the file that a checkpoint wrote of it. */
  replaceFile(
    shard: Shard,
    written: { readonly file: ShardFile; readonly rows: readonly RowPlace[] },
    snapshot: readonly RowSnapshot[],
  ): void {
    const before = shard.rows.size;
    shard.replaceFile(written.file, written.rows, snapshot);
    this.#size += shard.rows.size - before;
  }

  has(key: string): boolean {
    return this.shardOf(key).rows.has(key);
  }

  *keys(): Generator<string> {
    for (const shard of this.#shards) yield* shard.rows.keys();
  }

  /** The committed record, folded anew for each reader. */
  read(key: string): R | undefined {
    const shard = this.shardOf(key);
    const row = shard.rows.get(key);
    return row && this.#fold(shard, key, row);
  }

  *records(): Generator<R> {
    for (const shard of this.#shards) {
      for (const key of shard.rows.keys()) {
        const record = this.read(key);
        if (record !== undefined) yield record;
      }
    }
  }

  /** Tells the heads of rows that the log has not changed since, and the keys of the others: of all, once heads are released. */
  visitHeads(visit: (key: string, head: Head) => void, visitChanged: (key: string) => void): void {
    for (const shard of this.#shards) {
      // A file may also hold rows that were removed, or that a split gave to another shard.
      const hasHeads = shard.file?.hasHeads === true;
      shard.file?.visitHeads((key, offset, head) => {
        const row = shard.rows.get(key);
        if (row !== undefined && row.tail === null && row.offset === offset) visit(key, head);
      });
      for (const [key, row] of shard.rows) {
        if (row.tail === null && hasHeads) continue;
        visitChanged(key);
      }
    }
  }

  /** The heads are needed no more. */
  releaseHeads(): void {
    for (const shard of this.#shards) shard.file?.releaseHeads();
  }

  /** Adds a shard, and gives it the rows that now belong there. */
  split(): void {
    const count = this.#shards.length;
    const made = new Shard(count);
    const from = this.#shardAt(toParentIndex(count));
    made.file = from.file;
    made.dirty = true;
    from.dirty = true;
    this.#shards.push(made);
    for (const [key, row] of from.rows) {
      if (this.shardOf(key) !== made) continue;
      made.rows.set(key, row);
      from.rows.delete(key);
    }
  }

  /** What has the right checksum and still does not fold was written wrong. */
  #fold(shard: Shard, key: string, row: Row): R | undefined {
    try {
      const body = shard.file !== null && row.length > 0 ? shard.file.readBody(this.#cache, key, row) : undefined;
      return foldTexts(this.codec, key, body, row.tail ?? []);
    } catch (error) {
      if (error instanceof StoreReadError || error instanceof StoreCorruptError) throw error;
      throw new StoreCorruptError(
        row.length > 0 && shard.file !== null ? shard.file.path : this.#logPath,
        row.offset,
        `the record of ${this.codec.table} ${JSON.stringify(key)} cannot be read (${messageOf(error)})`,
      );
    }
  }

  #shardAt(index: number): Shard {
    const shard = this.#shards[index];
    if (shard === undefined) throw new RangeError(`Table ${this.codec.table} has no shard ${index}.`);
    return shard;
  }
}

/** FNV-1a, and a last mix for its weak low bits. Part of the format: it says which file a key is in. */
export function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** The shard of a hash among this many. With one shard more, only the keys of one shard move. */
export function toShardIndex(hash: number, count: number): number {
  const high = 1 << (32 - Math.clz32(count - 1));
  const index = hash & (high - 1);
  return index < count ? index : index - (high >>> 1);
}

/** The shard that is split when one is added to this many. */
function toParentIndex(count: number): number {
  return count - (1 << (31 - Math.clz32(count)));
}
