// One shard on disk, written and read through lowdb. lowdb by itself renames without syncing and takes falsy data for
// no data; the adapter here replaces files durably and refuses whatever is not a shard.
//
// Invariants:
//   H3. A shard file is never changed. What replaces it has another generation and so another name.
//   H4. A header that is missing, empty or of another shard is StoreCorruptError, never an empty shard.

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Adapter, Low } from 'lowdb';
import type { Table } from '../../../runtime/ports.js';
import { StoreCorruptError } from '../../../runtime/store-errors.js';
import { codeOf, readExactly, readWhole, replaceFile } from './durable-file.js';
import type { FileCache } from './file-cache.js';
import type { FileSystem } from './file-system.js';
import { toChecksum } from './log-line.js';
import {
  decodeBody,
  decodeHeader,
  decodePreamble,
  encodeHeader,
  type IndexEntry,
  preambleBytes,
  type RowImage,
  type ShardContents,
  type ShardHeader,
  sizeOf,
  toContents,
} from './shard-format.js';

const namePattern = /^(instance|mailbox)-[0-9]{1,10}\.[0-9]{1,16}\.json$/;

export interface ShardPlace {
  readonly table: Table;
  readonly shard: number;
  readonly generation: number;
}

function toShardName({ table, shard, generation }: ShardPlace): string {
  return `${table}-${shard}.${generation}.json`;
}

export function isShardName(name: string): boolean {
  return namePattern.test(name);
}

/** A row's place among the rows of a shard file. */
export interface RowPlace {
  readonly key: string;
  readonly offset: number;
  readonly length: number;
}

export class ShardFile {
  readonly name: string;
  readonly path: string;
  readonly shard: number;
  readonly generation: number;
  readonly upTo: number;
  readonly bytes: number;
  readonly #headsStart: number;
  readonly #headsEnd: number;

