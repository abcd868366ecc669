// What `store` asks of a flood: sixty megabytes of events handed over in one moment. Batches stay bounded, and a lone
// client that wakes its instance meanwhile is not kept waiting until all of it is on disk.

import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { createRuntime, event, receive, workflow } from '../../src/index.js';
import type { Bench, Figures, Report } from './benchmark.js';
import { toRatio } from './benchmark.js';
import { expectSame, measure, percentile } from './measure.js';
import { quietLogger } from './quiet-logger.js';
import type { Role } from './role.js';
import { SlowDisk } from './slow-disk.js';
import { WatchedDisk } from './watched-disk.js';

const floodEvents = 2_000;
const eventBytes = 32_768;
const syncDelayMs = 8;
const batchMbMax = 16;
const megabyte = 1_048_576;

const water = event<{ text: string }>('water');
const ping = event<{ value: number }>('ping');
const counter = workflow('counter', function* () {
  for (;;) yield* receive(ping, { key: 'lone' });
});

export const storeFlood: Role<{ readonly directory: string }, Figures, null> = {
  name: 'store-flood',
  async open({ directory }) {
    const watched = new WatchedDisk(new SlowDisk(syncDelayMs).fileSystem);
    const store = jsonStore(directory, { fileSystem: watched.fileSystem });
    const runtime = await createRuntime({ workflows: [counter], store, logger: quietLogger });
    await runtime.start(counter, undefined, { id: 'counter' });
    const pingOnce = async (): Promise<number> => {
      const start = performance.now();
      expectSame('the delivery', (await runtime.publish(ping, 'lone', { value: 1 })).status, 'delivered');
      return performance.now() - start;
    };
    const quietMs: number[] = [];
    for (let sent = 0; sent < 50; sent += 1) quietMs.push(await pingOnce());

    const text = 'x'.repeat(eventBytes);
    const meanwhileMs: number[] = [];
    let isOver = false;
    const { wallMs } = await measure(async () => {
      const flood = Array.from({ length: floodEvents }, (_, index) => runtime.publish(water, `key-${index}`, { text }));
      const lone = async (): Promise<void> => {
        while (!isOver) meanwhileMs.push(await pingOnce());
      };
      const pinging = lone();
      await Promise.all(flood);
      isOver = true;
      await pinging;
    });
    const figures = {
      quietMs: percentile(quietMs, 0.5),
      floodMs: wallMs,
      meanwhileMs: percentile(meanwhileMs, 0.5),
      meanwhileMaxMs: Math.max(...meanwhileMs),
      pings: meanwhileMs.length,
      batchMbMax: watched.batchBytesMax / megabyte,
    };
    return { opening: figures, turn: async () => null, end: () => runtime.stop() };
  },
};

export async function measureFlood(bench: Bench): Promise<Report> {
  const session = await bench.open(storeFlood, { directory: bench.directory() });
  await session.end();
  const figures = session.opening;
  const of = (name: string): number => figures[name] ?? Number.NaN;
  const plain = { floor: '', ratios: [], cpuUsPerRecord: null, syncP50Ms: null };
  const megabytes = Math.round((floodEvents * eventBytes) / megabyte);
  const what = `${megabytes} MB of events at once, syncs ${syncDelayMs} ms slower`;
  return {
    benchmark: 'store',
    case: what,
    runtime: figures,
    floor: {},
    ratio: toRatio([]),
    aims: [{ what: `${what}: the largest batch`, value: of('batchMbMax'), limit: batchMbMax, kind: 'at most', unit: 'MB' }],
    rows: [
      {
        ...plain,
        what: `${what}: all on disk, the largest batch`,
        runtime: `${of('floodMs').toFixed(0)} ms, ${of('batchMbMax').toFixed(1)} MB`,
      },
      {
        ...plain,
        what: `${what}: a lone client's wake meanwhile, p50, most`,
        runtime: `${of('meanwhileMs').toFixed(1)} ms, ${of('meanwhileMaxMs').toFixed(1)} ms`,
        floor: `${of('quietMs').toFixed(1)} ms (before)`,
      },
    ],
  };
}
