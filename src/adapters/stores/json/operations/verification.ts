// Looks through a whole store and changes nothing: every byte against its checksum, every record against its rules.
//
// Invariants:
//   VS1. It holds one shard and a bounded part of the log at a time, and lets others run in between.
//   VS2. What a checkpoint does meanwhile is no problem of the store: all that is compared is of one view.

import { join } from 'node:path';
import type { StoreCorruptError } from '../../../../runtime/store-errors.js';
import { messageOf, readExactly } from '../durable-file.js';
import { toSegment } from '../log-segment.js';
import type { ShardPlace } from '../shard-file.js';
import { readHolder } from './holder.js';
import { LogTails } from './log-tails.js';
import { type LogEnd, walkLog } from './log-walk.js';
import type { StoreOperationOptions, StoreProgress } from './options.js';
import { Pace } from './pace.js';
import { Findings, type StoreProblem, type StoreReport } from './report.js';
import { checkShard } from './shard-check.js';
import { Outdated, type StoreFiles, StoreView } from './store-view.js';
import { InstanceTally, MailboxTally, type TableRules } from './table-rules.js';

export class Verification {
  readonly #files: StoreFiles;
  readonly #pace: Pace;
  readonly #onProgress: (progress: StoreProgress) => void;
  #hasLookedTwice = false;

  /** @param isStill nobody else writes there: what looks damaged is */
  constructor(files: StoreFiles, { signal, onProgress = () => {} }: StoreOperationOptions, isStill = false) {
    this.#files = files;
    this.#pace = new Pace(signal);
    this.#onProgress = onProgress;
    this.#hasLookedTwice = isStill;
  }

  /** @throws Outdated when it has to be begun anew with another view */
  async verify(view: StoreView, found: Findings): Promise<StoreReport> {
    const tails = new LogTails(this.#files.fs, this.#pace, view);
    const end = await this.#walkLog(view, found, tails);
    // A log that is being cut back and written again can look damaged, once.
    if (end.isDamaged && !this.#hasLookedTwice) {
      this.#hasLookedTwice = true;
      throw new Outdated();
    }
    this.#checkLogBegins(view, found);
    const instances = new InstanceTally();
    const mailboxes = new MailboxTally(instances);
    if (end.isDamaged) instances.miss();
    const shards = new ShardPass(this.#files, { view, tails, found, pace: this.#pace, onProgress: this.#onProgress });
    await shards.check(instances);
    await shards.check(mailboxes);
    if (end.nextSeq <= shards.upTo) found.add(tooShort(view, end, shards.upTo));
    return {
      ok: found.count === 0,
      format: view.meta.version === 0 ? null : view.meta.version,
      problems: found.kept,
      problemCount: found.count,
      figures: {
        instances: instances.counts,
        mailboxes: mailboxes.mailboxes,
        events: mailboxes.events,
        deadLetters: mailboxes.deadLetters,
        commits: end.nextSeq - 1,
        shards: shards.files,
        segments: view.segments.length,
        logBytes: view.segments.reduce((sum, { size }) => sum + size, 0),
        shardBytes: shards.bytes,
      },
      tail: end.tail,
      inUse: await readHolder(this.#files.fs, this.#files.root),
    };
  }

  /** What can be said of the files alone, when nobody knows which of them make up the store. */
  async verifyWithoutMeta({ file, offset, reason }: StoreCorruptError): Promise<StoreReport> {
    const view = new StoreView(this.#files);
    this.#hasLookedTwice = true;
    try {
      await view.openWithoutMeta();
      const found = new Findings();
      found.add({ kind: 'damage', file, offset, what: reason });
      return await this.verify(view, found);
    } finally {
      await view.close();
    }
  }

  async #walkLog(view: StoreView, found: Findings, tails: LogTails): Promise<LogEnd> {
    const total = view.segments.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    const end = await walkLog(view.segments, {
      fs: this.#files.fs,
      pace: this.#pace,
      found,
      visit: (_seq, changes) => tails.note(changes),
      onSegment: (bytes) => {
        done += bytes;
        this.#onProgress({ step: 'log', done, total });
      },
    });
    tails.noteEnd(end);
    return end;
  }

  #checkLogBegins({ meta, segments }: StoreView, found: Findings): void {
    if (segments[0]?.segment.firstSeq === meta.logFrom) return;
    if (meta.version === 0 && segments.length === 0) return;
    found.add({
      kind: 'damage',
      file: join(this.#files.root, 'log', toSegment(meta.logFrom).name),
      offset: 0,
      what: 'the file is missing',
    });
  }
}

interface ShardPassOptions {
  readonly view: StoreView;
  readonly tails: LogTails;
  readonly found: Findings;
  readonly pace: Pace;
  readonly onProgress: (progress: StoreProgress) => void;
}

/** Goes through the shards of a view, and through the log with them. */
class ShardPass {
  /** The last commit that is in a shard. */
  upTo = 0;
  files = 0;
  bytes = 0;
  readonly #files: StoreFiles;
  readonly #options: ShardPassOptions;
  #done = 0;

  constructor(files: StoreFiles, options: ShardPassOptions) {
    this.#files = files;
    this.#options = options;
  }

  async check<R>(rules: TableRules<R>): Promise<void> {
    const { view, tails, found, pace, onProgress } = this.#options;
    const { table } = rules.codec;
    const places = view.places(table);
    const total = view.meta.instance.length + view.meta.mailbox.length;
    for await (const [place, ofShard] of tails.byShard(table, places)) {
      const path = view.pathOf(place);
      const file = await this.#read(place);
      const isLost = file === null && place.generation > 0;
      if (isLost) rules.miss();
      else {
        const shards = view.meta.version === 0 ? null : places.length;
        const upTo = await checkShard(rules, { place, path, file, tails: ofShard, shards }, { found, pace });
        this.upTo = Math.max(this.upTo, upTo);
      }
      this.#done += 1;
      onProgress({ step: 'shards', done: this.#done, total });
    }
  }

  /** Null when there is none, or it cannot be read; the latter is told. */
  async #read(place: ShardPlace): Promise<Buffer | null> {
    if (place.generation === 0) return null;
    const { view, found } = this.#options;
    const path = view.pathOf(place);
    try {
      const file = await view.useShard(place, async (id) => {
        const length = await this.#files.fs.size(id);
        return readExactly(this.#files.fs, id, { path, position: 0, length });
      });
      if (file === undefined) found.add({ kind: 'damage', file: path, offset: 0, what: 'the file is missing' });
      this.files += file === undefined ? 0 : 1;
      this.bytes += file?.byteLength ?? 0;
      return file ?? null;
    } catch (error) {
      if (error instanceof Outdated) throw error;
      found.add({ kind: 'damage', file: path, offset: 0, what: `it cannot be read (${messageOf(error)})` });
      return null;
    }
  }
}

/** A checkpoint holds durable commits only: a log that ends before it has lost some. */
function tooShort({ segments, meta }: StoreView, { nextSeq, tail }: LogEnd, upTo: number): StoreProblem {
  const last = segments.at(-1);
  const what = `the log ends with commit ${nextSeq - 1}, and the checkpoint goes up to ${upTo}`;
  return { kind: 'damage', file: tail?.file ?? last?.path ?? toSegment(meta.logFrom).name, offset: tail?.offset ?? last?.size ?? 0, what };
}
