// Real disks that fill up, break down or are read-only, under a runtime that works: callers get typed errors, and what
// was acknowledged is there. Needs root and mounts; the tests of permissions need neither.

import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { createRuntime, event, type Logger, type Operation, type Runtime, receiveAny, workflow } from '../../src/index.js';
import { MountedDisk, type MountedDiskOptions, NoMountError } from '../torture/mounted-disk.js';
import { copyCrashed, makeDirectory } from './disk-harness.js';

const item = event<{ id: string; padding: string }>('item');
const finish = event<null>('finish');

/** Keeps what comes, in order. */
const collector = workflow('collector', function* (): Operation<string[]> {
  const ids: string[] = [];
  for (;;) {
    const next = yield* receiveAny({ item, finish });
    if (next.key === 'finish') return ids;
    ids.push(next.value.id);
  }
});

/** A runtime on a store that checkpoints often, and what it complains of. */
async function open(directory: string): Promise<{ runtime: Runtime; complaints: string[] }> {
  const complaints: string[] = [];
  const logger: Logger = {
    log: (level, message) => {
      if (level === 'error') complaints.push(message);
    },
  };
  const store = jsonStore(directory, { logBytesMin: 100_000, logBytesMax: 300_000 });
  const runtime = await createRuntime({ workflows: [collector], store, logger });
  onTestFinished(() => runtime.stop());
  return { runtime, complaints };
}

/** Sends events, several at a time, until one is refused. Gives the refusals, and notes what was acknowledged. */
async function sendUntilRefused(runtime: Runtime, acknowledged: Set<string>): Promise<unknown[]> {
  const refusals: unknown[] = [];
  for (let round = 0; refusals.length === 0 && round < 10_000; round += 1) {
    const ids = Array.from({ length: 8 }, (_, number) => `${acknowledged.size}.${round}.${number}`);
    const sent = await Promise.allSettled(ids.map((id) => runtime.send('all', item, { id, padding: '.'.repeat(2_000) }, { id })));
    sent.forEach((each, index) => {
      if (each.status === 'rejected') refusals.push(each.reason);
      else acknowledged.add(ids[index] ?? '');
    });
  }
  return refusals;
}

/** What another runtime finds in a store. */
async function collected(directory: string): Promise<string[]> {
  const { runtime } = await open(directory);
  await runtime.send('all', finish, null);
  const ids = await runtime.instance('all', collector).result();
  await runtime.stop();
  return ids;
}

function mounted(context: TestContext, options: MountedDiskOptions): MountedDisk {
  const disk = orSkip(context, () => MountedDisk.make(options));
  onTestFinished(() => disk.end());
  return disk;
}

function orSkip<T>(context: TestContext, task: () => T): T {
  try {
    return task();
  } catch (error) {
    if (error instanceof NoMountError) context.skip(`it cannot be shown here: ${error.message}`);
    throw error;
  }
}

test.for(['ext4', 'tmpfs'] as const)(
  'a full disk (%s) refuses what it has no room for and nothing else, and goes on when there is room again',
  { timeout: 60_000 },
  async (fileSystem, context) => {
    const disk = mounted(context, { megabytes: 12, fileSystem });
    const directory = join(disk.path, 'store');
    const ballast = join(disk.path, 'ballast');
    await writeFile(ballast, Buffer.alloc(4_000_000, 1));
    const { runtime } = await open(directory);
    await runtime.start(collector, undefined, { id: 'all' });
    const acknowledged = new Set<string>();

    const refusals = await sendUntilRefused(runtime, acknowledged);
    const whenFull = [...acknowledged];
    const atCrash = await collected(await copyCrashed(directory));
    await rm(ballast);
    await runtime.send('all', item, { id: 'later', padding: '' }, { id: 'later' });
    await runtime.stop();

    for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'STORE_FULL' });
    expect(acknowledged.size).toBeGreaterThan(100);
    expect(atCrash).toEqual(whenFull);
    expect(await collected(directory)).toEqual([...whenFull, 'later']);
  },
);

