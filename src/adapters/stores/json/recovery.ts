// Opening a store: what is on disk is read and judged first, and only then changed. Order matters: a damaged or
// foreign directory must be left exactly as it was found.
//
// Invariants:
//   V1. Nothing but the lock is written before meta, shards and log have been read and found right.
//   V2. Only files that this store would have made itself are removed: its temporary files, shards that the checkpoint
//       does not name, segments that are not needed.
//   V3. When a store is open, what was read of it is synced, log and names: nobody is told of what a power cut could
//       still take, and nothing is removed because of it.

import { join } from 'node:path';
import { limits } from '../../../runtime/limits.js';
import type { Logger, Recovery } from '../../../runtime/ports.js';
import { StoreCorruptError } from '../../../runtime/store-errors.js';
import type { StoreDirectories } from './checkpoint.js';
import { isTemporaryOf, messageOf, syncFile, syncNames } from './durable-file.js';
import type { FileCache } from './file-cache.js';
import type { FileSystem } from './file-system.js';
import { isLockLeftover, isLockName } from './lock.js';
import { Log } from './log.js';
import { type LogEnd, scanLog } from './log-scan.js';
import { findSegments, type Segment, toSegment } from './log-segment.js';
import { emptyMeta, type Meta, type MetaFile, metaName } from './meta-file.js';
import { isShardName, ShardFile } from './shard-file.js';
import type { ShardTable } from './shard-table.js';
import { Tables } from './tables.js';

export interface RecoveryParts {
  readonly fs: FileSystem;
  readonly directories: StoreDirectories;
  readonly cache: FileCache;
  readonly metaFile: MetaFile;
  readonly logger: Logger;
}

export interface Recovered {
  readonly meta: Meta;
  readonly tables: Tables;
  readonly log: Log;
  /** Bytes of log that are not in the checkpoint. */
  readonly logBytes: number;
  readonly recovery: Recovery;
}

/** @throws StoreCorruptError, StoreFormatError, and what the disk gives. */
export async function recover(parts: RecoveryParts): Promise<Recovered> {
  const { fs, directories, cache, metaFile } = parts;
  const stored = await metaFile.read();
  const meta = stored ?? emptyMeta;
  const shardNames = await listOrNone(fs, directories.shards);
  const segments = findSegments(await listOrNone(fs, directories.log));
  const tables = new Tables(cache, directories.log, meta);
  if (stored === undefined) assertNew(metaFile.path, segments.at(0)?.firstSeq ?? 1, shardNames);

  await loadShards(parts, tables.instances, meta.instance);
  await loadShards(parts, tables.mailboxes, meta.mailbox);
  const end = await readLog(parts, meta, segments, tables);
  if (stored === undefined) assertNew(metaFile.path, end.nextSeq, shardNames);
  else assertLogReaches(end, tables, join(directories.log, end.active?.segment.name ?? toSegment(meta.logFrom).name));
  tables.standAt(end.nextSeq - 1);

  await fs.makeDirectory(directories.log);
  await fs.makeDirectory(directories.shards);
  await cutLog(parts, end);
  const log = await Log.open(fs, directories.log, { nextSeq: end.nextSeq, active: end.active });
  try {
    if (stored === undefined) await metaFile.write(meta);
    // What was read may be a rename that a power cut could still take back: then what it replaced is needed again.
    else await syncNames(fs, directories.root);
    await removeLeftovers(parts, tables, meta);
  } catch (error) {
    await log.close().catch(() => {});
    throw error;
  }
  const isNew = stored === undefined && segments.length === 0;
  return { meta, tables, log, logBytes: end.bytes, recovery: { clean: isNew || end.sealed, cut: toCut(directories.log, end) } };
}

