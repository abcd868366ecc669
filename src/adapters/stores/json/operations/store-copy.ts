// Copies a store while its owner goes on: the files of one checkpoint, and the log behind it to its end.
//
// Invariants:
//   B1. Until it is whole, synced and looked through, a copy has something else in place of meta.json, and is refused as a
//       store. An interrupted copy is never an older store.
//   B2. What was acknowledged before the copying began is in it.

import { basename, join } from 'node:path';
import { StoreCorruptError, StoreUnavailableError } from '../../../../runtime/store-errors.js';
import { codeOf, isTemporaryOf, messageOf, replaceFile, syncNames } from '../durable-file.js';
import type { FileSystem } from '../file-system.js';
import { MetaFile, metaName, unfinishedMeta } from '../meta-file.js';
import type { ShardPlace } from '../shard-file.js';
import { copyFile, cutFile, linkFile, syncWhole } from './file-copy.js';
import type { StoreOperationOptions } from './options.js';
import { Pace } from './pace.js';
import { Findings, type StoreProblem, type StoreReport, type StoreTail } from './report.js';
import { Outdated, type StoreFiles, StoreView, withView } from './store-view.js';
import { Verification } from './verification.js';

export interface StoreCopyOptions extends StoreOperationOptions {
  /** Shards, which never change, become second names of the same files where the file system can do that. */
  readonly linkShards?: boolean;
}

export interface CopiedStore {
  /** What was found when the copy was looked through. */
  readonly report: StoreReport;
  /** The end of the log that was being written, and was left out. */
  readonly leftOut: StoreTail | null;
}

/** Makes a directory that is to be a copy, and says so in it (B1). */
async function beginCopy(fs: FileSystem, root: string): Promise<void> {
  await fs.makeDirectory(root);
  await replaceFile(fs, root, metaName, Buffer.from(unfinishedMeta));
  await syncNames(fs, root);
  // Of one that was interrupted before.
  for (const name of await fs.list(root)) if (isTemporaryOf(name, (of) => of === metaName)) await fs.remove(join(root, name));
  await fs.makeDirectory(join(root, 'log'));
  await fs.makeDirectory(join(root, 'shards'));
}

/** @throws StoreUnavailableError when something is there already */
export async function assertFree(fs: FileSystem, root: string): Promise<void> {
  let names: string[];
  try {
    names = await fs.list(root);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw new StoreUnavailableError(root, codeOf(error) === 'ENOTDIR' ? 'it is not a directory' : messageOf(error), { cause: error });
  }
  if (names.length > 0) throw new StoreUnavailableError(root, 'it is not empty, and a copy of a store needs a directory of its own');
}

/** Copies a store. What is of a store in the other directory is overwritten. */
export function copyStore(from: StoreFiles, to: string, options: StoreCopyOptions): Promise<CopiedStore> {
  const copy = new StoreCopy(from, to, options);
  return withView(from, (view) => copy.copy(view));
}

class StoreCopy {
  readonly #from: StoreFiles;
  readonly #fs: FileSystem;
  readonly #to: string;
  readonly #options: StoreCopyOptions;
  readonly #pace: Pace;
  /** Shards that are there, whole. */
  readonly #copied = new Set<string>();
  #hasBegun = false;
  #hasCopiedTwice = false;

  constructor(from: StoreFiles, to: string, options: StoreCopyOptions) {
    this.#from = from;
    this.#fs = from.fs;
    this.#to = to;
    this.#options = options;
    this.#pace = new Pace(options.signal);
  }

