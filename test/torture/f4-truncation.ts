// F4: the log ends at any byte. A store must open with the commits that are whole, and say what it cut off.

import assert from 'node:assert/strict';
import { isLog, wholeLines } from '../stores/layout.js';
import { ask, fifty, makeStoreDisk, type StoreKind, storeKinds, withFile } from './damaged-disk.js';
import type { Fault, FaultOptions } from './fault.js';

export const truncation: Fault = {
  id: 'F4',
  title: 'a log truncated at any byte',
  must: 'each recovers to the commits that were whole',
  run: async (options) => {
    let bytes = 0;
    let cuts = 0;
    for (const kind of storeKinds.filter((each) => !each.closed)) {
      const done = await truncateAll(kind, options);
      bytes += done.bytes;
      cuts += done.cuts;
    }
    return {
      figures: [
        `logs of ${fifty.commits.length} commits truncated at ${bytes.toLocaleString('en')} bytes`,
        `${cuts.toLocaleString('en')} cuts reported with file, offset and size, 0 whole commits lost`,
      ],
    };
  },
};

/** In the short run each so-manyth byte, and all around the ends of lines. */
const bytesBetween = 23;

async function truncateAll(kind: StoreKind, { scale, seed, progress }: FaultOptions): Promise<{ bytes: number; cuts: number }> {
  const disk = await makeStoreDisk(kind);
  const [path, data] = [...disk.files].find(([each]) => isLog(each)) ?? ['', Buffer.alloc(0)];
  const inCheckpoint = fifty.commits.length - wholeLines(data, data.byteLength).commits;
  const counts = { bytes: 0, cuts: 0 };
  for (let size = 0; size < data.byteLength; size += 1) {
    const { commits, end } = wholeLines(data, size);
    const isSampled = size % bytesBetween === seed % bytesBetween || size - end < 2 || data[size] === 0x0a;
    if (scale === 'short' && !isSampled) continue;
    const what = `${kind.name}, ${size} of ${data.byteLength} bytes`;
    progress(what);

    const { state, cut, error } = await ask(withFile(disk, path, data.subarray(0, size)), what);

    assert.equal(error, undefined, `${what}: ${String(error)}`);
    assert(state === fifty.states[inCheckpoint + commits], `${what}: not the ${inCheckpoint + commits} commits that are whole`);
    assert.deepEqual(cut, end === size && size > 0 ? null : { file: path, offset: end, bytes: size - end }, what);
    counts.bytes += 1;
    if (cut !== null) counts.cuts += 1;
  }
  return counts;
}
