// What somebody else does to the directory of a store: removes it, or parts of it; puts files there; puts files where
// directories should be, and the other way round.

import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { RouseError } from '../../src/runtime/errors.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { StoreCorruptError, StoreFailedError, StoreUnavailableError } from '../../src/runtime/store-errors.js';
import { makeDirectory } from './disk-harness.js';
import { begin, commit, contentsOf, MemoryLogger, openStore, put } from './store-harness.js';

const never = 1_000_000_000;

async function open(directory: string, { logBytesMin = never, logger = new MemoryLogger() } = {}): Promise<OpenStore> {
  const store = await openStore(jsonStore(directory, { logBytesMin }), logger);
  onTestFinished(() => store.close());
  return store;
}

/** A store with a checkpoint and a log behind it, closed. */
async function makeStore(): Promise<string> {
  const directory = join(await makeDirectory(), 'store');
  const first = await open(directory, { logBytesMin: 8 });
  await first.append([commit(begin('a'), put('m', 1))]);
  await first.close();
  const second = await open(directory);
  await second.append([commit(begin('b'))]);
  await second.close();
  return directory;
}

async function listAll(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort();
}

test('a store whose directory is removed fails at its next checkpoint, and can still be closed', async () => {
  const directory = await makeStore();
  const logger = new MemoryLogger();
  const store = await open(directory, { logBytesMin: 2_000, logger });
  const told = logger.next('could not write a checkpoint');

  await rm(directory, { recursive: true });
  const results = await Promise.allSettled(Array.from({ length: 10 }, (_, index) => store.append([commit(begin(`late-${index}`))])));
  await told;
  const after = await store.append([commit(begin('after'))]).catch((error: unknown) => error);
  await store.close();

  expect(after).toBeInstanceOf(StoreFailedError);
  for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(RouseError);
  expect(logger.told.some(({ level }) => level === 'error')).toBe(true);
  await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a store whose directory is moved away is the same store elsewhere', async () => {
  const directory = await makeStore();
  const store = await open(directory);

  await rename(directory, `${directory}-moved`);
  await store.append([commit(begin('c'))]);
  await store.close();
  await rm(`${directory}-moved/lock`, { force: true });

  const moved = await open(`${directory}-moved`);
  expect([...moved.instanceIds()].sort()).toEqual(['a', 'b', 'c']);
});

test.each([
  { of: 'log', name: /[0-9]{16}\.jsonl$/ },
  { of: 'shards', name: /instance-0\.1\.json$/ },
])('a store without its directory "$of" is refused with the file that is missing, and none is made', async ({ of, name }) => {
  const directory = await makeStore();
  await rm(join(directory, of), { recursive: true });
  const before = await listAll(directory);

  const error = await open(directory).catch((each: unknown) => each);

  expect(error).toBeInstanceOf(StoreCorruptError);
  expect((error as StoreCorruptError).file).toMatch(name);
  expect(await listAll(directory)).toEqual(before);
});

test.each(['log', 'shards'])('a file where the directory "%s" should be is refused, and stays', async (name) => {
  const directory = join(await makeDirectory(), 'store');
  await mkdir(directory);
  await writeFile(join(directory, name), 'mine');

  await expect(open(directory)).rejects.toThrow(StoreUnavailableError);
  expect(await listAll(directory)).toEqual([name]);
  expect(await readFile(join(directory, name), 'utf8')).toBe('mine');
});

test.each(['meta.json', 'lock'])('a directory where %s should be is refused, and stays', async (name) => {
  const directory = await makeStore();
  const before = await listAll(directory);
  await rm(join(directory, name), { force: true });
  await mkdir(join(directory, name));

  await expect(open(directory)).rejects.toThrow(RouseError);
  expect(await listAll(directory)).toEqual([...new Set([...before, name])].sort());
});

test('a directory where a file of ours would be removed is left alone', async () => {
  const directory = await makeStore();
  const names = ['shards/instance-7.9.json', 'meta.json.0123456789abcdef.tmp', 'lock.0123456789abcdef.claim', 'log/0000000000000000.jsonl'];
  for (const name of names) await mkdir(join(directory, name));

  const store = await open(directory).catch((error: unknown) => error);

  if (store instanceof Error) expect(store).toBeInstanceOf(RouseError);
  expect(await listAll(directory)).toEqual(expect.arrayContaining(names));
});

test("others' files are left alone by opening, checkpoints and closing, whatever they are called", async () => {
  const directory = await makeStore();
  const names = [
    'notes.txt',
    '.gitignore',
    'meta.json.orig',
    'meta.json~',
    'lock.old',
    'log/0000000000000001.jsonl.bak',
    'log/1.jsonl',
    'log/00000000000000001.jsonl',
    'log/readme.jsonl',
    'shards/instance-0.1.json.orig',
    'shards/instance--1.1.json',
    'shards/instances-0.1.json',
    'shards/instance-0.1.json.0123456789ABCDEF.tmp',
    'shards/.DS_Store',
  ];
  for (const name of names) await writeFile(join(directory, name), `mine: ${name}`);
  await mkdir(join(directory, 'backup'));
  await symlink('/etc', join(directory, 'shards', 'link'));

  const store = await open(directory, { logBytesMin: 8 });
  await store.append([commit(begin('c'))]);
  await store.close();

  for (const name of names) expect(await readFile(join(directory, name), 'utf8')).toBe(`mine: ${name}`);
  expect(await listAll(directory)).toEqual(expect.arrayContaining(['backup', 'shards/link']));
  expect(contentsOf(await open(directory)).instances).toHaveLength(3);
});

test('two stores in one another are two stores', async () => {
  const directory = await makeStore();
  const inner = await open(join(directory, 'shards'), { logBytesMin: 8 });
  await inner.append([commit(begin('inner'))]);

  const outer = await open(directory, { logBytesMin: 8 });
  await outer.append([commit(begin('c'))]);
  await inner.append([commit(begin('inner-2'))]);
  await inner.close();
  await outer.close();

  expect([...(await open(directory)).instanceIds()].sort()).toEqual(['a', 'b', 'c']);
  expect([...(await open(join(directory, 'shards'))).instanceIds()].sort()).toEqual(['inner', 'inner-2']);
});
