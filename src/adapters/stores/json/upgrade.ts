// Brings a store of an older format to the one that is written. The old store is looked through and a copy of it is
// kept before anything is changed; then new shards are written beside the old ones, and meta.json goes over to them.
//
// Invariants:
//   UP1. A crash at any point leaves the old store as it was, or the new one. What is left over beside it is removed when
//        the store is next opened, or written anew.
//   UP2. When the first byte of the new format is durable, the kept copy is whole and durable.
//   UP3. A store with damage is not upgraded, and nothing in it is changed.

import { join } from 'node:path';
import type { Logger, Table } from '../../../runtime/ports.js';
import { StoreCorruptError } from '../../../runtime/store-errors.js';
import type { StoreDirectories } from './checkpoint.js';
import { readWhole, syncNames } from './durable-file.js';
import type { FileSystem } from './file-system.js';
import { formatVersion, type MetaFile, type StoredMeta } from './meta-file.js';
import { Findings } from './operations/report.js';
import { copyStore } from './operations/store-copy.js';
import { withView } from './operations/store-view.js';
import { Verification } from './operations/verification.js';
import { instanceCodec, mailboxCodec, type RowCodec } from './row-codec.js';
import { ShardFile, type ShardPlace, toShardName } from './shard-file.js';
import { decodeBody, type RowImage } from './shard-format.js';
import { readRows } from './shard-rows.js';

export interface UpgradeParts {
  readonly fs: FileSystem;
  readonly directories: StoreDirectories;
  readonly metaFile: MetaFile;
  readonly logger: Logger;
}

/** Where the store is kept as it was before it was upgraded from this format: a store itself, for the version that wrote it. */
function keptName(version: number): string {
  return `kept-format-${version}`;
}

/**
 * Upgrades the store when it is of an older format. Only under the lock.
 *
 * @throws StoreCorruptError when it is damaged, and what the disk gives
 */
export async function upgradeIfOlder(parts: UpgradeParts): Promise<void> {
  const meta = await parts.metaFile.read();
  if (meta === undefined || meta.version === formatVersion) return;
  const { fs, directories, logger } = parts;
  const files = { fs, root: directories.root };
  const found = new Findings();
  await withView(files, (view) => new Verification(files, {}, true).verify(view, found));
  if (found.damage !== null) throw new StoreCorruptError(found.damage.file, found.damage.offset, found.damage.what);
  const kept = join(directories.root, keptName(meta.version));
  await copyStore(files, kept, { linkShards: true });
  await rewrite(parts, meta);
  logger.log('info', 'The store was upgraded to a newer format.', { from: meta.version, to: formatVersion, kept });
}

/** The log is the same in all formats so far, and stays. */
async function rewrite({ fs, directories, metaFile }: UpgradeParts, meta: StoredMeta): Promise<void> {
  const generation = meta.generation + 1;
  const rewriteTable = async <R>(codec: RowCodec<R>): Promise<number[]> => {
    const generations: number[] = [];
    for (const [shard, old] of meta[codec.table].entries()) {
      if (old > 0) await rewriteShard(fs, directories.shards, codec, { from: placeOf(codec.table, shard, old), generation });
      generations.push(old > 0 ? generation : 0);
    }
    return generations;
  };
  const [instance, mailbox] = [await rewriteTable(instanceCodec), await rewriteTable(mailboxCodec)];
  await syncNames(fs, directories.shards);
  await metaFile.write({ generation, logFrom: meta.logFrom, instance, mailbox });
}

function placeOf(table: Table, shard: number, generation: number): ShardPlace {
  return { table, shard, generation };
}

interface Rewriting {
  readonly from: ShardPlace;
  readonly generation: number;
}

/** The same rows, as far as there is anything left of them, up to the same commit. */
async function rewriteShard<R>(fs: FileSystem, directory: string, codec: RowCodec<R>, { from, generation }: Rewriting): Promise<void> {
  const path = join(directory, toShardName(from));
  const file = await readWhole(fs, path);
  if (file === undefined) throw new StoreCorruptError(path, 0, 'the file is missing');
  const { rows, upTo } = readRows(path, file);
  const images: RowImage[] = [];
  for (const { key, offset, body } of rows) {
    const base = decodeBody(body, key);
    if (base === undefined) throw new StoreCorruptError(path, offset, 'the checksum of a record is wrong');
    const image = codec.toImage(key, undefined, [base]);
    if (image !== undefined) images.push(image);
  }
  await ShardFile.write(fs, directory, { ...from, generation }, { upTo, images });
}
