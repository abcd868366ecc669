// The process with the runtime, of F12: instances that are born, receive, do a step, sleep and end, for as long as
// arrivals come. An arrival is the next thing that happens in one of many lanes, in each of which one instance follows
// the other.
//
//   started by f12-soak.ts, not by hand

import { existsSync, readdirSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { jsonStore } from '../../../src/adapters/stores/json/json-store.js';
import {
  createRuntime,
  event,
  type Instance,
  type Logger,
  type Operation,
  type Runtime,
  receive,
  sleep,
  step,
  workflow,
} from '../../../src/index.js';
import { beGuest, complain } from './guest.js';

export type SoakQuestion =
  | { readonly kind: 'open'; readonly directory: string; readonly lanes: number; readonly logBytesMin: number | null }
  | { readonly kind: 'sample' }
  /** Waits for those that have got all their events. */
  | { readonly kind: 'end' }
  | { readonly kind: 'count' };

/** What the process and its store take, after everything that can be collected has been. */
export interface Sample {
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** Open descriptors; null where they cannot be counted. */
  readonly descriptors: number | null;
  readonly storeBytes: number;
  readonly storeFiles: number;
  readonly instances: number;
  readonly checkpoints: number;
}

export interface Ended {
  readonly born: number;
  readonly ended: number;
  /** Those with another result than they should have. */
  readonly wrong: number;
}

/** Instances that there are. */
export interface Counts {
  readonly ended: number;
  readonly others: number;
}

/** What happens in the life of an instance: its start, and these events. */
const EVENTS_EACH = 9;
const KEPT = 1_000;
const KEPT_AGE = '10 s';

const parcel = event<{ value: number; padding: string }>('parcel');
const letter = event<number>('letter');

/** Takes what is sent to it and what is published under its key, in turns. */
const lodger = workflow('lodger', function* (key: string): Operation<number> {
  let sum = 0;
  for (let count = 0; count < EVENTS_EACH; count += 1) {
    sum += count % 2 === 0 ? yield* receive(letter, { timeout: '10 min' }) : (yield* receive(parcel, { key })).value;
    if (count === 4) sum += yield* step('think', async () => 1_000);
  }
  yield* sleep(50);
  return sum;
});

const logger: Logger = {
  log(level, message, fields) {
    if (level === 'error') complain(`${message} ${JSON.stringify(fields)}`);
  },
};

/** One instance after the other. */
interface Lane {
  events: number;
  sum: number;
  instance: Promise<Instance<number>>;
}

let runtime: Runtime | null = null;
let directory = '';
let lanes: (Lane | null)[] = [];
let born = 0;
let ended = 0;
let wrong = 0;
const underWay = new Set<Promise<void>>();

async function answer(question: SoakQuestion): Promise<unknown> {
  switch (question.kind) {
    case 'open': {
      const store = jsonStore(question.directory, { logBytesMin: question.logBytesMin ?? undefined });
      runtime = await createRuntime({ workflows: [lodger], store, logger, keepFinished: { count: KEPT, age: KEPT_AGE } });
      directory = question.directory;
      lanes = Array.from({ length: question.lanes }, () => null);
      return;
    }
    case 'sample':
      return sample();
    case 'end':
      await Promise.all(underWay);
      return { born, ended, wrong } satisfies Ended;
    case 'count':
      return count();
  }
}

function serve(arrival: number): Promise<unknown> {
  if (runtime === null) throw new Error('Nothing was opened yet.');
  const place = arrival % lanes.length;
  const lane = lanes[place];
  const id = `lodger ${place}.${Math.floor(arrival / lanes.length / (EVENTS_EACH + 1))}`;
  if (lane === null || lane === undefined) {
    born += 1;
    const instance = runtime.start(lodger, id, { id });
    lanes[place] = { events: 0, sum: 1_000, instance };
    return instance;
  }
  const number = lane.events;
  const value = arrival % 1_000;
  lane.events += 1;
  lane.sum += value;
  if (lane.events === EVENTS_EACH) {
    lanes[place] = null;
    const done = judge(lane).finally(() => underWay.delete(done));
    underWay.add(done);
  }
  return number % 2 === 0 ? post(lane, arrival, value) : runtime.publish(parcel, id, { value, padding: '.'.repeat(100) });
}

/** Goes to the instance, so it has to be there. */
async function post({ instance }: Lane, arrival: number, value: number): Promise<unknown> {
  return (await instance).send(letter, value, { id: `letter ${arrival}` });
}

async function judge({ instance, sum }: Lane): Promise<void> {
  const result = await (await instance).result();
  ended += 1;
  if (result === sum) return;
  wrong += 1;
  complain(`An instance came to ${result}, and not to ${sum}.`);
}

async function sample(): Promise<Sample> {
  // What a collection finalizes is collected by the next one.
  for (let round = 0; round < 2; round += 1) globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const { instances, store } = (runtime as Runtime).health() as unknown as { instances: number; store: { checkpoints: number } };
  const sizes = await Promise.all((await filesBelow(directory)).map(sizeOf));
  return {
    heapBytes: heapUsed,
    rssBytes: rss,
    descriptors: existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : null,
    storeBytes: sizes.reduce((sum, size) => sum + size, 0),
    storeFiles: sizes.length,
    instances,
    checkpoints: store.checkpoints,
  };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** A checkpoint that runs removes files meanwhile. */
async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

async function count(): Promise<Counts> {
  const counts = { ended: 0, others: 0 };
  for await (const { endedAt } of (runtime as Runtime).list()) counts[endedAt === null ? 'others' : 'ended'] += 1;
  return counts;
}

beGuest({ answer, serve });
