// What every operation on a store can be told.

import { RouseError } from '../../../../runtime/errors.js';
import { messageOf } from '../durable-file.js';
import type { FileSystem } from '../file-system.js';

/** How far an operation is: so many of so many bytes of log, shards, or files to copy. */
export interface StoreProgress {
  readonly step: 'log' | 'shards' | 'copy';
  readonly done: number;
  readonly total: number;
}

export interface StoreOperationOptions {
  /** The disk that the store is on, where it is not this machine's. */
  readonly fileSystem?: FileSystem | undefined;
  /** Ends the operation early; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StoreProgress) => void) | undefined;
}

/** What the caller of an operation is told: its own signal's reason and typed errors as they are, a disk's in words of ours. */
export function toStoreError(error: unknown, { signal }: StoreOperationOptions, wrap: (reason: string) => RouseError): unknown {
  const isAborted = signal?.aborted === true && error === signal.reason;
  return error instanceof RouseError || isAborted ? error : wrap(messageOf(error));
}
