// Backups: a copy of a store that is a store itself.

import { resolve } from 'node:path';
import { StoreFailedError, StoreUnavailableError, StoreWriteError } from '../../../../runtime/store-errors.js';
import { messageOf } from '../durable-file.js';
import { nodeFileSystem } from '../file-system.js';
import { type StoreOperationOptions, toStoreError } from './options.js';
import type { StoreReport, StoreTail } from './report.js';
import { assertFree, copyStore } from './store-copy.js';

export interface BackupReport {
  /** The directory of the copy, as a whole path. */
  readonly directory: string;
  /** What was being written and not synced when the copy was made: nobody had been told of it. */
  readonly leftOut: StoreTail | null;
  /** What was found when the copy was looked through. */
  readonly report: StoreReport;
}

/**
 * Copies a store, whether it is in use or not, to a directory that is empty or missing. All that was acknowledged before
 * the call is in the copy, which is synced and verified when this resolves. To restore it, open it: `jsonStore(to)`.
 *
 * A copy that was interrupted is refused as a store, and can be removed.
 *
 * @throws StoreReadError, StoreFormatError, StoreCorruptError for the store; StoreUnavailableError, StoreFullError,
 *   StoreWriteError for the copy
 * @example
 * await backupStore('/var/lib/shop', `/backups/shop-${Date.now()}`);
 */
export async function backupStore(directory: string, to: string, options: StoreOperationOptions = {}): Promise<BackupReport> {
  const fs = options.fileSystem ?? nodeFileSystem;
  const target = resolve(to);
  await assertFree(fs, target);
  try {
    const copied = await copyStore({ fs, root: resolve(directory) }, target, options);
    return { directory: target, ...copied };
  } catch (error) {
    // The copy's sync has failed, not the store.
    if (error instanceof StoreFailedError) throw new StoreWriteError(messageOf(error.cause), { cause: error });
    throw toStoreError(error, options, (reason) => new StoreUnavailableError(target, reason, { cause: error }));
  }
}
