// Checkpoints: in the background, shard by shard, what the log says is folded into new shard files; then the log
// behind them is removed. Commits go on meanwhile, into a new segment.
//
// Invariants:
//   K1. A shard file holds exactly the durable commits up to its `upTo`, though rows change while it is written.
//   K2. Shard files and log segments are removed only after their replacements were read back and a durable
//       meta.json names them. A crash at any point leaves the old checkpoint or the new one, and the log it needs.
//   K3. A checkpoint that fails changes nothing that was acknowledged: it is tried again later. A sync that fails
//       makes the store fail.
//   K4. No slice of it folds or copies more than a little before others run.

import { join } from 'node:path';
import { limits } from '../../../runtime/limits.js';
import type { Logger } from '../../../runtime/ports.js';
import { StoreFailedError } from '../../../runtime/store-errors.js';
import { codeOf, messageOf, syncNames } from './durable-file.js';
import type { FileCache } from './file-cache.js';
import type { FileSystem } from './file-system.js';
import type { Log } from './log.js';
import { findSegments } from './log-segment.js';
import type { Meta, MetaFile } from './meta-file.js';
import type { RowCodec } from './row-codec.js';
import type { RowSnapshot, Shard } from './shard.js';
import { isShardName, ShardFile } from './shard-file.js';
import type { RowImage } from './shard-format.js';
import type { ShardTable } from './shard-table.js';
import type { Tables } from './tables.js';

/** Captured here: tests replace timers, and a checkpoint must not wait for theirs. */
const runLater = setImmediate;

export interface CheckpointParts {
  readonly fs: FileSystem;
  readonly directories: StoreDirectories;
  readonly cache: FileCache;
  readonly log: Log;
  readonly tables: Tables;
  readonly metaFile: MetaFile;
  readonly logger: Logger;
  /** Runs a task while no append is under way. */
  readonly betweenAppends: <T>(task: () => Promise<T>) => Promise<T>;
}

export interface StoreDirectories {
  readonly root: string;
  readonly log: string;
  readonly shards: string;
}

export interface CheckpointStart {
  readonly meta: Meta;
  /** Bytes of log that are not in the checkpoint. */
  readonly logBytes: number;
  readonly bounds: LogBounds;
}

/** How long the log may become before a checkpoint begins: half the last one's bytes, within these bounds. */
export interface LogBounds {
  readonly min: number;
  readonly max: number;
}

export class Checkpointer {
  readonly #parts: CheckpointParts;
  readonly #bounds: LogBounds;
  #generation: number;
  /** Bytes of the log up to the checkpoint; below zero for what was there before it was opened. */
  #checkpointedBytes: number;
  #tableBytes: number;
  #retryAtBytes = 0;
  #running: Promise<void> | null = null;
  #count = 0;

  constructor(parts: CheckpointParts, { meta, logBytes, bounds }: CheckpointStart) {
    this.#parts = parts;
    this.#generation = meta.generation;
    this.#checkpointedBytes = -logBytes;
    this.#bounds = bounds;
    this.#tableBytes = parts.tables.bytes;
  }

  /** Checkpoints written since the store was opened. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of log that are not in the checkpoint. */
  get logBytes(): number {
    return this.#parts.log.bytes - this.#checkpointedBytes;
  }

