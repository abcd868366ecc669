// What tests know of the files of a store: where they are, and how to change what they say and put their checksums
// right again, as a program with a bug would write them. All of it is here: a new format is learnt in one place.

import { crc32 } from 'node:zlib';
import { encodeMarker, toChecksum } from '../../src/adapters/stores/json/log-line.js';
import {
  decodeHeader,
  decodePreamble,
  encodeHeader,
  preambleBytes,
  type ShardHeader,
} from '../../src/adapters/stores/json/shard-format.js';

export const directory = '/data/store';
const logDirectory = `${directory}/log`;
export const metaPath = `${directory}/meta.json`;

export function isLog(path: string): boolean {
  return path.endsWith('.jsonl');
}

export function isShard(path: string, table = ''): boolean {
  return path.includes(`/shards/${table}`) && path.endsWith('.json');
}

/** The path of the segment that begins with this commit. */
export function segmentPath(firstSeq: number): string {
  return `${logDirectory}/${String(firstSeq).padStart(16, '0')}.jsonl`;
}

/** A line of the log. */
export interface LogLine {
  readonly seq: number;
  json: string;
}

/** The lines of a log that is whole. */
export function readLog(data: Buffer): LogLine[] {
  const lines = data.toString('utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [, seq = '', , json = ''] = /^([0-9]+) ([0-9a-f]{8}) ([^\n]*)$/.exec(line) ?? [];
    return { seq: Number(seq), json };
  });
}

/** A log of these lines, with right checksums; markers are made to say where they stand. */
export function writeLog(lines: readonly LogLine[]): Buffer {
  let text = '';
  for (const { seq, json } of lines) {
    const offset = Buffer.byteLength(text);
    if (/^\{"durable":[0-9]+(,"sealed":true)?\}$/.test(json)) text += encodeMarker(seq, offset, json.includes('sealed'));
    else text += `${seq} ${toChecksum(crc32(json, seq >>> 0))} ${json}\n`;
  }
  return Buffer.from(text);
}

/** How many commits are whole in the first bytes of a log, and where the last whole line ends. */
export function wholeLines(data: Buffer, size: number): { commits: number; end: number } {
  const end = data.lastIndexOf('\n', size - 1) + 1;
  const whole = size === 0 ? [] : readLog(data.subarray(0, end));
  return { commits: whole.filter(({ json }) => json.startsWith('[')).length, end: size === 0 ? 0 : end };
}

/** How many commits of a log had been synced for certain: those in front of its last marker. */
export function syncedCommits(data: Buffer): number {
  const lines = readLog(data);
  const last = lines.findLastIndex(({ json }) => json.startsWith('{'));
  return lines.slice(0, last).filter(({ json }) => json.startsWith('[')).length;
}

/** Whether a line behind this offset can only have been written when all in front of it was on disk: a marker with this number or a later one. */
export function showsSynced(data: Buffer, offset: number, seq: number): boolean {
  const lines = data.toString('latin1', offset).split('\n').slice(0, -1);
  return lines.some((line) => {
    const [, number = '', crc, json = ''] = /^([1-9][0-9]*) ([0-9a-f]{8}) (\{"durable":[0-9]+(?:,"sealed":true)?\})$/.exec(line) ?? [];
    return crc !== undefined && Number(number) >= seq && crc === toChecksum(crc32(json, Number(number) >>> 0));
  });
}

/** The meta of a store with its checksum put right. */
export function writeMeta(data: Buffer, change: (meta: Record<string, unknown>) => unknown): Buffer {
  const whole = JSON.parse(data.toString('utf8')) as { meta: Record<string, unknown>; crc: string };
  const meta = change(whole.meta);
  return Buffer.from(`${JSON.stringify({ ...whole, crc: toChecksum(crc32(JSON.stringify(meta) ?? '')), meta })}\n`);
}

/** A shard in its parts. */
export interface ShardParts {
  header: Record<keyof ShardHeader, unknown>;
  heads: string;
  /** The JSON of each row, in the order of the keys. */
  readonly bodies: string[];
}

export function readShard(data: Buffer): ShardParts {
  const { headerBytes, crc } = decodePreamble('', data.subarray(0, preambleBytes));
  const headsStart = preambleBytes + headerBytes;
  const header = decodeHeader('', data.subarray(preambleBytes, headsStart), crc);
  let offset = headsStart + header.headsBytes;
  const bodies = header.bodies.map((length) => {
    offset += length;
    return data.toString('utf8', offset - length + 9, offset - 1);
  });
  return { header: { ...header }, heads: data.toString('utf8', headsStart, headsStart + header.headsBytes), bodies };
}

/** A shard of these parts with right checksums; lengths are put right unless the header was made to say others. */
export function writeShard({ header, heads, bodies }: ShardParts, keepsLengths = false): Buffer {
  const keys = Array.isArray(header.keys) ? header.keys : [];
  const rows = bodies.map((json, index) => Buffer.from(`${toChecksum(crc32(json, crc32(String(keys[index]))))} ${json}\n`));
  const headsBytes = Buffer.byteLength(heads);
  const lengths = keepsLengths ? {} : { headsBytes, headsCrc: toChecksum(crc32(heads)), bodies: rows.map((row) => row.byteLength) };
  const whole = encodeHeader({ ...header, ...lengths } as ShardHeader);
  return Buffer.concat([whole, Buffer.from(heads), ...rows]);
}
