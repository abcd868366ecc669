// Verifying a store that may be in use.

import { join, resolve } from 'node:path';
import { StoreCorruptError, StoreReadError } from '../../../../runtime/store-errors.js';
import { nodeFileSystem } from '../file-system.js';
import { metaName } from '../meta-file.js';
import { type StoreOperationOptions, toStoreError } from './options.js';
import { Findings, type StoreReport } from './report.js';
import { withView } from './store-view.js';
import { Verification } from './verification.js';

/**
 * Looks through a store, whether it is in use or not, and changes nothing. Damage does not end it: all that is found is
 * in the report, with file and offset.
 *
 * @throws StoreReadError when the directory cannot be read, StoreFormatError when it holds no store or one of a newer format
 * @example
 * const { ok, problems } = await verifyStore('/var/lib/shop');
 */
export async function verifyStore(directory: string, options: StoreOperationOptions = {}): Promise<StoreReport> {
  const files = { fs: options.fileSystem ?? nodeFileSystem, root: resolve(directory) };
  const verification = new Verification(files, options);
  try {
    return await withView(files, (view) => verification.verify(view, new Findings()));
  } catch (error) {
    if (error instanceof StoreCorruptError && error.file === join(files.root, metaName)) return await verification.verifyWithoutMeta(error);
    throw toStoreError(error, options, (reason) => new StoreReadError(files.root, reason, { cause: error }));
  }
}
