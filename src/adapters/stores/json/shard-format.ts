// The format of a shard: a line that says how long the header is, the header with the index, then the heads of all
// rows, then their bodies. Heads stand together so that opening a store reads no body; each body has its own
// checksum so that one is read without the others.
//
//   rouse-shard 1 <header bytes, 10 digits> <crc>\n
//   {"table":...,"shard":...,"generation":...,"upTo":...,"headsBytes":...,"headsCrc":...,"rows":[[key, head bytes, body bytes], ...]}\n
//   <head>\n for each row that has one
//   <crc> <body>\n for each row
//
// Invariants:
//   H1. Every byte is covered: by the header's checksum, that of the heads, or a body's, or it is compared.
//   H2. A body's checksum begins with its key: a body in another's place is wrong.

import { crc32 } from 'node:zlib';
import type { Table } from '../../../runtime/ports.js';
import { StoreCorruptError } from '../../../runtime/store-errors.js';
import { toChecksum } from './log-line.js';

const preamblePattern = /^rouse-shard 1 ([0-9]{10}) ([0-9a-f]{8})\n$/;
const space = 0x20;
const newline = 0x0a;

export const preambleBytes = 34;

/** The key of a row, and how many bytes its head and its body take. */
export type IndexEntry = readonly [key: string, headBytes: number, bodyBytes: number];

export interface ShardHeader {
  readonly table: Table;
  readonly shard: number;
  readonly generation: number;
  /** The log up to this sequence number is in here. */
  readonly upTo: number;
  readonly headsBytes: number;
  readonly headsCrc: string;
  readonly rows: readonly IndexEntry[];
}

/** A row as it stands in a shard. */
export interface RowImage {
  readonly key: string;
  readonly head: Uint8Array;
  readonly body: Uint8Array;
}

/** A shard's header and, to be written, what stands behind it. */
export interface ShardContents {
  readonly header: ShardHeader;
  readonly sections: readonly Uint8Array[];
}

export function toContents(
  place: Pick<ShardHeader, 'table' | 'shard' | 'generation' | 'upTo'>,
  images: readonly RowImage[],
): ShardContents {
  const heads = Buffer.concat(images.map((image) => image.head));
  const rows = images.map(({ key, head, body }): IndexEntry => [key, head.byteLength, body.byteLength]);
  const header = { ...place, headsBytes: heads.byteLength, headsCrc: toChecksum(crc32(heads)), rows };
  return { header, sections: [heads, ...images.map((image) => image.body)] };
}

export function toImage(key: string, head: string, body: string): RowImage {
  return {
    key,
    head: head === '' ? Buffer.alloc(0) : Buffer.from(`${head}\n`),
    body: Buffer.from(`${toChecksum(crc32(body, crc32(key)))} ${body}\n`),
  };
}

/** The text of a body, when it is the undamaged body of this row. */
export function decodeBody(body: Buffer, key: string): string | undefined {
  const end = body.byteLength - 1;
  if (end < 9 || body[8] !== space || body[end] !== newline) return undefined;
  const json = body.subarray(9, end);
  return body.toString('latin1', 0, 8) === toChecksum(crc32(json, crc32(key))) ? json.toString('utf8') : undefined;
}

export function encodeHeader(header: ShardHeader): Buffer {
  const text = Buffer.from(`${JSON.stringify(header)}\n`);
  const preamble = `rouse-shard 1 ${String(text.byteLength).padStart(10, '0')} ${toChecksum(crc32(text))}\n`;
  return Buffer.concat([Buffer.from(preamble), text]);
}

/** How many bytes of header follow the preamble. */
export function decodePreamble(path: string, preamble: Buffer): { headerBytes: number; crc: string } {
  const match = preamblePattern.exec(preamble.toString('latin1'));
  if (match === null) throw new StoreCorruptError(path, 0, 'it does not begin as a shard does');
  return { headerBytes: Number(match[1]), crc: match[2] ?? '' };
}

/** The header behind a preamble. Checks its shape: what is in it becomes offsets. */
export function decodeHeader(path: string, text: Buffer, crc: string): ShardHeader {
  if (toChecksum(crc32(text)) !== crc) throw new StoreCorruptError(path, preambleBytes, 'the checksum of its header is wrong');
  let header: unknown;
  try {
    header = JSON.parse(text.toString('utf8'));
  } catch {
    throw new StoreCorruptError(path, preambleBytes, 'its header is no JSON');
  }
  if (!isHeader(header)) throw new StoreCorruptError(path, preambleBytes, 'its header is not that of a shard');
  return header;
}

/** Where the bodies end, which is where the file must end. */
export function sizeOf(header: ShardHeader, headsEnd: number): number {
  let size = headsEnd;
  for (const [, , bodyBytes] of header.rows) size += bodyBytes;
  return size;
}

function isHeader(value: unknown): value is ShardHeader {
  if (typeof value !== 'object' || value === null) return false;
  const { table, shard, generation, upTo, headsBytes, headsCrc, rows } = value as Partial<Record<keyof ShardHeader, unknown>>;
  if (table !== 'instance' && table !== 'mailbox') return false;
  if (![shard, generation, upTo, headsBytes].every(isCount) || typeof headsCrc !== 'string' || !Array.isArray(rows)) return false;
  let heads = 0;
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== 3 || typeof row[0] !== 'string' || !isCount(row[1]) || !isCount(row[2])) return false;
    heads += row[1];
  }
  return heads === headsBytes;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
