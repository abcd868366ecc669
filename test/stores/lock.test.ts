// One owner for each store. Races of processes, stale locks and damaged ones are F8 of the torture run (test/torture).

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { StoreLockedError } from '../../src/runtime/store-errors.js';
import { makeDirectory } from './disk-harness.js';
import { withHolder } from './lock-text.js';
import { Opener } from './opener.js';
import { openStore } from './store-harness.js';

const script = fileURLToPath(new URL('./lock-child.ts', import.meta.url));

function startOpener(): Promise<Opener> {
  const opener = new Opener(['--import', 'tsx', script]);
  onTestFinished(() => opener.kill());
  return opener.ready();
}

/** The lock of a process that was killed while it had the store, in a directory with its store. */
async function makeDeadHolder(): Promise<string> {
  const directory = await makeDirectory();
  const holder = await startOpener();
  expect(await holder.tell(`open ${directory}`)).toBe('won');
  await holder.kill();
  return directory;
}

function readLock(directory: string): Promise<string> {
  return readFile(join(directory, 'lock'), 'utf8');
}

function tokenOf(lock: string): unknown {
  return JSON.parse(lock).token;
}

async function open(directory: string): Promise<OpenStore> {
  const store = await openStore(jsonStore(directory));
  onTestFinished(() => store.close());
  return store;
}

test('G10: a store that another process has is refused with its pid, and free when that has closed it', async () => {
  const directory = await makeDirectory();
  const other = await startOpener();
  expect(await other.tell(`open ${directory}`)).toBe('won');

  const error = await open(directory).catch((each: unknown) => each);
  await other.tell('close');
  const store = await open(directory);

  expect(error).toBeInstanceOf(StoreLockedError);
  expect(error).toMatchObject({ pid: other.pid, directory });
  expect(store.recovery.clean).toBe(true);
  expect(store.readInstance(`by-${other.pid}`)).toBeDefined();
});

test('of many openers within a process one wins, with and without a dead lock', async () => {
  const dead = await makeDeadHolder();
  for (const directory of [dead, await makeDirectory()]) {
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => open(directory)));

    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(StoreLockedError);
  }
});

test('a store that was closed leaves a lock alone that is not its own any more', async () => {
  const directory = await makeDirectory();
  const store = await open(directory);
  const other = withHolder(await readLock(directory), { token: '00000000000000aa' });
  await writeFile(join(directory, 'lock'), other);

  await store.close();

  expect(await readLock(directory)).toBe(other);
});

test('a claim whose maker died is claimed in its turn', async () => {
  const directory = await makeDeadHolder();
  const lock = await readLock(directory);
  const claim = (of: unknown) => join(directory, `lock.${of}.claim`);
  await writeFile(claim(tokenOf(lock)), withHolder(lock, { token: '00000000000000aa' }));
  await writeFile(claim('00000000000000aa'), withHolder(lock, { token: '00000000000000bb' }));

  const store = await open(directory);
  await store.close();

  await open(directory);
});

test('a claim whose maker lives is respected', async () => {
  const directory = await makeDeadHolder();
  const lock = await readLock(directory);
  const other = await startOpener();
  const elsewhere = await makeDirectory();
  await other.tell(`open ${elsewhere}`);
  await writeFile(join(directory, `lock.${tokenOf(lock)}.claim`), await readLock(elsewhere));

  await expect(open(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED', pid: other.pid });
});

test.each([
  '',
  '{}',
  'null',
  '{"pid":1}',
  '{"pid":-1,"host":"a","token":"0123456789abcdef"}',
  '{"pid":1,"host":"a","token":"../../../../etc/x"}',
])('a lock file that says %j is refused, with what to do', async (text) => {
  const directory = await makeDirectory();
  await writeFile(join(directory, 'lock'), text);

  await expect(open(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED', pid: null, message: expect.stringContaining('remove') });
  expect(await readFile(join(directory, 'lock'), 'utf8')).toBe(text);
});
