// A program as a rouse workflow.

import {
  all,
  allSettled,
  any,
  createLatch,
  createPool,
  createQueue,
  createSemaphore,
  event,
  InstanceEndedError,
  instanceId,
  type Operation,
  race,
  receive,
  sleep,
  spawn,
  spawnAfter,
  timeout,
  workflow,
} from '../../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../../src/testing.js';
import { type Action, type Outcome as CrashOutcome, runFromEveryCommit, until } from '../../support/crash-points.js';
import { newRun, playProgram, type Run } from './interpreter.js';
import type { Item, Members, Operations } from './operations.js';
import { describeFailure, type Outcome, outcomeOf } from './outcome.js';
import { outsideOf, type Program } from './program.js';

const told = event<string>('told');

/** Longer than any program sleeps. */
const LONG_MS = 1_000_000;

const ID = 'p';

const operations: Operations = {
  sleep,
  receive: () => receive(told),
  spawn,
  spawnAfter,
  all: (members: Members) => all(members as Operation<unknown>[]),
  allSettled: (members: Members) => allSettled(members as Operation<unknown>[]),
  race: (members: Members) => race(members as [Operation<unknown>]),
  any: (members: Members) => any(members as [Operation<unknown>]),
  timeout: (ms, member, options) => (options === undefined ? timeout(ms, member) : timeout(ms, member, options)),
  createPool,
  createQueue: (capacity, options) => createQueue<Item>(capacity, options),
  createSemaphore,
  createLatch: () => createLatch<unknown>(),
};

/** The latest life of each instance: a replay begins a new one. */
const lives = new Map<string, Run>();

const played = workflow('played', function* (program: Program) {
  const run = newRun(operations);
  lives.set(yield* instanceId(), run);
  return yield* playProgram(run, program);
});

/** Plays a program on rouse. */
export async function play(program: Program): Promise<Outcome> {
  lives.clear();
  const runtime = await createTestRuntime({ workflows: [played], ...(program.isPassivated && { maxResident: 0 }) });
  for (const action of actionsOf(program)) await action(runtime);
  const instance = runtime.instance(ID);
  const { status, error } = await instance.info();
  const result = status === 'completed' ? String(await instance.result()) : error === null ? '' : describeFailure(error);
  await runtime.stop();
  return outcomeOf(lives.get(ID) ?? newRun(operations), status, result);
}

export interface Replayed {
  readonly name: string;
  /** What is stored in the end. */
  readonly stored: CrashOutcome['instances'];
  /** What its last life came to; null when the instance had ended before it could live again. */
  readonly outcome: Outcome | null;
}

/** Plays a program once plainly, and once more from what a crash after each of its commits would have left. */
export async function playFromEveryCommit(program: Program): Promise<{ plain: Replayed; points: Replayed[] }> {
  const outcomes: (Outcome | null)[] = [];
  lives.clear();
  const collect: Action = async () => {
    const life = lives.get(ID);
    outcomes.push(life === undefined ? null : outcomeOf(life, '', ''));
    lives.clear();
  };
  const { plain, points } = await runFromEveryCommit({ workflows: [played], actions: [...actionsOf(program), collect] });
  return {
    plain: { name: 'without a crash', stored: plain.instances, outcome: outcomes[0] ?? null },
    points: points.map(({ name, outcome }, index) => ({ name, stored: outcome.instances, outcome: outcomes[index + 1] ?? null })),
  };
}

/** What the outside does, each of which can be done again. */
function actionsOf(program: Program): Action[] {
  const outside = outsideOf(program).map(
    ({ at, what }): Action =>
      async (runtime) => {
        await until(at)(runtime);
        await tell(runtime, what);
        await runtime.runUntilIdle();
      },
  );
  return [(runtime) => runtime.start(played, program, { id: ID }), ...outside, until(LONG_MS)];
}

/** Sends an event, or cancels. That nobody is there any more is well. */
async function tell(runtime: TestRuntime, what: string): Promise<void> {
  try {
    if (what === 'cancel') await runtime.instance(ID).cancel();
    else await runtime.send(ID, told, what, { id: what });
  } catch (error) {
    if (!(error instanceof InstanceEndedError)) throw error;
  }
}
