// Ways to spoil the files of a store, by a seed: as a broken disk, a careless copy or a bug would. Some are seen by
// checksums; the others have right ones, and are wrong in what they say.

import { basename, dirname } from 'node:path';
import type { SimulatedDisk } from '../../src/testing.js';
import { directory, isLog, isShard, metaPath, readLog, readShard, segmentPath, writeLog, writeMeta, writeShard } from '../stores/layout.js';

export interface Mutation {
  readonly name: string;
  /** Whether checksums are right: then nothing but sense can tell. */
  readonly isSealed: boolean;
  readonly apply: (disk: SimulatedDisk, draw: Draw) => void;
}

/** Randomness from a seed. */
export class Draw {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  of<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('Nothing to choose from.');
    return item;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

const deep = 1_500;
/** Texts that stand where others should. */
const strange: readonly string[] = [
  ...[
    'null',
    'true',
    '0',
    '-1',
    '1',
    '0.5',
    '1e308',
    '1e999',
    '-1e999',
    '9007199254740993',
    '4294967296',
    '""',
    '[]',
    '{}',
    '[[]]',
    '[null]',
  ],
  ...['"__proto__"', '"constructor"', '"x"', '"\\u0000"', '"\\ud800"', '"../../etc/passwd"', '"cancelled"', '"completed"', '"due"'],
  ...['{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', '{"$":["__proto__"]}', '{"length":1e9}', '{"d":1}'],
  ...[JSON.stringify('long '.repeat(2_000)), `${'['.repeat(deep)}${']'.repeat(deep)}`, `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`],
  ...['', ',', ']', '}', '[', '{"', ' ', '\n'],
];

/** One token of a JSON text, or what stands between two, becomes another. */
function spoil(json: string, draw: Draw): string {
  const tokens = [...json.matchAll(/"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[[\]{},:]/g)];
  const token = draw.of(tokens);
  const start = token.index;
  const end = draw.below(8) === 0 ? start : start + token[0].length;
  return json.slice(0, start) + draw.of(strange) + json.slice(end);
}

/** JSON with a name that every object has, or with one member again. */
function addMember(json: string, draw: Draw): string {
  const braces = [...json.matchAll(/\{/g)];
  if (braces.length === 0) return spoil(json, draw);
  const at = draw.of(braces).index + 1;
  const name = draw.of([
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    't',
    'n',
    'j',
    'p',
    'x',
    'u',
    'e',
    'g',
    'z',
    's',
    'c',
    'k',
    'y',
    'i',
    'f',
    'd',
  ]);
  const comma = json[at] === '}' ? '' : ',';
  return `${json.slice(0, at)}"${name}":${draw.of(strange.slice(0, -8))}${comma}${json.slice(at)}`;
}

function spoilOrAdd(json: string, draw: Draw): string {
  return draw.below(3) === 0 ? addMember(json, draw) : spoil(json, draw);
}

function fileOf(disk: SimulatedDisk, draw: Draw, isMeant: (path: string) => boolean = () => true): [string, Buffer] {
  return draw.of([...disk.files].filter(([path, data]) => isMeant(path) && data.byteLength > 0));
}

/** A mutation of the bytes of one file. */
function ofBytes(name: string, change: (data: Buffer, draw: Draw, disk: SimulatedDisk) => Uint8Array): Mutation {
  return {
    name,
    isSealed: false,
    apply: (disk, draw) => {
      const [path, data] = fileOf(disk, draw);
      disk.put(path, change(Buffer.from(data), draw, disk));
    },
  };
}

function ofLines(name: string, change: (lines: string[], draw: Draw) => string[]): Mutation {
  return ofBytes(name, (data, draw) => Buffer.from(change(data.toString('latin1').split('\n'), draw).join('\n'), 'latin1'));
}

const raw: readonly Mutation[] = [
  ofBytes('bytes replaced', (data, draw) => {
    for (let count = 1 + draw.below(8); count > 0; count -= 1) data[draw.below(data.byteLength)] = draw.below(256);
    return data;
  }),
  ofBytes('truncated', (data, draw) => data.subarray(0, draw.below(data.byteLength))),
  ofBytes('bytes inserted', (data, draw) => {
    const at = draw.below(data.byteLength + 1);
    return Buffer.concat([data.subarray(0, at), draw.bytes(1 + draw.below(600)), data.subarray(at)]);
  }),
  ofBytes('sectors of zeros', (data, draw) => {
    const start = draw.below(data.byteLength) & ~511;
    return data.fill(0, start, Math.min(data.byteLength, start + 512 * (1 + draw.below(4))));
  }),
  ofBytes('spliced from another file', (data, draw, disk) => {
    const [, other] = fileOf(disk, draw);
    const from = draw.below(other.byteLength);
    const part = other.subarray(from, from + 1 + draw.below(2_000));
    const at = draw.below(data.byteLength);
    return Buffer.concat([data.subarray(0, at), part, data.subarray(draw.below(2) === 0 ? at : at + part.byteLength)]);
  }),
  ofLines('two lines swapped', (lines, draw) => {
    const [left, right] = [draw.below(lines.length), draw.below(lines.length)];
    [lines[left], lines[right]] = [lines[right] ?? '', lines[left] ?? ''];
    return lines;
  }),
  ofLines('a line twice', (lines, draw) => lines.toSpliced(draw.below(lines.length), 0, draw.of(lines))),
  ofLines('a line less', (lines, draw) => lines.toSpliced(draw.below(lines.length), 1)),
  {
    name: 'a file in the place of another',
    isSealed: false,
    apply: (disk, draw) => disk.put(fileOf(disk, draw)[0], Buffer.from(fileOf(disk, draw)[1])),
  },
  {
    name: 'a file under a further name',
    isSealed: false,
    apply: (disk, draw) => {
      const [path, data] = fileOf(disk, draw, (each) => isLog(each) || isShard(each));
      const number = draw.of([0, 1, 2, 20, 51, 52, 100, 999_999]);
      disk.put(
        isLog(path) ? segmentPath(number) : `${dirname(path)}/${basename(path).replace(/[0-9]+/, String(number))}`,
        Buffer.from(data),
      );
    },
  },
  { name: 'a file less', isSealed: false, apply: (disk, draw) => disk.drop(fileOf(disk, draw)[0]) },
  {
    name: 'a lock that says something else',
    isSealed: false,
    apply: (disk, draw) => {
      const lock = `{"pid":${process.pid},"startedAt":"1","boot":null,"pidNamespace":null,"host":"h","token":"0123456789abcdef"}\n`;
      disk.put(`${directory}/lock`, Buffer.from(spoilOrAdd(lock, draw)));
    },
  },
];

const sealed: readonly Mutation[] = [
  {
    name: 'a commit of another shape',
    isSealed: true,
    apply: (disk, draw) => {
      const [path, data] = fileOf(disk, draw, isLog);
      const lines = readLog(data);
      const line = draw.of(lines);
      line.json = spoilOrAdd(line.json, draw);
      disk.put(path, writeLog(lines));
    },
  },
  {
    name: 'commits in another order or number',
    isSealed: true,
    apply: (disk, draw) => {
      const [path, data] = fileOf(disk, draw, isLog);
      const lines = readLog(data);
      const texts = lines.map(({ json }) => json);
      const at = draw.below(texts.length);
      const changed = draw.below(2) === 0 ? texts.toSpliced(at, 1) : texts.toSpliced(at, 0, draw.of(texts));
      let seq = lines[0]?.seq ?? 1;
      const numbered = changed.map((json) => ({ seq: json.startsWith('{') ? seq : seq++, json }));
      disk.put(path, writeLog(numbered));
    },
  },
  {
    name: 'a meta of another shape',
    isSealed: true,
    apply: (disk, draw) => {
      const [path, data] = fileOf(disk, draw, (each) => each === metaPath);
      const spoilt = (meta: Record<string, unknown>): unknown => {
        try {
          return JSON.parse(spoilOrAdd(JSON.stringify(meta), draw));
        } catch {
          return null;
        }
      };
      disk.put(path, writeMeta(data, spoilt));
    },
  },
  ofShard('a shard whose header has another shape', (parts, draw) => {
    try {
      parts.header = JSON.parse(spoilOrAdd(JSON.stringify(parts.header), draw)) ?? {};
    } catch {
      parts.header.keys = draw.of([null, {}, 7, ['__proto__']]);
    }
  }),
  ofShard('a shard whose heads have another shape', (parts, draw) => {
    parts.heads = parts.heads === '' ? draw.of(strange) : spoilOrAdd(parts.heads, draw);
  }),
  ofShard('a record of another shape', (parts, draw) => {
    const at = draw.below(parts.bodies.length);
    parts.bodies[at] = spoilOrAdd(parts.bodies[at] ?? '', draw);
  }),
];

function ofShard(name: string, change: (parts: ReturnType<typeof readShard>, draw: Draw) => void): Mutation {
  return {
    name,
    isSealed: true,
    apply: (disk, draw) => {
      const shards = [...disk.files.keys()].filter((path) => isShard(path));
      if (shards.length === 0) return;
      const [path, data] = fileOf(disk, draw, (each) => isShard(each));
      const parts = readShard(data);
      change(parts, draw);
      disk.put(path, writeShard(parts, draw.below(4) === 0));
    },
  };
}

export const mutations: readonly Mutation[] = [...raw, ...sealed];
