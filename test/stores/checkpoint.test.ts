import { expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { hashKey, toShardIndex } from '../../src/adapters/stores/json/shard-table.js';
import { limits } from '../../src/runtime/limits.js';
import type { Commit, OpenStore } from '../../src/runtime/ports.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { describeStore } from './history.js';
import { approve, begin, commit, contentsOf, forget, MemoryLogger, onInstance, openStore, put, remove, take } from './store-harness.js';

const directory = '/data/store';

const never = 1_000_000_000;
const written = 'wrote a checkpoint';
const notWritten = 'could not write a checkpoint';

async function open(disk: SimulatedDisk, { logBytes = never, logger = new MemoryLogger() } = {}): Promise<OpenStore> {
  const store = await openStore(jsonStore(directory, { fileSystem: disk, logBytesMin: logBytes, logBytesMax: logBytes }), logger);
  onTestFinished(() => store.close());
  return store;
}

/** Appends, and waits for the checkpoint that this begins. */
async function appendAndWait(store: OpenStore, logger: MemoryLogger, commits: Commit[], outcome = written): Promise<void> {
  const line = logger.next(outcome);
  await store.append(commits);
  await line;
}

function shardsOf(disk: SimulatedDisk, table: string): string[] {
  return [...disk.files.keys()].filter((path) => path.includes(`/shards/${table}-`)).sort();
}

function segmentsOf(disk: SimulatedDisk): string[] {
  return [...disk.files.keys()].filter((path) => path.endsWith('.jsonl')).sort();
}

function sleepers(count: number, from = 0): Commit[] {
  return Array.from({ length: count }, (_, index) => commit(begin(`sleeper-${from + index}`, { index })));
}

test('when the log has become long it is folded into shards, and what it replaces is removed', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytes: 5_000, logger });

  await appendAndWait(store, logger, sleepers(30));

  expect(segmentsOf(disk)).toEqual([`${directory}/log/0000000000000031.jsonl`]);
  expect(shardsOf(disk, 'instance')).toEqual([`${directory}/shards/instance-0.1.json`]);
  expect(store.figures().logBytes).toBeLessThan(100);
  const before = contentsOf(store);
  expect(contentsOf(await open(disk.afterPowerCut('nothing')))).toEqual(before);
});

test('only shards that changed are written again', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytes: 8, logger });
  await appendAndWait(store, logger, [...sleepers(4_000), commit(put('m', 1))]);
  // The first one shows how large the rows are, and the second splits the shards accordingly.
  await appendAndWait(store, logger, [commit(approve('sleeper-1'))]);
  const before = new Set([...shardsOf(disk, 'instance'), ...shardsOf(disk, 'mailbox')]);

  await appendAndWait(store, logger, [commit(approve('sleeper-7'))]);

  const after = [...shardsOf(disk, 'instance'), ...shardsOf(disk, 'mailbox')];
  expect(before.size).toBeGreaterThan(4);
  expect(after).toHaveLength(before.size);
  expect(after.filter((path) => !before.has(path))).toHaveLength(1);
});

test('commits go on while a checkpoint is written, and nothing of them is lost or told twice', async () => {
  const disk = createSimulatedDisk();
  const store = await open(disk, { logBytes: 20_000 });
  await store.append(sleepers(1_200));
  let checked = 0;
  for (let turn = 1; turn <= 400; turn += 1) {
    const entry = onInstance(`sleeper-${(turn * 7) % 1_200}`, { t: turn, j: [[0, 1 + turn, 'inline', turn, 'now', 'now', null, turn]] });
    const again = `sleeper-${(turn * 3) % 7}`;
    const anew = turn % 5 === 0 ? [remove(begin(again)), begin(again, turn)] : [];
    const events = [put('m', turn), ...(turn > 2 ? [take('m', turn - 2), forget('m', turn - 2)] : [])];
    await store.append([...sleepers(5, 1_200 + turn * 5), commit(...anew, ...events), commit(entry)]);
    const { checkpoints = 0 } = store.figures();
    if (checkpoints === checked) continue;
    checked = checkpoints;
    expect(describeStore(await open(disk.afterPowerCut('nothing')))).toBe(describeStore(store));
  }

  expect(checked).toBeGreaterThan(2);
  expect(shardsOf(disk, 'instance').length).toBeGreaterThan(2);
  const before = describeStore(store);
  await store.close();
  expect(describeStore(await open(disk))).toBe(before);
});

