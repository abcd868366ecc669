// The lines of the log: `seq crc json`. A commit is its change, or an array of several; a change is an array of a
// table's letter, a key and a delta. A marker is an object that begins a batch, or seals the log. Text is put together by hand: a delta is JSON already, and this is the hot path.
//
// Invariants:
//   N1. A line is right only byte for byte: the sequence number it must have, its checksum in small letters, no more.
//       The checksum begins with the sequence number, so a line in another's place is wrong too.
//   N2. A marker states its own offset in the file: all that stands before it was synced when it was written. No
//       other place of the log can hold the same marker.

import { crc32 } from 'node:zlib';
import type { Change, Commit, Table } from '../../../runtime/ports.js';

const space = 0x20;
const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const brace = 0x7b;
const closingBrace = 0x7d;
const closingBracket = 0x5d;
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
  const [first] = changes;
  if (first !== undefined && changes.length === 1) return encodeChange(first);
  let json = '[';
  for (const change of changes) json += json.length > 1 ? `,${encodeChange(change)}` : encodeChange(change);
  return `${json}]`;
}

function encodeChange({ table, key, delta }: Change): string {
  return `${table === 'instance' ? '["i",' : '["m",'}${JSON.stringify(key)},${delta}]`;
}

/** The marker that a line is, when it is the one that belongs at this offset. */
export function decodeMarker(line: Buffer, seq: number, offset: number): Marker | undefined {
  const text = `${line.toString('latin1')}\n`;
  if (text === encodeMarker(seq, offset, false)) return { sealed: false };
  if (text === encodeMarker(seq, offset, true)) return { sealed: true };
  return undefined;
}

const markerAtEnd = /([1-9][0-9]{0,15}) [0-9a-f]{8} \{"durable":(0|[1-9][0-9]{0,15})(?:,"sealed":true)?\}$/;
const markerBytesMax = 80;

/**
 * Whether a line is a marker, with this sequence number or a later one, wherever it was meant to stand: what is missing or
 * too much in front of it moves it, and a newline that was damaged puts it behind another line. One with an earlier number
 * is from a log that was there before.
 */
export function isMarkerFrom(line: Buffer, seq: number): boolean {
  const match = markerAtEnd.exec(line.toString('latin1', Math.max(0, line.byteLength - markerBytesMax)));
  if (match === null || Number(match[1]) < seq) return false;
  return decodeMarker(Buffer.from(match[0], 'latin1'), Number(match[1]), Number(match[2])) !== undefined;
}

/** Whether the JSON of a line, whose checksum is right, is a marker that belongs at this offset and says more than ours do. */
export function isNewerMarker(json: Buffer, offset: number): boolean {
  if (json[0] !== brace) return false;
  try {
    const { durable, sealed, ...more } = JSON.parse(json.toString('utf8')) as Record<string, unknown>;
    return durable === offset && Object.keys(more).length > 0;
  } catch {
    return false;
  }
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

/** The changes of a commit, or undefined when the JSON is no commit. The delta of a single change is not looked into. */
export function decodeCommit(json: Buffer): Change[] | undefined {
  if (json[1] === quote) {
    const change = cutChange(json);
    return change && [change];
  }
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

const keyStart = '["i",'.length;

/** Most commits are one change: its parts are cut out of the text, for whoever parses them when they are read. */
function cutChange(json: Buffer): Change | undefined {
  const table = tables.get(json.toString('latin1', 2, 3));
  const end = json.byteLength - 1;
  if (table === undefined || json[3] !== quote || json[4] !== comma || json[keyStart] !== quote) return undefined;
  let keyEnd = keyStart + 1;
  let isEscaped = false;
  for (; json[keyEnd] !== quote; keyEnd += 1) {
    if (keyEnd >= end) return undefined;
    if (json[keyEnd] !== backslash) continue;
    isEscaped = true;
    keyEnd += 1;
  }
  if (json[keyEnd + 1] !== comma || json[keyEnd + 2] !== brace || json[end - 1] !== closingBrace || json[end] !== closingBracket)
    return undefined;
  const key = isEscaped ? parseText(json.toString('utf8', keyStart, keyEnd + 1)) : json.toString('utf8', keyStart + 1, keyEnd);
  return key === undefined ? undefined : { table, key, delta: json.toString('utf8', keyEnd + 2, end) };
}

function parseText(json: string): string | undefined {
  try {
    return String(JSON.parse(json));
  } catch {
    return undefined;
  }
}
