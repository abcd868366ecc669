// A file as a kernel and a disk see it: what readers are given, and what of it would be there after a power cut.
//
// It keeps one image of its bytes, the newest, and for each change since the last sync what the change replaced. So an
// append costs what it appends, however long the file is, and a power cut can take back any change in any sector.
//
// Invariants:
//   Y1. A sector (512 bytes) of a file that was not synced is, after a power cut, as some moment since the last sync
//       left it. Which one is decided for each sector: writes are torn, and a later one may stay where an earlier one
//       goes. The size is decided apart from the bytes; where they never came are zeros, or what a file had there
//       that was removed.
//   Y2. A sync that fails leaves pages (4096 bytes) clean that are not on disk: later syncs do not write them, until
//       something is written there again.
//   Y3. Bytes of the image behind its size are zero.

import type { Luck } from './luck.js';

const sectorBytes = 512;
const pageBytes = 4_096;

/** A change since the last sync. */
interface Change {
  readonly seq: number;
  readonly position: number;
  readonly length: number;
  /** What stood there; shorter when the file ended before. */
  readonly replaced: Buffer;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
}

const empty = Buffer.alloc(0);

export class SimulatedFile {
  #bytes: Buffer;
  #size: number;
  /** Another file has the same image: it is copied before it is changed. */
  #isShared = true;
  #unsynced: Change[] = [];
  /** Pages that a failed sync has left clean: what the disk has in their place (Y2). */
  #lostPages: Map<number, Buffer> | null = null;
  #seq = 0;

  /** A file with these bytes, all of them on disk. They must not be changed from outside any more. */
  constructor(bytes: Buffer = empty) {
    this.#bytes = bytes;
    this.#size = bytes.byteLength;
  }

  get size(): number {
    return this.#size;
  }

  /** What readers are given. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  /** Names this moment, for `sync`. */
  get seq(): number {
    return this.#seq;
  }

  read(into: Uint8Array, position: number): number {
    return position >= this.#size ? 0 : this.#bytes.copy(into, 0, position, Math.min(this.#size, position + into.byteLength));
  }