test('a row that is removed and made again while its shard is written is the new one', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytes: 30_000, logger });
  await store.append([...sleepers(100), commit(put('gone', 1))]);
  let appended: Promise<void> | undefined;
  disk.fault = (call, path) => {
    // The checkpoint is writing this shard, whose rows it has taken down.
    if (call === 'rename' && path.includes('/shards/instance-0')) {
      appended ??= store.append([
        commit(remove(begin('sleeper-1')), begin('sleeper-1', 'anew')),
        commit(remove(begin('sleeper-2'))),
        commit(take('gone', 1), forget('gone', 1)),
      ]);
    }
    return undefined;
  };

  await appendAndWait(store, logger, sleepers(40, 100));
  await appended;

  expect(appended).toBeDefined();
  for (const each of [store, await open(disk.afterPowerCut('nothing'))]) {
    expect(each.readInstance('sleeper-1')?.input).toBe('anew');
    expect(each.readInstance('sleeper-2')).toBeUndefined();
    expect(each.readMailbox('gone')).toBeUndefined();
    expect([...each.instanceIds()]).toHaveLength(139);
  }
});

test('rows that come in numbers while shards are written are there once, in memory and on disk', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytes: 1_000_000, logger });
  await store.append(sleepers(2_000));
  let appended: Promise<void> | undefined;
  disk.fault = (call, path) => {
    if (call === 'rename' && path.includes('/shards/instance-0')) appended ??= store.append(sleepers(3_000, 2_000));
    return undefined;
  };

  await appendAndWait(store, logger, [commit(begin('large', 'x'.repeat(1_000_000)))]);
  await appended;

  expect(appended).toBeDefined();
  expect([...store.instanceIds()]).toHaveLength(5_001);
  expect(describeStore(await open(disk.afterPowerCut('nothing')))).toBe(describeStore(store));
});

test('tails are given up once a shard holds them, and mailboxes that were emptied are forgotten', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytes: 8, logger });
  const puts = Array.from({ length: 50 }, (_, index) => commit(put(`m${index}`, index)));
  const takes = Array.from({ length: 49 }, (_, index) => commit(take(`m${index}`, index), forget(`m${index}`, index)));
  await appendAndWait(store, logger, puts);
  await appendAndWait(store, logger, takes);
  await appendAndWait(store, logger, sleepers(30));

  expect(store.figures()).toMatchObject({ mailboxes: 1, instances: 30 });
  expect([...store.mailboxes()].map((mailbox) => mailbox.address)).toEqual(['m49']);
});

test('shards are split as rows are added, and stay small', async () => {
  const disk = createSimulatedDisk();
  const store = await open(disk, { logBytes: 8 });

  for (let from = 0; from < 6_000; from += 1_000) await store.append(sleepers(1_000, from));
  const before = describeStore(store);
  await store.close();
  const logger = new MemoryLogger();
  const reopened = await open(disk, { logBytes: 8, logger });
  await appendAndWait(reopened, logger, [commit(approve('sleeper-1'))]);
  await reopened.append([commit(remove(begin('sleeper-1')), begin('sleeper-1', { index: 1 }))]);

  const sizes = shardsOf(disk, 'instance').map((path) => disk.files.get(path)?.byteLength ?? 0);
  expect(sizes.length).toBeGreaterThan(5);
  expect(Math.max(...sizes)).toBeLessThan(limits.storeShardBytes * 2.5);
  expect(describeStore(reopened)).toBe(before);
});

