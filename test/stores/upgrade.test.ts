// Stores of older formats are upgraded when they are opened, and kept as they were beside it; those of newer formats
// are refused.

import { cp, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { toChecksum } from '../../src/adapters/stores/json/log-line.js';
import { readRows } from '../../src/adapters/stores/json/shard-rows.js';
import { StoreCorruptError, StoreFormatError, StoreFullError } from '../../src/runtime/store-errors.js';
import { verifyStore } from '../../src/store.js';
import { createTestRuntime, type Kept, type SimulatedDisk } from '../../src/testing.js';
import { makeDirectory } from './disk-harness.js';
import { approval, lost, note, parcel, rumour, shop as shopWorkflows } from './fixtures/shop.js';
import { describeStore } from './history.js';
import { bytesOf, directory, fixture, leftAt, oldShop, openShop, pathsOf, shop, shopContents } from './shop-disk.js';
import { MemoryLogger, openStore } from './store-harness.js';

const kept = `${directory}/kept-format-1`;

/** What a store holds, without the heads: those have another form than in format 1. */
async function openedContents(disk: SimulatedDisk, root = directory): Promise<unknown> {
  const store = await openShop(disk, root);
  const { instances, mailboxes } = JSON.parse(describeStore(store));
  await store.close();
  return { instances, mailboxes };
}

function isKeptAsItWas(disk: SimulatedDisk, old: SimulatedDisk): void {
  const files = old.files;
  const found = disk.files;
  expect(pathsOf(disk, kept)).toEqual(pathsOf(old, directory).map((path) => path.replace(directory, kept)));
  for (const [path, bytes] of files) expect(found.get(path.replace(directory, kept))?.equals(bytes), path).toBe(true);
}

describe('a store of format 1', () => {
  test('is opened as this format, with everything that was in it, and kept as it was', async () => {
    const disk = await oldShop();
    const logger = new MemoryLogger();

    const store = await openStore(jsonStore(directory, { fileSystem: disk }), logger);
    await store.close();

    expect(logger.told).toMatchObject([{ level: 'info', fields: { from: 1, to: 2, kept } }]);
    expect(await openedContents(disk)).toEqual(await shopContents());
    expect(await verifyStore(directory, { fileSystem: disk })).toMatchObject({ ok: true, format: 2 });
    isKeptAsItWas(disk, await oldShop());
    expect(await verifyStore(kept, { fileSystem: disk })).toMatchObject({ ok: true, format: 1 });
    expect(disk.openFiles).toBe(0);
  });

  test('has nothing left of the old shards but in the kept copy, and is not upgraded again', async () => {
    const disk = await oldShop();
    await openedContents(disk);
    const paths = pathsOf(disk, directory);
    const logger = new MemoryLogger();

    const store = await openStore(jsonStore(directory, { fileSystem: disk }), logger);
    await store.close();

    expect(logger.told).toEqual([]);
    expect(pathsOf(disk, directory)).toEqual(paths);
    expect(paths.filter((path) => path.startsWith(`${directory}/shards/`) && !path.endsWith('.3.json'))).toEqual([]);
  });

  test('is on this disk kept as second names of the same files, and read with any tool', async () => {
    const root = join(await makeDirectory(), 'store');
    await cp(fixture, root, { recursive: true });
    const store = await openStore(jsonStore(root));
    await store.close();

    for (const name of await readdir(join(fixture, 'shards'))) {
      const path = join(root, 'kept-format-1', 'shards', name);
      expect(await readFile(path)).toEqual(await readFile(join(fixture, 'shards', name)));
      // The first name was the old store's.
      expect((await stat(path)).nlink).toBe(1);
    }
    expect(await verifyStore(join(root, 'kept-format-1'))).toMatchObject({ ok: true, format: 1 });
  });

  test('is copied where the file system knows no second names', async () => {
    const disk = await oldShop();
    disk.fault = (call, path) => (call === 'link' && path.includes('/shards/') ? 'EPERM' : undefined);

    expect(await openedContents(disk)).toEqual(await shopContents());

    isKeptAsItWas(disk, await oldShop());
  });
});

test('instances of a store of format 1 go on where they were', async () => {
  const runtime = await createTestRuntime({
    workflows: [...shopWorkflows, lost],
    events: [approval, note, rumour],
    startAt: leftAt,
    store: jsonStore(directory, { fileSystem: await oldShop() }),
  });
  onTestFinished(() => runtime.stop());
  await runtime.runUntilIdle();
  await expect(runtime.instance('doomed').result()).rejects.toMatchObject({ error: { code: 'STOCK' } });
  await expect(runtime.instance('quick-kept').result()).resolves.toMatchObject({ big: 12n, text: 'naïve 漢字 🐢' });

  await runtime.publish(approval, 'T-1', { approved: true });
  await runtime.publish(approval, 'T-5', { approved: false });
  for (let count = 0; count < 4; count += 1) await runtime.send('counter', note, count);
  await runtime.send('crowd', note, 'go');
  await runtime.send('listener-1', note, 'one');
  await runtime.publish(note, 'all', 'two');
  await runtime.complete('m0izyampfzgh5e85h2era61flsa7njr6.paid-open', { receipt: 'R-7' });
  for await (const { id, status } of runtime.list({ workflow: parcel.name }))
    if (status === 'sleeping') await runtime.send(id, approval, { approved: true });
  await runtime.instance('lost').retry();
  await runtime.advance('2 days');

  const results = await Promise.all(
    ['provision-waiting', 'counter', 'crowd', 'delivery', 'paid-open'].map((id) => runtime.instance(id).result()),
  );
  expect(results).toEqual([{ ip: '10.0.0.4', approved: true }, 5, 3, [6, 8, 10], { receipt: 'R-7' }]);
  await expect(runtime.instance('provision-tail').result()).rejects.toMatchObject({ error: { message: 'T-5 was refused' } });
  expect((await runtime.instance('lost').info()).status).toBe('sleeping');
});

/** A disk that stops in the middle of an upgrade, or null when that was over before. */
async function interruptAt(call: number, disk: SimulatedDisk): Promise<SimulatedDisk | null> {
  disk.stopAfter = disk.calls + call;
  const opened = openShop(disk).then(() => null);
  return Promise.race([opened, disk.stopped.then(() => disk)]);
}

/** The format of a store's meta.json. */
function formatOf(disk: SimulatedDisk, root: string): number | null {
  const text = bytesOf(disk, `${root}/meta.json`).toString();
  return text === '' ? null : JSON.parse(text).version;
}

test('an upgrade that is interrupted anywhere leaves the old store or the new one, and is done at the next opening', async () => {
  const [old, contents] = [await oldShop(), await shopContents()];
  const found = { old: 0, upgraded: 0 };
  for (let call = 0; ; call += 1) {
    const stopped = await interruptAt(call, await oldShop());
    if (stopped === null) break;
    for (const luck of ['nothing', 'everything', call, call + 1_000] satisfies Kept[]) {
      const disk = stopped.afterPowerCut(luck);
      const what = `call ${call}, kept ${luck}`;
      const format = formatOf(disk, directory);
      expect(await verifyStore(directory, { fileSystem: disk }), what).toMatchObject({ ok: true, format });
      if (format === 1) found.old += 1;
      else {
        found.upgraded += 1;
        isKeptAsItWas(disk, old);
      }

      expect(await openedContents(disk), what).toEqual(contents);
      isKeptAsItWas(disk, old);
    }
  }
  console.log(`upgrade interrupted: ${found.old} times the old store, ${found.upgraded} times the new one`);
  expect(found.old).toBeGreaterThan(100);
  expect(found.upgraded).toBeGreaterThan(10);
}, 60_000);

test('an upgrade that is interrupted twice is done at the next opening', async () => {
  const contents = await shopContents();
  for (let first = 3; first < 120; first += 13) {
    const once = (await interruptAt(first, await oldShop()))?.afterPowerCut(first);
    for (let second = 2; once !== undefined && second < 120; second += 17) {
      const twice = await interruptAt(second, once.afterPowerCut('everything'));

      expect(await openedContents(twice?.afterPowerCut(second) ?? once), `calls ${first} and ${second}`).toEqual(contents);
    }
  }
}, 60_000);

test.each(['/shards/instance-2', '/log/'])(
  'a store of format 1 with damage in %s is refused, and nothing of it is changed',
  async (part) => {
    const disk = await oldShop();
    const [path = ''] = pathsOf(disk, part);
    const data = bytesOf(disk, path);
    data.write('?', data.byteLength >> 1);
    disk.put(path, data);
    const before = disk.files;

    const error = await openShop(disk).catch((each: unknown) => each);

    expect(error).toBeInstanceOf(StoreCorruptError);
    expect(error).toMatchObject({ file: path });
    expect(disk.files).toEqual(before);
  },
);

test('a record of format 1 that nobody can read keeps no store from being upgraded, and is told when it is read', async () => {
  const disk = await oldShop();
  const [path = ''] = pathsOf(disk, '/shards/instance-1.');
  const data = bytesOf(disk, path);
  const [row] = readRows(path, data).rows;
  const { key = '', body = Buffer.alloc(0), offset = 0 } = row ?? {};
  // As long as it was, so that the index is right.
  const poison = `{"t":1${' '.repeat(body.byteLength - 17)}}`;
  data.write(`${toChecksum(crc32(poison, crc32(key)))} ${poison}\n`, offset);
  disk.put(path, data);

  const store = await openShop(disk);

  expect(() => store.readInstance(key)).toThrow();
  expect([...store.instanceIds()]).toHaveLength(21);
  await store.close();
});

test.each(['kept-format-1/log', 'kept-format-1/shards', `${directory}/shards/`])(
  'a disk that is full at %s leaves the old store',
  async (part) => {
    const disk = await oldShop();
    disk.fault = (call, path) =>
      call === 'link' && path.includes('/shards/') ? 'EPERM' : call === 'write' && path.includes(part) ? 'ENOSPC' : undefined;

    await expect(openShop(disk)).rejects.toBeInstanceOf(StoreFullError);

    disk.fault = () => undefined;
    expect(formatOf(disk, directory)).toBe(1);
    expect(await openedContents(disk)).toEqual(await shopContents());
  },
);

describe('a newer format', () => {
  const metaOf = (disk: SimulatedDisk) => bytesOf(disk, `${directory}/meta.json`).toString();
  test.each<[string, (disk: SimulatedDisk) => void]>([
    ['in meta.json', (disk) => disk.put(`${directory}/meta.json`, Buffer.from(metaOf(disk).replace('"version":2', '"version":3')))],
    [
      'in a shard',
      (disk) => changeFile(disk, '/shards/', (data) => Buffer.from(data.toString().replace('rouse-shard 2', 'rouse-shard 3'))),
    ],
    ['in the log', (disk) => changeFile(disk, '/log/', (data) => Buffer.concat([data, newerMarker(63, data.byteLength)]))],
  ])('%s is refused before anything is written', async (_name, change) => {
    const disk = await shop();
    change(disk);
    const before = disk.files;

    await expect(openShop(disk)).rejects.toBeInstanceOf(StoreFormatError);

    expect(disk.files).toEqual(before);
  });
});

function changeFile(disk: SimulatedDisk, part: string, change: (data: Buffer) => Buffer): void {
  const [path = ''] = pathsOf(disk, part);
  disk.put(path, change(bytesOf(disk, path)));
}

function newerMarker(seq: number, offset: number): Buffer {
  const json = `{"durable":${offset},"format":3}`;
  return Buffer.from(`${seq} ${toChecksum(crc32(json, seq))} ${json}\n`);
}
