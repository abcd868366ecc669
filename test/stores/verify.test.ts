// Looking through a store: nothing of a sound one is a problem, no damage goes unseen, and nobody is disturbed.

import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { encodeMarker, toChecksum } from '../../src/adapters/stores/json/log-line.js';
import { LogTails } from '../../src/adapters/stores/json/operations/log-tails.js';
import { type VisitCommit, walkLog } from '../../src/adapters/stores/json/operations/log-walk.js';
import { Pace } from '../../src/adapters/stores/json/operations/pace.js';
import { Findings } from '../../src/adapters/stores/json/operations/report.js';
import { withView } from '../../src/adapters/stores/json/operations/store-view.js';
import { preambleBytes } from '../../src/adapters/stores/json/shard-format.js';
import { RouseError } from '../../src/runtime/errors.js';
import type { Change } from '../../src/runtime/ports.js';
import { StoreFormatError, StoreReadError } from '../../src/runtime/store-errors.js';
import { type StoreProblem, type StoreReport, verifyStore } from '../../src/store.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { bytesOf, directory, never, oldShop, openShop, pathsOf, shop } from './shop-disk.js';
import { begin, commit, MemoryLogger, onMailbox, openStore } from './store-harness.js';

/** Every byte takes minutes: the long run asks for it. */
const bytesBetween = Number(process.env.ROUSE_BYTES_BETWEEN ?? 61);

function verify(disk: SimulatedDisk): Promise<StoreReport> {
  return verifyStore(directory, { fileSystem: disk });
}

const shopFigures = {
  instances: { total: 21, active: 13, stuck: 1, completed: 4, failed: 2, cancelled: 1 },
  mailboxes: 5,
  events: 5,
  deadLetters: 2,
  commits: 62,
  shards: 8,
  segments: 1,
};

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

describe('the log', () => {
  test('is judged as opening the store judges it, whatever was done to it', async () => {
    const sound = await shop();
    const [path = ''] = pathsOf(sound, '/log/');
    const judged = new Set<string>();
    for (const { what, data } of changedLogs(bytesOf(sound, path))) {
      const disk = sound.afterPowerCut('everything');
      disk.put(path, data);
      const { problems, tail } = await verify(disk);

      const opened = await openShop(disk).then(
        async (store) => {
          await store.crash();
          return store.recovery.cut;
        },
        (error: unknown) => error,
      );

      if (problems.length > 0) expect(opened, what).toMatchObject({ code: 'STORE_CORRUPT', file: path, offset: problems[0]?.offset });
      else expect(tail, what).toEqual(opened);
      judged.add(problems.length > 0 ? 'damaged' : tail === null ? 'sound' : 'cut');
    }
    expect([...judged].sort()).toEqual(['cut', 'damaged', 'sound']);
  }, 60_000);

  test.each([
    ['a line is missing', (lines: string[]) => lines.toSpliced(20, 1)],
    [
      'a marker is missing',
      (lines: string[]) =>
        lines.toSpliced(
          lines.findIndex((line, index) => index > 10 && line.includes('durable')),
          1,
        ),
    ],
    ['a line is there twice', (lines: string[]) => lines.toSpliced(20, 0, lines[20] ?? '')],
    ['something is put in', (lines: string[]) => lines.toSpliced(20, 0, 'hello')],
  ])('in which %s has one problem, whatever that moves', async (_name, change) => {
    const disk = await shop();
    const [path = ''] = pathsOf(disk, '/log/');
    const lines = bytesOf(disk, path).toString('latin1').split('\n');
    disk.put(path, Buffer.from(change(lines).join('\n'), 'latin1'));

    const { problems } = await verify(disk);

    expect(problems).toEqual([{ kind: 'damage', file: path, offset: expect.any(Number), what: expect.any(String) }]);
  });

  test('that is longer than may be held at once is gone through for some shards after the other', async () => {
    const disk = await shop();
    const whole = await tailsOf(disk, 1_000_000);

    const piecewise = await tailsOf(disk, 1);

    expect(piecewise.tails).toEqual(whole.tails);
    expect(whole.tails).toHaveLength(10);
    expect([whole.readings, piecewise.readings]).toEqual([1, 4]);
  });

  test('an end that was never synced is its tail, and no problem', async () => {
    const disk = await shop();
    const [path = ''] = pathsOf(disk, '/log/');
    const data = bytesOf(disk, path);
    disk.put(path, Buffer.concat([data, Buffer.from('63 0000')]));

    const { ok, tail, figures } = await verify(disk);

    expect(ok).toBe(true);
    expect(tail).toEqual({ file: path, offset: data.byteLength, bytes: 7 });
    expect(figures).toMatchObject(shopFigures);
  });

  test('a segment that is missing is a problem, wherever it was', async () => {
    const disk = createSimulatedDisk();
    const store = await openStore(jsonStore(directory, { fileSystem: disk, logBytesMin: never }));
    await store.append([commit(begin('a'))]);
    await store.close();
    const [path = ''] = pathsOf(disk, '/log/');
    const other = bytesOf(disk, path);
    disk.drop(path);
    expect((await verify(disk)).problems).toEqual([{ kind: 'damage', file: path, offset: 0, what: 'the file is missing' }]);

    disk.put(path, other);
    const behind = path.replace('0001.jsonl', '0007.jsonl');
    disk.put(behind, Buffer.from(encodeMarker(7, 0, false)));
    expect((await verify(disk)).problems).toEqual([{ kind: 'damage', file: behind, offset: 0, what: 'commit 2 is missing' }]);
  });

  test('one that ends in front of the checkpoint is a problem', async () => {
    const disk = createSimulatedDisk();
    const logger = new MemoryLogger();
    const store = await openStore(jsonStore(directory, { fileSystem: disk, logBytesMin: 5_000, logBytesMax: 5_000 }), logger);
    let late: Promise<void> | undefined;
    // Behind the last commit that the log is needed from, and in the shards that are written next.
    disk.fault = (call, path) => {
      if (call === 'rename' && path.includes('/shards/instance-')) late ??= store.append([commit(atNoon(1))]);
      return undefined;
    };
    disk.delay = (call, path) => (call === 'open' && path.endsWith('.json') ? late : undefined);
    const written = logger.next('wrote a checkpoint');
    await store.append(Array.from({ length: 50 }, (_, index) => commit(begin(`sleeper-${index}`), atNoon(0))));
    await written;
    await late;
    const found = disk.afterPowerCut('everything');
    const [path = ''] = pathsOf(found, '/log/');
    found.put(path, bytesOf(found, path).subarray(0, bytesOf(found, path).indexOf('\n') + 1));

    const { problems } = await verify(found);

    expect(problems).toEqual([
      { kind: 'damage', file: path, offset: expect.any(Number), what: expect.stringContaining('the checkpoint goes up to 51') },
    ]);
  });

  test('a marker that a newer version wrote is refused', async () => {
    const disk = await shop();
    const [path = ''] = pathsOf(disk, '/log/');
    const data = bytesOf(disk, path);
    disk.put(path, Buffer.concat([data, newerMarker(63, data.byteLength)]));

    await expect(verify(disk)).rejects.toBeInstanceOf(StoreFormatError);
  });
});

