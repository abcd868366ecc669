import { expect, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { scanLog } from '../../src/adapters/stores/json/log-scan.js';
import { findSegments } from '../../src/adapters/stores/json/log-segment.js';
import { RouseError } from '../../src/runtime/errors.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { StoreCorruptError, StoreFormatError } from '../../src/runtime/store-errors.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { describeStore, makeHistory } from './history.js';
import { begin, commit, MemoryLogger, openStore, put } from './store-harness.js';

const directory = '/data/store';
const meta = `${directory}/meta.json`;
const history = makeHistory(50);
const never = 1_000_000_000;
/** Every byte takes minutes: the long run asks for it. */
const bytesBetween = Number(process.env.ROUSE_BYTES_BETWEEN ?? 29);

function open(disk: SimulatedDisk, { logBytesMin = never, logger = new MemoryLogger() } = {}): Promise<OpenStore> {
  return openStore(jsonStore(directory, { fileSystem: disk, logBytesMin }), logger);
}

/** A store of 50 commits in batches of five; all in the log, or the first half of them in a checkpoint. */
async function makeDisk({ checkpoint = false, close = false } = {}): Promise<SimulatedDisk> {
  const disk = createSimulatedDisk();
  let store = await open(disk, { logBytesMin: checkpoint ? 8 : never });
  for (let next = 0; next < 50; next += 5) {
    if (next === 25) {
      await store.close();
      store = await open(disk);
    }
    await store.append(history.commits.slice(next, next + 5));
  }
  if (close) await store.close();
  return disk.afterPowerCut('everything');
}

function withFile(disk: SimulatedDisk, path: string, data: Buffer): SimulatedDisk {
  const copy = disk.afterPowerCut('everything');
  copy.put(path, data);
  return copy;
}

/** What a store that cannot be trusted says when all of it is read: its error, or what it cut off. */
async function tell(disk: SimulatedDisk): Promise<{ error?: unknown; cut?: unknown; state?: string }> {
  let store: OpenStore | undefined;
  try {
    store = await open(disk);
    return { cut: store.recovery.cut, state: describeStore(store) };
  } catch (error) {
    return { error };
  } finally {
    await store?.close();
  }
}

function onlyLogOf(disk: SimulatedDisk): [string, Buffer] {
  const logs = [...disk.files].filter(([path]) => path.endsWith('.jsonl'));
  expect(logs).toHaveLength(1);
  return logs[0] ?? ['', Buffer.alloc(0)];
}

function wholeLines(data: Buffer, size: number): { commits: number; end: number } {
  const lines = data.subarray(0, size).toString('utf8').split('\n').slice(0, -1);
  return { commits: lines.filter((line) => line.includes(' [')).length, end: Buffer.byteLength(lines.map((line) => `${line}\n`).join('')) };
}

test('a log truncated at any byte ends with the last commit that is whole', async () => {
  const disk = await makeDisk();
  const [path, data] = onlyLogOf(disk);
  for (let size = 1; size < data.byteLength; size += 1) {
    const { commits, end } = wholeLines(data, size);
    disk.put(path, data.subarray(0, size));

    const scanned = await scanLog(disk, `${directory}/log`, findSegments(['0000000000000001.jsonl']), () => {});

    expect(scanned.nextSeq, `size ${size}`).toBe(commits + 1);
    expect(scanned.cut?.bytes ?? 0, `size ${size}`).toBe(size - end);
  }
});

test('a store with a truncated log holds the commits that are whole, and says what it cut', async () => {
  const disk = await makeDisk();
  const [path, data] = onlyLogOf(disk);
  for (let size = 0; size < data.byteLength; size += bytesBetween) {
    const { commits, end } = wholeLines(data, size);

    const { state, cut, error } = await tell(withFile(disk, path, data.subarray(0, size)));

    expect(error, `size ${size}`).toBeUndefined();
    expect(state === history.states[commits], `size ${size}`).toBe(true);
    expect(cut).toEqual(end === size && size > 0 ? null : { file: path, offset: end, bytes: size - end });
  }
}, 600_000);

/** What tells of a flipped bit: an error's code, or a reported cut. */
async function seeFlip(disk: SimulatedDisk, { path, data, offset, mask }: { path: string; data: Buffer; offset: number; mask: number }) {
  const flipped = Buffer.from(data);
  flipped.writeUInt8(flipped.readUInt8(offset) ^ mask, offset);

  const { error, cut, state } = await tell(withFile(disk, path, flipped));

  if (error instanceof RouseError) return error.code;
  if (error !== undefined) throw error;
  if (cut === null) throw new Error(`byte ${offset} of ${path} with mask ${mask} went unseen`);
  expect(history.states).toContain(state);
  return 'cut';
}

test.each([
  { name: 'in the log', options: {} },
  { name: 'with a checkpoint', options: { checkpoint: true } },
  { name: 'closed in order', options: { checkpoint: true, close: true } },
])(
  'no flipped bit goes unseen: store $name',
  async ({ options }) => {
    const disk = await makeDisk(options);
    const outcomes = new Map<string, number>();
    for (const [path, data] of disk.files) {
      for (let offset = 0; offset < data.byteLength; offset += bytesBetween) {
        for (const mask of [0x01, 0x20, 0x80]) {
          const seen = await seeFlip(disk, { path, data, offset, mask });
          outcomes.set(seen, (outcomes.get(seen) ?? 0) + 1);
        }
      }
    }
    expect(new Set([...outcomes.keys(), 'STORE_FORMAT'])).toEqual(new Set(['STORE_CORRUPT', 'STORE_FORMAT', 'cut']));
  },
  600_000,
);

test('G10: damage in front of the last durable offset is told with file and offset, and nothing is changed', async () => {
  const disk = await makeDisk();
  const [path, data] = onlyLogOf(disk);
  const line = data.indexOf('\n', 1_000) + 1;
  const damaged = Buffer.from(data);
  damaged.write('?', line + 5);
  const before = withFile(disk, path, damaged);

  const { error } = await tell(before);

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: path, offset: line });
  expect(before.files.get(path)).toEqual(damaged);
  expect([...before.files.keys()].sort()).toEqual([...disk.files.keys()].sort());
});

