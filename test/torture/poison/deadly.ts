// The process that dies of a step of its own: it opens a store, says what it finds when it lives, and does what it is
// asked. Started by F15, not by hand.
//
//   argv: the store's directory, whether the step is deadly, how it ends the process

import { setTimeout as pause } from 'node:timers/promises';
import { createRuntime, event, jsonStore, receive, step, workflow } from '../../../src/index.js';

export type ToDeadly = { readonly kind: 'fill'; readonly sleepers: number; readonly workers: number } | { readonly kind: 'look' | 'retry' };

/** What one finds that lives. */
export interface Found {
  readonly kind: 'opened' | 'filled' | 'found' | 'retried';
  /** By status, of the workers whose steps were in flight each time. */
  readonly workers: Readonly<Record<string, number>>;
  readonly deadly: { readonly status: string; readonly code: string | null } | null;
  /** Of an event to each sleeper. */
  readonly eventsPerSecond: number;
}

/** What the process ends with when its step ends it, and nothing else does. */
const DEADLY_EXIT = 42;

const [directory = '', isDeadly = '', ending = ''] = process.argv.slice(2);
const go = event<number>('go');

/** Long enough that it is not over when the deadly one is begun, short enough to be over soon after. */
const WORK_MS = 25;

const sleeper = workflow('sleeper', function* () {
  let sum = 0;
  for (;;) {
    const n = yield* receive(go);
    if (n === 0) return sum;
    sum += n;
  }
});
const worker = workflow('worker', () => step('work', () => pause(WORK_MS, 'worked')));
const deadly = workflow('deadly', () => step('die', die));

function die(): string {
  if (isDeadly !== 'deadly') return 'survived';
  if (ending === 'exit') process.exit(DEADLY_EXIT);
  process.kill(process.pid, 'SIGKILL');
  return 'is dying';
}

const runtime = await createRuntime({ workflows: [sleeper, worker, deadly], store: jsonStore(directory), logger: { log: () => {} } });

async function fill(sleepers: number, workers: number): Promise<void> {
  await Promise.all(Array.from({ length: sleepers }, (_, n) => runtime.start(sleeper, undefined, { id: `sleeper ${n}` })));
  const starts = Array.from({ length: workers }, (_, n) => runtime.start(worker, undefined, { id: `worker ${n}` }));
  await Promise.all([...starts, runtime.start(deadly, undefined, { id: 'deadly' })]);
}

async function look(): Promise<Omit<Found, 'kind'>> {
  const workers: Record<string, number> = {};
  let found: Found['deadly'] = null;
  const sleepers: string[] = [];
  for await (const { id, workflow: name, status, error } of runtime.list()) {
    if (name === 'worker') workers[status] = (workers[status] ?? 0) + 1;
    if (name === 'deadly') found = { status, code: error?.code ?? null };
    if (name === 'sleeper') sleepers.push(id);
  }
  const begin = performance.now();
  await Promise.all(sleepers.map((id) => runtime.send(id, go, 1)));
  return { workers, deadly: found, eventsPerSecond: Math.round((sleepers.length * 1_000) / (performance.now() - begin)) };
}

/** Whether a step is still to run: its instance has neither ended nor is it stuck. */
async function hasUnfinished(): Promise<boolean> {
  for await (const { workflow: name, status } of runtime.list()) {
    if (name !== 'sleeper' && (status === 'running' || status === 'sleeping')) return true;
  }
  return false;
}

async function obey(order: ToDeadly): Promise<void> {
  if (order.kind === 'fill') {
    await fill(order.sleepers, order.workers);
    process.send?.({ kind: 'filled' });
    return;
  }
  if (order.kind === 'retry') {
    await runtime.instance('deadly').retry();
    await runtime.instance('deadly').result();
  }
  while (await hasUnfinished()) await pause(WORK_MS);
  process.send?.({ kind: order.kind === 'retry' ? 'retried' : 'found', ...(await look()) });
}

process.on('message', (order: ToDeadly) => void obey(order));
process.once('disconnect', () => process.exit());
process.send?.({ kind: 'opened' });
