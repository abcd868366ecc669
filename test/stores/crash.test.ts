import { expect, test } from 'vitest';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { createSimulatedDisk, type Kept, type SimulatedDisk } from '../../src/testing.js';
import { describeStore, makeHistory } from './history.js';
import { openStore } from './store-harness.js';

const directory = '/data/store';
const batchLength = 4;
const history = makeHistory(80);
/** Ways in which unsynced data is torn, for each call: more of them in the long run. */
const seedsPerCall = Number(process.env.ROUSE_CRASH_SEEDS ?? 10);

function open(disk: SimulatedDisk): Promise<OpenStore> {
  return openStore(jsonStore(directory, { fileSystem: disk, logBytesMin: 1_000 }));
}

interface Progress {
  /** Commits that were acknowledged, and those that were begun. */
  acknowledged: number;
  begun: number;
}

/** Appends the history from where the store stands, closing and opening once on the way. */
async function live(disk: SimulatedDisk, progress: Progress, start: number): Promise<void> {
  let store = await open(disk);
  for (let next = start; next < history.commits.length; next += batchLength) {
    if (next === 16) {
      await store.close();
      store = await open(disk);
    }
    progress.begun = next + batchLength;
    await store.append(history.commits.slice(next, next + batchLength));
    progress.acknowledged = next + batchLength;
  }
  await store.close();
}

/** How far a recovered store goes, which must be somewhere between what was acknowledged and what was begun. */
async function recoverBetween(disk: SimulatedDisk, { acknowledged, begun }: Progress, what: string): Promise<OpenStore['recovery']> {
  const store = await open(disk);
  const state = describeStore(store);
  const found = history.states.findIndex((each, index) => index >= acknowledged && each === state);
  expect(found, `${what}: acknowledged ${acknowledged}, begun ${begun}`).toBeGreaterThanOrEqual(acknowledged);
  expect(found, what).toBeLessThanOrEqual(begun);
  await store.close();
  return store.recovery;
}

async function countCalls(): Promise<number> {
  const disk = createSimulatedDisk();
  await live(disk, { acknowledged: 0, begun: 0 }, 0);
  return disk.calls;
}

/** Lets everything that can go on do so: the store waits for nothing but its disk. */
async function settle(disk: SimulatedDisk): Promise<void> {
  for (let calls = -1; calls !== disk.calls; ) {
    calls = disk.calls;
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function crashAt(call: number): Promise<{ disk: SimulatedDisk; progress: Progress }> {
  const disk = createSimulatedDisk();
  const progress = { acknowledged: 0, begun: 0 };
  disk.stopAfter = call;
  void live(disk, progress, 0);
  await settle(disk);
  return { disk, progress };
}

test('a power cut behind any call leaves a prefix that holds every acknowledged commit, whatever was kept of the rest', async () => {
  const calls = await countCalls();
  let states = 0;
  for (let call = 0; call <= calls; call += 1) {
    const { disk, progress } = await crashAt(call);
    const lucks: Kept[] = ['nothing', 'everything', ...Array.from({ length: seedsPerCall }, (_, seed) => call * 1_000 + seed)];
    for (const luck of lucks) {
      const { cut } = await recoverBetween(disk.afterPowerCut(luck), progress, `call ${call} of ${calls}, ${luck}`);
      if (luck === 'nothing') expect(cut, `call ${call}: what was synced is whole`).toBeNull();
      states += 1;
    }
  }
  console.log(`crash: ${states} states behind ${calls} calls recovered`);
  expect(calls).toBeGreaterThan(100);
}, 120_000);

test('a power cut behind any call of the recovery from a crash loses nothing either', async () => {
  const calls = await countCalls();
  for (let call = 5; call <= calls; call += 13) {
    const first = await crashAt(call);
    for (let second = 0; second < 24; second += 1) {
      const disk = first.disk.afterKill();
      disk.stopAfter = second;
      const reopened = open(disk).catch(() => undefined);
      await Promise.race([reopened, settle(disk)]);

      for (const seed of [1, 2, 3]) {
        await recoverBetween(disk.afterPowerCut(second * 10 + seed), first.progress, `call ${call}, then call ${second}, seed ${seed}`);
      }
    }
  }
}, 120_000);
