// Who has a store, for those who only look.

import { join } from 'node:path';
import { readWhole } from '../durable-file.js';
import type { FileSystem } from '../file-system.js';
import { lockName, parseHolder } from '../lock.js';
import { identifySelf, livenessOf } from '../process-identity.js';
import type { StoreHolder } from './report.js';

/** Resolves null when nobody has it, or who had it is known to have died. */
export async function readHolder(fs: FileSystem, root: string): Promise<StoreHolder | null> {
  const text = await readWhole(fs, join(root, lockName));
  if (text === undefined) return null;
  const holder = parseHolder(text);
  if (holder === undefined) return { pid: null, host: null, isKnownAlive: false };
  const liveness = livenessOf(holder, identifySelf());
  return liveness === 'dead' ? null : { pid: holder.pid, host: holder.host, isKnownAlive: liveness === 'alive' };
}
