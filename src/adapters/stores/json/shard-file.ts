// One shard on disk, written and read through lowdb. lowdb by itself renames without syncing and takes falsy data for
// no data; the adapter here replaces files durably and refuses whatever is not a shard.
//
// Invariants:
//   H3. A shard file is never changed. What replaces it has another generation and so another name.
//   H4. A header that is missing, empty or of another shard is StoreCorruptError, never an empty shard.

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Adapter, Low } from 'lowdb';
import { type Head, isHead } from '../../../runtime/head.js';
import type { Table } from '../../../runtime/ports.js';
import { StoreCorruptError } from '../../../runtime/store-errors.js';
import { codeOf, readExactly, readWhole, replaceFile } from './durable-file.js';
import type { FileCache } from './file-cache.js';
import type { FileId, FileSystem } from './file-system.js';
import { toChecksum } from './log-line.js';
import {
  decodeBody,
  decodeHeader,
  decodePreamble,
  encodeHeader,
  preambleBytes,
  type RowImage,
  type ShardContents,
  type ShardHeader,
  sizeOf,
  toContents,
} from './shard-format.js';
import { rowsOfFormat2 } from './shard-rows.js';

/** Read at once when a shard is opened: most have their index and their heads in it. */
const prefixBytes = 131_072;
const namePattern = /^(instance|mailbox)-[0-9]{1,10}\.[0-9]{1,16}\.json$/;

export interface ShardPlace {
  readonly table: Table;
  readonly shard: number;
  readonly generation: number;
}

export function toShardName({ table, shard, generation }: ShardPlace): string {
  return `${table}-${shard}.${generation}.json`;
}

export function isShardName(name: string): boolean {
  return namePattern.test(name);
}

/** What a shard's name says; undefined when it is not one's. */
export function parseShardName(name: string): ShardPlace | undefined {
  if (!isShardName(name)) return undefined;
  const [table, shard, generation] = name.split(/[-.]/);
  return { table: table === 'instance' ? 'instance' : 'mailbox', shard: Number(shard), generation: Number(generation) };
}

/** A row's place among the rows of a shard file. */
export interface RowPlace {
  readonly key: string;
  readonly offset: number;
  readonly length: number;
}

/** What was read of a shard beside its bodies. */
interface Index {
  readonly header: ShardHeader;
  readonly heads: Buffer;
}

export class ShardFile {
  readonly name: string;
  readonly path: string;
  readonly shard: number;
  readonly generation: number;
  readonly upTo: number;
  readonly bytes: number;
  readonly #bodiesStart: number;
  /** Until the heads have been visited: nobody asks for them later. */
  #index: Index | null;

  private constructor(directory: string, place: ShardPlace, index: Index, bodiesStart: number) {
    this.name = toShardName(place);
    this.path = join(directory, this.name);
    this.shard = place.shard;
    this.generation = place.generation;
    this.upTo = index.header.upTo;
    this.#bodiesStart = bodiesStart;
    this.bytes = sizeOf(index.header, bodiesStart);
    this.#index = index;
  }

  /**
   * Opens a shard: reads its index and its heads, and checks that the file is as long as it says.
   *
   * @throws StoreCorruptError
   */
  static async load(fs: FileSystem, directory: string, place: ShardPlace): Promise<{ file: ShardFile; rows: RowPlace[] }> {
    const adapter = new ShardAdapter(fs, directory, toShardName(place));
    const { header, sections } = await readThrough(adapter);
    const file = new ShardFile(directory, place, { header, heads: sections[0] as Buffer }, adapter.bodiesStart);
    if (header.table !== place.table || header.shard !== place.shard || header.generation !== place.generation) {
      throw new StoreCorruptError(file.path, preambleBytes, 'it is another shard than its name says');
    }
    if (adapter.size !== file.bytes)
      throw new StoreCorruptError(file.path, Math.min(adapter.size, file.bytes), 'it does not end where its index says');
    return { file, rows: placeRows(header, adapter.bodiesStart) };
  }

  /** Writes a shard of these rows and reads it back. Its name is durable only after its directory was synced. */
  static async write(
    fs: FileSystem,
    directory: string,
    place: ShardPlace,
    { upTo, images }: { upTo: number; images: readonly RowImage[] },
  ) {
    const adapter = new ShardAdapter(fs, directory, toShardName(place));
    const contents = toContents({ ...place, upTo }, images);
    await new Low<ShardContents>(adapter, contents).write();
    await adapter.readBack();
    const file = new ShardFile(directory, place, { header: contents.header, heads: Buffer.alloc(0) }, adapter.bodiesStart);
    file.releaseHeads();
    return { file, rows: placeRows(contents.header, adapter.bodiesStart) };
  }

  /** The body of a row, as it was written: a JSON array of deltas. */
  readBody(cache: FileCache, key: string, { offset, length }: Pick<RowPlace, 'offset' | 'length'>): string {
    const body = decodeBody(cache.read({ path: this.path, position: offset, length }), key);
    if (body === undefined) throw new StoreCorruptError(this.path, offset, 'the checksum of a record is wrong');
    return body;
  }

  /** Whether its heads are at hand: from when it is opened until they are released. */
  get hasHeads(): boolean {
    return this.#index !== null;
  }

