// All rows of a shard file that was read whole, of this format or the one before: for those who look through a store
// or upgrade it. What can be read in spite of damage elsewhere in the file is read.

import { crc32 } from 'node:zlib';
import type { Table } from '../../../runtime/ports.js';
import { toChecksum } from './log-line.js';
import { decodeBody, decodeHeader, decodePreamble, headSeparatorBytes, preambleBytes, type ShardHeader, sizeOf } from './shard-format.js';
import { isFormat1, readFormat1 } from './shard-format-1.js';

export interface ShardRow {
  readonly key: string;
  /** Where its body stands. */
  readonly offset: number;
  readonly body: Buffer;
  /** As it is written; a mailbox has none. */
  readonly head: Buffer | null;
  /** How many deltas the index says that the body has. */
  readonly deltas: number;
}

export interface ShardRows {
  readonly format: 1 | 2;
  readonly table: Table;
  readonly shard: number;
  readonly generation: number;
  readonly upTo: number;
  readonly rows: readonly ShardRow[];
  readonly headsStart: number;
  readonly hasRightHeads: boolean;
  /** Where the last body ends by the index. */
  readonly end: number;
}

/** @throws StoreCorruptError when its header is damaged, StoreFormatError when it is of a newer format. */
export function readRows(path: string, shard: Buffer): ShardRows {
  return isFormat1(shard) ? rowsOfFormat1(path, shard) : rowsOfFormat2(path, shard);
}

/**
 * The deltas of an undamaged body; undefined when its checksum is wrong.
 *
 * @throws what JSON.parse does, when what was written is no list of deltas
 */
export function readDeltas({ format }: ShardRows, { key, body }: ShardRow): object[] | undefined {
  const text = decodeBody(body, key);
  if (text === undefined) return undefined;
  const json = JSON.parse(text) as object | object[];
  if (format === 1) return [json];
  if (!Array.isArray(json)) throw new TypeError('it is no list of deltas');
  return json;
}

/** @throws StoreCorruptError when its header is damaged, StoreFormatError when it is of a newer format. */
export function rowsOfFormat2(path: string, shard: Buffer): ShardRows {
  const { headerBytes, crc } = decodePreamble(path, shard.subarray(0, preambleBytes));
  const headsStart = preambleBytes + headerBytes;
  const header = decodeHeader(path, shard.subarray(preambleBytes, headsStart), crc);
  const bodiesStart = headsStart + header.headsBytes;
  const heads = shard.subarray(headsStart, bodiesStart);
  return {
    ...header,
    format: 2,
    rows: [...placeRows(shard, header, headsStart)],
    headsStart,
    hasRightHeads: heads.byteLength === header.headsBytes && toChecksum(crc32(heads)) === header.headsCrc,
    end: sizeOf(header, bodiesStart),
  };
}

function* placeRows(shard: Buffer, { keys, heads, bodies, deltas, headsBytes }: ShardHeader, headsStart: number): Generator<ShardRow> {
  let head = headsStart + '['.length;
  let offset = headsStart + headsBytes;
  for (const [index, key] of keys.entries()) {
    const headEnd = head + (heads[index] ?? 0);
    const bodyEnd = offset + (bodies[index] ?? 0);
    const text = heads.length === 0 ? null : shard.subarray(head, headEnd);
    yield { key, offset, body: shard.subarray(offset, bodyEnd), head: text, deltas: deltas[index] ?? 0 };
    head = headEnd + headSeparatorBytes;
    offset = bodyEnd;
  }
}

function rowsOfFormat1(path: string, shard: Buffer): ShardRows {
  const { header, headsStart, bodiesStart, hasRightHeads } = readFormat1(path, shard);
  let head = headsStart;
  let offset = bodiesStart;
  const rows: ShardRow[] = [];
  for (const [key, headBytes, bodyBytes] of header.rows) {
    const text = headBytes === 0 ? null : shard.subarray(head, head + headBytes);
    rows.push({ key, offset, body: shard.subarray(offset, offset + bodyBytes), head: text, deltas: 1 });
    head += headBytes;
    offset += bodyBytes;
  }
  return { ...header, format: 1, rows, headsStart, hasRightHeads, end: offset };
}
