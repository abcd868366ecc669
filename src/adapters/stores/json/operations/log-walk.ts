// Goes through a log as recovery does (log-scan.ts), but not only to its first damage: behind it, it takes up the log
// again at the next line that is right, and so finds all of it.
//
// Invariants:
//   LW1. Commits are visited in their order and without a gap: none behind the first damage.
//   LW2. What opening the store would cut off is its tail, and no damage.

import type { Change } from '../../../../runtime/ports.js';
import type { FileSystem } from '../file-system.js';
import { decodeCommit, decodeLine, decodeMarker, encodeMarker, isNewerMarker } from '../log-line.js';
import { newerLog } from '../log-scan.js';
import type { Segment } from '../log-segment.js';
import { type HeldFile, visitLines } from './file-lines.js';
import type { Pace } from './pace.js';
import type { Findings, StoreTail } from './report.js';

const brace = 0x7b;
const closingBrace = 0x7d;

export interface HeldSegment extends HeldFile {
  readonly segment: Segment;
}

export interface LogPlace {
  readonly path: string;
  readonly offset: number;
}

export interface LogEnd {
  /** The last commit that can be trusted: before the first damage, if there is any. */
  readonly upTo: number;
  /** The number that the next commit gets, as far as the log can be read. */
  readonly nextSeq: number;
  readonly isDamaged: boolean;
  readonly tail: StoreTail | null;
}

export type VisitCommit = (seq: number, changes: readonly Change[], place: LogPlace) => void;

export interface LogWalkOptions {
  readonly fs: FileSystem;
  readonly pace: Pace;
  readonly found: Findings;
  readonly visit: VisitCommit;
  /** Told of the bytes of each segment when it is behind. */
  readonly onSegment?: ((bytes: number) => void) | undefined;
}

export async function walkLog(segments: readonly HeldSegment[], options: LogWalkOptions): Promise<LogEnd> {
  const walk = new LogWalk(segments[0]?.segment.firstSeq ?? 1, options);
  for (const segment of segments) {
    await walk.read(segment);
    options.onSegment?.(segment.size);
  }
  return walk.end();
}

interface BadPlace extends LogPlace {
  readonly seq: number;
  readonly what: string;
}

class LogWalk {
  readonly #options: LogWalkOptions;
  #nextSeq: number;
  /** Where lines that are not right begin; whether that is damage shows what comes behind. */
  #bad: BadPlace | null = null;
  #badBytes = 0;
  /** By how much what is in this segment stands behind where it was written. */
  #shift = 0;
  #damagedAt: number | null = null;

  constructor(firstSeq: number, options: LogWalkOptions) {
    this.#nextSeq = firstSeq;
    this.#options = options;
  }

