// Looking through the log of a store: it is judged as opening the store judges it, and further behind the first damage.

import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { encodeMarker, toChecksum } from '../../src/adapters/stores/json/log-line.js';
import { LogTails } from '../../src/adapters/stores/json/operations/log-tails.js';
import { type VisitCommit, walkLog } from '../../src/adapters/stores/json/operations/log-walk.js';
import { Pace } from '../../src/adapters/stores/json/operations/pace.js';
import { Findings } from '../../src/adapters/stores/json/operations/report.js';
import type { TailDelta } from '../../src/adapters/stores/json/operations/shard-check.js';
import { withView } from '../../src/adapters/stores/json/operations/store-view.js';
import type { Change } from '../../src/runtime/ports.js';
import { StoreFormatError } from '../../src/runtime/store-errors.js';
import { type StoreReport, verifyStore } from '../../src/store.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { bytesOf, directory, never, openShop, pathsOf, shop, shopFigures } from './shop-disk.js';
import { begin, commit, MemoryLogger, onMailbox, openStore } from './store-harness.js';

const bytesBetween = Number(process.env.ROUSE_BYTES_BETWEEN ?? 61);

function verify(disk: SimulatedDisk): Promise<StoreReport> {
  return verifyStore(directory, { fileSystem: disk });
}

test('the log is judged as opening the store judges it, whatever was done to it', async () => {
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
])('a log in which %s has one problem, whatever that moves', async (_name, change) => {
  const disk = await shop();
  const [path = ''] = pathsOf(disk, '/log/');
  const lines = bytesOf(disk, path).toString('latin1').split('\n');
  disk.put(path, Buffer.from(change(lines).join('\n'), 'latin1'));

  const { problems } = await verify(disk);

  expect(problems).toEqual([{ kind: 'damage', file: path, offset: expect.any(Number), what: expect.any(String) }]);
});

test('a log that is longer than may be held at once is gone through for some shards after the other', async () => {
  const disk = await shop();
  const whole = await tailsOf(disk, 1_000_000);

  const piecewise = await tailsOf(disk, 1);

  expect(piecewise.tails).toEqual(whole.tails);
  expect(whole.tails).toHaveLength(10);
  expect([whole.readings, piecewise.readings]).toEqual([1, 4]);
  const { tails } = await tailsOf(disk, 1_000_000, 50);
  expect(Math.max(...tails.flat().map(({ seq }) => seq))).toBe(48);
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
async function tailsOf(disk: SimulatedDisk, bytesMax: number, upTo = never): Promise<{ tails: TailDelta[][]; readings: number }> {
  const pace = new Pace(undefined);
  return withView({ fs: disk, root: directory }, async (view) => {
    const tails = new LogTails(disk, pace, view, bytesMax);
    const visit: VisitCommit = (_seq, changes) => tails.note(changes);
    const end = await walkLog(view.segments, { fs: disk, pace, found: new Findings(), visit });
    tails.noteEnd({ ...end, upTo: Math.min(upTo, end.upTo) });
    let readings = 0;
    disk.fault = (call, path) => {
      if (call === 'read' && path.includes('/log/')) readings += 1;
      return undefined;
    };
    const told: TailDelta[][] = [];
    for await (const [, ofShard] of tails.byShard('instance', view.places('instance')))
      for (const deltas of ofShard.values()) told.push(deltas);
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
