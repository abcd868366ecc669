// A process whose clock is set forward and back while it works, and between its lives. It does one life, says what it
// found, and waits to be killed. Started by F14, not by hand.
//
//   argv: the store's directory, the file of wakes, the life, how many sleepers, whether it waits for the clock by itself

import './shifted-date.js';
import { setTimeout as pause } from 'node:timers/promises';
import { createRuntime, event, jsonStore, type Operation, receive, sleep, step, waitForCallback, workflow } from '../../../src/index.js';
import { shiftClock } from './shifted-date.js';
import { noteWake } from './wakes.js';

/** What a life found. Times are as this process measured them, not as its clock said. */
export type Found = Readonly<Record<string, number | string | readonly string[]>>;

const [directory = '', file = '', life = '', count = '', waits = ''] = process.argv.slice(2);
const sleepers = Number(count);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** What does not come within this does not come. */
const PATIENCE_MS = waits === 'waits' ? 120_000 : 15_000;
const STEADY_MS = 300;
const HANGING_MS = 500;
const RETRY_MS = 200;

const go = event<number>('go');
const kept = event<number>('kept');

interface Plan {
  readonly id: string;
  readonly ms: number;
  readonly rounds: number;
}

/** Waits some times, in one of the ways to wait for a time. */
const sleeper = workflow('sleeper', function* ({ id, ms, rounds }: Plan): Operation<void> {
  for (let round = 0; round < rounds; round += 1) {
    const begunAt = yield* step('begin', () => Date.now());
    if (round % 2 === 0) yield* sleep(ms);
    else yield* timedOut(receive(go, { timeout: ms }));
    // Behind the step's own turn: what is due is due a little later than this.
    yield* step('look', () => noteWake(file, { id, round, dueAt: begunAt + ms, at: Date.now() }));
  }
});
const answered = workflow('answered', function* ({ id, ms }: Plan): Operation<void> {
  const begunAt = yield* step('begin', () => Date.now());
  yield* timedOut(waitForCallback('answer', () => undefined, { timeout: ms }));
  yield* step('look', () => noteWake(file, { id, round: 0, dueAt: begunAt + ms, at: Date.now() }));
});
/** Steps against the time that passes, whatever the clock says. */
const steady = workflow('steady', () =>
  step('steady', () => pause(STEADY_MS, 'done'), { timeout: STEADY_MS + PATIENCE_MS / 3, retry: false }),
);
const hanging = workflow('hanging', () => step('hang', () => new Promise<string>(() => {}), { timeout: HANGING_MS, retry: false }));
const flaky = workflow('flaky', (id: string) => step('fail', () => attempt(id), { retry: { attempts: 3, delay: RETRY_MS, factor: 1 } }));
/** What comes from outside makes the runtime look at the clock. */
const nothing = workflow('nothing', function* () {});
const attempts = new Map<string, number[]>();

function* timedOut(operation: Operation<unknown>): Operation<void> {
  try {
    yield* operation;
  } catch {
    // It is over.
  }
}

function attempt(id: string): number[] {
  const times = [...(attempts.get(id) ?? []), performance.now()];
  attempts.set(id, times);
  if (times.length < 3) throw new Error('not yet');
  return times;
}

// Steps begin and end while the clock is set; whether ids are remembered is asked with the clock as it was, and before it.
if (life === 'earlier') shiftClock(-DAY);
if (life === 'later') shiftClock(2 * DAY);
const runtime = await createRuntime({
  workflows: [sleeper, answered, steady, hanging, flaky, nothing],
  store: jsonStore(directory),
  logger: { log: () => {} },
  passivateAfter: 200,
});

async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const late = pause(PATIENCE_MS, null, { ref: false }).then(() =>
    Promise.reject(new Error(`${what} did not happen within ${PATIENCE_MS} ms`)),
  );
  return Promise.race([promise, late]);
}

/** Sets the clock while steps are under way; gives how long each took, and what is wrong with it. */
async function jumpDuringSteps(ms: number, name: string): Promise<{ wrong: string[] }> {
  const begin = performance.now();
  const started = await Promise.all([
    runtime.start(steady, undefined, { id: `steady ${name}` }),
    runtime.start(hanging, undefined, { id: `hanging ${name}` }),
    runtime.start(flaky, `flaky ${name}`, { id: `flaky ${name}` }),
  ]);
  await pause(RETRY_MS / 4);
  shiftClock(ms);
  await runtime.start(nothing);
  const [calm, timedOutAs, times] = await Promise.all([
    within(`the end of a step, the clock being set ${name},`, started[0].result()),
    within(
      `the timeout of a step, the clock being set ${name},`,
      started[1].result().catch((error: { error: { name: string } }) => error.error.name),
    ),
    within(`the third attempt of a step, the clock being set ${name},`, started[2].result()),
  ]);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  return {
    wrong: [
      ...(calm === 'done' ? [] : [`a step came to ${calm}`]),
      ...(timedOutAs === 'TimeoutError' ? [] : [`a step that hangs came to ${timedOutAs}`]),
      ...(performance.now() - begin < HANGING_MS ? ['a step timed out early'] : []),
      // The pause is spread over the upper half of its length; a timer may fire a millisecond early.
      ...gaps.filter((gap) => gap < RETRY_MS / 2 - 1).map((gap) => `a step was tried again after ${Math.round(gap)} ms`),
    ].map((text) => `${text}, the clock being set ${name}`),
  };
}