/** Several at a time: a shard is small, and each costs the disk a few turns. */
async function loadShards<R>({ fs, directories }: RecoveryParts, table: ShardTable<R>, generations: readonly number[]): Promise<void> {
  const places = generations
    .map((generation, shard) => ({ table: table.codec.table, shard, generation }))
    .filter((place) => place.generation > 0);
  for (let start = 0; start < places.length; start += limits.storeLoadsMax) {
    const some = places.slice(start, start + limits.storeLoadsMax);
    const loaded = await Promise.all(some.map((place) => ShardFile.load(fs, directories.shards, place)));
    for (const { file, rows } of loaded) table.adopt(file, rows);
  }
}

async function readLog({ fs, directories }: RecoveryParts, meta: Meta, segments: readonly Segment[], tables: Tables): Promise<LogEnd> {
  const needed = segments.filter((segment) => segment.firstSeq >= meta.logFrom);
  if (needed[0]?.firstSeq !== meta.logFrom && meta !== emptyMeta) {
    throw new StoreCorruptError(join(directories.log, toSegment(meta.logFrom).name), 0, 'the file is missing');
  }
  return scanLog(fs, directories.log, needed, (seq, changes) => tables.recover(seq, changes));
}

/** Without meta.json there is a store only if its making was interrupted: then it has no commit. */
function assertNew(metaPath: string, seq: number, shardNames: readonly string[]): void {
  if (seq === 1 && !shardNames.some(isShardName)) return;
  throw new StoreCorruptError(metaPath, 0, 'the file is missing, though the store has data');
}

/** A checkpoint holds durable commits only, so a log that ends before it has lost some. */
function assertLogReaches(end: LogEnd, tables: Tables, path: string): void {
  let upTo = 0;
  for (const shard of [...tables.instances.shards, ...tables.mailboxes.shards]) upTo = Math.max(upTo, shard.upTo);
  if (end.nextSeq > upTo) return;
  throw new StoreCorruptError(
    path,
    end.active?.size ?? 0,
    `the log ends with commit ${end.nextSeq - 1}, and the checkpoint goes up to ${upTo}`,
  );
}

async function cutLog({ fs, directories, logger }: RecoveryParts, end: LogEnd): Promise<void> {
  const cut = toCut(directories.log, end);
  if (cut === null) return;
  logger.log('warn', 'The store cut an unsynced tail off its log: nobody had been told of what was in it.', cut);
  if (end.active !== null) {
    const path = join(directories.log, end.active.segment.name);
    const file = await fs.open(path, 'write');
    try {
      await fs.truncate(file, end.active.size);
      await syncFile(fs, file, path);
    } finally {
      await fs.close(file);
    }
  }
  for (const segment of end.behind) await fs.remove(join(directories.log, segment.name));
  await syncNames(fs, directories.log);
}

function toCut(logDirectory: string, { cut }: LogEnd): Recovery['cut'] {
  return cut && { file: join(logDirectory, cut.segment.name), offset: cut.offset, bytes: cut.bytes };
}

async function removeLeftovers({ fs, directories, logger }: RecoveryParts, tables: Tables, meta: Meta): Promise<void> {
  const used = new Set([...tables.instances.shards, ...tables.mailboxes.shards].map((shard) => shard.file?.name));
  const isStale = (name: string) => isShardName(name) && !used.has(name);
  const isBehind = (name: string) => findSegments([name]).some((segment) => segment.firstSeq < meta.logFrom);
  const isOurs = (name: string) => name === metaName || isLockName(name);
  const removals = [
    ...(await fs.list(directories.shards))
      .filter((name) => isStale(name) || isTemporaryOf(name, isShardName))
      .map((name) => join(directories.shards, name)),
    ...(await fs.list(directories.log)).filter(isBehind).map((name) => join(directories.log, name)),
    ...(await fs.list(directories.root))
      .filter((name) => isLockLeftover(name) || isTemporaryOf(name, isOurs))
      .map((name) => join(directories.root, name)),
  ];
  for (const path of removals) {
    try {
      await fs.remove(path);
    } catch (error) {
      logger.log('warn', 'The store could not remove what a crash has left.', { path, error: messageOf(error) });
    }
  }
}

async function listOrNone(fs: FileSystem, path: string): Promise<string[]> {
  try {
    return await fs.list(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
