// The lines of a file that may be longer than memory.

import { limits } from '../../../../runtime/limits.js';
import type { FileId, FileSystem } from '../file-system.js';
import type { Pace } from './pace.js';

const newline = 0x0a;

export interface HeldFile {
  readonly path: string;
  readonly file: FileId;
  /** As it was when it was opened: what came later is not read. */
  readonly size: number;
}

/** Visits the whole lines, without their newlines. Resolves to where the last of them ends. */
export async function visitLines(
  fs: FileSystem,
  { file, size }: HeldFile,
  pace: Pace,
  visit: (line: Buffer, offset: number) => Promise<void> | undefined,
): Promise<number> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  for (let position = 0; position < size; ) {
    // A line that is longer is put together from pieces that double: it is not copied once for each of them.
    const chunk = Buffer.allocUnsafe(Math.min(Math.max(limits.storeReadBytes, rest.byteLength), size - position));
    const count = await fs.read(file, chunk, position);
    if (count === 0) break;
    position += count;
    const data: Buffer = rest.byteLength === 0 ? chunk.subarray(0, count) : Buffer.concat([rest, chunk.subarray(0, count)]);
    let start = 0;
    for (let end = data.indexOf(newline); end !== -1; end = data.indexOf(newline, start)) {
      const visited = visit(data.subarray(start, end), offset + start);
      if (visited !== undefined) await visited;
      start = end + 1;
    }
    offset += start;
    rest = data.subarray(start);
    await pace.rest();
  }
  return offset;
}