test.each(['write', 'rename', 'open'] as const)('a checkpoint whose %s fails loses nothing, and is tried again later', async (call) => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytes: 5_000, logger });
  disk.fault = (each, path) => (each === call && path.includes('/shards/') ? 'ENOSPC' : undefined);

  await appendAndWait(store, logger, sleepers(30), notWritten);
  const failed = describeStore(await open(disk.afterPowerCut('nothing')));
  disk.fault = () => undefined;
  await appendAndWait(store, logger, sleepers(30, 30));

  expect(logger.told).toMatchObject([{ level: 'error', fields: { error: expect.any(String) } }]);
  expect(JSON.parse(failed).instances).toHaveLength(30);
  expect(describeStore(await open(disk.afterPowerCut('nothing')))).toBe(describeStore(store));
  expect([...disk.files.keys()].filter((path) => path.endsWith('.tmp'))).toEqual([]);
});

test('a sync that fails in the background makes the store fail', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytes: 5_000, logger });
  disk.fault = (call, path) => (call === 'sync' && path.includes('/shards/') ? 'EIO' : undefined);

  await appendAndWait(store, logger, sleepers(30), notWritten);

  await expect(store.append(sleepers(1, 99))).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect([...(await open(disk.afterPowerCut('nothing'))).instanceIds()]).toHaveLength(30);
});

test('files that cannot be removed are removed by the next checkpoint', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytes: 5_000, logger });
  disk.fault = (call, path) => (call === 'remove' && !path.endsWith('.tmp') ? 'EPERM' : undefined);
  await appendAndWait(store, logger, sleepers(30));
  expect(segmentsOf(disk)).toHaveLength(2);

  disk.fault = () => undefined;
  await appendAndWait(store, logger, sleepers(30, 30));

  expect(segmentsOf(disk)).toHaveLength(1);
  expect(shardsOf(disk, 'instance')).toHaveLength(1);
});

test('closing writes a checkpoint when the log is long, and none when it is short', async () => {
  const disk = createSimulatedDisk();
  const short = await open(disk, { logBytes: 1_000_000 });
  await short.append(sleepers(30));
  await short.close();
  expect(shardsOf(disk, 'instance')).toEqual([]);

  const long = await open(disk, { logBytes: 20_000 });
  await long.close();

  expect(shardsOf(disk, 'instance')).toHaveLength(1);
  const reopened = await open(disk.afterPowerCut('everything'));
  expect(reopened.recovery).toEqual({ clean: true, cut: null });
});

test('with one shard more, only keys of one shard move', () => {
  const hashes = Array.from({ length: 2_000 }, (_, index) => hashKey(`key-${index}`));
  for (let count = 1; count < 70; count += 1) {
    const moved = hashes.filter((hash) => toShardIndex(hash, count) !== toShardIndex(hash, count + 1));

    expect(new Set(moved.map((hash) => toShardIndex(hash, count))).size).toBeLessThanOrEqual(1);
    expect(moved.every((hash) => toShardIndex(hash, count + 1) === count)).toBe(true);
  }
});

test('keys are spread evenly', () => {
  const counts = new Array<number>(64).fill(0);
  for (let index = 0; index < 64_000; index += 1) {
    const shard = toShardIndex(hashKey(`order-${index}`), 64);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }

  expect(Math.min(...counts)).toBeGreaterThan(800);
  expect(Math.max(...counts)).toBeLessThan(1_200);
});

test('nothing goes on behind a store that was closed right after an append', async () => {
  const disk = createSimulatedDisk();
  const store = await open(disk, { logBytes: 40_000 });

  const appended = store.append(sleepers(300));
  await store.close();
  await appended;
  const { calls } = disk;
  for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));

  expect(disk.calls).toBe(calls);
  expect(disk.openFiles).toBe(0);
  expect([...(await open(disk)).instanceIds()]).toHaveLength(300);
});
