// Rules for green threads, each with a workflow that shows it: every workflow runs once as it is, and once more from
// every commit of that run on. What it gives, how it ends and how often its steps are called must be the same.

import { afterAll, describe, expect, test } from 'vitest';
import { CancelledError, now, type Operation, sleep, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { type Action, counted, runFromEveryCommit, until } from '../support/crash-points.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export interface Rule {
  /** The sentence. One of the 23 begins with its number. */
  readonly rule: string;
  /** Shows it. What is asserted is what it gives, so that a replay has to find all of it again. */
  readonly body: () => Operation<unknown>;
  /** What the outside does to the instance `t` once it has started; lets five days pass when nothing else is said. */
  readonly script?: readonly Action[];
  /** What the workflow gives: plain data. */
  readonly expected: unknown;
}

/** Makes the tests of these rules, and says at the end at how many positions they were interrupted. */
export function testRules(what: string, rules: readonly Rule[]): void {
  const named = rules.map((rule) => [rule.rule, rule] as const);

  describe('live', () => {
    test.each(named)('%s', async (_sentence, rule) => {
      const { workflows, actions } = toScript(rule);
      const runtime = await createTestRuntime({ workflows, passivateAfter: '1000 days' });
      for (const action of actions) await action(runtime);

      await expect(runtime.instance('t').result()).resolves.toEqual(rule.expected);
      expect(runtime.health()).toMatchObject({ parkedAddresses: 0, deadlines: 0 });
      await runtime.stop();
    });
  });

  describe('after a crash at every position', () => {
    let positions = 0;

    test.each(named)('%s', async (_sentence, rule) => {
      const { plain, points } = await runFromEveryCommit(toScript(rule));
      positions += points.length;

      expect(points.length).toBeGreaterThan(4);
      expect(plain.instances).toMatchObject({ t: { status: 'completed', stuck: null, open: [], output: rule.expected } });
      for (const { name, outcome, callsExpected } of points) {
        expect(outcome.instances, name).toEqual(plain.instances);
        expect(outcome.calls, name).toEqual(callsExpected);
      }
    });

    afterAll(() => {
      const numbered = rules.filter(({ rule }) => /^\d/.test(rule)).length;
      const counts = [`${numbered} rules`, `${rules.length - numbered} edges`, `${positions} positions`];
      console.info(`crash at every position, ${what}: ${counts.join(', ')}`);
    });
  });
}

function toScript({ body, script }: Rule) {
  const tested = workflow('tested', body);
  const start: Action = (runtime) => runtime.start(tested, undefined, { id: 't' });
  return { workflows: [tested], actions: [start, ...(script ?? [until(5 * DAY)])] };
}

/** What happened, line by line, each with the hour at which it did. */
export class Trail {
  readonly lines: string[] = [];
  readonly #startedAt: number;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  /** The hours that have passed since the trail began. */
  *hour(): Operation<number> {
    return ((yield* now()) - this.#startedAt) / HOUR;
  }

  *note(text: string): Operation<void> {
    this.lines.push(`${yield* this.hour()} h: ${text}`);
  }

  /** A body that does nothing but note this. */
  noting(text: string): () => Operation<void> {
    return () => this.note(text);
  }
}

export function* beginTrail(): Operation<Trail> {
  return new Trail(yield* now());
}

export function hours(count: number): Operation<void> {
  return sleep(count * HOUR);
}

/** Runs an operation that is to fail, and gives its error; says so when it does not. A function may fail in making it. */
export function* caught(operation: Operation<unknown> | (() => Operation<unknown>)): Operation<Error> {
  try {
    yield* typeof operation === 'function' ? operation() : operation;
  } catch (error) {
    return error as Error;
  }
  return new Error('nothing was thrown');
}

/** Runs an operation that is to fail, and says with what it does. */
export function* told(operation: Operation<unknown> | (() => Operation<unknown>)): Operation<string> {
  return nameOf(yield* caught(operation));
}

/** `RangeError: too far`, `CancelledError: Cancelled.` */
export function nameOf(error: unknown): string {
  if (error instanceof CancelledError) return `CancelledError: ${error.reason}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Sleeps for nine hours; when it is cancelled it takes an hour to clean up, and notes all of it. */
export function* tidy(trail: Trail, who: string): Operation<void> {
  try {
    yield* hours(9);
    yield* trail.note(`${who} overslept`);
  } catch (error) {
    yield* trail.note(`${who} is told ${nameOf(error)}`);
    throw error;
  } finally {
    yield* counted(`${who} cleans up`, () => who);
    yield* hours(1);
    yield* trail.note(`${who} is clean`);
  }
}
