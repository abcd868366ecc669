import { expect, test } from 'vitest';
import { RouseError } from '../../src/runtime/errors.js';
import { StoreCorruptError, StoreFormatError } from '../../src/runtime/store-errors.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { ask, fifty, makeStoreDisk, never, openDamaged, withFile } from '../torture/damaged-disk.js';
import { describeStore, makeHistory } from './history.js';
import { isLog, isShard, metaPath, readLog, readShard, segmentPath, writeLog } from './layout.js';
import { approve, begin, commit, MemoryLogger, put } from './store-harness.js';

const inLog = { name: 'all in the log', checkpoint: false, closed: false };
const inShards = { name: 'with a checkpoint', checkpoint: true, closed: false };

/** What a store says when all of it is read. */
function tell(disk: SimulatedDisk) {
  return ask(disk, 'a damaged store');
}

function fileOf(disk: SimulatedDisk, isMeant: (path: string) => boolean): [string, Buffer] {
  const files = [...disk.files].filter(([path]) => isMeant(path));
  expect(files.length).toBeGreaterThan(0);
  return files[0] ?? ['', Buffer.alloc(0)];
}

test('G10: damage in front of the last durable offset is told with file and offset, and nothing is changed', async () => {
  const disk = await makeStoreDisk(inLog);
  const [path, data] = fileOf(disk, isLog);
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
  const disk = await makeStoreDisk(inLog);
  const [path, data] = fileOf(disk, isLog);
  const torn = withFile(disk, path, Buffer.concat([data, Buffer.alloc(700)]));
  const logger = new MemoryLogger();

  const store = await openDamaged(torn, never, logger);
  const next = makeHistory(51).commits.at(-1);
  await store.append(next === undefined ? [] : [next]);
  const again = await openDamaged(torn.afterPowerCut('everything'));

  expect(store.recovery).toEqual({ clean: false, cut: { file: path, offset: data.byteLength, bytes: 700 } });
  expect(logger.told).toMatchObject([{ level: 'warn', fields: { file: path, offset: data.byteLength, bytes: 700 } }]);
  expect(again.recovery.cut).toBeNull();
  expect(describeStore(again)).toBe(makeHistory(51).states[51]);
});

test('a damaged record is told when it is read, and takes no other with it', async () => {
  const disk = await makeStoreDisk({ ...inShards, closed: true });
  const [shard, bytes] = fileOf(disk, (path) => isShard(path, 'instance-'));
  const data = Buffer.from(bytes);
  data.writeUInt8(0x21, data.byteLength - 10);

  const store = await openDamaged(withFile(disk, shard, data));
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
  const disk = await makeStoreDisk(inShards);
  const [path, data] = fileOf(disk, (each) => isShard(each, 'instance-'));

  const { error } = await tell(withFile(disk, path, Buffer.from(change(data))));

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: path });
});

test('a shard in the place of another is refused', async () => {
  const disk = await makeStoreDisk(inShards);
  const [mailbox] = fileOf(disk, (path) => isShard(path, 'mailbox-'));
  const [, instance] = fileOf(disk, (path) => isShard(path, 'instance-'));

  const { error } = await tell(withFile(disk, mailbox, instance));

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: mailbox });
});

test.each([
  { name: 'shard', of: '/shards/instance-' },
  { name: 'log', of: '/log/' },
  { name: 'meta.json', of: '/meta.json' },
])('a $name that is missing is refused', async ({ of }) => {
  const disk = await makeStoreDisk(inShards);
  const [path] = fileOf(disk, (each) => each.includes(of));
  disk.drop(path);

  const { error } = await tell(disk);

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: path, offset: 0 });
});

test('a log that ends in front of its checkpoint is refused', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await openDamaged(disk, 300_000, logger);
  let appended: Promise<void> | undefined;
  disk.fault = (call, path) => {
    if (call === 'open' && path.includes('/shards/instance-0')) appended ??= store.append([commit(put('late', 1))]);
    return undefined;
  };
  const written = logger.next('wrote a checkpoint');
  await store.append(Array.from({ length: 2_000 }, (_, index) => commit(begin(`sleeper-${index}`))));
  await written;
  await appended;
  const image = disk.afterPowerCut('everything');
  const [path, data] = fileOf(image, isLog);

  const { error } = await tell(withFile(image, path, data.subarray(0, data.indexOf('\n') + 1)));

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: path, message: expect.stringContaining('ends with commit 2000') });
});

test('a segment that is missing in between is refused', async () => {
  const disk = await makeStoreDisk(inLog);
  const [path, data] = fileOf(disk, isLog);
  const lines = readLog(data);
  const first = lines.filter(({ seq, json }) => seq <= 10 || (seq === 11 && json.startsWith('{')));
  const third = lines.filter(({ seq }) => seq > 30);
  disk.put(path, writeLog(first));
  disk.put(segmentPath(31), writeLog([{ seq: 31, json: '{"durable":0}' }, ...third]));

  const { error } = await tell(disk);

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: segmentPath(31), offset: 0 });
});

