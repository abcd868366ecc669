// Files that stay open for reading, the ones used last. A row that wakes is read at once and synchronously; opening
// its shard each time would cost several times the read.

import { limits } from '../../../runtime/limits.js';
import { StoreReadError } from '../../../runtime/store-errors.js';
import { messageOf, readExactlySync, type Span } from './durable-file.js';
import type { FileId, FileSystem } from './file-system.js';

export class FileCache {
  readonly #fs: FileSystem;
  /** In the order of their last use. */
  readonly #files = new Map<string, FileId>();

  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  /** @throws StoreCorruptError when the file ends before, StoreReadError when the disk does not give it. */
  read(span: Span): Buffer {
    return readExactlySync(this.#fs, this.#open(span.path), span);
  }

  /** Closes a file that is read no more. */
  forget(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    try {
      this.#fs.closeSync(file);
    } catch {
      // Nothing was written through it: a descriptor that cannot be closed costs nobody anything.
    }
  }

  close(): void {
    for (const path of [...this.#files.keys()]) this.forget(path);
  }

  #open(path: string): FileId {
    const known = this.#files.get(path);
    if (known !== undefined) {
      this.#files.delete(path);
      this.#files.set(path, known);
      return known;
    }
    const [oldest] = this.#files.keys();
    if (oldest !== undefined && this.#files.size >= limits.storeFilesOpenMax) this.forget(oldest);
    try {
      const file = this.#fs.openSync(path);
      this.#files.set(path, file);
      return file;
    } catch (error) {
      throw new StoreReadError(path, messageOf(error), { cause: error });
    }
  }
}
