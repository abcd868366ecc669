// What a runtime would never have written is told by whoever looks through a store, though every checksum is right.

import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { toChecksum } from '../../src/adapters/stores/json/log-line.js';
import { MetaFile } from '../../src/adapters/stores/json/meta-file.js';
import { ShardFile } from '../../src/adapters/stores/json/shard-file.js';
import { decodeHeader, decodePreamble, encodeHeader, preambleBytes, toBody } from '../../src/adapters/stores/json/shard-format.js';
import { readRows } from '../../src/adapters/stores/json/shard-rows.js';
import { hashKey, toShardIndex } from '../../src/adapters/stores/json/shard-table.js';
import type { Change } from '../../src/runtime/ports.js';
import { type StoreReport, verifyStore } from '../../src/store.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { bytesOf, directory, never, pathsOf, shop } from './shop-disk.js';
import { begin, commit, MemoryLogger, onInstance, onMailbox, openStore } from './store-harness.js';

const asleep = { t: 1_000, n: ['provision', 1, null, 0, 0] };

test.each<[string, string, Change]>([
  ['a change of an instance that never began', 'does not begin', onInstance('a', { t: 1 })],
  ['an outcome of what was never asked', 'did not make', onInstance('a', { ...asleep, j: [[9, 9, 'ok', null]] })],
  ['no workflow', 'no workflow', onInstance('a', { t: 1, n: ['', 1, null, 0, 0] })],
  ['a parent at the top', 'contradict', onInstance('a', { t: 1, n: ['w', 1, null, 0, 'b'] })],
  ['an input that cannot be read', 'input', onInstance('a', { t: 1, n: ['w', 1, { $: 'x' }, 0, 0] })],
  ['a deadline without end', 'stored request is none', onInstance('a', { ...asleep, p: [[0, 0, 'sleep', 'sleep', 1, { d: 'never' }]] })],
  ['a sleep without a deadline', 'deadline', onInstance('a', { ...asleep, p: [[0, 0, 'sleep', 'sleep', 1]] })],
  ['a wait of no kind', 'stored request is none', onInstance('a', { ...asleep, p: [[0, 0, 'hope', 'h', 1]] })],
  ['a receive that listens nowhere', 'listens nowhere', onInstance('a', { ...asleep, p: [[0, 0, 'receive', 'r', 1, { d: 9 }]] })],
  ["another instance's token", 'token', onInstance('a', { ...asleep, p: [[0, 0, 'callback', 'c', 1, { o: 'xyz.b' }]] })],
  ['an outcome twice', 'twice', onInstance('a', { ...asleep, j: [entry(0, 1), entry(0, 1)] })],
  ['an outcome of what it waits for', 'waits for 0:1', onInstance('a', { ...asleep, j: [entry(0, 1)], p: [[0, 1, 'step', 's', 1]] })],
  ['an error that is none', 'value', onInstance('a', { ...asleep, j: [[0, 0, 'error', 7, 'step', 's', null, 1]] })],
  ['an end that is none', 'status', onInstance('a', { ...asleep, z: ['over', null] })],
  ['a failure without an error', 'ended', onInstance('a', { ...asleep, z: ['failed', null] })],
  ['an address that is none', 'address', onMailbox('approval', { p: [[1, 1, null, 0, 9, 0]] })],
  ['a keyed event that never expires', 'expires', onMailbox('#e\nk', { p: [[1, 1, null, 0, 0, 0]] })],
  [
    'events in another order',
    'came after',
    onMailbox('#e\nk', {
      p: [
        [2, 1, null, 0, 9, 0],
        [1, 1, null, 0, 9, 0],
      ],
    }),
  ],
  ['a dead letter from nowhere', 'nowhere', onMailbox('!dead', { p: [[1, 1, null, 0, 9, 0]] })],
  ['the mailbox of an instance that there is not', 'there is not', onMailbox('@e\nnobody', { p: [[1, 1, null, 0, 0, 0]] })],
])('%s is told, in the log and in a shard', async (_name, what, change) => {
  const disk = createSimulatedDisk();
  const inLog = await openStore(jsonStore(directory, { fileSystem: disk, logBytesMin: never }));
  await inLog.append([commit(begin('sound')), commit(change)]);
  await inLog.crash();
  const [log = ''] = pathsOf(disk, '/log/');
  const offset = bytesOf(disk, log).indexOf('\n2 ') + 1;
  const told = {
    what: expect.stringContaining(what),
    ...(change.table === 'instance' ? { instance: change.key } : { mailbox: change.key }),
  };

  const first = await verifyStore(directory, { fileSystem: disk });
  const second = await checkpointed(disk);

  expect(first.problems).toEqual([{ kind: 'content', file: log, offset, ...told }]);
  expect(second.problems).toEqual([{ kind: 'content', file: expect.stringContaining('/shards/'), offset: expect.any(Number), ...told }]);
});

