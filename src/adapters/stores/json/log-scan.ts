// Reads the log from its first needed line to its end, and says where it can be trusted to. It changes nothing.
//
// Invariants:
//   N3. The first bad line ends the log. If a marker stands anywhere behind it, what it is part of had been synced:
//       that is damage. If none does, it is in the batch that was being written, of which nobody had been told.

import { dirname, join } from 'node:path';
import type { Change } from '../../../runtime/ports.js';
import { StoreCorruptError, StoreFormatError } from '../../../runtime/store-errors.js';
import type { FileId, FileSystem } from './file-system.js';
import { decodeCommit, decodeLine, decodeMarker, encodeMarker, isMarkerFrom, isNewerMarker } from './log-line.js';
import type { Segment } from './log-segment.js';

const chunkBytes = 1_048_576;
const newline = 0x0a;
const brace = 0x7b;

export interface ActiveSegment {
  readonly segment: Segment;
  readonly size: number;
  /** Where its last batch begins. What stands before it was synced; of what stands behind nobody knows. */
  readonly batchAt: number;
}

export interface LogEnd {
  /** The sequence number that the next commit gets. */
  readonly nextSeq: number;
  /** The log ends with a seal. */
  readonly sealed: boolean;
  /** Bytes of the segments up to the end. */
  readonly bytes: number;
  /** The segment that ends the log, and its size up to there. */
  readonly active: ActiveSegment | null;
  /** What has to be cut off. */
  readonly cut: { readonly segment: Segment; readonly offset: number; readonly bytes: number } | null;
  /** Segments behind the end, of which nothing is kept. */
  readonly behind: readonly Segment[];
}

export type VisitCommit = (seq: number, changes: readonly Change[]) => void;

/** @throws StoreCorruptError when something is damaged that had been synced. */
export async function scanLog(fs: FileSystem, directory: string, segments: readonly Segment[], visit: VisitCommit): Promise<LogEnd> {
  const scan = new LogScan(fs, directory, segments[0]?.firstSeq ?? 1, visit);
  for (const segment of segments) await scan.read(segment);
  return scan.end();
}

interface Place {
  readonly segment: Segment;
  readonly offset: number;
}

class LogScan {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #visit: VisitCommit;
  #nextSeq: number;
  #sealed = false;
  #bytes = 0;
  #batchAt = 0;
  #active: LogEnd['active'] = null;
  #bad: Place | null = null;
  #badBytes = 0;
  readonly #behind: Segment[] = [];

  constructor(fs: FileSystem, directory: string, firstSeq: number, visit: VisitCommit) {
    this.#fs = fs;
    this.#directory = directory;
    this.#nextSeq = firstSeq;
    this.#visit = visit;
  }

  async read(segment: Segment): Promise<void> {
    // A segment that could neither be begun nor removed: the log went on in the one before it.
    if (this.#bad === null && segment.firstSeq < this.#nextSeq) return;
    if (this.#bad === null && segment.firstSeq !== this.#nextSeq) this.#bad = { segment, offset: 0 };
    const file = await this.#fs.open(join(this.#directory, segment.name), 'read');
    try {
      await this.#readLines(file, segment);
    } finally {
      await this.#fs.close(file);
    }
  }

  end(): LogEnd {
    const bad = this.#bad;
    const cut = bad === null ? null : { segment: bad.segment, offset: bad.offset, bytes: this.#badBytes };
    return {
      nextSeq: this.#nextSeq,
      sealed: this.#sealed && cut === null,
      bytes: this.#bytes,
      active: this.#active,
      cut,
      behind: this.#behind,
    };
  }

  async #readLines(file: FileId, segment: Segment): Promise<void> {
    const size = await this.#fs.size(file);
    const goodBefore = this.#bad === null;
    let goodSize = 0;
    const rest = await forEachLine(this.#fs, file, size, (line, offset) => {
      if (this.#bad === null && this.#isGood(line, segment, offset)) {
        goodSize = offset + line.byteLength + 1;
        return;
      }
      this.#bad ??= { segment, offset };
      this.#assertNoMarker(line);
    });
    if (this.#bad === null && (rest < size || size === 0)) this.#bad = { segment, offset: rest };
    // Nothing is written behind the first marker before that is on disk.
    if (goodBefore && goodSize === 0 && size > encodeMarker(segment.firstSeq, 0, false).length)
      throw new StoreCorruptError(this.#pathOf(segment), 0, 'it does not begin with its marker, and goes on');
    this.#bytes += goodSize;
    this.#badBytes += size - goodSize;
    // A segment without its first marker never began: it is made anew.
    if (goodBefore && goodSize > 0) this.#active = { segment, size: goodSize, batchAt: this.#batchAt };
    else this.#behind.push(segment);
  }

  /** Applies a line, and says whether it is one that belongs here. */
  #isGood(line: Buffer, segment: Segment, offset: number): boolean {
    const json = decodeLine(line, this.#nextSeq);
    if (json === undefined) return false;
    if (json[0] === brace || offset === 0) {
      const marker = decodeMarker(line, this.#nextSeq, offset);
      if (marker === undefined) {
        this.#assertNotNewer(segment, json, offset);
        return false;
      }
      this.#sealed = marker.sealed;
      this.#batchAt = offset;
      return true;
    }
    const changes = decodeCommit(json);
    if (changes === undefined)
      throw new StoreCorruptError(this.#pathOf(segment), offset, 'the line has the right checksum, but is no commit');
    this.#visit(this.#nextSeq, changes);
    this.#nextSeq += 1;
    this.#sealed = false;
    return true;
  }

  /** What a newer version wrote must not be cut off as if it had never been written. */
  #assertNotNewer(segment: Segment, json: Buffer, offset: number): void {
    if (isNewerMarker(json, offset)) throw newerLog(this.#pathOf(segment), offset);
  }

  #assertNoMarker(line: Buffer): void {
    const bad = this.#bad;
    if (bad === null || !isMarkerFrom(line, this.#nextSeq)) return;
    throw new StoreCorruptError(
      this.#pathOf(bad.segment),
      bad.offset,
      `commit ${this.#nextSeq} is missing or damaged, and the log goes on behind it`,
    );
  }

  #pathOf(segment: Segment): string {
    return join(this.#directory, segment.name);
  }
}

/** Also for those who only look through a log. */
export function newerLog(path: string, offset: number): StoreFormatError {
  const root = dirname(dirname(path));
  return new StoreFormatError(root, `${path} is of a newer format at byte ${offset}. Use the version of rouse that wrote it`);
}

/** Visits the whole lines of a file, without their newlines. Resolves to where the last of them ends. */
async function forEachLine(fs: FileSystem, file: FileId, size: number, visit: (line: Buffer, offset: number) => void): Promise<number> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  for (let position = 0; position < size; ) {
    const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, size - position));
    const count = await fs.read(file, chunk, position);
    if (count === 0) break;
    position += count;
    const data: Buffer = rest.byteLength === 0 ? chunk.subarray(0, count) : Buffer.concat([rest, chunk.subarray(0, count)]);
    let start = 0;
    for (let end = data.indexOf(newline); end !== -1; end = data.indexOf(newline, start)) {
      visit(data.subarray(start, end), offset + start);
      start = end + 1;
    }
    offset += start;
    rest = data.subarray(start);
  }
  return offset;
}