test('G10: a tail that was never synced is cut off, logged, and the store goes on behind it', async () => {
  const disk = await makeDisk();
  const [path, data] = onlyLogOf(disk);
  const torn = withFile(disk, path, Buffer.concat([data, Buffer.alloc(700)]));
  const logger = new MemoryLogger();

  const store = await open(torn, { logger });
  const next = makeHistory(51).commits.at(-1);
  await store.append(next === undefined ? [] : [next]);
  const again = await open(torn.afterPowerCut('everything'));

  expect(store.recovery).toEqual({ clean: false, cut: { file: path, offset: data.byteLength, bytes: 700 } });
  expect(logger.told).toMatchObject([{ level: 'warn', fields: { file: path, offset: data.byteLength, bytes: 700 } }]);
  expect(again.recovery.cut).toBeNull();
  expect(describeStore(again)).toBe(makeHistory(51).states[51]);
});

test('a damaged record is told when it is read, and takes no other with it', async () => {
  const disk = await makeDisk({ checkpoint: true, close: true });
  const shard = [...disk.files.keys()].find((path) => path.includes('/shards/instance-')) ?? '';
  const data = Buffer.from(disk.files.get(shard) ?? Buffer.alloc(0));
  data.writeUInt8(0x21, data.byteLength - 10);

  const store = await open(withFile(disk, shard, data));
  const heads = [...store.instanceIds()];
  const results = heads.map((id) => {
    try {
      return store.readInstance(id)?.id;
    } catch (error) {
      return error;
    }
  });

  expect(heads.length).toBeGreaterThan(3);
  expect(results.filter((result) => result instanceof StoreCorruptError)).toHaveLength(1);
  expect(results.filter((result) => typeof result === 'string')).toHaveLength(heads.length - 1);
});

