import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { StoreUnavailableError } from '../../src/runtime/store-errors.js';
import { makeDirectory } from './disk-harness.js';
import { approve, begin, commit, contentsOf, MemoryLogger, openStore, put } from './store-harness.js';

async function open(directory: string, logBytesMin = 1_000_000): Promise<OpenStore> {
  const store = await openStore(jsonStore(directory, { logBytesMin }));
  onTestFinished(() => store.close());
  return store;
}

async function listAll(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort();
}

test('a directory that is missing is made, for this user only', async () => {
  const directory = join(await makeDirectory(), 'var', 'lib', 'shop');

  const store = await open(directory, 8);
  await store.append([commit(begin('a'))]);
  await store.close();

  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  for (const name of await listAll(directory)) {
    const stats = await stat(join(directory, name));
    expect(stats.mode & 0o777, name).toBe(stats.isDirectory() ? 0o700 : 0o600);
  }
});

test('a path that is a file is refused, and stays as it was', async () => {
  const path = join(await makeDirectory(), 'file');
  await writeFile(path, 'mine');

  await expect(open(path)).rejects.toThrow(StoreUnavailableError);
  await expect(open(join(path, 'below'))).rejects.toThrow(StoreUnavailableError);
  expect(await readFile(path, 'utf8')).toBe('mine');
});

test.skipIf(process.getuid?.() === 0)('a directory that may not be written is refused (skipped for root, who may)', async () => {
  const directory = await makeDirectory();
  await chmod(directory, 0o500);

  await expect(open(directory)).rejects.toThrow(StoreUnavailableError);
});

test('what a crash has left is removed, and what is not ours is left alone', async () => {
  const directory = await makeDirectory();
  const first = await open(directory, 8);
  await first.append([commit(begin('a'), put('m', 1))]);
  await first.close();
  const before = await listAll(directory);
  const leftovers = [
    'meta.json.0123456789abcdef.tmp',
    'lock.0123456789abcdef.tmp',
    'lock.0123456789abcdef.claim',
    'shards/instance-0.99.json',
    'shards/instance-7.3.json.0123456789abcdef.tmp',
  ];
  const foreign = [
    'notes.txt',
    'meta.json.bak',
    'shards/README.md',
    'shards/instance-x.json',
    'log/old.jsonl',
    'notes.0123456789abcdef.tmp',
  ];
  for (const name of [...leftovers, ...foreign]) await writeFile(join(directory, name), 'x');

  const second = await open(directory);

  expect(contentsOf(second).instances).toMatchObject([{ id: 'a' }]);
  const after = (await listAll(directory)).filter((name) => name !== 'lock');
  expect(after).toEqual(expect.arrayContaining(foreign));
  for (const name of leftovers) expect(after).not.toContain(name);
  expect(after.filter((name) => !foreign.includes(name))).toHaveLength(before.length);
});

test('a directory in which others keep files becomes a store beside them', async () => {
  const directory = await makeDirectory();
  await mkdir(join(directory, 'src'));
  await writeFile(join(directory, 'package.json'), '{}');

  const store = await open(directory);
  await store.append([commit(begin('a'))]);
  await store.close();

  expect(await listAll(directory)).toEqual(['log', 'log/0000000000000001.jsonl', 'meta.json', 'package.json', 'shards', 'src']);
});

test("another tool's meta.json is refused, and not even a lock is written", async () => {
  const directory = await makeDirectory();
  await writeFile(join(directory, 'meta.json'), '{"name":"theirs"}');

  await expect(open(directory)).rejects.toMatchObject({ code: 'STORE_FORMAT' });
  expect(await listAll(directory)).toEqual(['meta.json']);
});

test('ids never become file names', async () => {
  const directory = await makeDirectory();
  const ids = ['../../escaped', '/etc/passwd', 'a/b', 'nul\u0000', '.', '..', 'CON', 'x'.repeat(5_000)];

  const store = await open(directory, 8);
  await store.append(ids.map((id) => commit(begin(id), put(id, 1))));
  await store.close();

  const names = await listAll(directory);
  for (const name of names)
    expect(name).toMatch(/^(meta\.json|log|log\/[0-9]{16}\.jsonl|shards|shards\/(instance|mailbox)-[0-9]+\.[0-9]+\.json)$/);
});

test('the files are text that any tool can read', async () => {
  const directory = await makeDirectory();
  const store = await open(directory, 8);
  await store.append([commit(begin('a', 'grüße'))]);
  await store.close();
  const again = await open(directory);
  await again.append([commit(approve('a'))]);

  const names = await listAll(directory);
  const log = await readFile(join(directory, names.find((name) => name.endsWith('.jsonl')) ?? ''), 'utf8');
  const shard = await readFile(join(directory, names.find((name) => name.includes('instance-')) ?? ''), 'utf8');
  const meta = await readFile(join(directory, 'meta.json'), 'utf8');

  for (const line of log.trimEnd().split('\n')) JSON.parse(line.slice(line.indexOf(' ', line.indexOf(' ') + 1)));
  expect(log).toContain('["i","a",{"t":2000,');
  expect(shard).toContain('grüße');
  expect(JSON.parse(meta)).toMatchObject({ format: 'rouse-store', version: 2 });
});

test('nothing is told to the log of a store that opens and closes in order', async () => {
  const directory = await makeDirectory();
  const logger = new MemoryLogger();

  for (let round = 0; round < 3; round += 1) {
    const store = await openStore(jsonStore(directory), logger);
    await store.append([commit(begin(`a${round}`))]);
    await store.close();
  }

  expect(logger.told).toEqual([]);
});

test('a relative directory stays the same when the process moves', async () => {
  const directory = await makeDirectory();
  const before = process.cwd();
  const store = jsonStore(join(directory, 'store'));
  const relative = jsonStore('.');
  expect(relative.kind).toBe('json');

  const opened = await openStore(store);
  await opened.close();

  expect(process.cwd()).toBe(before);
  expect(await listAll(join(directory, 'store'))).toContain('meta.json');
});