async function checkpointed(disk: SimulatedDisk): Promise<StoreReport> {
  const logger = new MemoryLogger();
  const isOver = logger.next('wrote a checkpoint');
  const store = await openStore(jsonStore(directory, { fileSystem: disk, logBytesMin: 8 }), logger);
  await isOver;
  await store.crash();
  return verifyStore(directory, { fileSystem: disk });
}

test('a row in a shard where nobody looks for it, and one whose index says something else, are told', async () => {
  const disk = createSimulatedDisk();
  const store = await openStore(jsonStore(directory, { fileSystem: disk, logBytesMin: never }));
  await store.append([commit(begin('sound'))]);
  await store.close();
  await checkpointed(disk);
  const [path = ''] = pathsOf(disk, '/shards/instance-');
  const meta = await new MetaFile(disk, directory).read();
  const images = ['a', 'b', 'c', 'd'].map((key, index) => ({
    key,
    head: Buffer.from('0'),
    body: toBody(key, undefined, [begin(key).delta]),
    deltas: index === 0 ? 2 : 1,
  }));
  disk.drop(path);
  await ShardFile.write(disk, `${directory}/shards`, { table: 'instance', shard: 0, generation: 1 }, { upTo: 1, images });
  await new MetaFile(disk, directory).write({ generation: 1, logFrom: 2, mailbox: meta?.mailbox ?? [0], instance: [1, 0] });

  const { problems } = await verifyStore(directory, { fileSystem: disk });

  const misplaced = ['a', 'b', 'c', 'd'].filter((key) => toShardIndex(hashKey(key), 2) === 1);
  expect(misplaced.length).toBeGreaterThan(0);
  expect(problems.filter(({ what }) => what.includes('where nobody looks')).map(({ instance }) => instance)).toEqual(misplaced);
  expect(problems).toContainEqual(expect.objectContaining({ instance: 'a', what: expect.stringContaining('another number of deltas') }));
  expect(problems.every(({ kind, file }) => kind === 'content' && file === path)).toBe(true);
});

test('of mailboxes whose instances cannot be read any more nobody says that there are none', async () => {
  const disk = await shop();
  const paths = pathsOf(disk, '/shards/instance-');
  for (const path of paths) {
    const data = bytesOf(disk, path);
    disk.put(path, Buffer.concat([data.subarray(0, 40), Buffer.from('?'), data.subarray(41)]));

    const { problems } = await verifyStore(directory, { fileSystem: disk });

    expect(problems).toEqual([{ kind: 'damage', file: path, offset: 34, what: expect.stringContaining('header') }]);
    disk.put(path, data);
  }
  expect(paths.length).toBeGreaterThan(3);
});

test('a head that says something else than its body is told', async () => {
  const disk = await shop();
  const [path = ''] = pathsOf(disk, '/shards/instance-');
  const data = bytesOf(disk, path);
  const { headsStart, rows } = readRows(path, data);
  const [row] = rows.filter(({ head }) => head?.toString().includes('#'));
  const head = row?.head ?? Buffer.alloc(0);
  head.write('@', head.indexOf('#'));
  disk.put(path, withRightHeads(data, headsStart));

  const { problems } = await verifyStore(directory, { fileSystem: disk });

  expect(problems).toEqual([
    { kind: 'content', file: path, offset: row?.offset, what: expect.stringContaining('head'), instance: row?.key },
  ]);
});

function entry(task: number, pos: number): unknown[] {
  return [task, pos, 'ok', null, 'step', 's', null, 1];
}

/** A shard whose heads were changed, with the checksums that go with them. */
function withRightHeads(data: Buffer, headsStart: number): Buffer {
  const { headerBytes, crc } = decodePreamble('', data.subarray(0, preambleBytes));
  const header = decodeHeader('', data.subarray(preambleBytes, preambleBytes + headerBytes), crc);
  const headsCrc = toChecksum(crc32(data.subarray(headsStart, headsStart + header.headsBytes)));
  return Buffer.concat([encodeHeader({ ...header, headsCrc }), data.subarray(headsStart)]);
}
