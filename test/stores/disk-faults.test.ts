import { expect, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import {
  StoreFailedError,
  StoreFullError,
  StoreReadError,
  StoreUnavailableError,
  StoreWriteError,
} from '../../src/runtime/store-errors.js';
import { createSimulatedDisk, type DiskCall, type SimulatedDisk } from '../../src/testing.js';
import { describeStore } from './history.js';
import { approve, begin, commit, MemoryLogger, openStore } from './store-harness.js';

const directory = '/data/store';
const never = 1_000_000_000;

function open(disk: SimulatedDisk, { logBytesMin = never, logger = new MemoryLogger() } = {}): Promise<OpenStore> {
  return openStore(jsonStore(directory, { fileSystem: disk, logBytesMin }), logger);
}

/** Fails the next call of this kind on a file whose path holds this, once. */
function failOnce(call: DiskCall, of: string, outcome: string | number): SimulatedDisk['fault'] {
  let done = false;
  return (each, path) => {
    if (done || each !== call || !path.includes(of)) return undefined;
    done = true;
    return outcome;
  };
}

async function openedDisk(): Promise<{ disk: SimulatedDisk; store: OpenStore }> {
  const disk = createSimulatedDisk();
  const store = await open(disk);
  await store.append([commit(begin('a'))]);
  return { disk, store };
}

test.each([
  { name: 'there is no space', outcome: 'ENOSPC', type: StoreFullError },
  { name: 'the quota is used up', outcome: 'EDQUOT', type: StoreFullError },
  { name: 'the disk takes nothing', outcome: 0, type: StoreFullError },
  { name: 'the disk fails', outcome: 'EIO', type: StoreWriteError },
])('G10: when $name, nothing of the batch is kept and the store goes on', async ({ outcome, type }) => {
  const { disk, store } = await openedDisk();
  disk.fault = failOnce('write', '/log/', outcome);

  await expect(store.append([commit(approve('a')), commit(begin('b'))])).rejects.toThrow(type);
  const after = describeStore(store);
  const crashed = await open(disk.afterPowerCut('everything'));
  await store.append([commit(begin('c'))]);
  const recovered = await open(disk.afterPowerCut('nothing'));

  expect(describeStore(crashed)).toBe(after);
  expect(crashed.recovery.cut).toBeNull();
  expect([...recovered.instanceIds()].sort()).toEqual(['a', 'c']);
});

test('a batch of which a part was written before the space ran out is cut off whole', async () => {
  const { disk, store } = await openedDisk();
  let writes = 0;
  disk.fault = (call, path) => {
    if (call !== 'write' || !path.includes('/log/')) return undefined;
    writes += 1;
    return writes === 1 ? 150 : writes === 2 ? 'ENOSPC' : undefined;
  };

  await expect(store.append([commit(begin('b')), commit(begin('c'))])).rejects.toThrow(StoreFullError);
  const crashed = await open(disk.afterPowerCut('everything'));

  expect([...crashed.instanceIds()]).toEqual(['a']);
  expect(crashed.recovery.cut).toBeNull();
});

test('a disk that takes a write in parts gets all of it', async () => {
  const { disk, store } = await openedDisk();
  disk.fault = (call) => (call === 'write' ? 7 : undefined);

  await store.append([commit(begin('b'))]);
  disk.fault = () => undefined;

  expect(describeStore(await open(disk.afterPowerCut('nothing')))).toBe(describeStore(store));
});

test.each(['EIO', 'ENOSPC'])(
  'G10: after a sync failed with %s nothing is acknowledged any more, though the next one would succeed',
  async (code) => {
    const { disk, store } = await openedDisk();
    disk.fault = failOnce('sync', '/log/', code);

    const first = await store.append([commit(begin('b'))]).catch((error: unknown) => error);
    const second = await store.append([commit(begin('c'))]).catch((error: unknown) => error);
    const recovered = await open(disk.afterPowerCut('nothing'));

    expect(first).toBeInstanceOf(StoreFailedError);
    expect(second).toBe(first);
    expect(store.readInstance('b')).toBeUndefined();
    expect([...recovered.instanceIds()]).toEqual(['a']);
    await store.close();
    expect((await open(disk)).recovery.clean).toBe(false);
  },
);

test.each(['truncate', 'sync'] as const)('a failed write that cannot be taken back (%s) makes the store fail', async (call) => {
  const { disk, store } = await openedDisk();
  disk.fault = (each, path) => (path.includes('/log/') && (each === 'write' || each === call) ? 'EIO' : undefined);

  await expect(store.append([commit(begin('b'))])).rejects.toThrow(StoreFailedError);
  disk.fault = () => undefined;
  await expect(store.append([commit(begin('c'))])).rejects.toThrow(StoreFailedError);
});

test('a record that the disk does not give is told, and given when it can', async () => {
  const { disk, store } = await openedDisk();
  await store.append([commit(begin('b'))]);
  await store.close();
  const checkpointed = await open(disk, { logBytesMin: 8 });
  await checkpointed.append([commit(begin('c'))]);
  await checkpointed.close();
  const reopened = await open(disk);
  disk.fault = (call) => (call === 'readSync' ? 'EIO' : undefined);

  expect(() => reopened.readInstance('a')).toThrow(StoreReadError);
  disk.fault = () => undefined;
  expect(reopened.readInstance('a')?.id).toBe('a');
});

test.each([
  ['makeDirectory', 'EACCES', 'may not write'],
  ['makeDirectory', 'EEXIST', 'not a directory'],
  ['makeDirectory', 'EROFS', 'read-only'],
  ['open', 'EACCES', 'may not write'],
  ['open', 'EMFILE', 'EMFILE'],
  ['link', 'EROFS', 'read-only'],
] as const)('a directory that cannot be used (%s: %s) is refused with its reason', async (call, code, reason) => {
  const disk = createSimulatedDisk();
  disk.fault = (each) => (each === call ? code : undefined);

  const error = await open(disk).catch((each: unknown) => each);

  expect(error).toBeInstanceOf(StoreUnavailableError);
  expect(error).toMatchObject({ directory, message: expect.stringContaining(reason) });
});

test('a file system that cannot link is locked all the same', async () => {
  const disk = createSimulatedDisk();
  disk.fault = (call) => (call === 'link' ? 'ENOTSUP' : undefined);

  const store = await open(disk);

  await expect(open(disk)).rejects.toMatchObject({ code: 'STORE_LOCKED', pid: process.pid });
  await store.close();
  await (await open(disk)).close();
});

test('a segment that could not be begun and not be removed is no obstacle later', async () => {
  const disk = createSimulatedDisk();
  const logger = new MemoryLogger();
  const store = await open(disk, { logBytesMin: 8, logger });
  const appendAndFail = async (id: string): Promise<OpenStore> => {
    const failed = logger.next('could not write a checkpoint');
    await store.append([commit(begin(id))]);
    await failed;
    return open(disk.afterKill());
  };

  disk.fault = (call, path) => {
    if (!path.endsWith('2.jsonl')) return undefined;
    return call === 'write' ? { code: 'EIO', done: true } : call === 'remove' ? 'EIO' : undefined;
  };
  await appendAndFail('a');
  disk.fault = (call, path) => (call === 'open' && path.includes('/shards/') ? 'EIO' : undefined);
  const inOneSegment = await appendAndFail('b');
  const behindIt = await appendAndFail('c');

  expect([...inOneSegment.instanceIds()].sort()).toEqual(['a', 'b']);
  expect([...behindIt.instanceIds()].sort()).toEqual(['a', 'b', 'c']);
});

test('a file that cannot be closed keeps nobody from closing the store', async () => {
  const { disk, store } = await openedDisk();
  await store.close();
  const checkpointed = await open(disk, { logBytesMin: 8 });
  await checkpointed.append([commit(begin('b'))]);
  await checkpointed.close();
  const reopened = await open(disk);
  expect(reopened.readInstance('a')?.id).toBe('a');
  disk.fault = (call) => (call === 'closeSync' ? 'EIO' : undefined);

  await reopened.close();
  disk.fault = () => undefined;

  await expect(open(disk)).resolves.toBeDefined();
});

test.each(['new', 'old'] as const)(
  'G10: what a failed sync left in memory only (readers see the %s bytes) is not trusted by the next process',
  async (reads) => {
    const { disk, store } = await openedDisk();
    disk.failedSync = { kept: 'nothing', reads };
    disk.fault = failOnce('sync', '/log/', 'EIO');
    await expect(store.append([commit(begin('b', 'x'.repeat(20_000)))])).rejects.toThrow(StoreFailedError);
    await store.close();

    const next = disk.afterKill();
    const reopened = await open(next);
    await reopened.append([commit(begin('c'))]);
    const before = describeStore(reopened);

    expect(describeStore(await open(next.afterPowerCut('nothing')))).toBe(before);
  },
);

test('no file stays open behind a store that could not be opened', async () => {
  const disk = createSimulatedDisk();
  await (await open(disk)).close();
  for (let failing = 1; failing < 60; failing += 1) {
    let call = 0;
    disk.fault = () => {
      call += 1;
      return call === failing ? 'EIO' : undefined;
    };
    await open(disk).then(
      (store) => store.close(),
      () => {},
    );
    disk.fault = () => undefined;
    expect(disk.openFiles, `call ${failing}`).toBe(0);
    await (await open(disk.afterPowerCut('everything'))).close();
  }
});