  /** Tells the head of every row, and where its body stands, while they are at hand. */
  visitHeads(visit: (key: string, offset: number, head: Head) => void): void {
    if (this.#index === null) return;
    const { header, heads } = this.#index;
    if (header.headsBytes === 0) return;
    const values = this.#parseHeads(heads.toString('utf8'), header.keys.length);
    let offset = this.#bodiesStart;
    for (const [index, key] of header.keys.entries()) {
      const head = values[index];
      if (!isHead(head)) throw new StoreCorruptError(this.path, this.#bodiesStart - heads.byteLength, `the head of row ${index} is none`);
      visit(key, offset, head);
      offset += header.bodies[index] ?? 0;
    }
  }

  releaseHeads(): void {
    this.#index = null;
  }

  /** Every row as it stands in the file, to be copied into the next one. Bodies are not looked into. */
  async readImages(fs: FileSystem): Promise<Map<string, RowImage>> {
    const whole = await readWhole(fs, this.path);
    if (whole === undefined || whole.byteLength !== this.bytes)
      throw new StoreCorruptError(this.path, whole?.byteLength ?? 0, 'it changed while the store was open');
    const { rows, hasRightHeads, headsStart } = rowsOfFormat2(this.path, whole);
    if (!hasRightHeads) throw wrongHeads(this.path, headsStart);
    return new Map(rows.map((row) => [row.key, row]));
  }

  #parseHeads(text: string, count: number): unknown[] {
    try {
      const values: unknown = JSON.parse(text);
      if (Array.isArray(values) && values.length === count) return values;
    } catch {
      // Told below, like heads of another number.
    }
    throw new StoreCorruptError(this.path, this.#bodiesStart - text.length, 'its heads are not those of its rows');
  }
}

function assertHeads(path: string, header: ShardHeader, heads: Buffer, offset: number): void {
  if (heads.byteLength === header.headsBytes && toChecksum(crc32(heads)) === header.headsCrc) return;
  throw wrongHeads(path, offset);
}

function wrongHeads(path: string, offset: number): StoreCorruptError {
  return new StoreCorruptError(path, offset, 'the checksum of its heads is wrong');
}

function placeRows({ keys, bodies }: ShardHeader, start: number): RowPlace[] {
  let offset = start;
  return keys.map((key, index) => {
    const length = bodies[index] ?? 0;
    const place = { key, offset, length };
    offset += length;
    return place;
  });
}

/** lowdb keeps what it had when an adapter reads nothing: here, nothing is damage. */
async function readThrough(adapter: ShardAdapter): Promise<ShardContents> {
  const nothing: ShardContents = {
    header: {
      table: 'instance',
      shard: 0,
      generation: 0,
      upTo: 0,
      headsBytes: 0,
      headsCrc: '',
      keys: [],
      heads: [],
      bodies: [],
      deltas: [],
    },
    sections: [],
  };
  const low = new Low<ShardContents>(adapter, nothing);
  await low.read();
  if (low.data === nothing) throw new StoreCorruptError(adapter.path, 0, 'it is empty');
  return low.data;
}

/** Reads the header and the heads of a shard, writes all of it. */
class ShardAdapter implements Adapter<ShardContents> {
  readonly path: string;
  /** Of what was read last. */
  size = 0;
  bodiesStart = 0;
  #written = Buffer.alloc(0);
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
      let prefix = await this.#read(file, 0, Math.min(this.size, prefixBytes));
      const { headerBytes, crc } = decodePreamble(this.path, prefix.subarray(0, preambleBytes));
      const headsStart = preambleBytes + headerBytes;
      if (headsStart > this.size) throw this.#endsWithin('header');
      prefix = await this.#upTo(file, prefix, headsStart);
      const header = decodeHeader(this.path, prefix.subarray(preambleBytes, headsStart), crc);
      this.bodiesStart = headsStart + header.headsBytes;
      if (this.bodiesStart > this.size) throw this.#endsWithin('heads');
      prefix = await this.#upTo(file, prefix, this.bodiesStart);
      const heads = prefix.subarray(headsStart, this.bodiesStart);
      assertHeads(this.path, header, heads, headsStart);
      return { header, sections: [heads] };
    } finally {
      await this.#fs.close(file);
    }
  }

  async write({ header, sections }: ShardContents): Promise<void> {
    const start = encodeHeader(header);
    this.bodiesStart = start.byteLength + header.headsBytes;
    this.#written = Buffer.concat([start, ...sections]);
    await replaceFile(this.#fs, this.#directory, this.#name, this.#written);
  }

  /** @throws StoreCorruptError when the file is not what was just written. */
  async readBack(): Promise<void> {
    const read = await readWhole(this.#fs, this.path);
    if (read?.equals(this.#written) === true) return;
    throw new StoreCorruptError(this.path, 0, 'what was just written reads back as something else');
  }

  #read(file: FileId, position: number, length: number): Promise<Buffer> {
    return readExactly(this.#fs, file, { path: this.path, position, length });
  }

  /** The beginning of the file up to there, of which this is a part. */
  async #upTo(file: FileId, prefix: Buffer, end: number): Promise<Buffer> {
    if (prefix.byteLength >= end) return prefix;
    return Buffer.concat([prefix, await this.#read(file, prefix.byteLength, end - prefix.byteLength)]);
  }

  #endsWithin(part: string): StoreCorruptError {
    return new StoreCorruptError(this.path, this.size, `the file ends within its ${part}`);
  }
}
