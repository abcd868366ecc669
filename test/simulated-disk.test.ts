import { describe, expect, test } from 'vitest';
import { event, jsonStore, receive, step, workflow } from '../src/index.js';
import { createSimulatedDisk, createTestRuntime, type FileId, type Kept, type SimulatedDisk } from '../src/testing.js';

const sector = 512;

async function write(disk: SimulatedDisk, file: FileId, data: Buffer | string, position = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    disk.write(file, Buffer.from(data), position, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

async function sync(disk: SimulatedDisk, file: FileId): Promise<void> {
  return new Promise((resolve, reject) => {
    disk.sync(file, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** A disk with a synced file in a synced directory. */
async function makeFile(text = 'old', seed = 1): Promise<{ disk: SimulatedDisk; file: FileId }> {
  const disk = createSimulatedDisk({ seed });
  await disk.makeDirectory('/data');
  const file = await disk.open('/data/a', 'create');
  await write(disk, file, text);
  await sync(disk, file);
  await disk.syncDirectory('/data');
  return { disk, file };
}

function textOf(disk: SimulatedDisk, name = 'a'): string | undefined {
  return disk.files.get(`/data/${name}`)?.toString('latin1');
}

/** What a file may hold after a power cut, over many seeds. */
function outcomes(disk: SimulatedDisk, look: (found: SimulatedDisk) => string | undefined, count = 300): Set<string | undefined> {
  return new Set(Array.from({ length: count }, (_, seed) => look(disk.afterPowerCut(seed))));
}

/** A letter for each sector: `a`, `b`, ... as it was filled, `.` for zeros. */
function sectorsOf(text = ''): string {
  const letters = text.match(/[\s\S]{1,512}/g) ?? [];
  return letters.map((each) => (each[0] === '\0' ? '.' : each[0])).join('');
}

function filled(letters: string): string {
  return [...letters].map((letter) => letter.repeat(sector)).join('');
}

describe('what was synced', () => {
  test('is there after any power cut, and what was not is there or not', async () => {
    const { disk, file } = await makeFile('old');
    await write(disk, file, 'new', 3);

    expect(textOf(disk)).toBe('oldnew');
    expect(textOf(disk.afterPowerCut('nothing'))).toBe('old');
    expect(textOf(disk.afterPowerCut('everything'))).toBe('oldnew');
    await sync(disk, file);
    expect(outcomes(disk, (found) => textOf(found))).toEqual(new Set(['oldnew']));
  });

  test('is only what had been written when the sync began', async () => {
    const { disk, file } = await makeFile('old');
    await write(disk, file, '1', 3);
    const synced = sync(disk, file);
    await write(disk, file, '2', 4);
    await synced;

    expect(textOf(disk.afterPowerCut('nothing'))).toBe('old1');
  });

  test('is found by the next process after a kill, as is what was not, which can still be lost', async () => {
    const { disk, file } = await makeFile('old');
    await write(disk, file, 'new');
    const found = disk.afterKill();

    expect(textOf(found)).toBe('new');
    expect(textOf(found.afterPowerCut('nothing'))).toBe('old');
    expect(textOf(found.afterPowerCut('everything'))).toBe('new');
  });
});

describe('what was not synced', () => {
  test('is torn at sectors, also within one write, and never within a sector', async () => {
    const { disk, file } = await makeFile(filled('aaaa'));
    await write(disk, file, filled('bbb'), sector / 2);

    const found = outcomes(disk, (each) => textOf(each));
    const whole = textOf(disk) ?? '';

    const old = filled('aaaa');
    for (const text of found) {
      for (let start = 0; start < old.length; start += sector) {
        expect([old.slice(start, start + sector), whole.slice(start, start + sector)]).toContain(text?.slice(start, start + sector));
      }
    }
    expect(found.size).toBe(16);
  });

  test('is reordered: a later write may be there where an earlier one is not, and any of several versions of a sector', async () => {
    const { disk, file } = await makeFile(filled('aa'));
    await write(disk, file, filled('b'), 0);
    await write(disk, file, filled('c'), sector);
    await write(disk, file, filled('d'), 0);

    const found = outcomes(disk, (each) => sectorsOf(textOf(each)));

    expect(found).toEqual(new Set(['aa', 'ba', 'da', 'ac', 'bc', 'dc']));
  });

  test('may have made the file longer without its bytes, which are zeros then, and in part', async () => {
    const { disk, file } = await makeFile(filled('a'));
    await write(disk, file, filled('bcd'), sector);

    const found = outcomes(disk, (each) => sectorsOf(textOf(each)), 2_000);

    expect(found).toContain('a');
    expect(found).toContain('a...');
    expect(found).toContain('a.c');
    expect(found).toContain('abcd');
    expect([...found].every((each) => each !== undefined && /^a([b.]([c.][d.]?)?)?$/.test(each))).toBe(true);
  });

  test('may show what a removed file had in the blocks that it was given', async () => {
    const { disk, file } = await makeFile(filled('x'.repeat(20)));
    const other = await disk.open('/data/b', 'create');
    await write(disk, other, 'b');
    await sync(disk, other);
    await disk.remove('/data/a');
    await disk.syncDirectory('/data');
    await write(disk, other, filled('b'.repeat(20)), 0);

    const found = outcomes(disk, (each) => sectorsOf(textOf(each, 'b')), 1_000);

    // What stands in its first block was its own before: nothing else can show there.
    for (const sectors of found) expect(sectors).toMatch(/^b([b.]{0,7}|[b.]{7}[bx.]{0,12})$/);
    expect([...found].some((sectors) => sectors?.includes('x'))).toBe(true);
    expect(sectorsOf(textOf(disk.afterPowerCut('everything'), 'b'))).toBe('b'.repeat(20));
    await disk.close(file);
  });

  test('may be a cut that is undone, also of what was written behind it', async () => {
    const { disk, file } = await makeFile('abcdef');
    await disk.truncate(file, 2);
    expect(outcomes(disk, (each) => textOf(each))).toEqual(new Set(['ab', 'abcdef', 'ab\0\0\0\0']));
    await sync(disk, file);
    expect(textOf(disk.afterPowerCut('nothing'))).toBe('ab');
  });

  test('may be a name: each is kept or lost by itself until its directory is synced', async () => {
    const { disk, file } = await makeFile('a');
    await disk.link('/data/a', '/data/b');
    await disk.rename('/data/a', '/data/c');
    const names = (found: SimulatedDisk) =>
      [...found.files.keys()]
        .map((path) => path.slice(-1))
        .sort()
        .join('');

    expect(outcomes(disk, names)).toEqual(new Set(['', 'a', 'b', 'c', 'ab', 'ac', 'bc', 'abc']));
    await disk.syncDirectory('/data');
    expect(outcomes(disk, names)).toEqual(new Set(['bc']));
    await disk.remove('/data/b');
    expect(outcomes(disk, names)).toEqual(new Set(['c', 'bc']));
    expect(disk.openFiles).toBe(1);
    await disk.close(file);
  });

  test('may be a file behind a name: a file that was replaced comes back as it was', async () => {
    const { disk } = await makeFile('old');
    const file = await disk.open('/data/b', 'create');
    await write(disk, file, 'new');
    await sync(disk, file);
    await disk.rename('/data/b', '/data/a');

    expect(outcomes(disk, (each) => textOf(each))).toEqual(new Set(['old', 'new']));
  });
});

describe('a sync that fails', () => {
  test.each(['new', 'old'] as const)('leaves nothing for the next one to write; readers are given the %s bytes', async (reads) => {
    const { disk, file } = await makeFile(filled('aaaaaaaaaaaaaaaa'));
    disk.failedSync = { kept: 'nothing', reads };
    await write(disk, file, filled('bbbbbbbbbbbbbbbb'));
    disk.fault = (call) => (call === 'sync' ? 'EIO' : undefined);
    await expect(sync(disk, file)).rejects.toMatchObject({ code: 'EIO' });
    disk.fault = () => undefined;
    await sync(disk, file);

    expect(sectorsOf(textOf(disk))).toBe(reads === 'new' ? 'bbbbbbbbbbbbbbbb' : 'aaaaaaaaaaaaaaaa');
    expect(sectorsOf(textOf(disk.afterKill()))).toBe(sectorsOf(textOf(disk)));
    expect(sectorsOf(textOf(disk.afterPowerCut('everything')))).toBe('aaaaaaaaaaaaaaaa');
    // What is written to a page (8 sectors) later brings the rest of it along.
    await write(disk, file, 'c', sector * 9);
    await sync(disk, file);
    expect(sectorsOf(textOf(disk.afterPowerCut('nothing')))).toBe(reads === 'new' ? 'aaaaaaaabcbbbbbb' : 'aaaaaaaaacaaaaaa');
  });

  test('may have put some of it on disk', async () => {
    const { disk, file } = await makeFile(filled('aa'));
    await write(disk, file, filled('bb'));
    disk.failedSync = { kept: 'everything', reads: 'new' };
    disk.fault = () => 'EIO';
    await expect(sync(disk, file)).rejects.toThrow('EIO');

    expect(sectorsOf(textOf(disk.afterPowerCut('nothing')))).toBe('bb');
  });
});

describe('faults', () => {
  test('a call fails with the code it is given and does nothing, or fails though it was done', async () => {
    const { disk, file } = await makeFile('old');
    disk.fault = () => 'ENOSPC';
    await expect(write(disk, file, 'new')).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(disk.remove('/data/a')).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(textOf(disk)).toBe('old');

    disk.fault = () => ({ code: 'EIO', done: 1 });
    await expect(write(disk, file, 'new')).rejects.toMatchObject({ code: 'EIO' });
    expect(textOf(disk)).toBe('nld');
    disk.fault = () => ({ code: 'EIO', done: true });
    await expect(disk.remove('/data/a')).rejects.toMatchObject({ code: 'EIO' });
    expect(textOf(disk)).toBeUndefined();
  });

  test('a write or read of which a part is done says how much', async () => {
    const { disk, file } = await makeFile('old');
    disk.fault = () => 2;

    expect(await write(disk, file, 'new')).toBe(2);
    const into = Buffer.alloc(3);
    expect(await disk.read(file, into, 0)).toBe(2);
    expect(into.toString('latin1')).toBe('ne\0');
  });

  test.each([
    ['a file that is not there', 'ENOENT', (disk: SimulatedDisk) => disk.open('/data/none', 'read')],
    ['a directory that is not there', 'ENOENT', (disk: SimulatedDisk) => disk.list('/none')],
    ['a directory that is a file', 'ENOTDIR', (disk: SimulatedDisk) => disk.makeDirectory('/data/a/b')],
    ['a name that is taken', 'EEXIST', (disk: SimulatedDisk) => disk.open('/data/a', 'create')],
    ['a directory in the place of a file', 'EISDIR', (disk: SimulatedDisk) => disk.remove('/data')],
    ['a file that is closed', 'EBADF', (disk: SimulatedDisk) => disk.size(99)],
  ])('%s is refused with %s, as on a real disk', async (_, code, call) => {
    const { disk } = await makeFile();
    await expect(call(disk)).rejects.toMatchObject({ code });
  });

  test('a call waits for as long as it is told to', async () => {
    const { disk, file } = await makeFile('old');
    let go = (): void => {};
    disk.delay = (call) => (call === 'write' ? new Promise<void>((resolve) => (go = resolve)) : undefined);

    const written = write(disk, file, 'new');
    expect(textOf(disk)).toBe('old');
    go();
    await written;
    expect(textOf(disk)).toBe('new');
  });
});

test('a disk that was stopped does nothing more and answers nobody, though a write may have been under way', async () => {
  const { disk, file } = await makeFile('old');
  const { calls } = disk;
  disk.stopAfter = calls + 1;
  await write(disk, file, 'n');
  const under = write(disk, file, 'ew', 1).then(() => 'answered');

  const answered = await Promise.race([under, disk.remove('/data/a').then(() => 'answered'), disk.stopped.then(() => 'stopped')]);

  expect(answered).toBe('stopped');
  expect(['nld', 'ned', 'new']).toContain(textOf(disk));
});

test('the same seed and the same calls give the same disk', async () => {
  const look = async (seed: number, kept?: Kept) => {
    const { disk, file } = await makeFile(filled('aaaaaaaa'), seed);
    for (const letter of 'bcdef') await write(disk, file, filled(letter.repeat(4)), sector * 3);
    return [1, 2, 3].map(() => sectorsOf(textOf(disk.afterPowerCut(kept).afterPowerCut()))).join();
  };

  expect(await look(3)).toBe(await look(3));
  expect(await look(3)).not.toBe(await look(4));
  expect(await look(3, 9)).toBe(await look(4, 9));
});

test('an append costs what it appends, however long the file is', async () => {
  const { disk, file } = await makeFile('');
  const chunk = Buffer.alloc(100, 'x');
  const count = 200_000;
  for (let index = 0; index < count; index += 1) {
    disk.write(file, chunk, index * 100, () => {});
    if (index % 100 === 0) await sync(disk, file);
  }

  expect(disk.files.get('/data/a')?.byteLength).toBe(count * 100);
});

const approval = event('approval');
const order = workflow('order', function* () {
  const ip = yield* step('order a server', () => '10.0.0.7');
  yield* receive(approval);
  return ip;
});

test('a workflow goes on behind a power cut where its store says that it stood', async () => {
  const disk = createSimulatedDisk({ seed: 7 });
  const before = await createTestRuntime({ workflows: [order], store: jsonStore('/data', { fileSystem: disk }) });
  const { id } = await before.start(order, undefined);
  await before.runUntilIdle();

  const found = disk.afterPowerCut();
  const after = await createTestRuntime({ workflows: [order], store: jsonStore('/data', { fileSystem: found }) });
  await after.send(id, approval, undefined);

  await expect(after.instance(id).result()).resolves.toBe('10.0.0.7');
  await after.stop();
});