test.each([
  { name: 'a truncated shard', change: (data: Buffer) => data.subarray(0, -1) },
  { name: 'a shard that ends in its header', change: (data: Buffer) => data.subarray(0, 60) },
  { name: 'an empty shard', change: () => Buffer.alloc(0) },
  { name: 'a shard that says null', change: () => Buffer.from('null') },
  { name: 'a shard with more behind it', change: (data: Buffer) => Buffer.concat([data, Buffer.from('\n')]) },
])('$name is refused when the store is opened', async ({ change }) => {
  const disk = await makeDisk({ checkpoint: true });
  const [path, data] = [...disk.files].find(([each]) => each.includes('/shards/instance-')) ?? ['', Buffer.alloc(0)];

  const { error } = await tell(withFile(disk, path, Buffer.from(change(data))));

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: path });
});

test('a shard in the place of another is refused', async () => {
  const disk = await makeDisk({ checkpoint: true });
  const paths = [...disk.files.keys()].filter((path) => path.includes('/shards/'));
  const mailbox = paths.find((path) => path.includes('/mailbox-')) ?? '';
  const instance = paths.find((path) => path.includes('/instance-')) ?? '';

  const { error } = await tell(withFile(disk, mailbox, disk.files.get(instance) ?? Buffer.alloc(0)));

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: mailbox });
});

test.each([
  { name: 'shard', of: '/shards/instance-' },
  { name: 'log', of: '/log/' },
  { name: 'meta.json', of: '/meta.json' },
])('a $name that is missing is refused', async ({ of }) => {
  const disk = await makeDisk({ checkpoint: true });
  const path = [...disk.files.keys()].find((each) => each.includes(of)) ?? '';
  disk.drop(path);

  const { error } = await tell(disk);

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: path, offset: 0 });
});

test('a log that ends in front of its checkpoint is refused', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytesMin: 300_000, logger });
  let appended: Promise<void> | undefined;
  disk.fault = (call, path) => {
    if (call === 'rename' && path.includes('/shards/instance-0')) appended ??= store.append([commit(put('late', 1))]);
    return undefined;
  };
  const written = logger.next('wrote a checkpoint');
  await store.append(Array.from({ length: 2_000 }, (_, index) => commit(begin(`sleeper-${index}`))));
  await written;
  await appended;
  const image = disk.afterPowerCut('everything');
  const [path, data] = onlyLogOf(image);

  const { error } = await tell(withFile(image, path, data.subarray(0, data.indexOf('\n') + 1)));

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: path, message: expect.stringContaining('ends with commit 2000') });
});

test('a segment that is missing in between is refused', async () => {
  const disk = await makeDisk();
  const [path, data] = onlyLogOf(disk);
  const lines = data.toString('utf8').split('\n');
  disk.drop(path);
  disk.put(path, Buffer.from(`${lines.slice(0, 6).join('\n')}\n`));
  const rest = createSimulatedDisk();
  const other = await open(rest);
  await other.append(history.commits.slice(0, 10));
  const [, tail] = onlyLogOf(rest.afterPowerCut('everything'));
  disk.put(`${directory}/log/0000000000000031.jsonl`, tail);

  const { error, cut } = await tell(disk);

  expect(error ?? cut).not.toBeNull();
  expect(error).toBeInstanceOf(StoreCorruptError);
});

test.each([
  ['null', StoreCorruptError],
  ['', StoreCorruptError],
  ['[]', StoreCorruptError],
  ['{', StoreCorruptError],
  ['{}', StoreFormatError],
  ['{"format":"someone else"}', StoreFormatError],
  ['{"format":"rouse-store","version":2,"shards":{}}', StoreFormatError],
  ['{"format":"rouse-store","version":1}', StoreCorruptError],
  [
    '{"format":"rouse-store","version":1,"crc":"00000000","meta":{"generation":0,"logFrom":1,"instance":[0],"mailbox":[0]}}\n',
    StoreCorruptError,
  ],
])('a meta.json of %j is refused, and the directory is left as it was', async (text, type) => {
  const disk = await makeDisk({ checkpoint: true });
  const damaged = withFile(disk, meta, Buffer.from(text));

  const { error } = await tell(damaged);

  expect(error).toBeInstanceOf(type);
  expect([...damaged.files.keys()].sort()).toEqual([...disk.files.keys()].sort());
});
