// What the log says of the rows of each shard, a bounded part of it at a time: as much of the log as fits is gathered
// for as many shards as it covers, then the log is gone through again for the next ones.

import { limits } from '../../../../runtime/limits.js';
import type { Change, Table } from '../../../../runtime/ports.js';
import type { FileSystem } from '../file-system.js';
import type { ShardPlace } from '../shard-file.js';
import { hashKey, toShardIndex } from '../shard-table.js';
import { type LogEnd, walkLog } from './log-walk.js';
import type { Pace } from './pace.js';
import { Findings } from './report.js';
import type { TailDelta } from './shard-check.js';
import { Outdated, type StoreView } from './store-view.js';

/** What a delta takes beside its text. */
const deltaBytes = 128;

type Tails = Map<string, TailDelta[]>;

export class LogTails {
  readonly #fs: FileSystem;
  readonly #pace: Pace;
  readonly #view: StoreView;
  readonly #bytesMax: number;
  readonly #bytes: Record<Table, number[]> = { instance: [], mailbox: [] };
  #upTo = 0;

  constructor(fs: FileSystem, pace: Pace, view: StoreView, bytesMax: number = limits.storeTailBytesMax) {
    this.#fs = fs;
    this.#pace = pace;
    this.#view = view;
    this.#bytesMax = bytesMax;
  }

  /** Notes what a commit will take, so that the log can be divided. */
  note(changes: readonly Change[]): void {
    for (const { table, key, delta } of changes) {
      const shard = this.#shardOf(table, key);
      this.#bytes[table][shard] = (this.#bytes[table][shard] ?? 0) + delta.length + deltaBytes;
    }
  }

  /** Commits behind this end are left out. */
  noteEnd({ upTo }: LogEnd): void {
    // Of a store without meta.json nobody knows which of the log its shards have.
    this.#upTo = this.#view.meta.version === 0 ? 0 : upTo;
  }

  /** Each shard with its part of the log, by key. */
  async *byShard(table: Table, places: readonly ShardPlace[]): AsyncGenerator<[ShardPlace, Tails]> {
    let some: ShardPlace[] = [];
    let bytes = 0;
    for (const place of places) {
      const more = this.#bytes[table][place.shard] ?? 0;
      if (some.length > 0 && bytes + more > this.#bytesMax) {
        yield* this.#gather(table, some, bytes);
        some = [];
        bytes = 0;
      }
      some.push(place);
      bytes += more;
    }
    yield* this.#gather(table, some, bytes);
  }

  async *#gather(table: Table, places: readonly ShardPlace[], bytes: number): AsyncGenerator<[ShardPlace, Tails]> {
    const tails = new Map<number, Tails>(places.map(({ shard }) => [shard, new Map()]));
    if (bytes > 0 && this.#upTo > 0) await this.#read(table, tails);
    for (const place of places) {
      const ofShard = tails.get(place.shard) ?? new Map();
      // They are given up one by one, as they are used.
      tails.delete(place.shard);
      yield [place, ofShard];
    }
  }

  async #read(table: Table, tails: ReadonlyMap<number, Tails>): Promise<void> {
    const end = await walkLog(this.#view.segments, {
      fs: this.#fs,
      pace: this.#pace,
      found: new Findings(),
      visit: (seq, changes, place) => {
        if (seq > this.#upTo) return;
        for (const change of changes) {
          const ofShard = change.table === table ? tails.get(this.#shardOf(table, change.key)) : undefined;
          if (ofShard === undefined) continue;
          const delta = { seq, text: change.delta, place };
          const others = ofShard.get(change.key);
          if (others === undefined) ofShard.set(change.key, [delta]);
          else others.push(delta);
        }
      },
    });
    if (end.upTo < this.#upTo) throw new Outdated();
  }

  #shardOf(table: Table, key: string): number {
    return toShardIndex(hashKey(key), this.#view.meta[table].length);
  }
}
