// Looks through one shard: its file, row by row, and what the log says of its rows since.

import { type Head, toHead } from '../../../../runtime/head.js';
import type { InstanceRecord } from '../../../../runtime/record.js';
import { applyDelta, type InstanceDelta } from '../../../../runtime/record.js';
import { StoreCorruptError, StoreFormatError } from '../../../../runtime/store-errors.js';
import { messageOf } from '../durable-file.js';
import type { ShardPlace } from '../shard-file.js';
import { readDeltas, readRows, type ShardRow, type ShardRows } from '../shard-rows.js';
import { hashKey, toShardIndex } from '../shard-table.js';
import type { LogPlace } from './log-walk.js';
import type { Pace } from './pace.js';
import { type Findings, type StoreProblem, subjectOf } from './report.js';
import type { TableRules } from './table-rules.js';

/** A delta from the log, and where it stands there. */
export interface TailDelta {
  readonly seq: number;
  readonly text: string;
  readonly place: LogPlace;
}

export interface ShardInput {
  readonly place: ShardPlace;
  readonly path: string;
  /** Null when there is none. */
  readonly file: Buffer | null;
  /** By key; they are taken out. */
  readonly tails: Map<string, TailDelta[]>;
  /** How many shards its table has; null when nobody knows. */
  readonly shards: number | null;
}

export interface ShardCheckOptions {
  readonly found: Findings;
  readonly pace: Pace;
}

/** Resolves to the number of the last commit that the file holds, 0 without one. */
export async function checkShard<R>(rules: TableRules<R>, input: ShardInput, options: ShardCheckOptions): Promise<number> {
  const check = new ShardCheck(rules, input, options);
  const upTo = input.file === null ? 0 : await check.checkFile(input.file);
  await check.checkTails(upTo);
  return upTo;
}

class ShardCheck<R> {
  readonly #rules: TableRules<R>;
  readonly #input: ShardInput;
  readonly #options: ShardCheckOptions;

  constructor(rules: TableRules<R>, input: ShardInput, options: ShardCheckOptions) {
    this.#rules = rules;
    this.#input = input;
    this.#options = options;
  }

  async checkFile(file: Buffer): Promise<number> {
    const shard = this.#readRows(file);
    if (shard === undefined) {
      // Which rows it had nobody knows: what the log says of them has nothing to go on from.
      this.#input.tails.clear();
      this.#rules.miss();
      return 0;
    }
    this.#checkIndex(shard, file.byteLength);
    const keys = new Set<string>();
    for (const row of shard.rows) {
      if (keys.has(row.key)) this.#report('content', row.offset, 'a row is there twice', row.key);
      keys.add(row.key);
      this.#checkRow(shard, row);
      await this.#options.pace.step(row.body.byteLength);
    }
    return shard.upTo;
  }

