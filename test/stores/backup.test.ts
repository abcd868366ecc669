// Copies of stores: whole, on disk and a store themselves when they are reported; refused when they were interrupted.

import { describe, expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { StoreCorruptError, StoreFormatError, StoreFullError, StoreUnavailableError } from '../../src/runtime/store-errors.js';
import { backupStore, verifyStore } from '../../src/store.js';
import { createSimulatedDisk, createTestRuntime, type Kept, type SimulatedDisk } from '../../src/testing.js';
import { approval, note, parcel, shop as shopWorkflows } from './fixtures/shop.js';
import { describeStore } from './history.js';
import { bytesOf, directory, leftAt, oldShop, openShop, pathsOf, shop } from './shop-disk.js';
import { begin, commit, onInstance } from './store-harness.js';

const to = '/backups/monday';

function backup(disk: SimulatedDisk, target = to) {
  return backupStore(directory, target, { fileSystem: disk });
}

/** A store's contents, of a disk that stays as it is. */
async function contentsAt(disk: SimulatedDisk, root: string): Promise<string> {
  const store = await openShop(disk.afterPowerCut('everything'), root);
  const contents = describeStore(store);
  await store.crash();
  return contents;
}

test('a backup has what the store has, without its lock, and all of it is on disk', async () => {
  const disk = await shop();
  const store = await openShop(disk);
  await store.append([commit(begin('last'))]);

  const report = await backup(disk);

  expect(report).toMatchObject({ directory: to, leftOut: null, report: { ok: true, format: 2, figures: { commits: 63 } } });
  expect(pathsOf(disk, to).map((path) => path.slice(to.length))).toEqual(
    pathsOf(disk, directory)
      .map((path) => path.slice(directory.length))
      .filter((path) => path !== '/lock'),
  );
  const before = describeStore(store);
  expect(await contentsAt(disk.afterPowerCut('nothing'), to)).toBe(before);
  await store.close();
  expect(disk.openFiles).toBe(0);
});

test('a backup is a store in which instances go on', async () => {
  const disk = await shop();
  await backup(disk);

  const runtime = await createTestRuntime({
    workflows: shopWorkflows,
    events: [approval, note],
    startAt: leftAt,
    store: jsonStore(to, { fileSystem: disk }),
  });
  onTestFinished(() => runtime.stop());
  await runtime.runUntilIdle();
  await runtime.publish(approval, 'T-1', { approved: true });
  for await (const { id, status } of runtime.list({ workflow: parcel.name }))
    if (status === 'sleeping') await runtime.send(id, approval, { approved: true });
  await runtime.advance('2 days');

  await expect(runtime.instance('provision-waiting').result()).resolves.toEqual({ ip: '10.0.0.4', approved: true });
  await expect(runtime.instance('delivery').result()).resolves.toEqual([6, 8, 10]);
  expect(await contentsAt(disk, directory)).toBe(await contentsAt(await shop(), directory));
});

test('a store of the format before can be backed up as it is', async () => {
  const disk = await oldShop();

  const { report } = await backup(disk);

  expect(report).toMatchObject({ ok: true, format: 1 });
  for (const path of pathsOf(disk, to)) expect(bytesOf(disk, path), path).toEqual(bytesOf(disk, path.replace(to, directory)));
});

test('what was being written, and nobody had been told of, is left out', async () => {
  const disk = await shop();
  const [log = ''] = pathsOf(disk, `${directory}/log/`);
  const data = bytesOf(disk, log);
  disk.put(log, Buffer.concat([data, Buffer.from('63 1234')]));

  const { leftOut, report } = await backup(disk);

  expect(leftOut).toEqual({ file: log.replace(directory, to), offset: data.byteLength, bytes: 7 });
  expect(bytesOf(disk, log.replace(directory, to))).toEqual(data);
  expect(report.tail).toBeNull();
  expect((await verifyStore(to, { fileSystem: disk })).figures).toEqual(report.figures);
});

/** A disk that stops in the middle of a backup, or null when it did not come to that call. */
async function interruptAt(call: number): Promise<SimulatedDisk | null> {
  const disk = await shop();
  disk.stopAfter = disk.calls + call;
  return Promise.race([backup(disk).then(() => null), disk.stopped.then(() => disk)]);
}

test('a backup that was interrupted is refused as a store, whatever was kept of it; one that is there is whole', async () => {
  const whole = await contentsAt(await shop(), directory);
  const outcomes = new Map<string, number>();
  const see = (outcome: string): void => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  for (let call = 0; ; call += 1) {
    const disk = await interruptAt(call);
    if (disk === null) break;
    for (const kept of ['nothing', 'everything', call, call + 1_000, call + 2_000] satisfies Kept[]) {
      const found = disk.afterPowerCut(kept);
      // Where nothing is, there is nothing that could be taken for a store.
      if (pathsOf(found, `${to}/`).filter((path) => !path.endsWith('.tmp')).length === 0) see('nothing');
      else see(await contentsAt(found, to).then((contents) => (contents === whole ? 'whole' : 'older'), codeOf));
    }
  }
  console.log(`backup interrupted: ${[...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', ')}`);
  expect(new Set(outcomes.keys())).toEqual(new Set(['nothing', 'STORE_FORMAT', 'whole']));
});

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

test('one record that nobody can read is in the backup as it is in the store, and told', async () => {
  const disk = await shop();
  const store = await openShop(disk);
  await store.append([commit(onInstance('poison', { t: 1 })), commit(begin('sound'))]);

  const { report } = await backup(disk);
  await store.close();

  expect(report).toMatchObject({ ok: false, problemCount: 1, problems: [{ kind: 'content', instance: 'poison' }] });
  const copy = await openShop(disk, to);
  expect(() => copy.readInstance('poison')).toThrow('poison');
  expect(copy.readInstance('sound')).toMatchObject({ id: 'sound' });
  await copy.close();
});

describe('a backup that cannot be made', () => {
  test.each(['old.txt', 'meta.json', 'shards/instance-0.1.json'])(
    'a directory with %s in it is refused, and stays as it is',
    async (name) => {
      const disk = await shop();
      disk.put(`${to}/${name}`, Buffer.from('mine'));

      await expect(backup(disk)).rejects.toBeInstanceOf(StoreUnavailableError);
      expect(pathsOf(disk, to)).toEqual([`${to}/${name}`]);
      expect(bytesOf(disk, `${to}/${name}`).toString()).toBe('mine');
    },
  );

  test('a copy of no store leaves nothing behind', async () => {
    const disk = createSimulatedDisk();
    disk.put('/data/recipes/cake.txt', Buffer.from('flour'));

    await expect(backupStore('/data/recipes', to, { fileSystem: disk })).rejects.toBeInstanceOf(StoreFormatError);
    expect(disk.calls).toBe(0);
  });

  test.each([
    { name: 'a shard', part: '/shards/instance-1' },
    { name: 'the log', part: '/log/' },
    { name: 'meta.json', part: '/meta.json' },
  ])('damage of $name is told by its place in the store, and the copy is refused', async ({ part }) => {
    const disk = await shop();
    const [path = ''] = pathsOf(disk, directory).filter((each) => each.includes(part));
    const data = bytesOf(disk, path);
    data.write('?', data.byteLength >> 1);
    disk.put(path, data);

    const error = await backup(disk).catch((each: unknown) => each);

    expect(error).toBeInstanceOf(StoreCorruptError);
    expect(error).toMatchObject({ file: path });
    const store = openShop(disk, to);
    if (pathsOf(disk, to).length > 0) await expect(store).rejects.toBeInstanceOf(StoreFormatError);
    else await (await store).close();
  });

  test.each([
    ['a full disk', 'ENOSPC', StoreFullError],
    ['a directory without rights', 'EACCES', StoreUnavailableError],
  ] as const)('%s is told as what it is', async (_name, code, type) => {
    const disk = await shop();
    disk.fault = (call, path) => (call === (code === 'ENOSPC' ? 'write' : 'makeDirectory') && path.startsWith(to) ? code : undefined);

    await expect(backup(disk)).rejects.toBeInstanceOf(type);
    expect(disk.openFiles).toBe(0);
  });

  test('a sync that fails is never a backup', async () => {
    const disk = await shop();
    disk.fault = (call, path) => (call === 'sync' && path.includes('/shards/') ? 'EIO' : undefined);

    await expect(backup(disk)).rejects.toMatchObject({ code: 'STORE_WRITE' });

    disk.fault = () => undefined;
    await expect(openShop(disk, to)).rejects.toBeInstanceOf(StoreFormatError);
  });

  test('a signal ends it, and what is there is refused as a store', async () => {
    const disk = await shop();
    const controller = new AbortController();
    const onProgress = ({ step, done }: { step: string; done: number }): void => {
      if (step === 'copy' && done === 3) controller.abort(new Error('enough'));
    };

    const copied = backupStore(directory, to, { fileSystem: disk, signal: controller.signal, onProgress });

    await expect(copied).rejects.toThrow('enough');
    expect(disk.openFiles).toBe(0);
    await expect(openShop(disk, to)).rejects.toBeInstanceOf(StoreFormatError);
  });
});
