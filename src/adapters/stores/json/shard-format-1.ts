// Shards as format 1 had them, for stores that are still to be upgraded. They are read, never written.
//
//   rouse-shard 1 <header bytes, 10 digits> <crc>\n
//   {"table":...,"shard":...,"generation":...,"upTo":...,"headsBytes":...,"headsCrc":...,"rows":[[key, head bytes, body bytes], ...]}\n
//   <head>\n for each instance: its base without journal and values
//   <crc> <base>\n for each row

import { crc32 } from 'node:zlib';
import type { Table } from '../../../runtime/ports.js';
import { StoreCorruptError } from '../../../runtime/store-errors.js';
import { toChecksum } from './log-line.js';

const preamblePattern = /^rouse-shard 1 ([0-9]{10}) ([0-9a-f]{8})\n$/;
const preambleBytes = 34;

interface Header {
  readonly table: Table;
  readonly shard: number;
  readonly generation: number;
  readonly upTo: number;
  readonly headsBytes: number;
  readonly headsCrc: string;
  readonly rows: readonly (readonly [key: string, headBytes: number, bodyBytes: number])[];
}

export interface ShardOfFormat1 {
  readonly header: Header;
  readonly headsStart: number;
  readonly bodiesStart: number;
  readonly hasRightHeads: boolean;
}

export function isFormat1(shard: Buffer): boolean {
  return shard.toString('latin1', 0, 'rouse-shard 1 '.length) === 'rouse-shard 1 ';
}

/** @throws StoreCorruptError when its header is damaged. */
export function readFormat1(path: string, shard: Buffer): ShardOfFormat1 {
  const match = preamblePattern.exec(shard.toString('latin1', 0, preambleBytes));
  if (match === null) throw new StoreCorruptError(path, 0, 'it does not begin as a shard does');
  const headsStart = preambleBytes + Number(match[1]);
  const text = shard.subarray(preambleBytes, headsStart);
  if (toChecksum(crc32(text)) !== match[2]) throw new StoreCorruptError(path, preambleBytes, 'the checksum of its header is wrong');
  // The checksum is right: this is what format 1 wrote.
  const header = JSON.parse(text.toString('utf8')) as Header;
  const bodiesStart = headsStart + header.headsBytes;
  const hasRightHeads = toChecksum(crc32(shard.subarray(headsStart, bodiesStart))) === header.headsCrc;
  return { header, headsStart, bodiesStart, hasRightHeads };
}