  async read(held: HeldSegment): Promise<void> {
    const { path, segment, size } = held;
    if (this.#bad === null && segment.firstSeq < this.#nextSeq) return;
    const wasGoodBefore = this.#bad === null;
    this.#shift = 0;
    if (segment.firstSeq !== this.#nextSeq) {
      this.#begin(path, 0, `commit ${this.#nextSeq} is missing`);
      this.#nextSeq = segment.firstSeq;
    }
    if (this.#bad !== null) this.#badBytes += size;
    const { fs, pace } = this.#options;
    const end = await visitLines(fs, held, pace, (line, offset) => {
      const wasGood = this.#bad === null;
      this.#take({ path, offset }, line);
      if (wasGood && this.#bad !== null) this.#badBytes = size - offset;
      return pace.step(line.byteLength);
    });
    if (this.#bad === null && (end < size || size === 0)) {
      this.#begin(path, end, 'the file ends within a line');
      this.#badBytes = size - end;
    }
    if (wasGoodBefore) this.#checkBeginning(held);
  }

  end(): LogEnd {
    const bad = this.#bad;
    const nextSeq = bad?.seq ?? this.#nextSeq;
    return {
      upTo: (this.#damagedAt ?? nextSeq) - 1,
      nextSeq,
      isDamaged: this.#damagedAt !== null,
      tail: bad === null ? null : { file: bad.path, offset: bad.offset, bytes: this.#badBytes },
    };
  }

  #take(place: LogPlace, line: Buffer): void {
    const marker = readMarker(line);
    if (marker !== undefined) this.#takeMarker(place, marker);
    else if (this.#bad !== null) this.#resume(line);
    else if (!this.#takeCommit(place, line)) this.#begin(place.path, place.offset, `commit ${this.#nextSeq} is damaged`);
  }

  /** All before a marker was synced: what is bad there is damage, unless the marker is left over from an older log. */
  #takeMarker({ path, offset }: LogPlace, { seq, durable }: ReadMarker): void {
    const isHere = seq === this.#nextSeq && durable + this.#shift === offset;
    if (isHere && this.#bad === null) return;
    this.#begin(
      path,
      offset,
      seq > this.#nextSeq ? `commit ${this.#nextSeq} is missing` : 'something in front of it is missing or too much',
    );
    if (this.#bad === null || seq < this.#bad.seq) return;
    this.#isDamage(this.#bad);
    this.#nextSeq = seq;
    // What is missing or too much moves all that comes: it is told once.
    this.#shift = offset - durable;
  }

  /** Nothing is written behind the first marker of a segment before that is on disk. */
  #checkBeginning({ path, segment, size }: HeldSegment): void {
    const bad = this.#bad;
    if (bad === null || bad.path !== path || bad.offset > 0 || bad.seq !== segment.firstSeq) return;
    if (size <= encodeMarker(segment.firstSeq, 0, false).length) return;
    this.#isDamage({ ...bad, what: 'it does not begin with its marker, and goes on' });
  }

  /** Whether a line is the commit that belongs here. */
  #takeCommit(place: LogPlace, line: Buffer): boolean {
    const json = decodeLine(line, this.#nextSeq);
    if (json === undefined || json[0] === brace || place.offset === 0) {
      if (json !== undefined && isNewerMarker(json, place.offset)) throw newerLog(place.path, place.offset);
      return false;
    }
    const changes = decodeCommit(json);
    if (changes === undefined) this.#isDamage({ ...place, seq: this.#nextSeq, what: 'the line has the right checksum, but is no commit' });
    else if (this.#damagedAt === null) this.#options.visit(this.#nextSeq, changes, place);
    this.#nextSeq += 1;
    return true;
  }

  /** Behind what is bad, the numbers are taken from the lines. */
  #resume(line: Buffer): void {
    const seq = seqOf(line);
    if (seq !== undefined && decodeLine(line, seq) !== undefined) this.#nextSeq = seq + 1;
  }

  #begin(path: string, offset: number, what: string): void {
    this.#bad ??= { path, offset, seq: this.#nextSeq, what };
  }

  #isDamage({ path, offset, seq, what }: BadPlace): void {
    this.#options.found.add({ kind: 'damage', file: path, offset, what });
    this.#damagedAt ??= seq;
    this.#bad = null;
    this.#badBytes = 0;
  }
}

interface ReadMarker {
  readonly seq: number;
  /** The offset at which it was written. */
  readonly durable: number;
}

/** The marker that a line is, wherever it stands. */
function readMarker(line: Buffer): ReadMarker | undefined {
  if (line.at(-1) !== closingBrace) return undefined;
  const match = /^([1-9][0-9]{0,15}) [0-9a-f]{8} \{"durable":(0|[1-9][0-9]{0,15})[,}]/.exec(line.toString('latin1', 0, 64));
  if (match === null) return undefined;
  const [seq, durable] = [Number(match[1]), Number(match[2])];
  return decodeMarker(line, seq, durable) === undefined ? undefined : { seq, durable };
}

function seqOf(line: Buffer): number | undefined {
  const digits = /^[1-9][0-9]{0,15} /.exec(line.toString('latin1', 0, 17));
  return digits === null ? undefined : Number(digits[0]);
}
