// One shard in memory: where the base of each of its rows stands on disk, and the deltas since.
//
// Invariants:
//   T1. A row is its base, if it has one, and then its tail, in the order of the log.
//   T2. All bases of a shard are in its file, which holds the log up to `upTo` and nothing behind it.
//   T3. A shard is dirty when its file does not say what its rows are.

import { isRemoval } from '../rows.js';
import type { RowPlace, ShardFile } from './shard-file.js';

/** There may be a million of them. */
export class Row {
  offset = 0;
  /** 0: there is no base. */
  length = 0;
  tail: string[] | null = null;
}

/** A row as it was when a checkpoint of its shard began. */
export interface RowSnapshot {
  readonly key: string;
  readonly row: Row;
  readonly tailLength: number;
}

export class Shard {
  readonly number: number;
  readonly rows = new Map<string, Row>();
  file: ShardFile | null = null;
  dirty = false;

  constructor(number: number) {
    this.number = number;
  }

  get upTo(): number {
    return this.file?.upTo ?? 0;
  }

  /** Takes the rows of its file. */
  adopt(file: ShardFile, places: readonly RowPlace[]): void {
    this.file = file;
    for (const { key, offset, length } of places) {
      const row = new Row();
      row.offset = offset;
      row.length = length;
      this.rows.set(key, row);
    }
  }

  /** Adds a delta to a row, which it may make or remove. */
  push(key: string, delta: string): void {
    this.dirty = true;
    if (isRemoval(delta)) {
      this.rows.delete(key);
      return;
    }
    const row = this.rows.get(key);
    if (row !== undefined) {
      if (row.tail === null) row.tail = [delta];
      else row.tail.push(delta);
      return;
    }
    const made = new Row();
    made.tail = [delta];
    this.rows.set(key, made);
  }

  snapshot(): RowSnapshot[] {
    const rows: RowSnapshot[] = [];
    for (const [key, row] of this.rows) rows.push({ key, row, tailLength: row.tail?.length ?? 0 });
    return rows;
  }

  /** Goes over to a new file, which says what the snapshot was. What came since stays in the tails. */
  replaceFile(file: ShardFile, places: readonly RowPlace[], snapshot: readonly RowSnapshot[]): void {
    this.file = file;
    const placeOf = new Map(places.map((place) => [place.key, place]));
    for (const { key, row, tailLength } of snapshot) {
      // A row that was removed and made again since has nothing in the file.
      if (this.rows.get(key) !== row) continue;
      const place = placeOf.get(key);
      row.offset = place?.offset ?? 0;
      row.length = place?.length ?? 0;
      row.tail = row.tail !== null && row.tail.length > tailLength ? row.tail.slice(tailLength) : null;
      if (row.length === 0 && row.tail === null) this.rows.delete(key);
    }
  }
}
