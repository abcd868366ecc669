import { type ChildProcess, spawn } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { StoreLockedError } from '../../src/runtime/store-errors.js';
import { makeDirectory } from './disk-harness.js';
import { begin, commit, openStore } from './store-harness.js';

const script = fileURLToPath(new URL('./lock-child.ts', import.meta.url));

/** A process of its own that opens stores when told to. */
class Opener {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.#child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.pid = this.#child.pid ?? 0;
    if (this.#child.stdout === null) throw new Error('no output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    onTestFinished(() => this.kill());
  }

  async ready(): Promise<this> {
    expect(await this.#next()).toBe('ready');
    return this;
  }

  async tell(command: string): Promise<string> {
    this.#child.stdin?.write(`${command}\n`);
    return this.#next();
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }

  async #next(): Promise<string> {
    const { value } = await this.#lines.next();
    return String(value);
  }
}

/** The lock of a process that was killed while it had the store, in a directory with its store. */
async function makeDeadHolder(): Promise<string> {
  const directory = await makeDirectory();
  const holder = await new Opener().ready();
  expect(await holder.tell(`open ${directory}`)).toBe('won');
  await holder.kill();
  return directory;
}

async function readLock(directory: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(directory, 'lock'), 'utf8'));
}

async function writeLock(directory: string, lock: Record<string, unknown>): Promise<void> {
  await writeFile(join(directory, 'lock'), JSON.stringify(lock));
}

async function open(directory: string): Promise<OpenStore> {
  const store = await openStore(jsonStore(directory));
  onTestFinished(() => store.close());
  return store;
}

test('G10: a store that another process has is refused with its pid, and free when that has closed it', async () => {
  const directory = await makeDirectory();
  const other = await new Opener().ready();
  expect(await other.tell(`open ${directory}`)).toBe('won');

  const error = await open(directory).catch((each: unknown) => each);
  await other.tell('close');
  const store = await open(directory);

  expect(error).toBeInstanceOf(StoreLockedError);
  expect(error).toMatchObject({ pid: other.pid, directory });
  expect(store.recovery.clean).toBe(true);
  expect(store.readInstance(`by-${other.pid}`)).toBeDefined();
});

test('the lock of a killed process is taken over at once', async () => {
  const directory = await makeDeadHolder();

  const store = await open(directory);

  expect(store.recovery.clean).toBe(false);
  expect((await readLock(directory)).pid).toBe(process.pid);
});

test("of many processes that take over a dead one's lock at the same time, one wins", async () => {
  const dead = await makeDeadHolder();
  const openers = await Promise.all(Array.from({ length: 4 }, () => new Opener().ready()));
  for (let round = 0; round < 25; round += 1) {
    const directory = join(await makeDirectory(), 'store');
    await cp(dead, directory, { recursive: true });

    const answers = await Promise.all(openers.map((opener) => opener.tell(`open ${directory}`)));
    await Promise.all(openers.map((opener) => opener.tell('close')));

    expect(
      answers.filter((answer) => answer === 'won'),
      `round ${round}: ${answers}`,
    ).toHaveLength(1);
    expect(
      answers.filter((answer) => /^STORE_LOCKED [0-9]+$/.test(answer)),
      `round ${round}: ${answers}`,
    ).toHaveLength(3);
  }
}, 60_000);

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
  const other = { ...(await readLock(directory)), token: '00000000000000aa' };
  await writeLock(directory, other);

  await store.close();

  expect(await readLock(directory)).toEqual(other);
});

test('a claim whose maker died is claimed in its turn', async () => {
  const directory = await makeDeadHolder();
  const lock = await readLock(directory);
  const claim = (of: unknown) => join(directory, `lock.${of}.claim`);
  await writeFile(claim(lock.token), JSON.stringify({ ...lock, token: '00000000000000aa' }));
  await writeFile(claim('00000000000000aa'), JSON.stringify({ ...lock, token: '00000000000000bb' }));

  const store = await open(directory);
  await store.close();

  await open(directory);
});

test('a claim whose maker lives is respected', async () => {
  const directory = await makeDeadHolder();
  const lock = await readLock(directory);
  const other = await new Opener().ready();
  const elsewhere = await makeDirectory();
  await other.tell(`open ${elsewhere}`);
  await writeFile(join(directory, `lock.${lock.token}.claim`), JSON.stringify(await readLock(elsewhere)));

  await expect(open(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED', pid: other.pid });
});

test.skipIf(process.platform !== 'linux')('a process that has the pid of a dead holder is not taken for it', async () => {
  const directory = await makeDeadHolder();
  const lock = await readLock(directory);
  await writeLock(directory, { ...lock, pid: process.pid });

  const store = await open(directory);

  expect((await readLock(directory)).token).not.toBe(lock.token);
  await store.append([commit(begin('a'))]);
});

test.skipIf(process.platform !== 'linux').each([
  { name: 'of another boot', change: { boot: '00000000-0000-0000-0000-000000000000' } },
  { name: 'in another container', change: { pidNamespace: 'pid:[1]' } },
])('a holder $name is refused, with what to do', async ({ change }) => {
  const directory = await makeDeadHolder();
  const lock = await readLock(directory);
  await writeLock(directory, { ...lock, ...change });

  const error = await open(directory).catch((each: unknown) => each);

  expect(error).toBeInstanceOf(StoreLockedError);
  expect(error).toMatchObject({ pid: lock.pid, message: expect.stringContaining(`remove "${join(directory, 'lock')}"`) });
  expect(await readLock(directory)).toEqual({ ...lock, ...change });
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