  private constructor(directory: string, place: ShardPlace, header: ShardHeader, headsStart: number) {
    this.name = toShardName(place);
    this.path = join(directory, this.name);
    this.shard = place.shard;
    this.generation = place.generation;
    this.upTo = header.upTo;
    this.#headsStart = headsStart;
    this.#headsEnd = headsStart + header.headsBytes;
    this.bytes = sizeOf(header, this.#headsEnd);
  }

  /**
   * Opens a shard: reads its index, and checks that the file is as long as it says.
   *
   * @throws StoreCorruptError
   */
  static async load(fs: FileSystem, directory: string, place: ShardPlace): Promise<{ file: ShardFile; rows: RowPlace[] }> {
    const adapter = new ShardAdapter(fs, directory, toShardName(place));
    const { header } = await readThrough(adapter);
    const file = new ShardFile(directory, place, header, adapter.headerEnd);
    if (header.table !== place.table || header.shard !== place.shard || header.generation !== place.generation) {
      throw new StoreCorruptError(file.path, preambleBytes, 'it is another shard than its name says');
    }
    if (adapter.size !== file.bytes)
      throw new StoreCorruptError(file.path, Math.min(adapter.size, file.bytes), 'it does not end where its index says');
    return { file, rows: placeRows(header.rows, file.#headsEnd) };
  }

  /** Writes a shard of these rows and reads its index back. Its name is durable only after its directory was synced. */
  static async write(
    fs: FileSystem,
    directory: string,
    place: ShardPlace,
    { upTo, images }: { upTo: number; images: readonly RowImage[] },
  ) {
    const adapter = new ShardAdapter(fs, directory, toShardName(place));
    const contents = toContents({ ...place, upTo }, images);
    const low = new Low<ShardContents>(adapter, contents);
    await low.write();
    const written = await ShardFile.load(fs, directory, place);
    if (written.rows.length !== images.length || written.file.upTo !== upTo) {
      throw new StoreCorruptError(written.file.path, 0, 'what was just written reads back as something else');
    }
    return written;
  }

  /** The body of a row, as it was written. */
  readBody(cache: FileCache, key: string, { offset, length }: Pick<RowPlace, 'offset' | 'length'>): string {
    const body = decodeBody(cache.read({ path: this.path, position: offset, length }), key);
    if (body === undefined) throw new StoreCorruptError(this.path, offset, 'the checksum of a record is wrong');
    return body;
  }

  /** The place and the head of every row, in their order. */
  *readHeads(cache: FileCache): Generator<RowPlace & { readonly head: string }> {
    const prefix = cache.read({ path: this.path, position: 0, length: this.#headsEnd });
    let position = this.#headsStart;
    for (const [place, entry] of this.#indexOf(prefix)) {
      yield { ...place, head: prefix.toString('utf8', position, position + entry[1]) };
      position += entry[1];
    }
  }

  /** Every row as it stands in the file, to be copied into the next one. Bodies are not looked into. */
  async readImages(fs: FileSystem): Promise<Map<string, { head: Buffer; body: Buffer }>> {
    const whole = await readWhole(fs, this.path);
    if (whole === undefined || whole.byteLength !== this.bytes)
      throw new StoreCorruptError(this.path, whole?.byteLength ?? 0, 'it changed while the store was open');
    const images = new Map<string, { head: Buffer; body: Buffer }>();
    let position = this.#headsStart;
    for (const [{ key, offset, length }, [, headBytes]] of this.#indexOf(whole)) {
      images.set(key, { head: whole.subarray(position, position + headBytes), body: whole.subarray(offset, offset + length) });
      position += headBytes;
    }
    return images;
  }

  #indexOf(prefix: Buffer): [RowPlace, IndexEntry][] {
    const { crc } = decodePreamble(this.path, prefix.subarray(0, preambleBytes));
    const header = decodeHeader(this.path, prefix.subarray(preambleBytes, this.#headsStart), crc);
    const heads = prefix.subarray(this.#headsStart, this.#headsEnd);
    if (toChecksum(crc32(heads)) !== header.headsCrc)
      throw new StoreCorruptError(this.path, this.#headsStart, 'the checksum of its heads is wrong');
    return placeRows(header.rows, this.#headsEnd).map((place, index) => [place, header.rows[index] ?? ['', 0, 0]]);
  }
}

function placeRows(rows: readonly IndexEntry[], start: number): RowPlace[] {
  let offset = start;
  return rows.map(([key, , length]) => {
    const place = { key, offset, length };
    offset += length;
    return place;
  });
}

/** lowdb keeps what it had when an adapter reads nothing: here, nothing is damage. */
async function readThrough(adapter: ShardAdapter): Promise<ShardContents> {
  const nothing: ShardContents = {
    header: { table: 'instance', shard: 0, generation: 0, upTo: 0, headsBytes: 0, headsCrc: '', rows: [] },
    sections: [],
  };
  const low = new Low<ShardContents>(adapter, nothing);
  await low.read();
  if (low.data === nothing) throw new StoreCorruptError(adapter.path, 0, 'it is empty');
  return low.data;
}

/** Reads the header of a shard, writes all of it. */
class ShardAdapter implements Adapter<ShardContents> {
  readonly path: string;
  /** Of what was read last. */
  size = 0;
  headerEnd = 0;
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #name: string;

  constructor(fs: FileSystem, directory: string, name: string) {
    this.#fs = fs;
    this.#directory = directory;
    this.#name = name;
    this.path = join(directory, name);
  }

  async read(): Promise<ShardContents> {
    const file = await this.#fs.open(this.path, 'read').catch((error: unknown) => {
      throw codeOf(error) === 'ENOENT' ? new StoreCorruptError(this.path, 0, 'the file is missing') : error;
    });
    try {
      this.size = await this.#fs.size(file);
      const preamble = await readExactly(this.#fs, file, { path: this.path, position: 0, length: preambleBytes });
      const { headerBytes, crc } = decodePreamble(this.path, preamble);
      if (preambleBytes + headerBytes > this.size) throw new StoreCorruptError(this.path, this.size, 'the file ends within its header');
      this.headerEnd = preambleBytes + headerBytes;
      const header = decodeHeader(
        this.path,
        await readExactly(this.#fs, file, { path: this.path, position: preambleBytes, length: headerBytes }),
        crc,
      );
      return { header, sections: [] };
    } finally {
      await this.#fs.close(file);
    }
  }

  async write({ header, sections }: ShardContents): Promise<void> {
    await replaceFile(this.#fs, this.#directory, this.#name, Buffer.concat([encodeHeader(header), ...sections]));
  }
}
