// Looking through a store: nothing of a sound one is a problem, no damage goes unseen, and nobody is disturbed.

import { describe, expect, test } from 'vitest';
import { preambleBytes } from '../../src/adapters/stores/json/shard-format.js';
import { RouseError } from '../../src/runtime/errors.js';
import { StoreFormatError, StoreReadError } from '../../src/runtime/store-errors.js';
import { type StoreProblem, type StoreReport, verifyStore } from '../../src/store.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { bytesOf, directory, oldShop, pathsOf, shop, shopFigures } from './shop-disk.js';

/** Every byte takes minutes: the long run asks for it. */
const bytesBetween = Number(process.env.ROUSE_BYTES_BETWEEN ?? 61);

function verify(disk: SimulatedDisk): Promise<StoreReport> {
  return verifyStore(directory, { fileSystem: disk });
}

test.each([
  { name: 'this format', make: shop, format: 2 },
  { name: 'the format before it', make: oldShop, format: 1 },
])('a sound store of $name is told with its figures, and is not changed', async ({ make, format }) => {
  const disk = await make();
  const calls = disk.calls;

  const report = await verify(disk);

  expect(report).toMatchObject({ ok: true, format, problems: [], problemCount: 0, tail: null, inUse: null, figures: shopFigures });
  expect(report.figures.logBytes).toBe(bytesOf(disk, pathsOf(disk, '/log/')[0] ?? '').byteLength);
  expect(disk.calls).toBe(calls);
  expect(disk.openFiles).toBe(0);
});

/** Of meta.json, which is short and one value, only the file is told. A shard's first line is told by what it is about. */
function isInFront({ file, offset }: StoreProblem, flipped: number): boolean {
  return offset <= Math.max(flipped, preambleBytes) || file.endsWith('meta.json');
}

/** What tells of a flipped bit: a problem in that file, in front of it; a tail that it is in; or an error. */
async function seeFlip(disk: SimulatedDisk, { path, offset, mask }: { path: string; offset: number; mask: number }): Promise<string> {
  const data = bytesOf(disk, path);
  const flipped = Buffer.from(data);
  flipped.writeUInt8(flipped.readUInt8(offset) ^ mask, offset);
  disk.put(path, flipped);
  try {
    const { ok, problems, tail } = await verify(disk);
    if (!ok && problems.some((problem) => problem.file === path && isInFront(problem, offset))) return 'problem';
    if (tail?.file === path && tail.offset <= offset) return 'tail';
    throw new Error(`Byte ${offset} of ${path} with mask ${mask} went unseen: ${JSON.stringify(problems)}`);
  } catch (error) {
    if (error instanceof RouseError) return error.code;
    throw error;
  } finally {
    disk.put(path, data);
  }
}

test('no flipped bit goes unseen, and only the end of the log may be taken for its tail', async () => {
  const disk = await shop();
  const seen = new Map<string, number>();
  for (const [path, { byteLength }] of disk.files) {
    for (let offset = 0; offset < byteLength; offset += bytesBetween) {
      for (const mask of [0x01, 0x20, 0x80]) {
        const what = `${await seeFlip(disk, { path, offset, mask })} in ${path.slice(directory.length + 1).split('/')[0]}`;
        seen.set(what, (seen.get(what) ?? 0) + 1);
      }
    }
  }
  console.log(`verify: flipped bits seen: ${[...seen].map(([what, count]) => `${count} ${what}`).join(', ')}`);
  expect([...seen.keys()].filter((what) => what.startsWith('tail'))).not.toContain('tail in shards');
  expect([...seen.keys()]).toEqual(expect.arrayContaining(['problem in log', 'problem in shards', 'problem in meta.json']));
}, 600_000);

test('a seal behind the last batch leaves nothing of the log that may be lost but the seal itself', async () => {
  const disk = await shop();
  const [path = ''] = pathsOf(disk, '/log/');
  const data = bytesOf(disk, path);
  const seal = data.lastIndexOf('\n', data.byteLength - 2) + 1;
  for (let offset = 0; offset < data.byteLength; offset += 1) {
    if (offset % bytesBetween !== 0 && Math.abs(offset - seal) > 3) continue;

    expect(await seeFlip(disk, { path, offset, mask: 1 }), `byte ${offset}, seal at ${seal}`).toBe(offset < seal - 1 ? 'problem' : 'tail');
  }
});

test('all damage is found, not only the first, and each is told with its place and whom it is about', async () => {
  const disk = await shop();
  const [log = ''] = pathsOf(disk, '/log/');
  const [first = '', second = '', third = ''] = pathsOf(disk, '/shards/instance-');
  const lines = bytesOf(disk, log).toString('latin1').split('\n');
  const places = [6, 20].map((line) => lines.slice(0, line).join('\n').length + 1);
  damage(disk, log, (data) => {
    for (const place of places) data.write('?', place + 12);
  });
  const firstEnd = bytesOf(disk, first).byteLength;
  damage(disk, first, (data) => data.write('?', firstEnd - 5));
  damage(disk, second, (data) => data.write('?', 40));
  disk.drop(third);

  const { ok, problems, problemCount } = await verify(disk);

  expect(ok).toBe(false);
  expect(problemCount).toBe(problems.length);
  expect(problems.filter(({ file }) => file === log).map(({ offset }) => offset)).toEqual(places);
  expect(problems).toContainEqual({
    kind: 'damage',
    file: first,
    offset: expect.any(Number),
    what: expect.stringContaining('checksum'),
    instance: expect.any(String),
  });
  expect(problems).toContainEqual({ kind: 'damage', file: second, offset: 34, what: expect.stringContaining('header') });
  expect(problems).toContainEqual({ kind: 'damage', file: third, offset: 0, what: 'the file is missing' });
});

