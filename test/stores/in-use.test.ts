// Looking through and copying stores that are in use: checkpoints come and go meanwhile, and nothing of it is a problem.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { limits } from '../../src/runtime/limits.js';
import { backupStore, verifyStore } from '../../src/store.js';
import { createSimulatedDisk, type DiskCall, type SimulatedDisk } from '../../src/testing.js';
import { busyCommit, lastBusyCommit } from './busy-commits.js';
import { BusyProcess } from './busy-process.js';
import { makeDirectory } from './disk-harness.js';
import { approve, begin, commit, complete, MemoryLogger, openStore, remove } from './store-harness.js';

const rounds = Number(process.env.ROUSE_IN_USE_ROUNDS ?? 6);

async function openCopy(directory: string, fileSystem?: SimulatedDisk) {
  const logger = new MemoryLogger();
  const store = await openStore(jsonStore(directory, { fileSystem }), logger);
  onTestFinished(() => store.close());
  return { store, logger };
}

test('a store that another process uses without a pause is sound whenever it is looked through', async () => {
  const directory = join(await makeDirectory(), 'store');
  const busy = new BusyProcess(directory);
  for (let round = 0; round < rounds; round += 1) {
    await busy.goesOn({ commits: 20, checkpoints: 1 });
    const { acknowledged } = busy;

    const { ok, problems, figures, inUse } = await verifyStore(directory);

    expect(problems).toEqual([]);
    expect(ok).toBe(true);
    expect(figures.commits).toBeGreaterThanOrEqual(acknowledged);
    expect(figures.instances.total).toBe(Math.min(600, figures.commits));
    expect(figures.events).toBe(Math.min(7, figures.commits));
    expect(inUse).toMatchObject({ pid: busy.pid, isKnownAlive: true });
  }
  console.log(`verify in use: ${rounds} times, through ${busy.checkpoints} checkpoints and ${busy.acknowledged} commits`);
  await busy.end();

  expect((await verifyStore(directory)).inUse).toBeNull();
}, 60_000);

test('a backup of a store that another process uses has all that was acknowledged before', async () => {
  const root = await makeDirectory();
  const directory = join(root, 'store');
  const busy = new BusyProcess(directory);
  const behind: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await busy.goesOn({ commits: 20, checkpoints: round === 0 ? 3 : 1 });
    const { acknowledged } = busy;
    const to = join(root, `copy-${round}`);

    const { report } = await backupStore(directory, to);
    const { store, logger } = await openCopy(to);

    const last = lastBusyCommit(store);
    expect(last).toBeGreaterThanOrEqual(acknowledged);
    expect(report).toMatchObject({ ok: true, figures: { commits: last }, tail: null, inUse: null });
    expect(logger.told).toEqual([]);
    behind.push(busy.acknowledged - last);
  }
  console.log(`backup in use: ${rounds} copies, through ${busy.checkpoints} checkpoints; behind by ${behind.join(', ')} commits when done`);
  await busy.end();
}, 60_000);

/** A store of this process on a simulated disk, which writes a checkpoint when told to. */
async function makeBusyStore() {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await openStore(jsonStore('/data/store', { fileSystem: disk, logBytesMin: 20_000, logBytesMax: 20_000 }), logger);
  onTestFinished(() => store.close());
  let number = 0;
  const append = async (count: number): Promise<void> => {
    for (let each = 0; each < count; each += 1) await store.append([busyCommit(++number)]);
  };
  const checkpoint = async (): Promise<void> => {
    const written = logger.next('wrote a checkpoint');
    let isWritten = false;
    void written.then(() => {
      isWritten = true;
    });
    while (!isWritten) await append(1);
  };
  return { disk, store, append, checkpoint, appended: () => number };
}

/** Has something happen before this call for a path with this part, once. */
function before(disk: SimulatedDisk, [call, part]: readonly [DiskCall, string], task: () => Promise<void>): { happened: boolean } {
  const told = { happened: false };
  disk.delay = (each, path) => {
    if (each !== call || !path.includes(part) || told.happened) return undefined;
    told.happened = true;
    return task();
  };
  return told;
}

test.each([
  ['open', 'meta.json'],
  ['list', '/log'],
  ['open', '/log/'],
  ['open', '/shards/instance-'],
  ['open', '/shards/mailbox-'],
] as const)('a checkpoint that replaces everything in front of the call to %s %s is gone along with', async (...call) => {
  const { disk, append, checkpoint, appended } = await makeBusyStore();
  await checkpoint();
  await append(3);
  const whenVerified = before(disk, call, checkpoint);
  const atFirst = appended();

  const verified = await verifyStore('/data/store', { fileSystem: disk });
  const whenCopied = before(disk, call, checkpoint);
  const { report } = await backupStore('/data/store', '/data/copy', { fileSystem: disk });
  disk.delay = () => undefined;

  expect([whenVerified.happened, whenCopied.happened]).toEqual([true, true]);
  expect(verified.problems).toEqual([]);
  expect(verified.figures.commits).toBeGreaterThanOrEqual(atFirst);
  expect(report.ok).toBe(true);
  const { store } = await openCopy('/data/copy', disk);
  expect(lastBusyCommit(store)).toBe(report.figures.commits);
});