async function publishAgain(): Promise<string[]> {
  return Promise.all(['a', 'b', 'c'].map(async (id) => (await runtime.publish(kept, 'nobody', 1, { id })).status));
}

async function countCompleted(): Promise<number> {
  let completed = 0;
  for await (const { workflow: name, status } of runtime.list())
    if (['sleeper', 'answered'].includes(name) && status === 'completed') completed += 1;
  return completed;
}

async function allResults(ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => within(`the end of ${id}`, runtime.instance(id).result())));
}

function startSleepers(name: string, number: number, rounds: number, msOf: (n: number) => number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: number }, async (_, n) => {
      const id = `${name} ${n}`;
      await runtime.start(n % 3 === 2 ? answered : sleeper, { id, ms: msOf(n), rounds }, { id });
      return id;
    }),
  );
}

/** What has fired is over: else the clock would be set back while it says that it has. */
async function quiet(): Promise<void> {
  for (let calm = 0; calm < 3; ) {
    await pause(20);
    const { stepsRunning, pendingCommits } = runtime.health();
    calm = Number(stepsRunning) + Number(pendingCommits) === 0 ? calm + 1 : 0;
  }
}

/** The clock is set forward by a day, back by a day, and forward by less than ids are remembered. */
async function firstLife(): Promise<Found> {
  await startSleepers('far', sleepers, 2, (n) => HOUR + (n * 46 * HOUR) / sleepers);
  const short = await startSleepers('short', sleepers, 1, () => 11 * HOUR);
  const first = await publishAgain();
  const { wrong: forward } = await jumpDuringSteps(DAY, 'forward');
  const begin = performance.now();
  await allResults(short);
  const firedMs = performance.now() - begin;
  await startSleepers('ahead', sleepers, 1, () => HOUR / 6);
  await quiet();
  const { wrong: back } = await jumpDuringSteps(-DAY, 'back');
  const before = await countCompleted();
  await pause(2 * HANGING_MS);
  const early = (await countCompleted()) - before;
  const again = await publishAgain();
  shiftClock(23 * HOUR);
  const later = await publishAgain();
  await quiet();
  shiftClock(-23 * HOUR);
  const alone = await waitByItself();
  return { wrong: [...forward, ...back], firedMs, completed: await countCompleted(), early, first, again, later, ...alone };
}

/** Nothing happens but that the clock is set: what is due comes up when it is looked at again. */
async function waitByItself(): Promise<Found> {
  if (waits !== 'waits') return {};
  const { id } = await runtime.start(answered, { id: 'alone', ms: HOUR, rounds: 1 }, { id: 'alone' });
  await pause(1_000);
  shiftClock(2 * HOUR);
  const begin = performance.now();
  await runtime.instance(id).result();
  const aloneMs = performance.now() - begin;
  await quiet();
  shiftClock(-2 * HOUR);
  return { aloneMs };
}

/** The clock is a day behind what the records say. */
async function earlierLife(): Promise<Found> {
  const completed = await countCompleted();
  const again = await publishAgain();
  const begin = performance.now();
  await allResults(await startSleepers('behind', 20, 1, () => 300));
  const behindMs = performance.now() - begin;
  const { wrong } = await jumpDuringSteps(0, 'before it was opened');
  return { completed, again, behindMs, wrong, early: (await countCompleted()) - completed - 20 };
}

/** The clock is so far ahead that everything is due. */
async function laterLife(): Promise<Found> {
  const begin = performance.now();
  const ids: string[] = [];
  for await (const { id, workflow: name } of runtime.list()) if (['sleeper', 'answered'].includes(name)) ids.push(id);
  const halfway = await countCompleted();
  // Second rounds begin now, and are due hours from now.
  await pause(500);
  shiftClock(2 * DAY);
  await runtime.start(nothing);
  await allResults(ids);
  const { bufferedEvents, deadLetters } = runtime.health() as Record<string, unknown>;
  return {
    halfway,
    completed: ids.length,
    recoveredMs: performance.now() - begin,
    buffered: String(bufferedEvents),
    dead: String(deadLetters),
  };
}

const lives: Record<string, () => Promise<Found>> = { first: firstLife, earlier: earlierLife, later: laterLife };
const found = await lives[life]?.().catch((error: unknown) => ({ wrong: [String(error)] }));
process.send?.(found ?? {});
process.once('disconnect', () => process.exit());