  /** Begins a checkpoint in the background when the log has become long. */
  considerRun(): void {
    if (this.#running !== null || this.logBytes < Math.max(this.#threshold(), this.#retryAtBytes)) return;
    void this.run();
  }

  /** Waits for the checkpoint that runs, if one does. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Waits for the checkpoint that runs, and writes a last one when that makes the next opening much shorter. */
  async finish(): Promise<void> {
    await this.#running;
    if (this.logBytes >= this.#threshold() / 8) await this.run();
  }

  /** Writes a checkpoint. Never rejects: its failure is the log's growth, not its caller's. */
  run(): Promise<void> {
    this.#running ??= this.#write()
      .catch((error: unknown) => this.#onFailure(error))
      .finally(() => {
        this.#running = null;
      });
    return this.#running;
  }

  #threshold(): number {
    return Math.max(this.#bounds.min, Math.min(this.#bounds.max, this.#tableBytes / 2));
  }

  /** What is done in one go: more when the log grows faster than its checkpoints. */
  #sliceWork(): number {
    return limits.storeSliceWork * Math.max(1, Math.min(limits.storeHasteMax, this.logBytes / this.#threshold() - 1));
  }

  #onFailure(error: unknown): void {
    const { log, logger } = this.#parts;
    this.#retryAtBytes = this.logBytes + this.#threshold() / 4;
    if (error instanceof StoreFailedError) log.fail(error);
    if (codeOf(error) === 'ENOENT') log.fail(new StoreFailedError('its directory is gone, or a part of it', { cause: error }));
    logger.log('error', 'The store could not write a checkpoint; the log grows until it can.', {
      error: messageOf(error),
      logBytes: this.logBytes,
    });
  }

  async #write(): Promise<void> {
    const { log, tables, metaFile, fs, directories } = this.#parts;
    if (log.failure !== null) return;
    await growTable(tables.instances);
    await growTable(tables.mailboxes);
    tables.freeze(true);
    try {
      const { logFrom, bytes } = await this.#parts.betweenAppends(async () => ({ logFrom: await log.rotate(), bytes: log.bytes }));
      this.#generation += 1;
      await this.#writeShards(tables.instances);
      await this.#writeShards(tables.mailboxes);
      await syncNames(fs, directories.shards);
      const meta = {
        generation: this.#generation,
        logFrom,
        instance: toGenerations(tables.instances.shards),
        mailbox: toGenerations(tables.mailboxes.shards),
      };
      await metaFile.write(meta);
      this.#checkpointedBytes = bytes;
      this.#retryAtBytes = 0;
      this.#tableBytes = tables.bytes;
      this.#count += 1;
      await this.#removeReplaced(logFrom);
      this.#parts.logger.log('debug', 'The store wrote a checkpoint.', { generation: meta.generation, logFrom, bytes: this.#tableBytes });
    } finally {
      tables.freeze(false);
    }
  }

  /** Several at a time: each takes the disk a few turns, and under load a turn of the loop is long. */
  async #writeShards<R>(table: ShardTable<R>): Promise<void> {
    await forEach(
      table.shards.filter((shard) => shard.dirty),
      (shard) => this.#writeShard(table, shard),
    );
  }

  async #writeShard<R>(table: ShardTable<R>, shard: Shard): Promise<void> {
    const { fs, directories, tables } = this.#parts;
    // What comes from here on makes it dirty again, and stays in the log (K1).
    const upTo = tables.appliedSeq;
    const snapshot = shard.snapshot();
    shard.dirty = false;
    try {
      const images = await this.#toImages(table.codec, shard, snapshot);
      const place = { table: table.codec.table, shard: shard.number, generation: this.#generation };
      table.replaceFile(shard, await ShardFile.write(fs, directories.shards, place, { upTo, images }), snapshot);
    } catch (error) {
      shard.dirty = true;
      throw error;
    }
  }

  async #toImages<R>(codec: RowCodec<R>, shard: Shard, snapshot: readonly RowSnapshot[]): Promise<RowImage[]> {
    const old = await shard.file?.readImages(this.#parts.fs);
    const images: RowImage[] = [];
    let work = 0;
    for (const each of snapshot) {
      const image = toNewImage(codec, each, each.row.length > 0 ? old?.get(each.key) : undefined);
      if (image !== undefined) images.push(image);
      if (each.tailLength > 0) work += limits.storeFoldWork + (image?.body.byteLength ?? 0) / limits.storeFoldBytes;
      work += 1;
      if (work < this.#sliceWork()) continue;
      work = 0;
      await letOthersRun();
    }
    return images;
  }

  /** What cannot be removed now is removed by the next checkpoint, or at the next opening. */
  async #removeReplaced(logFrom: number): Promise<void> {
    const { fs, directories, tables, cache, logger } = this.#parts;
    const used = new Set([...tables.instances.shards, ...tables.mailboxes.shards].map((shard) => shard.file?.name));
    try {
      const shards = (await fs.list(directories.shards)).filter((name) => isShardName(name) && !used.has(name));
      for (const name of shards) cache.forget(join(directories.shards, name));
      await forEach(shards, (name) => fs.remove(join(directories.shards, name)));
      const segments = findSegments(await fs.list(directories.log)).filter((segment) => segment.firstSeq < logFrom);
      await forEach(segments, (segment) => fs.remove(join(directories.log, segment.name)));
    } catch (error) {
      logger.log('warn', 'The store could not remove files that a checkpoint has replaced.', { error: messageOf(error) });
    }
  }
}

/** A row's place in the next file: copied as it is, or made anew; undefined when nothing is left of it. */
function toNewImage<R>(codec: RowCodec<R>, { key, row, tailLength }: RowSnapshot, old: RowImage | undefined): RowImage | undefined {
  if (tailLength === 0 && old !== undefined) return old;
  return codec.toImage(key, old, row.tail?.slice(0, tailLength) ?? []);
}

async function growTable<R>(table: ShardTable<R>): Promise<void> {
  const wanted = Math.ceil(table.bytes / limits.storeShardBytes);
  while (table.shards.length < wanted) {
    table.split();
    await letOthersRun();
  }
}

/** Does this to all items, a few at a time; the first failure is told when nothing is under way any more. */
async function forEach<T>(items: readonly T[], visit: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const failures: unknown[] = [];
  const visitRest = async (): Promise<void> => {
    for (const item of rest) {
      if (failures.length > 0) return;
      await visit(item).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: limits.storeWritesMax }, visitRest));
  if (failures.length > 0) throw failures.find((each) => each instanceof StoreFailedError) ?? failures[0];
}

function toGenerations(shards: readonly Shard[]): number[] {
  return shards.map((shard) => shard.file?.generation ?? 0);
}

function letOthersRun(): Promise<void> {
  return new Promise((resolve) => {
    runLater(resolve);
  });
}