/** A log after what may happen to one: a flipped bit, an end that is missing, lines that are moved. */
function* changedLogs(data: Buffer): Generator<{ what: string; data: Buffer }> {
  for (let offset = 0; offset < data.byteLength; offset += bytesBetween) {
    const flipped = Buffer.from(data);
    flipped.writeUInt8(flipped.readUInt8(offset) ^ 0x04, offset);
    yield { what: `flipped at ${offset} of ${data.byteLength}`, data: flipped };
    yield { what: `cut at ${offset} of ${data.byteLength}`, data: data.subarray(0, offset) };
  }
  const lines = data.toString('latin1').split('\n');
  const joined = (changed: readonly string[]): Buffer => Buffer.from(changed.join('\n'), 'latin1');
  for (const [index, line] of lines.entries()) {
    yield { what: `without line ${index}`, data: joined(lines.toSpliced(index, 1)) };
    yield { what: `with line ${index} twice`, data: joined(lines.toSpliced(index, 0, line)) };
  }
  yield { what: 'as an editor leaves it', data: Buffer.from(data.toString('latin1').replaceAll('\n', '\r\n'), 'latin1') };
  yield { what: 'zeros', data: Buffer.alloc(data.byteLength) };
  yield { what: 'with zeros behind it', data: Buffer.concat([data, Buffer.alloc(300)]) };
  yield { what: 'with itself behind it', data: Buffer.concat([data, data]) };
}

/** What the log says of the instances of each shard, when so many bytes of it may be held, and how often it was read. */
async function tailsOf(disk: SimulatedDisk, bytesMax: number): Promise<{ tails: unknown[]; readings: number }> {
  const pace = new Pace(undefined);
  return withView({ fs: disk, root: directory }, async (view) => {
    const tails = new LogTails(disk, pace, view, bytesMax);
    const visit: VisitCommit = (_seq, changes) => tails.note(changes);
    tails.noteEnd(await walkLog(view.segments, { fs: disk, pace, found: new Findings(), visit }));
    let readings = 0;
    disk.fault = (call, path) => {
      if (call === 'read' && path.includes('/log/')) readings += 1;
      return undefined;
    };
    const told: unknown[] = [];
    for await (const [{ shard }, ofShard] of tails.byShard('instance', view.places('instance')))
      for (const [key, deltas] of ofShard) told.push([shard, key, deltas]);
    return { tails: told, readings };
  });
}

function newerMarker(seq: number, offset: number): Buffer {
  const json = `{"durable":${offset},"format":3}`;
  return Buffer.from(`${seq} ${toChecksum(crc32(json, seq))} ${json}\n`);
}

/** An event at an address where events come at noon. */
function atNoon(seq: number): Change {
  return onMailbox('#noon\nhere', { p: [[seq, 1_000 + seq, { n: seq }, 0, 90_000, 0]] });
}

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