test.each([
  ['null', StoreCorruptError],
  ['', StoreCorruptError],
  ['[]', StoreCorruptError],
  ['{', StoreCorruptError],
  ['{}', StoreFormatError],
  ['{"format":"someone else"}', StoreFormatError],
  ['{"format":"rouse-store","version":99,"shards":{}}', StoreFormatError],
  ['{"format":"rouse-store","version":1}', StoreCorruptError],
  [
    '{"format":"rouse-store","version":1,"crc":"00000000","meta":{"generation":0,"logFrom":1,"instance":[0],"mailbox":[0]}}\n',
    StoreCorruptError,
  ],
])('a meta.json of %j is refused, and the directory is left as it was', async (text, type) => {
  const disk = await makeStoreDisk(inShards);
  const damaged = withFile(disk, metaPath, Buffer.from(text));

  const { error } = await tell(damaged);

  expect(error).toBeInstanceOf(type);
  expect([...damaged.files.keys()].sort()).toEqual([...disk.files.keys()].sort());
});

test.each([
  { name: 'a line is missing', change: (lines: string[]) => lines.toSpliced(2, 1) },
  { name: 'a line is there twice', change: (lines: string[]) => lines.toSpliced(2, 0, lines[2] ?? '') },
  { name: 'the last line of a batch is missing', change: (lines: string[]) => lines.toSpliced(11, 1) },
  { name: 'the marker of a batch is missing', change: (lines: string[]) => lines.toSpliced(7, 1) },
  { name: 'the first marker is missing', change: (lines: string[]) => lines.slice(1) },
  {
    name: 'the newline in front of its last marker is damaged',
    change: (lines: string[]) => {
      const last = lines.findLastIndex((line) => line.includes('{"durable":'));
      return lines.toSpliced(last - 1, 2, `${lines[last - 1]}\u000b${lines[last]}`);
    },
  },
  { name: 'an editor has changed the ends of lines', change: (lines: string[]) => lines.join('\r\n').split('\n') },
  { name: 'all is zeros', change: (lines: string[]) => ['\0'.repeat(lines.join('\n').length)] },
  { name: 'it is another file', change: () => ['{"name":"theirs","version":"1.0.0"}', ''] },
])('G10: a log is not taken for an unsynced tail when $name: it is refused, and left as it is', async ({ change }) => {
  const disk = await makeStoreDisk(inLog);
  const [path, data] = fileOf(disk, isLog);
  const spoilt = Buffer.from(change(data.toString('utf8').split('\n')).join('\n'));
  const damaged = withFile(disk, path, spoilt);

  const { error } = await tell(damaged);

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect(error).toMatchObject({ file: path });
  expect(damaged.files.get(path)).toEqual(spoilt);
});

test('blocks of an older log behind the end are no sign of damage', async () => {
  const disk = await makeStoreDisk(inLog);
  const [path, data] = fileOf(disk, isLog);
  const older = createSimulatedDisk();
  const store = await openDamaged(older);
  for (let seq = 1; seq <= 30; seq += 1) await store.append([commit(put('m', seq, 'x'.repeat(1_000)))]);
  // As a file system leaves them that gives a file its blocks before it has written them.
  const stale = fileOf(older, isLog)[1].subarray(data.byteLength);
  expect(stale.toString('latin1')).toContain('{"durable":');

  const { error, cut, state } = await tell(withFile(disk, path, Buffer.concat([data, stale])));

  expect(error).toBeUndefined();
  expect(cut).toEqual({ file: path, offset: data.byteLength, bytes: stale.byteLength });
  expect(state).toBe(fifty.states.at(-1));
});

test.each([
  { name: 'an instance', table: 'instance-', changed: false },
  { name: 'an instance that changes', table: 'instance-', changed: true },
  { name: 'a mailbox', table: 'mailbox-', changed: false },
  { name: 'a mailbox that changes', table: 'mailbox-', changed: true },
])('$name whose record is damaged holds up no checkpoint, and is still told of behind it', async ({ table, changed }) => {
  const disk = await makeStoreDisk({ ...inShards, closed: true });
  const [path, data] = fileOf(disk, (each) => isShard(each, table));
  const damaged = Buffer.from(data);
  damaged.writeUInt8(0x21, data.byteLength - 10);
  const key = String((readShard(data).header.keys as string[]).at(-1));
  const found = withFile(disk, path, damaged);
  const logger = new MemoryLogger();
  const store = await openDamaged(found, 8, logger);
  const read = (from: typeof store) => (table === 'instance-' ? from.readInstance(key) : from.readMailbox(key));

  const written = logger.next('wrote a checkpoint');
  await store.append([commit(begin('new'), ...(changed ? [table === 'instance-' ? approve(key) : put(key, 99)] : []))]);
  await written;
  await store.append([commit(begin('newer'))]);
  await store.close();
  const reopened = await openDamaged(found);

  expect(() => read(reopened)).toThrow(StoreCorruptError);
  expect(reopened.readInstance('new')?.id).toBe('new');
  expect(reopened.readInstance('newer')?.id).toBe('newer');
  expect(reopened.figures().logBytes).toBeLessThan(500);
});

test.each([
  { name: 'an instance', change: { table: 'instance' as const, key: 'ill', delta: '{"t":1,"j":[[0,7,"ok",1]]}' } },
  { name: 'a mailbox', change: { table: 'mailbox' as const, key: 'ill', delta: '{"p":7}' } },
])('$name whose changes make no sense holds up no checkpoint, and is still told of behind it', async ({ change }) => {
  const disk = createSimulatedDisk();
  const store = await openDamaged(disk, 8);
  await store.append([commit(begin('well'), change)]);
  await store.close();

  const reopened = await openDamaged(disk);

  expect(() => (change.table === 'instance' ? reopened.readInstance('ill') : reopened.readMailbox('ill'))).toThrow(RouseError);
  expect(reopened.readInstance('well')?.id).toBe('well');
  expect(reopened.figures().logBytes).toBeLessThan(200);
});