test('the first checkpoint of a store, which takes away nothing but log, is gone along with', async () => {
  const { disk, append, checkpoint } = await makeBusyStore();
  await append(3);
  const whenListed = before(disk, ['list', '/log'], checkpoint);

  const { problems, figures } = await verifyStore('/data/store', { fileSystem: disk });

  expect(whenListed.happened).toBe(true);
  expect(problems).toEqual([]);
  expect(figures.instances.total).toBe(figures.commits);
});

test('what was committed while shards were written, and is in some of them, is counted once', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await openStore(jsonStore('/data/store', { fileSystem: disk, logBytesMin: 300_000, logBytesMax: 300_000 }), logger);
  onTestFinished(() => store.close());
  // More shards than are written at a time: the last of them come after what is committed meanwhile.
  const sleepers = limits.storeShardRows * (limits.storeLoadsMax + 4);
  const ids = Array.from({ length: sleepers }, (_, index) => `sleeper-${index}`);
  const changed = ids.slice(0, 60);
  let late: Promise<void> | undefined;
  disk.delay = (call, path) => {
    if (call !== 'rename' || !path.includes('/shards/instance-')) return undefined;
    late ??= store.append([
      ...changed.map((id) => commit(approve(id))),
      ...changed.slice(0, 30).flatMap((id) => [commit(complete(id)), commit(remove(begin(id)))]),
    ]);
    return late;
  };
  const written = logger.next('wrote a checkpoint');
  await store.append(ids.map((id) => commit(begin(id))));
  await written;

  const { problems, figures } = await verifyStore('/data/store', { fileSystem: disk });

  expect(late).toBeDefined();
  expect(problems).toEqual([]);
  expect(figures.instances).toMatchObject({ total: sleepers - 30, active: sleepers - 30 });
  expect(figures.shards).toBeGreaterThan(limits.storeLoadsMax);
});

test('files that a checkpoint removes while they are read are read to their ends', async () => {
  const { disk, append, checkpoint } = await makeBusyStore();
  await checkpoint();
  await append(3);
  let removed: Promise<void> | undefined;
  disk.delay = (call, path) => {
    if (call === 'read' && path.includes('/log/')) removed ??= checkpoint();
    return call === 'read' && path.includes('/log/') ? removed : undefined;
  };

  const { problems, figures } = await verifyStore('/data/store', { fileSystem: disk });

  expect(removed).toBeDefined();
  expect(problems).toEqual([]);
  expect(figures.instances.total).toBe(Math.min(600, figures.commits));
});

test('with too many shards to hold them all, those that a checkpoint takes away are begun anew', async () => {
  const { disk, append, checkpoint } = await makeBusyStore();
  await checkpoint();
  await append(3);
  const isShard = (path: string): boolean => path.includes('/shards/') && path.endsWith('.json');
  let opened = 0;
  let isReplaced = false;
  disk.fault = (call, path) => (call === 'open' && isShard(path) && ++opened === 2 ? 'EMFILE' : undefined);
  disk.delay = (call, path) => {
    // The first is opened a second time, by itself.
    if (call !== 'open' || !isShard(path) || opened !== 2 || isReplaced) return undefined;
    isReplaced = true;
    return checkpoint();
  };

  const { problems, figures } = await verifyStore('/data/store', { fileSystem: disk });

  expect(isReplaced).toBe(true);
  expect(problems).toEqual([]);
  expect(figures.instances.total).toBe(Math.min(600, figures.commits));
});

test('a store that never stands still long enough is refused in the end', async () => {
  const { disk, checkpoint } = await makeBusyStore();
  await checkpoint();
  disk.delay = (call, path) =>
    call === 'open' && path.includes('/shards/instance-') && !path.endsWith('.tmp') ? checkpointOnce() : undefined;
  let underWay = false;
  const checkpointOnce = (): Promise<void> | undefined => {
    if (underWay) return undefined;
    underWay = true;
    return checkpoint().finally(() => {
      underWay = false;
    });
  };

  await expect(verifyStore('/data/store', { fileSystem: disk })).rejects.toMatchObject({ code: 'STORE_READ', file: '/data/store' });
});

test('looking through a store lets others run in between', async () => {
  const { disk, append } = await makeBusyStore();
  await append(2_000);
  let turns = 0;
  let isDone = false;
  const turn = (): void => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  turn();

  const { figures } = await verifyStore('/data/store', { fileSystem: disk });
  isDone = true;

  expect(figures.instances.total).toBe(600);
  expect(turns).toBeGreaterThan(5);
});

test('the lock of a store that is in use stays as it is', async () => {
  const directory = join(await makeDirectory(), 'store');
  const { store } = await openCopy(directory);
  await store.append([busyCommit(1)]);
  const lock = await readFile(join(directory, 'lock'), 'utf8');

  const { inUse } = await verifyStore(directory);

  expect(inUse?.pid).toBe(process.pid);
  expect(await readFile(join(directory, 'lock'), 'utf8')).toBe(lock);
});