function damage(disk: SimulatedDisk, path: string, change: (data: Buffer) => void): void {
  const data = bytesOf(disk, path);
  change(data);
  disk.put(path, data);
}

test.each([
  { name: 'of which nothing is left', change: () => Buffer.alloc(0), what: 'does not begin' },
  { name: 'that ends early', change: (data: Buffer) => data.subarray(0, -20), what: 'does not end' },
  { name: 'with more behind it', change: (data: Buffer) => Buffer.concat([data, Buffer.from('x')]), what: 'does not end' },
  {
    name: 'of a format that there is not yet',
    change: (data: Buffer) => replaced(data, 'rouse-shard 2', 'rouse-shard 9'),
    what: 'this format',
  },
])('a shard $name is a problem', async ({ change, what }) => {
  const disk = await shop();
  const [path = ''] = pathsOf(disk, '/shards/instance-');
  disk.put(path, change(bytesOf(disk, path)));

  const { problems } = await verify(disk);

  expect(problems[0]).toEqual({ kind: 'damage', file: path, offset: expect.any(Number), what: expect.stringContaining(what) });
});

function replaced(data: Buffer, from: string, to: string): Buffer {
  return Buffer.from(data.toString('latin1').replace(from, to), 'latin1');
}

test('a shard in the place of another is one problem, and none of those whose rows are elsewhere', async () => {
  const disk = await shop();
  const [first = '', second = ''] = pathsOf(disk, '/shards/instance-');
  disk.put(first, bytesOf(disk, second));

  const { problems } = await verify(disk);

  expect(problems).toEqual([{ kind: 'damage', file: first, offset: 0, what: 'it is another shard than its name says' }]);
});

test.each(['damaged', 'missing'])('when meta.json is %s its files are looked through as they are', async (how) => {
  const disk = await shop();
  const meta = `${directory}/meta.json`;
  if (how === 'missing') disk.drop(meta);
  else damage(disk, meta, (data) => data.write('?', 60));
  const [shard = ''] = pathsOf(disk, '/shards/mailbox-');
  damage(disk, shard, (data) => data.write('?', data.byteLength - 5));

  const { format, problems } = await verify(disk);

  expect(format).toBeNull();
  expect(problems.map(({ file }) => file)).toEqual([meta, shard]);
});

describe('what cannot be read at all', () => {
  test('a directory that is not there, or not one, is told as such', async () => {
    const disk = await shop();

    await expect(verifyStore('/data/elsewhere', { fileSystem: disk })).rejects.toBeInstanceOf(StoreReadError);
    await expect(verifyStore(`${directory}/meta.json`, { fileSystem: disk })).rejects.toBeInstanceOf(StoreReadError);
  });

  test.each([
    ['no meta.json', undefined],
    ["somebody else's", '{"format":"recipes"}'],
    ['a newer format', '{"format":"rouse-store","version":3,"shards":{}}'],
  ])('a directory with %s is no store', async (_name, text) => {
    const disk = createSimulatedDisk();
    disk.put(`${directory}/${text === undefined ? 'notes.txt' : 'meta.json'}`, Buffer.from(text ?? ''));

    await expect(verify(disk)).rejects.toBeInstanceOf(StoreFormatError);
    expect(disk.openFiles).toBe(0);
  });

  test('a file that the disk does not give is a problem, and the others are looked through', async () => {
    const disk = await shop();
    const [first = '', second = ''] = pathsOf(disk, '/shards/instance-');
    damage(disk, second, (data) => data.write('?', 40));
    disk.fault = (call, path) => (call === 'read' && path === first ? 'EIO' : undefined);

    const { problems } = await verify(disk);

    expect(problems.map(({ file }) => file)).toEqual([first, second]);
    expect(problems[0]?.what).toContain('EIO');
  });

  test.each([1, 4, 7])('with only %i shards open at a time it is sound all the same', async (filesMax) => {
    const disk = await shop();
    disk.fault = (call, path) => (call === 'open' && path.includes('/shards/') && disk.openFiles > filesMax ? 'EMFILE' : undefined);

    expect(await verify(disk)).toMatchObject({ ok: true, figures: shopFigures });
    expect(disk.openFiles).toBe(0);
  });

  test('a signal ends it, and leaves no file open', async () => {
    const disk = await shop();
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error('enough'));

    const verified = verifyStore(directory, { fileSystem: disk, signal: controller.signal, onProgress });

    await expect(verified).rejects.toThrow('enough');
    expect(disk.openFiles).toBe(0);
  });
});
