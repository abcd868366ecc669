// An endless workflow that continues as itself stays as small as it was, on the disk and in memory, and leaves room for
// others. Set ROUSE_TURNS to let it run for longer than a test may.

import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { jsonStore } from '../src/adapters/stores/json/json-store.js';
import {
  continueAs,
  createRuntime,
  event,
  memoryStore,
  type Operation,
  publish,
  receive,
  send,
  sleep,
  step,
  workflow,
} from '../src/index.js';
import { createTestRuntime } from '../src/testing.js';
import { failureOf } from './support/rejection.js';

const turns = Number(process.env.ROUSE_TURNS ?? 5_000);
const word = event<number>('word');

interface Ticking {
  readonly ticks: number;
  /** Turns of a generation. */
  readonly each: number;
  /** Until which it goes on without waiting for the outside. */
  readonly until: number;
}

/** Sends itself an event for each tick, continues as itself after some of them, and tells when it has come far enough. */
const ticking = workflow('ticking', function* (from: Ticking): Operation<never> {
  let { ticks } = from;
  for (let n = 0; n < from.each; n++) {
    if (ticks === from.until) {
      yield* publish(word, `reached ${ticks}`, ticks);
      return yield* continueAs({ ...from, ticks, until: yield* receive(word, { key: 'until' }) });
    }
    yield* send('ticker', word, ++ticks);
    yield* receive(word);
  }
  return yield* continueAs({ ...from, ticks });
});
const watching = workflow('watching', (mark: number) => receive(word, { key: `reached ${mark}` }));

async function bytesIn(directory: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).size;
  return sum;
}

async function heapBytes(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose_gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test.each([1, 100])(
  'with %i turns in each generation, ten times as many turns need no more room',
  async (each) => {
    const directory = await mkdtemp(join(tmpdir(), 'rouse-endless-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const log = { logBytesMin: 65_536, logBytesMax: 262_144 };
    let world = await createTestRuntime({ workflows: [ticking, watching], store: jsonStore(directory, log) });
    const reached = async (mark: number) => (await world.start(watching, mark, { id: `${mark}` })).result();
    const figures: { bytes: number; heap: number }[] = [];
    const first = turns / 10;
    await world.start(ticking, { ticks: 0, each, until: first }, { id: 'ticker' });
    for (const mark of [first, turns]) {
      await reached(mark);
      await world.runUntilIdle();
      figures.push({ bytes: await bytesIn(directory), heap: await heapBytes() });
      if (mark === first) await world.publish(word, 'until', turns);
    }
    const { generation } = await world.instance('ticker').info();
    world = await world.crash();
    await world.publish(word, 'until', turns + 10);

    await expect(reached(turns + 10)).resolves.toBe(turns + 10);
    await world.stop();
    if (process.env.ROUSE_TURNS !== undefined) console.info({ each, turns, generation, figures });
    expect(generation).toBeGreaterThanOrEqual(turns / each);
    expect(figures[1]?.bytes).toBeLessThan(4 * (figures[0]?.bytes ?? 0) + log.logBytesMax);
    expect(figures[1]?.heap).toBeLessThan((figures[0]?.heap ?? 0) + 4_000_000);
  },
  turns * 20 + 20_000,
);

describe.each([{ durable: true }, { durable: false }])('a loop that never waits (durable: $durable)', ({ durable }) => {
  const spinning = workflow({ name: 'spinning', durable }, (n: number) => continueAs(n + 1));

  test('keeps nobody else from running, and the runtime from stopping; the next one goes on with it when it is durable', async () => {
    const napping = workflow('napping', function* () {
      yield* sleep(5);
      return yield* step('work', () => new Promise<string>((resolve) => setImmediate(resolve, 'rested')));
    });
    const options = { workflows: [spinning, napping], store: memoryStore() };
    const first = await createRuntime(options);
    await first.start(spinning, 0, { id: 'a' });
    await expect((await first.start(napping)).result()).resolves.toBe('rested');
    const before = (await first.instance('a').info()).generation;
    await first.stop();
    const second = await createRuntime(options);
    await (await second.start(napping)).result();
    const after = await second
      .instance('a')
      .info()
      .catch(() => null);
    await second.stop();

    expect(before).toBeGreaterThan(1);
    if (durable) expect(after?.generation).toBeGreaterThan(before);
    else expect(after).toBeNull();
  });

  test('is cancelled between two of its generations', async () => {
    const runtime = await createRuntime({ workflows: [spinning], store: memoryStore() });
    onTestFinished(() => runtime.stop());
    const instance = await runtime.start(spinning, 0);
    const failure = failureOf(instance);
    await instance.cancel('enough');

    await expect(failure).resolves.toMatchObject({ name: 'CancelledError', message: expect.stringContaining('enough') });
  });
});