  write(data: Uint8Array, position: number): void {
    if (data.byteLength === 0) return;
    const end = position + data.byteLength;
    if (this.#lostPages !== null) this.#makeDirtyAgain(position, end);
    this.#note(position, data.byteLength, Math.max(this.#size, end));
    this.#bytes.set(data, position);
  }

  truncate(size: number): void {
    if (size === this.#size) return;
    const from = Math.min(size, this.#size);
    const length = this.#size - from;
    if (this.#lostPages !== null && length > 0) this.#makeDirtyAgain(from, this.#size);
    this.#note(from, length, size);
    this.#bytes.fill(0, from, from + length);
  }

  /** Puts on disk what was changed up to a moment. */
  sync(seq: number): void {
    if (this.#unsynced.at(-1)?.seq === seq) this.#unsynced = [];
    else this.#unsynced = this.#unsynced.filter((change) => change.seq > seq);
  }

  /**
   * A sync that fails: some of what was changed is on disk, and nothing is written again by a later sync (Y2). Readers
   * are given the new bytes still, or what the disk has.
   */
  failSync(luck: Luck, reads: 'new' | 'old'): void {
    const onDisk = this.#imageLeft(luck);
    const pages = new Set<number>();
    for (const { position, length } of this.#unsynced) forEachBlock(position, length, pageBytes, (page) => pages.add(page));
    this.#unsynced = this.#unsynced.map((change) => ({ ...change, position: change.sizeAfter, length: 0, replaced: empty }));
    this.#own(this.#size);
    for (const page of pages) {
      const start = page * pageBytes;
      const left = Buffer.alloc(pageBytes);
      left.set(onDisk.subarray(start, start + pageBytes));
      if (reads === 'old') this.#bytes.set(left.subarray(0, Math.max(0, this.#size - start)), start);
      else {
        this.#lostPages ??= new Map();
        this.#lostPages.set(page, this.#lostPages.get(page) ?? left);
      }
    }
  }

  /** What a power cut leaves. */
  afterPowerCut(luck: Luck, removed?: SimulatedFile): SimulatedFile {
    if (this.#unsynced.length === 0 && this.#lostPages === null) return new SimulatedFile(this.#shared());
    const image = this.#imageLeft(luck, removed);
    const size = this.#sizeLeft(luck);
    if (image.byteLength >= size) return new SimulatedFile(image.subarray(0, size));
    const grown = Buffer.alloc(size);
    grown.set(image);
    return new SimulatedFile(grown);
  }

  /** The same file to the next process: what was not synced is there, and can still be lost. */
  copy(): SimulatedFile {
    const copy = new SimulatedFile(this.#shared());
    copy.#unsynced = [...this.#unsynced];
    copy.#lostPages = this.#lostPages && new Map(this.#lostPages);
    copy.#seq = this.#seq;
    return copy;
  }

  #shared(): Buffer {
    this.#isShared = true;
    return this.bytes;
  }

  /** Notes a change that is about to be made, and makes room for it. */
  #note(position: number, length: number, sizeAfter: number): void {
    this.#own(Math.max(sizeAfter, position + length));
    const known = Math.max(0, Math.min(length, this.#size - position));
    const replaced = known === 0 ? empty : Buffer.from(this.#bytes.subarray(position, position + known));
    this.#seq += 1;
    this.#unsynced.push({ seq: this.#seq, position, length, replaced, sizeBefore: this.#size, sizeAfter });
    this.#size = sizeAfter;
  }

  /** What is written to a page dirties all of it, also what an earlier sync has failed to write. */
  #makeDirtyAgain(position: number, end: number): void {
    forEachBlock(position, end - position, pageBytes, (page) => {
      const onDisk = this.#lostPages?.get(page);
      if (onDisk === undefined) return;
      this.#lostPages?.delete(page);
      this.#seq += 1;
      const sizes = { sizeBefore: this.#size, sizeAfter: this.#size };
      this.#unsynced.push({ seq: this.#seq, position: page * pageBytes, length: pageBytes, replaced: onDisk, ...sizes });
    });
  }

  /** Makes the image one of its own with room for so many bytes. */
  #own(size: number): void {
    if (!this.#isShared && size <= this.#bytes.byteLength) return;
    const roomy = size <= this.#size ? size : Math.max(size * 2, sectorBytes);
    const bytes = Buffer.alloc(roomy);
    this.#bytes.copy(bytes, 0, 0, this.#size);
    this.#bytes = bytes;
    this.#isShared = false;
  }

  /** The bytes that are left, as long as the file has been at its longest. */
  #imageLeft(luck: Luck, removed?: SimulatedFile): Buffer {
    let longest = this.#size;
    for (const { sizeBefore } of this.#unsynced) longest = Math.max(longest, sizeBefore);
    const image = Buffer.alloc(longest);
    this.#bytes.copy(image, 0, 0, this.#size);
    const settled = new Set<number>();
    for (let index = this.#unsynced.length - 1; index >= 0; index -= 1) {
      const change = this.#unsynced[index];
      if (change !== undefined) takeBack(image, change, settled, luck);
    }
    if (removed !== undefined) this.#showRemoved(image, removed, settled, luck);
    for (const [page, onDisk] of this.#lostPages ?? [])
      image.set(onDisk.subarray(0, Math.max(0, longest - page * pageBytes)), page * pageBytes);
    return image;
  }

  /** A block that the file was given and that was never written shows what it held before. */
  #showRemoved(image: Buffer, removed: SimulatedFile, settled: ReadonlySet<number>, luck: Luck): void {
    const sizeOnDisk = this.#unsynced[0]?.sizeBefore ?? this.#size;
    const firstNew = Math.ceil(sizeOnDisk / pageBytes) * pageBytes;
    for (const { position, length } of this.#unsynced) {
      forEachBlock(position, length, sectorBytes, (sector) => {
        const start = sector * sectorBytes;
        if (start < firstNew || start >= image.byteLength || settled.has(sector) || !luck()) return;
        const end = Math.min(start + sectorBytes, image.byteLength);
        image.fill(0, start, end);
        image.set(removed.bytes.subarray(start, end), start);
      });
    }
  }

  #sizeLeft(luck: Luck): number {
    for (let index = this.#unsynced.length - 1; index >= 0; index -= 1) {
      const { sizeBefore, sizeAfter } = this.#unsynced[index] ?? { sizeBefore: 0, sizeAfter: 0 };
      if (sizeBefore === sizeAfter) continue;
      if (!isWhole(luck)) return betweenSizes(Math.min(sizeBefore, sizeAfter), Math.max(sizeBefore, sizeAfter), luck);
      if (luck()) return sizeAfter;
    }
    return this.#unsynced[0]?.sizeBefore ?? this.#size;
  }
}

/** Takes a change back from the image: as a whole, not at all, or in some of its sectors. A sector that stays is settled: older changes show in it. */
function takeBack(image: Buffer, change: Change, settled: Set<number>, luck: Luck): void {
  const whole = isWhole(luck) ? luck() : undefined;
  forEachBlock(change.position, change.length, sectorBytes, (sector) => {
    if (settled.has(sector)) return;
    if (whole ?? luck()) {
      settled.add(sector);
      return;
    }
    const start = Math.max(change.position, sector * sectorBytes);
    const end = Math.min(change.position + change.length, (sector + 1) * sectorBytes, image.byteLength);
    const offset = start - change.position;
    if (start >= end) return;
    const known = change.replaced.subarray(offset, offset + end - start);
    image.set(known, start);
    image.fill(0, start + known.byteLength, end);
  });
}

/** Two draws that agree: always so when everything or nothing is kept. */
function isWhole(luck: Luck): boolean {
  const first = luck();
  return luck() === first;
}

/** A size on the way from one to the other, at a sector's end. */
function betweenSizes(smaller: number, larger: number, luck: Luck): number {
  let low = Math.floor(smaller / sectorBytes);
  let high = Math.floor(larger / sectorBytes);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (luck()) low = middle + 1;
    else high = middle;
  }
  return Math.min(larger, Math.max(smaller, low * sectorBytes));
}

function forEachBlock(position: number, length: number, blockBytes: number, visit: (block: number) => void): void {
  if (length === 0) return;
  const last = Math.floor((position + length - 1) / blockBytes);
  for (let block = Math.floor(position / blockBytes); block <= last; block += 1) visit(block);
}
