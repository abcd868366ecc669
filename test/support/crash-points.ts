// Runs a script of what the outside does once plainly, and once more for every commit that was made, from what a
// crash right after that commit would have left. Whoever reads the outcomes must not be able to tell which is which.

import { type AnyWorkflow, type Operation, type StepContext, type StepOptions, step } from '../../src/index.js';
import type { StorePort } from '../../src/runtime/ports.js';
import { foldInstance, type InstanceDelta, type InstanceRecord, requestKey } from '../../src/runtime/record.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { type CommittedAt, RecordingStore, storeAfter } from './committed-history.js';

/** What the outside does, in order. Each can be done again: after a crash nobody knows whether it was. */
export type Action = (runtime: TestRuntime) => Promise<unknown>;

export interface Script {
  readonly workflows: readonly AnyWorkflow[];
  readonly actions: readonly Action[];
}

/** What became of it: every instance as it is stored at the end, without times, and how often each step was called. */
export interface Outcome {
  readonly instances: Readonly<Record<string, unknown>>;
  readonly calls: Readonly<Record<string, number>>;
}

export interface CrashPoint {
  /** `after commit 3 of 9`. */
  readonly name: string;
  readonly outcome: Outcome;
  /** The calls that are to be made after it: those whose outcome it had not committed. */
  readonly callsExpected: Readonly<Record<string, number>>;
}

const calls = new Map<string, number>();

/** A step that counts how often it is called, by its idempotency key. */
export function counted<T>(name: string, fn: (context: StepContext) => T | Promise<T>, options?: StepOptions): Operation<T> {
  const count = (context: StepContext) => {
    calls.set(context.idempotencyKey, (calls.get(context.idempotencyKey) ?? 0) + 1);
    return fn(context);
  };
  return step(name, count, options);
}

/** Does nothing until this time since the beginning of the script. */
export function until(sinceStartMs: number): Action {
  return async (runtime) => runtime.advance(Math.max(0, START_AT + sinceStartMs - runtime.now()));
}

const START_AT = Date.UTC(2026, 0, 1);

/** Runs the script without a crash, and then from every commit on. */
export async function runFromEveryCommit(script: Script): Promise<{ plain: Outcome; points: CrashPoint[] }> {
  const store = new RecordingStore();
  const plain = await run(script, store, { startAt: START_AT, action: 0 });
  const { history } = store;
  const points: CrashPoint[] = [];
  for (let kept = 0; kept <= history.length; kept++) {
    const committed = history.slice(0, kept);
    const last = committed.at(-1) ?? { at: START_AT, action: 0 };
    const outcome = await run(script, await storeAfter(committed), { startAt: last.at, action: last.action });
    points.push({ name: `after commit ${kept} of ${history.length}`, outcome, callsExpected: callsAfter(committed, plain.calls) });
  }
  return { plain, points };
}

async function run(script: Script, store: StorePort, from: { startAt: number; action: number }): Promise<Outcome> {
  calls.clear();
  const runtime = await createTestRuntime({ workflows: script.workflows, store, startAt: from.startAt });
  const moment = { now: () => runtime.now(), action: from.action };
  if (store instanceof RecordingStore) store.moment = moment;
  await runtime.runUntilIdle();
  for (; moment.action < script.actions.length; moment.action++) {
    await script.actions[moment.action]?.(runtime);
    await runtime.runUntilIdle();
  }
  const ids: string[] = [];
  for await (const { id } of runtime.list()) ids.push(id);
  await runtime.stop();
  return { instances: await readAll(store, ids), calls: Object.fromEntries(calls) };
}

async function readAll(store: StorePort, ids: readonly string[]): Promise<Record<string, unknown>> {
  const opened = await store.open({ logger: { log: () => {} } });
  const records = ids.toSorted().map((id) => [id, opened.readInstance(id)] as const);
  return Object.fromEntries(records.map(([id, record]) => [id, record && withoutTimes(record)]));
}

/** What of a record may not depend on when and how often it was recovered. */
function withoutTimes(record: InstanceRecord): unknown {
  const { workflow, input, status, output, parent, depth, stuck, exposed } = record;
  const error = record.error === null ? null : withoutStacks(record.error);
  const journal = record.journal.map(({ task, pos, status: outcome, kind, name, key }) => [task, pos, outcome, kind, name, key]);
  return { workflow, input, status, output, parent, depth, stuck, error, exposed: [...exposed], journal, open: [...record.pending.keys()] };
}

function withoutStacks(error: unknown): unknown {
  return JSON.parse(JSON.stringify(error), (key: string, value: unknown) => (key === 'stack' ? undefined : value));
}

/** The calls of the plain run, without those whose outcome, or whose failed attempt, is among these commits. */
function callsAfter(committed: readonly CommittedAt[], plain: Readonly<Record<string, number>>): Record<string, number> {
  const deltas = new Map<string, InstanceDelta[]>();
  for (const { commit } of committed) {
    for (const { table, key, delta } of commit.changes)
      if (table === 'instance') deltas.set(key, [...(deltas.get(key) ?? []), JSON.parse(delta) as InstanceDelta]);
  }
  const expected = { ...plain };
  for (const [id, list] of deltas) {
    const record = foldInstance(id, list);
    for (const key of requestedIn(list)) {
      const step = `${id}/${key}`;
      const pending = record?.status === 'active' ? record.pending.get(key) : undefined;
      if (expected[step] !== undefined) expected[step] = pending === undefined ? 0 : expected[step] - pending.attempt;
    }
  }
  return Object.fromEntries(Object.entries(expected).filter(([, count]) => count > 0));
}

function requestedIn(deltas: readonly InstanceDelta[]): string[] {
  const requests = deltas.flatMap((delta) => (delta.p ?? []) as [number, number][]);
  return requests.map(([task, pos]) => requestKey(task, pos));
}
