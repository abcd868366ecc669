// The lines of the log: `seq crc json`. A commit is an array of changes; a marker is an object that begins a batch,
// or seals the log. Text is put together by hand: a delta is JSON already, and this is the hot path.
//
// Invariants:
//   N1. A line is right only byte for byte: the sequence number it must have, its checksum in small letters, no more.
//       The checksum begins with the sequence number, so a line in another's place is wrong too.
//   N2. A marker states its own offset in the file: all that stands before it was synced when it was written. No
//       other place of the log can hold the same marker.

import { crc32 } from 'node:zlib';
import type { Change, Commit, Table } from '../../../runtime/ports.js';

const space = 0x20;
const hexOfBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const tables: ReadonlyMap<unknown, Table> = new Map([
  ['i', 'instance'],
  ['m', 'mailbox'],
]);

export interface Marker {
  readonly sealed: boolean;
}

/** A checksum as it is written: eight small hexadecimal digits. */
export function toChecksum(crc: number): string {
  return toHex(crc >>> 24) + toHex((crc >>> 16) & 0xff) + toHex((crc >>> 8) & 0xff) + toHex(crc & 0xff);
}

/** From a list: `toString(16)` takes six times as long, for every line of the log. */
function toHex(byte: number): string {
  return hexOfBytes[byte] ?? '';
}

/** The text of a batch that begins at this offset: its marker, then a line for each commit. */
export function encodeBatch(commits: readonly Commit[], seq: number, offset: number): string {
  let text = encodeMarker(seq, offset, false);
  let next = seq;
  for (const commit of commits) {
    text += encodeLine(next, encodeCommit(commit.changes));
    next += 1;
  }
  return text;
}

export function encodeMarker(seq: number, offset: number, sealed: boolean): string {
  return encodeLine(seq, sealed ? `{"durable":${offset},"sealed":true}` : `{"durable":${offset}}`);
}

function encodeLine(seq: number, json: string): string {
  return `${seq} ${toChecksum(crc32(json, seq >>> 0))} ${json}\n`;
}

function encodeCommit(changes: readonly Change[]): string {
  let json = '[';
  for (const { table, key, delta } of changes) {
    if (json.length > 1) json += ',';
    json += `${table === 'instance' ? '["i",' : '["m",'}${JSON.stringify(key)},${delta}]`;
  }
  return `${json}]`;
}

/** The marker that a line is, when it is the one that belongs at this offset. */
export function decodeMarker(line: Buffer, seq: number, offset: number): Marker | undefined {
  const text = `${line.toString('latin1')}\n`;
  if (text === encodeMarker(seq, offset, false)) return { sealed: false };
  if (text === encodeMarker(seq, offset, true)) return { sealed: true };
  return undefined;
}

/** Whether a line is a marker that belongs at this offset, whatever its sequence number. */
export function isAnyMarker(line: Buffer, offset: number): boolean {
  const digits = /^[1-9][0-9]{0,15} /.exec(line.toString('latin1', 0, 17));
  return digits !== null && decodeMarker(line, Number(digits[0]), offset) !== undefined;
}

/** The JSON of a line with this sequence number, when its checksum is right. */
export function decodeLine(line: Buffer, seq: number): Buffer | undefined {
  const prefix = `${seq} `;
  const start = prefix.length + 9;
  if (line.byteLength < start || line[start - 1] !== space) return undefined;
  if (line.toString('latin1', 0, prefix.length) !== prefix) return undefined;
  const json = line.subarray(start);
  return line.toString('latin1', prefix.length, start - 1) === toChecksum(crc32(json, seq >>> 0)) ? json : undefined;
}

/** The changes of a commit, or undefined when the JSON is no commit. */
export function decodeCommit(json: Buffer): Change[] | undefined {
  let items: unknown;
  try {
    items = JSON.parse(json.toString('utf8'));
  } catch {
    return undefined;
  }
  if (!Array.isArray(items)) return undefined;
  const changes: Change[] = [];
  for (const item of items) {
    if (!Array.isArray(item) || item.length !== 3) return undefined;
    const [letter, key, delta] = item;
    const table = tables.get(letter);
    if (table === undefined || typeof key !== 'string' || typeof delta !== 'object' || delta === null) return undefined;
    changes.push({ table, key, delta: JSON.stringify(delta) });
  }
  return changes;
}
