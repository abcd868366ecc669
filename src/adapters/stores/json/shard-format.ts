// The format of a shard: a line that says how long the header is, the header with the index, then the heads of all
// rows as one JSON array, then their bodies. Heads stand together so that opening a store reads no body; each body has
// its own checksum so that one is read without the others. A body is a JSON array of the row's deltas.
//
//   rouse-shard 2 <header bytes, 10 digits> <crc>\n
//   {"table":...,"shard":...,"generation":...,"upTo":...,"headsBytes":...,"headsCrc":...,"keys":[...],"heads":[...],"bodies":[...],"deltas":[...]}\n
//   [<head>,\n<head>...]\n for instances; mailboxes have no heads
//   <crc> [<delta>,...]\n for each row
//
// Invariants:
//   H1. Every byte is covered: by the header's checksum, that of the heads, or a body's, or it is compared.
//   H2. A body's checksum begins with its key: a body in another's place is wrong.

import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Table } from '../../../runtime/ports.js';
import { StoreCorruptError, StoreFormatError } from '../../../runtime/store-errors.js';
import { toChecksum } from './log-line.js';

const preamblePattern = /^rouse-shard 2 ([0-9]{10}) ([0-9a-f]{8})\n$/;
const newerPattern = /^rouse-shard (?:[3-9]|[1-9][0-9]+) /;
const space = 0x20;
const newline = 0x0a;

export const preambleBytes = 34;

/** What a shard is, and its rows by columns. */
export interface ShardHeader {
  readonly table: Table;
  readonly shard: number;
  readonly generation: number;
  /** The log up to this sequence number is in here. */
  readonly upTo: number;
  readonly headsBytes: number;
  readonly headsCrc: string;
  readonly keys: readonly string[];
  /** How many bytes each head takes, and each body. */
  readonly heads: readonly number[];
  readonly bodies: readonly number[];
  /** How many deltas each body has. */
  readonly deltas: readonly number[];
}

/** A row as it stands in a shard; a mailbox has no head. */
export interface RowImage {
  readonly key: string;
  readonly head: Uint8Array | null;
  readonly body: Uint8Array;
  readonly deltas: number;
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
  const heads = place.table === 'instance' ? joinHeads(images) : Buffer.alloc(0);
  const header = {
    ...place,
    headsBytes: heads.byteLength,
    headsCrc: toChecksum(crc32(heads)),
    keys: images.map((image) => image.key),
    heads: place.table === 'instance' ? images.map((image) => image.head?.byteLength ?? 0) : [],
    bodies: images.map((image) => image.body.byteLength),
    deltas: images.map((image) => image.deltas),
  };
  return { header, sections: [heads, ...images.map((image) => image.body)] };
}

const headSeparator = Buffer.from(',\n');
export const headSeparatorBytes = headSeparator.byteLength;

function joinHeads(images: readonly RowImage[]): Buffer {
  const pieces: Uint8Array[] = [Buffer.from('[')];
  for (const { head } of images) {
    if (pieces.length > 1) pieces.push(headSeparator);
    if (head !== null) pieces.push(head);
  }
  return Buffer.concat([...pieces, Buffer.from(']\n')]);
}

/** A body of these deltas, behind those that it has. */
export function toBody(key: string, before: string | undefined, deltas: readonly string[]): Buffer {
  const json = before === undefined ? `[${deltas.join(',')}]` : `${before.slice(0, -1)},${deltas.join(',')}]`;
  return Buffer.from(`${toChecksum(crc32(json, crc32(key)))} ${json}\n`);
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
  const preamble = `rouse-shard 2 ${String(text.byteLength).padStart(10, '0')} ${toChecksum(crc32(text))}\n`;
  return Buffer.concat([Buffer.from(preamble), text]);
}

/** How many bytes of header follow the preamble. */
export function decodePreamble(path: string, preamble: Buffer): { headerBytes: number; crc: string } {
  const match = preamblePattern.exec(preamble.toString('latin1'));
  if (match === null) {
    if (newerPattern.test(preamble.toString('latin1')))
      throw new StoreFormatError(dirname(dirname(path)), `${path} is of a newer format. Use the version of rouse that wrote it`);
    throw new StoreCorruptError(path, 0, 'it does not begin as a shard does');
  }
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
  return header.bodies.reduce((size, bytes) => size + bytes, headsEnd);
}

function isHeader(value: unknown): value is ShardHeader {
  if (typeof value !== 'object' || value === null) return false;
  const header = value as Partial<Record<keyof ShardHeader, unknown>>;
  const { table, shard, generation, upTo, headsBytes, headsCrc, keys, heads, bodies, deltas } = header;
  if (table !== 'instance' && table !== 'mailbox') return false;
  if (![shard, generation, upTo, headsBytes].every(isCount) || typeof headsCrc !== 'string') return false;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) return false;
  if (!isCounts(bodies, keys.length) || !isCounts(deltas, keys.length)) return false;
  if (table === 'mailbox') return headsBytes === 0 && isCounts(heads, 0);
  if (!isCounts(heads, keys.length)) return false;
  const separators = headSeparatorBytes * Math.max(0, keys.length - 1);
  return heads.reduce((sum, bytes) => sum + bytes, '[]\n'.length + separators) === headsBytes;
}

function isCounts(value: unknown, length: number): value is number[] {
  return Array.isArray(value) && value.length === length && value.every(isCount);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
