// The process with the runtime, of F11: many instances asleep on keys, and events for them.
//
//   started by f11-open-loop.ts, not by hand

import { setTimeout as pause } from 'node:timers/promises';
import { jsonStore } from '../../../src/adapters/stores/json/json-store.js';
import { createRuntime, event, type Logger, type Operation, type Runtime, receive, workflow } from '../../../src/index.js';
import { beGuest, complain } from './guest.js';
import { WatchedLoop } from './watched-loop.js';

export type SleepersQuestion =
  | { readonly kind: 'open'; readonly directory: string; readonly instances: number; readonly logBytesMin: number | null }
  /** What an idle loop shows, for a while, when no checkpoint is written any more. */
  | { readonly kind: 'idle'; readonly ms: number }
  | { readonly kind: 'begin' }
  | { readonly kind: 'figures' }
  /** Of a store that nobody has open: whether each arrival is in the journal of its sleeper, once and in order. */
  | { readonly kind: 'verify'; readonly directory: string; readonly instances: number; readonly arrivals: number };

export interface Verified {
  readonly lost: number;
  readonly twice: number;
  readonly misplaced: number;
}

const STARTS_AT_ONCE = 500;

const ping = event<number>('ping');
const sleeper = workflow('sleeper', function* (key: string): Operation<never> {
  for (;;) yield* receive(ping, { key });
});

const logger: Logger = {
  log(level, message, fields) {
    if (level === 'error') complain(`${message} ${JSON.stringify(fields)}`);
  },
};

const loop = new WatchedLoop();
let runtime: Runtime | null = null;
let sleepers = 1;

/** Spreads arrivals as if at random. */
function sleeperOf(arrival: number, instances: number): string {
  return `sleeper ${(Math.imul(arrival + 1, 0x9e3779b1) >>> 8) % instances}`;
}

async function answer(question: SleepersQuestion): Promise<unknown> {
  switch (question.kind) {
    case 'open':
      return open(question);
    case 'idle':
      await loop.quiet();
      loop.begin();
      await pause(question.ms);
      return loop.take();
    case 'begin':
      return loop.begin();
    case 'figures':
      return loop.take();
    case 'verify':
      return verify(question);
  }
}

async function open({ directory, instances, logBytesMin }: SleepersQuestion & { kind: 'open' }): Promise<void> {
  const store = jsonStore(directory, { fileSystem: loop.fileSystem, logBytesMin: logBytesMin ?? undefined });
  const opened = await createRuntime({ workflows: [sleeper], store, logger });
  const park = async (worker: number): Promise<void> => {
    for (let number = worker; number < instances; number += STARTS_AT_ONCE) {
      const id = `sleeper ${number}`;
      await opened.start(sleeper, id, { id });
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, (_, worker) => park(worker)));
  runtime = opened;
  sleepers = instances;
}

function serve(arrival: number): Promise<unknown> {
  if (runtime === null) throw new Error('Nothing was opened yet.');
  return runtime.publish(ping, sleeperOf(arrival, sleepers), arrival);
}

async function verify({ directory, instances, arrivals }: SleepersQuestion & { kind: 'verify' }): Promise<Verified> {
  const store = await jsonStore(directory).open({ logger });
  const found = new Uint8Array(arrivals);
  let misplaced = 0;
  for (let number = 0; number < instances; number += 1) {
    const record = store.readInstance(`sleeper ${number}`);
    let last = -1;
    for (const { value } of record?.journal ?? []) {
      const arrival = Number(value);
      if (arrival <= last || sleeperOf(arrival, instances) !== record?.id) misplaced += 1;
      last = arrival;
      found[arrival] = (found[arrival] ?? 0) + 1;
    }
  }
  await store.close();
  const count = (isIt: (times: number) => boolean): number => found.reduce((sum, times) => sum + (isIt(times) ? 1 : 0), 0);
  return { lost: count((times) => times === 0), twice: count((times) => times > 1), misplaced };
}

beGuest({ answer, serve });
