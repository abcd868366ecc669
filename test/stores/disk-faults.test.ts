import { expect, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { RouseError } from '../../src/runtime/errors.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import {
  StoreFailedError,
  StoreFullError,
  StoreReadError,
  StoreUnavailableError,
  StoreWriteError,
} from '../../src/runtime/store-errors.js';
import { createSimulatedDisk, type DiskCall, type SimulatedDisk } from '../../src/testing.js';
import { describeStore, makeHistory } from './history.js';
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

const history = makeHistory(40);
const batchLength = 4;

interface Lived {
  /** Commits that were acknowledged, in their order, and those of which nobody knows. */
  acknowledged: number[];
  unknown: number[];
}

/**
 * Appends the history in batches that do not depend on each other's success; a batch that was refused is sent again
 * once, as a caller would.
 */
async function live(disk: SimulatedDisk, lived: Lived): Promise<void> {
  let store = await open(disk, { logBytesMin: 1_000 });
  try {
    for (let next = 0; next < history.commits.length; next += batchLength) {
      const batch = history.commits.slice(next, next + batchLength);
      try {
        await store.append(batch).catch((error: unknown) => {
          if (error instanceof StoreFullError || error instanceof StoreWriteError) return store.append(batch);
          throw error;
        });
        lived.acknowledged.push(next);
      } catch (error) {
        lived.unknown.push(next);
        throw error;
      }
      if (next === 16) {
        await store.close();
        store = await open(disk, { logBytesMin: 1_000 });
      }
    }
  } finally {
    await store.close();
  }
}

test.each([
  { code: 'EIO', times: 'once' },
  { code: 'ENOSPC', times: 'once' },
  { code: 'EIO', times: 'for good' },
  { code: 'ENOSPC', times: 'for good' },
  { code: 'EMFILE', times: 'once' },
])(
  'whichever call fails with $code $times, callers are told the truth and the store opens again',
  async ({ code, times }) => {
    const counting = createSimulatedDisk();
    let calls = 0;
    counting.fault = () => {
      calls += 1;
      return undefined;
    };
    await live(counting, { acknowledged: [], unknown: [] });
    expect(calls).toBeGreaterThan(200);

    for (let failing = 1; failing <= calls; failing += 1) {
      const disk = createSimulatedDisk();
      const lived: Lived = { acknowledged: [], unknown: [] };
      let call = 0;
      disk.fault = () => {
        call += 1;
        return call === failing || (times === 'for good' && call > failing) ? code : undefined;
      };

      const error = await live(disk, lived).catch((each: unknown) => each);
      disk.fault = () => undefined;
      const recovered = await open(disk.afterPowerCut('nothing'));

      if (error !== undefined && !(error instanceof RouseError)) throw error;
      const acknowledged = lived.acknowledged.length * batchLength;
      const found = history.states.indexOf(describeStore(recovered), acknowledged);
      expect(found, `call ${failing}: acknowledged ${acknowledged}`).toBeGreaterThanOrEqual(acknowledged);
      expect(found, `call ${failing}`).toBeLessThanOrEqual(acknowledged + lived.unknown.length * batchLength);
      await recovered.close();
    }
  },
  60_000,
);

test('no file stays open behind a store that was closed, nor behind one that could not be opened', async () => {
  const disk = createSimulatedDisk();
  await live(disk, { acknowledged: [], unknown: [] });
  expect(disk.openFiles).toBe(0);

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