  /** Rows that are in the log only. */
  async checkTails(upTo: number): Promise<void> {
    for (const [key, tail] of this.#input.tails) {
      this.#checkTail(
        key,
        undefined,
        tail.filter(({ seq }) => seq > upTo),
      );
      await this.#options.pace.step(tail.length);
    }
  }

  #readRows(file: Buffer): ShardRows | undefined {
    try {
      const rows = readRows(this.#input.path, file);
      const { table, shard, generation } = this.#input.place;
      if (rows.table === table && rows.shard === shard && rows.generation === generation) return rows;
      this.#report('damage', 0, 'it is another shard than its name says');
    } catch (error) {
      if (error instanceof StoreCorruptError) this.#report('damage', error.offset, error.reason);
      // What meta.json names is of its format: this is more likely damage.
      else if (error instanceof StoreFormatError) this.#report('damage', 0, 'it does not begin as a shard of this format does');
      else throw error;
    }
    return undefined;
  }

  #checkIndex({ headsStart, hasRightHeads, end }: ShardRows, size: number): void {
    if (!hasRightHeads) this.#report('damage', headsStart, 'the checksum of its heads is wrong');
    if (size !== end) this.#report('damage', Math.min(size, end), 'it does not end where its index says');
  }

  #checkRow(shard: ShardRows, row: ShardRow): void {
    const { key, offset } = row;
    const { shards, place, tails } = this.#input;
    const tail = tails.get(key)?.filter(({ seq }) => seq > shard.upTo) ?? [];
    tails.delete(key);
    if (shards !== null && toShardIndex(hashKey(key), shards) !== place.shard)
      this.#report('content', offset, 'it is in a shard where nobody looks for it', key);
    const folded = this.#fold(shard, row);
    if (folded === undefined) {
      this.#rules.miss(key);
      return;
    }
    const { record } = folded;
    const faults = record === undefined ? [] : [...this.#rules.faults(record)];
    for (const what of faults) this.#report('content', offset, what, key);
    if (shard.hasRightHeads && record !== undefined && row.head !== null && !isHeadOf(shard, row, record as InstanceRecord))
      this.#report('content', offset, 'its head says something else than its body', key);
    if (tail.length > 0) this.#checkTail(key, record, tail);
    else if (record !== undefined) this.#take(record, faults.length > 0 ? null : { path: this.#input.path, offset }, key);
  }

  /** The record of a body; undefined when it has none that can be read, which is told. */
  #fold(shard: ShardRows, row: ShardRow): { record: R | undefined } | undefined {
    const { key, offset } = row;
    try {
      const deltas = readDeltas(shard, row);
      if (deltas === undefined) {
        this.#report('damage', offset, 'the checksum of a record is wrong', key);
        return undefined;
      }
      if (deltas.length !== row.deltas) this.#report('content', offset, 'it has another number of deltas than its index says', key);
      let record: R | undefined;
      for (const delta of deltas) record = this.#rules.codec.apply(key, record, delta);
      return { record };
    } catch (error) {
      this.#report('content', offset, `a record cannot be read (${messageOf(error)})`, key);
      return undefined;
    }
  }

  #checkTail(key: string, base: R | undefined, tail: readonly TailDelta[]): void {
    let record = base;
    let place: LogPlace | undefined;
    for (const delta of tail) {
      place = delta.place;
      try {
        record = this.#rules.codec.apply(key, record, JSON.parse(delta.text) as object);
      } catch (error) {
        this.#reportAt('content', place, `a change of a record cannot be applied (${messageOf(error)})`, key);
        this.#rules.miss(key);
        return;
      }
    }
    if (record === undefined || place === undefined) return;
    for (const what of this.#rules.faults(record)) this.#reportAt('content', place, what, key);
    this.#take(record, place, key);
  }

  #take(record: R, place: LogPlace | null, key: string): void {
    if (place !== null) for (const what of this.#rules.faultsAmongOthers(record)) this.#reportAt('content', place, what, key);
    this.#rules.count(record);
  }

  #report(kind: StoreProblem['kind'], offset: number, what: string, key?: string): void {
    this.#reportAt(kind, { path: this.#input.path, offset }, what, key);
  }

  #reportAt(kind: StoreProblem['kind'], { path, offset }: LogPlace, what: string, key?: string): void {
    const subject: Partial<StoreProblem> = key === undefined ? {} : subjectOf(this.#rules.codec.table, key);
    this.#options.found.add({ kind, file: path, offset, what, ...subject });
  }
}

/** Whether a head, which is all that is read of a sleeping instance, says what its record does. */
function isHeadOf(shard: ShardRows, { key, head }: ShardRow, record: InstanceRecord): boolean {
  try {
    const json: unknown = JSON.parse(head?.toString('utf8') ?? '');
    const told = shard.format === 1 ? headOfFormat1(key, json as InstanceDelta) : (json as Head);
    return JSON.stringify(told) === JSON.stringify(toHead(record));
  } catch {
    return false;
  }
}

/** Then it was a record without journal and values. */
function headOfFormat1(key: string, delta: InstanceDelta): Head | undefined {
  const record = applyDelta(key, undefined, delta);
  return record && toHead(record);
}