  /** @throws Outdated when it has to go on with another view: what was copied is kept, as far as that one has it */
  async copy(view: StoreView): Promise<CopiedStore> {
    if (!this.#hasBegun) await beginCopy(this.#fs, this.#to);
    this.#hasBegun = true;
    await this.#copyFiles(view);
    const { report, leftOut } = await this.#verify(view);
    await this.#syncFiles(view);
    const { version, ...meta } = view.meta;
    await new MetaFile(this.#fs, this.#to).write(meta, version);
    const logBytes = report.figures.logBytes - (leftOut?.bytes ?? 0);
    const figures = { ...report.figures, logBytes };
    return { report: { ...report, figures, tail: null }, leftOut };
  }

  async #copyFiles(view: StoreView): Promise<void> {
    const places = placesOf(view);
    await this.#removeOthers('log', new Set());
    await this.#removeOthers('shards', new Set(places.map((place) => basename(view.pathOf(place)))));
    const total = places.length + view.segments.length;
    const copied = (done: number): void => this.#options.onProgress?.({ step: 'copy', done, total });
    for (const [index, place] of places.entries()) {
      await this.#copyShard(view, place);
      copied(index + 1);
    }
    // Last, so that it goes as far as it can.
    for (const [index, segment] of view.segments.entries()) {
      await copyFile(this.#fs, segment, join(this.#to, 'log', segment.segment.name), this.#pace);
      copied(places.length + index + 1);
    }
  }

  async #copyShard(view: StoreView, place: ShardPlace): Promise<void> {
    const path = view.pathOf(place);
    const name = basename(path);
    if (this.#copied.has(name)) return;
    const to = join(this.#to, 'shards', name);
    if (this.#options.linkShards !== true || !(await linkFile(this.#fs, path, to))) {
      const isThere = await view.useShard(place, async (file) => {
        await copyFile(this.#fs, { path, file, size: await this.#fs.size(file) }, to, this.#pace);
        return true;
      });
      if (isThere === undefined) throw new StoreCorruptError(path, 0, 'the file is missing');
    }
    this.#copied.add(name);
  }

  /** Of what an earlier view left, and an interrupted copy before. */
  async #removeOthers(folder: 'log' | 'shards', used: ReadonlySet<string>): Promise<void> {
    for (const name of await this.#fs.list(join(this.#to, folder))) {
      if (used.has(name) && this.#copied.has(name)) continue;
      this.#copied.delete(name);
      await this.#fs.remove(join(this.#to, folder, name));
    }
  }

  async #verify({ meta }: StoreView): Promise<{ report: StoreReport; leftOut: StoreTail | null }> {
    const files = { fs: this.#fs, root: this.#to };
    const view = new StoreView(files);
    try {
      await view.open(meta);
      const found = new Findings();
      const report = await new Verification(files, this.#options, true).verify(view, found);
      // A record that is nothing a runtime writes is one in the store, too: the others are worth a copy.
      if (found.damage !== null) this.#refuse(found.damage);
      if (report.tail !== null) await this.#leaveOut(view, report.tail);
      return { report, leftOut: report.tail };
    } finally {
      await view.close();
    }
  }

  /** Part of the log may have been written again while it was copied: then it is right the second time. */
  #refuse({ file, offset, what }: StoreProblem): never {
    if (!this.#hasCopiedTwice) {
      this.#hasCopiedTwice = true;
      this.#copied.clear();
      throw new Outdated();
    }
    // The copy has what the original has, at the same place.
    throw new StoreCorruptError(file.replace(this.#to, this.#from.root), offset, what);
  }

  /** What nobody was told of need not be cut off by whoever opens the copy. */
  async #leaveOut({ segments }: StoreView, { file, offset }: StoreTail): Promise<void> {
    const index = segments.findIndex(({ path }) => path === file);
    const isEmpty = offset === 0 && index > 0;
    if (!isEmpty) await cutFile(this.#fs, file, offset);
    for (const { path } of segments.slice(isEmpty ? index : index + 1)) await this.#fs.remove(path);
  }

  async #syncFiles(view: StoreView): Promise<void> {
    const shards = placesOf(view).map((place) => join(this.#to, 'shards', basename(view.pathOf(place))));
    const log = (await this.#fs.list(join(this.#to, 'log'))).map((name) => join(this.#to, 'log', name));
    for (const path of [...shards, ...log]) {
      await syncWhole(this.#fs, path);
      await this.#pace.rest();
    }
    await syncNames(this.#fs, join(this.#to, 'shards'));
    await syncNames(this.#fs, join(this.#to, 'log'));
  }
}

function placesOf(view: StoreView): ShardPlace[] {
  return [...view.places('instance'), ...view.places('mailbox')].filter(({ generation }) => generation > 0);
}
