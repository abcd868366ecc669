// The write-ahead log: commits become durable here, and nowhere else. One batch at a time is written and synced; the
// store above sees to that.
//
// Invariants:
//   W1. An append resolves only after its bytes are synced, and the next batch is not begun before.
//   W2. An append that rejects with a full or write error has left nothing: the file was cut back to the last durable
//       offset, and the cut is synced.
//   W3. After a failed sync or cut the log takes nothing more: it rejects with the same error for good.
//   W4. A segment is used only after its first marker and its name are synced.

import { join } from 'node:path';
import type { Commit } from '../../../runtime/ports.js';
import { StoreFailedError } from '../../../runtime/store-errors.js';
import { messageOf, readExactly, syncFailed, syncFile, syncNames, toWriteError, writeAll } from './durable-file.js';
import type { FileId, FileSystem } from './file-system.js';
import { encodeBatch, encodeMarker } from './log-line.js';
import type { ActiveSegment } from './log-scan.js';
import { type Segment, toSegment } from './log-segment.js';

export interface LogStart {
  readonly nextSeq: number;
  /** The segment to go on with, already cut to its durable size; null to begin one. */
  readonly active: ActiveSegment | null;
}

export class Log {
  readonly #fs: FileSystem;
  readonly #directory: string;
  #segment: Segment;
  #file: FileId;
  /** The last durable offset of the segment. */
  #end: number;
  #nextSeq: number;
  #bytes = 0;
  #failure: StoreFailedError | null = null;

  private constructor(fs: FileSystem, directory: string, state: { segment: Segment; file: FileId; end: number; nextSeq: number }) {
    this.#fs = fs;
    this.#directory = directory;
    this.#segment = state.segment;
    this.#file = state.file;
    this.#end = state.end;
    this.#nextSeq = state.nextSeq;
  }

  /** Goes on with the log. It is synced, and says that somebody goes on, when this resolves. */
  static async open(fs: FileSystem, directory: string, { nextSeq, active }: LogStart): Promise<Log> {
    if (active === null) {
      const segment = toSegment(nextSeq);
      const { file, end } = await beginSegment(fs, directory, segment);
      return new Log(fs, directory, { segment, file, end, nextSeq });
    }
    const path = join(directory, active.segment.name);
    const file = await fs.open(path, 'write');
    const log = new Log(fs, directory, { segment: active.segment, file, end: active.size, nextSeq });
    try {
      await rewrite(fs, file, path, active);
      await syncFile(fs, file, path);
      await syncNames(fs, directory);
      await log.#write(encodeMarker(nextSeq, active.size, false));
      return log;
    } catch (error) {
      await fs.close(file).catch(() => {});
      throw error;
    }
  }

  /** The sequence number of the last durable commit. */
  get durableSeq(): number {
    return this.#nextSeq - 1;
  }

  /** Bytes written since it was opened. */
  get bytes(): number {
    return this.#bytes;
  }

  get failure(): StoreFailedError | null {
    return this.#failure;
  }

  /**
   * Makes a batch durable.
   *
   * @throws StoreFullError, StoreWriteError when nothing of it was kept; StoreFailedError when the log has failed.
   */
  async append(commits: readonly Commit[]): Promise<void> {
    await this.#write(encodeBatch(commits, this.#nextSeq, this.#end));
    this.#nextSeq += commits.length;
  }

  /** Begins a new segment, unless the last one holds no commit yet. Resolves to the first sequence number of the new one. */
  async rotate(): Promise<number> {
    this.#assertWorks();
    if (this.#segment.firstSeq === this.#nextSeq) return this.#nextSeq;
    const segment = toSegment(this.#nextSeq);
    try {
      const { file, end } = await beginSegment(this.#fs, this.#directory, segment);
      await this.#fs.close(this.#file).catch(() => {});
      this.#segment = segment;
      this.#file = file;
      this.#end = end;
      return segment.firstSeq;
    } catch (error) {
      if (error instanceof StoreFailedError) this.fail(error);
      throw error;
    }
  }

  /** Says that whoever wrote the log ended in order. */
  async seal(): Promise<void> {
    await this.#write(encodeMarker(this.#nextSeq, this.#end, true));
  }

  /** From now on nothing is taken any more (W3). */
  fail(error: StoreFailedError): void {
    this.#failure ??= error;
  }

  async close(): Promise<void> {
    await this.#fs.close(this.#file);
  }

  #write(text: string): Promise<void> {
    this.#assertWorks();
    const data = Buffer.from(text, 'utf8');
    const { byteLength } = data;
    return new Promise((resolve, reject) => {
      let offset = 0;
      const onSynced = (error: Error | null): void => {
        if (error !== null) {
          reject(this.#failWith(syncFailed(this.#path(), error)));
          return;
        }
        this.#end += byteLength;
        this.#bytes += byteLength;
        resolve();
      };
      const onWritten = (error: Error | null, count: number): void => {
        offset += count;
        if (error !== null || count === 0) this.#cutBack(error).then(reject, reject);
        else if (offset < byteLength) this.#fs.write(this.#file, data.subarray(offset), this.#end + offset, onWritten);
        else this.#fs.sync(this.#file, onSynced);
      };
      this.#fs.write(this.#file, data, this.#end, onWritten);
    });
  }

  /** Resolves to what the callers of the batch are told. */
  async #cutBack(cause: Error | null): Promise<Error> {
    try {
      await this.#fs.truncate(this.#file, this.#end);
      await syncFile(this.#fs, this.#file, this.#path());
    } catch (error) {
      if (error instanceof StoreFailedError) return this.#failWith(error);
      return this.#failWith(
        new StoreFailedError(`"${this.#path()}" could not be cut back after a failed write (${messageOf(error)})`, { cause: error }),
      );
    }
    // A disk that takes nothing and names no reason has no room.
    return toWriteError(cause ?? Object.assign(new Error('the disk took a part of the write'), { code: 'ENOSPC' }));
  }

  #failWith(error: StoreFailedError): StoreFailedError {
    this.fail(error);
    return error;
  }

  #assertWorks(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #path(): string {
    return join(this.#directory, this.#segment.name);
  }
}

/**
 * Writes the last batch again. A sync of it may have failed before this process: then it is read from memory, is not on
 * disk, and no sync writes it any more.
 */
async function rewrite(fs: FileSystem, file: FileId, path: string, { batchAt, size }: ActiveSegment): Promise<void> {
  await writeAll(fs, file, await readExactly(fs, file, { path, position: batchAt, length: size - batchAt }), batchAt);
}

async function beginSegment(fs: FileSystem, directory: string, segment: Segment): Promise<{ file: FileId; end: number }> {
  const path = join(directory, segment.name);
  const file = await fs.open(path, 'create');
  try {
    const marker = Buffer.from(encodeMarker(segment.firstSeq, 0, false));
    await writeAll(fs, file, marker, 0);
    await syncFile(fs, file, path);
    await syncNames(fs, directory);
    return { file, end: marker.byteLength };
  } catch (error) {
    await fs.close(file).catch(() => {});
    await fs.remove(path).catch(() => {});
    throw error;
  }
}