test('a disk that breaks down and becomes read-only stops the runtime, and loses nothing that was acknowledged', async (context) => {
  const disk = mounted(context, { megabytes: 64, mountOptions: 'errors=remount-ro' });
  const directory = join(disk.path, 'store');
  const { runtime } = await open(directory);
  await runtime.start(collector, undefined, { id: 'all' });
  const acknowledged = new Set<string>();
  const sending = sendUntilRefused(runtime, acknowledged);
  await runtime.send('all', item, { id: 'one of many', padding: '' });
  acknowledged.add('one of many');

  orSkip(context, () => disk.breakDown());
  const refusals = await sending;
  const later = await runtime.send('all', item, { id: 'later', padding: '' }).catch((error: unknown) => error);
  await runtime.stop();
  await disk.unmount();
  disk.mount();
  // This process could not give its lock back.
  const found = await collected(await copyCrashed(directory));

  for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'STORE_FAILED' });
  expect(later).toMatchObject({ code: 'STORE_FAILED' });
  expect(found).toEqual(expect.arrayContaining([...acknowledged]));
  expect(new Set(found).size).toBe(found.length);
});

test('a read-only disk is refused with its reason, whether it has a store or not, and opens when it can be written', async (context) => {
  const disk = mounted(context, { megabytes: 16 });
  const directory = join(disk.path, 'store');
  const { runtime } = await open(directory);
  await runtime.start(collector, undefined, { id: 'all' });
  await runtime.send('all', item, { id: 'kept', padding: '' });
  await runtime.stop();
  await disk.unmount();
  disk.mount('ro');

  for (const each of [directory, join(disk.path, 'another')]) {
    const error = await createRuntime({ workflows: [collector], store: jsonStore(each) }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('read-only') });
  }
  await disk.unmount();
  disk.mount();

  expect(await collected(directory)).toEqual(['kept']);
});

/** Whoever runs this test, it goes on as somebody whom permissions bind: for root they are none. */
function bePermitted(context: TestContext): void {
  const { seteuid, setegid } = process;
  if (seteuid === undefined || setegid === undefined) context.skip('there are no permissions of this kind here');
  if (process.geteuid?.() !== 0) return;
  setegid?.(65_534);
  seteuid?.(65_534);
  onTestFinished(() => {
    seteuid?.(0);
    setegid?.(0);
  });
}

test('a directory in which a process may not write is refused with its reason', async (context) => {
  const directory = await makeDirectory();
  await chmod(directory, 0o777);
  bePermitted(context);
  const place = join(directory, 'place');
  await mkdir(place, { mode: 0o500 });

  for (const each of [place, join(place, 'store')]) {
    const error = await createRuntime({ workflows: [collector], store: jsonStore(each) }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('may not write') });
  }
});

test('permissions that are taken away from a running store keep it from checkpoints, and from nothing else', async (context) => {
  const directory = await makeDirectory();
  await chmod(directory, 0o777);
  bePermitted(context);
  const store = join(directory, 'store');
  const { runtime, complaints } = await open(store);
  await runtime.start(collector, undefined, { id: 'all' });
  const ids = Array.from({ length: 200 }, (_, number) => `item ${number}`);

  for (const each of ['log', 'shards', '.']) await chmod(join(store, each), 0o500);
  for (const id of ids.slice(0, 100)) await runtime.send('all', item, { id, padding: '.'.repeat(2_000) });
  const told = [...new Set(complaints)];
  for (const each of ['.', 'log', 'shards']) await chmod(join(store, each), 0o700);
  for (const id of ids.slice(100)) await runtime.send('all', item, { id, padding: '.'.repeat(2_000) });
  const { checkpoints } = runtime.health().store as { checkpoints: number };
  await runtime.stop();

  expect(told).toEqual([expect.stringContaining('could not write a checkpoint')]);
  expect(checkpoints).toBeGreaterThan(0);
  expect(await collected(store)).toEqual(ids);
});
