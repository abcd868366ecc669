// What a store tells its callers. The runtime acts on the class: full and write errors reject the callers of one
// batch and leave the runtime running; a failed store stops it; the others refuse to open.

import { RouseError } from './errors.js';

/** No space was left for a write: nothing of it was kept, and the caller may try again. */
export class StoreFullError extends RouseError {
  readonly code = 'STORE_FULL';

  constructor(options?: { cause?: unknown }) {
    super('The store has no space left. Nothing of this request was kept; make room and send it again.', options);
  }
}

/** A write failed for another reason than space: nothing of it was kept. */
export class StoreWriteError extends RouseError {
  readonly code = 'STORE_WRITE';

  constructor(reason: string, options?: { cause?: unknown }) {
    super(`The store could not write: ${reason}. Nothing of this request was kept.`, options);
  }
}

/** The store cannot be trusted any more (a sync failed): the runtime stops, and recovers from disk at the next start. */
export class StoreFailedError extends RouseError {
  readonly code = 'STORE_FAILED';

  constructor(reason: string, options?: { cause?: unknown }) {
    super(`The store failed: ${reason}. The runtime has stopped; start it again, and it recovers what was acknowledged.`, options);
  }
}

/** The disk does not give what it has: the caller may try again. */
export class StoreReadError extends RouseError {
  readonly code = 'STORE_READ';
  readonly file: string;

  constructor(file: string, reason: string, options?: { cause?: unknown }) {
    super(`The store could not read ${file}: ${reason}. Nothing was changed; look after the disk and try again.`, options);
    this.file = file;
  }
}

/** Another process owns the store. */
export class StoreLockedError extends RouseError {
  readonly code = 'STORE_LOCKED';
  readonly directory: string;
  readonly pid: number | null;

  constructor(directory: string, pid: number | null, whatToDo: string) {
    super(`The store "${directory}" is owned by ${pid === null ? 'another process' : `process ${pid}`}. ${whatToDo}`);
    this.directory = directory;
    this.pid = pid;
  }
}

/** Acknowledged data is damaged. */
export class StoreCorruptError extends RouseError {
  readonly code = 'STORE_CORRUPT';
  readonly file: string;
  readonly offset: number;
  readonly reason: string;

  constructor(file: string, offset: number, reason: string) {
    super(`The store is damaged: ${file} at byte ${offset}: ${reason}. Restore this file from a backup; nothing was changed.`);
    this.file = file;
    this.offset = offset;
    this.reason = reason;
  }
}

/** The store's format is newer than this version of rouse, or not a store at all. */
export class StoreFormatError extends RouseError {
  readonly code = 'STORE_FORMAT';
  readonly directory: string;

  constructor(directory: string, reason: string) {
    super(`The store "${directory}" cannot be opened: ${reason}.`);
    this.directory = directory;
  }
}

/** The store's directory cannot be used: missing rights, not a directory, read-only. */
export class StoreUnavailableError extends RouseError {
  readonly code = 'STORE_UNAVAILABLE';
  readonly directory: string;

  constructor(directory: string, reason: string, options?: { cause?: unknown }) {
    super(`The store "${directory}" cannot be used: ${reason}. Give a directory that this process may create and write.`, options);
    this.directory = directory;
  }
}
