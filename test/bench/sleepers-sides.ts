// The processes of `sleepers`. One fills a store and is killed, one recovers it and stops in order, one recovers it
// again and wakes everybody; and the floors of reading it and of writing what the wakes write.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { createRuntime, event, type Runtime, receive, type Store, workflow } from '../../src/index.js';
import { Appender } from './appender.js';
import type { Figures } from './benchmark.js';
import { bytesBelow, filesBelow, recordsOf } from './log-records.js';
import { type Cost, closedLoop, expectSame, type Memory, measure, percentile, settledMemory } from './measure.js';
import { quietLogger } from './quiet-logger.js';
import type { Role } from './role.js';
import { TimedDisk } from './timed-disk.js';

export const instances = 10_000;
const megabyte = 1_048_576;

interface Place {
  readonly directory: string;
}

const answer = event<{ approved: boolean; by: string }>('answer');
const asleep = workflow('asleep', function* (order: { order: number; item: string }) {
  const { approved } = yield* receive(answer, { key: `key-${order.order}` });
  return { order: order.order, approved };
});

/** Starts them all, and says what they cost while they are in memory. To be killed then. */
export const sleepersFill: Role<Place, Figures, null> = {
  name: 'sleepers-fill',
  async open({ directory }) {
    const before = await settledMemory();
    const runtime = await openRuntime(jsonStore(directory));
    await closedLoop(instances, 100, async (job) => {
      await runtime.start(asleep, { order: job, item: `item-${job % 100}` }, { id: `instance-${job}` });
    });
    expectAsleep(runtime, instances);
    const after = await settledMemory();
    return played({ ...costs('resident', before, after), killedBytes: bytesBelow(directory) }, runtime);
  },
};

/** A new process over what the killed one left. Its stop leaves a checkpoint. */
export const sleepersRestart: Role<Place, Figures, null> = {
  name: 'sleepers-restart',
  async open({ directory }) {
    const before = await settledMemory();
    const { runtime, wallMs, cpuUs } = await openMeasured(jsonStore(directory));
    const after = await settledMemory();
    const ready = { readyAfterKillMs: wallMs, readyAfterKillCpuMs: cpuUs / 1_000 };
    return played({ ...ready, ...costs('passivated', before, after) }, runtime);
  },
};

/** A new process over what the stopped one left, in which everyone is woken. */
export const sleepersWake: Role<Place, { readonly figures: Figures; readonly record: string }, null> = {
  name: 'sleepers-wake',
  async open({ directory }) {
    const disk = new TimedDisk();
    const stoppedBytes = bytesBelow(directory);
    const { runtime, ...opened } = await openMeasured(jsonStore(directory, { fileSystem: disk.fileSystem }));
    const ready = { readyAfterStopMs: opened.wallMs, readyAfterStopCpuMs: opened.cpuUs / 1_000 };
    disk.reset();
    const { wallMs, cpuUs } = await measure(() => wakeAll(runtime));
    const { commits, syncs } = runtime.health() as unknown as { commits: number; syncs: number };
    expectSame('commits of the wakes', commits, instances);
    const record = recordsOf(directory, `instance-${instances - 1}`).at(-1) ?? '';
    const times = { wakeMs: wallMs, cpuUsPerRecord: cpuUs / commits, syncP50Ms: percentile(disk.batchMs, 0.5) };
    return played({ figures: { stoppedBytes, ...ready, syncs, ...times }, record }, runtime);
  },
};

/** The floor of a restart: every file read, every line checksummed and its JSON parsed. */
export const readingFloor: Role<Place, { readonly readMs: number }, null> = {
  name: 'sleepers-reading-floor',
  async open({ directory }) {
    let parsed = 0;
    const { wallMs } = await measure(async () => {
      for (const file of filesBelow(directory)) {
        for (const line of readFileSync(file, 'utf8').split('\n')) {
          crc32(line);
          const json = /[[{].*/.exec(line)?.[0];
          if (json !== undefined && Object.keys(JSON.parse(json) as object).length > 0) parsed += 1;
        }
      }
    });
    if (parsed < instances) throw new Error(`Only ${parsed} lines were read for ${instances} instances.`);
    return played({ readMs: wallMs }, null);
  },
};

/** The floor of waking all: as many records of the same size, all under way at once. */
export const wakingFloor: Role<Place & { readonly record: string }, Figures, null> = {
  name: 'sleepers-waking-floor',
  async open({ directory, record }) {
    mkdirSync(directory);
    const template: unknown = JSON.parse(record);
    const appender = new Appender(join(directory, 'floor.jsonl'));
    const { wallMs, cpuUs } = await measure(() => closedLoop(instances, instances, () => appender.append(template)));
    appender.close();
    const { syncMs, batchMs } = appender;
    return played({ wakeMs: wallMs, cpuUsPerRecord: cpuUs / instances, syncs: syncMs.length, syncP50Ms: percentile(batchMs, 0.5) }, null);
  },
};

function openRuntime(store: Store): Promise<Runtime> {
  return createRuntime({ workflows: [asleep], store, logger: quietLogger, passivateAfter: '1 hour' });
}

/** From the call of createRuntime to a runtime that takes work, with everyone asleep on disk. */
async function openMeasured(store: Store): Promise<Cost & { runtime: Runtime }> {
  const opened: Runtime[] = [];
  const cost = await measure(async () => {
    opened.push(await openRuntime(store));
  });
  const [runtime] = opened;
  if (runtime === undefined) throw new Error('The runtime did not open.');
  expectAsleep(runtime, 0);
  return { runtime, ...cost };
}

function played<O>(opening: O, runtime: Runtime | null): { opening: O; turn: () => Promise<null>; end: () => Promise<void> } {
  return { opening, turn: async () => null, end: async () => runtime?.stop() };
}

async function wakeAll(runtime: Runtime): Promise<void> {
  const ended = Array.from({ length: instances }, async (_, order) => {
    const result = await runtime.instance(`instance-${order}`, asleep).result();
    if (result.order !== order || !result.approved) throw new Error(`instance-${order} ended with ${JSON.stringify(result)}.`);
  });
  const sent = ended.map(async (_, order) => {
    const delivery = await runtime.publish(answer, `key-${order}`, { approved: true, by: `person-${order % 100}` });
    expectSame(`the delivery to key-${order}`, delivery.status, 'delivered');
  });
  await Promise.all([...ended, ...sent]);
}

function expectAsleep(runtime: Runtime, resident: number): void {
  const health = runtime.health();
  expectSame('instances', health.instances, instances);
  expectSame('addresses with a receiver', health.parkedAddresses, instances);
  expectSame('instances in memory', health.resident, resident);
  expectSame('steps that run', health.stepsRunning, 0);
}

function costs(name: string, before: Memory, after: Memory): Figures {
  return {
    [`${name}ProcessMb`]: after.rssBytes / megabyte,
    [`${name}RssBytesEach`]: (after.rssBytes - before.rssBytes) / instances,
    [`${name}HeapBytesEach`]: (after.heapBytes - before.heapBytes) / instances,
  };
}
