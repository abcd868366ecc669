// The virtual clock is set forward and back at random, between crashes and while nothing runs, and every deadline of a
// world is held against what the clock said when it fired.

import assert from 'node:assert/strict';
import {
  event,
  memoryStore,
  now,
  type Operation,
  receive,
  sleep,
  sleepUntil,
  step,
  waitForCallback,
  workflow,
} from '../../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../../src/testing.js';
import { Dice } from '../../kill/dice.js';
import type { FaultOptions } from '../fault.js';
import { judgeWakes, type Wake } from './wakes.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SLEEPERS = 20;
const ROUNDS = 3;
const MOVES = 25;
const worldsOf = { short: 40, long: 4_000 };

const go = event<number>('go');

interface Plan {
  readonly id: string;
  readonly ms: readonly number[];
}

export async function setTheVirtualClock({ scale, seed, progress }: FaultOptions): Promise<string[]> {
  const worlds = worldsOf[scale];
  let deadlines = 0;
  let jumps = 0;
  for (let number = 0; number < worlds; number += 1) {
    progress(`${number} of ${worlds} worlds`);
    const world = new JumpyWorld(seed + number);
    await world.live();
    const wrong = judgeWakes(world.wakes);
    assert.deepEqual(wrong, [], `with seed ${seed + number}`);
    assert.equal(world.wakes.length, SLEEPERS * ROUNDS, `deadlines that never fired, with seed ${seed + number}`);
    deadlines += world.wakes.length;
    jumps += world.jumps;
  }
  await assertAttemptsAreUnaffected(seed);
  return [
    `${deadlines.toLocaleString('en-US')} deadlines under ${jumps.toLocaleString('en-US')} jumps of a virtual clock by up to a day, some while nothing ran: each fired once, 0 early, 0 late`,
  ];
}

class JumpyWorld {
  readonly wakes: Wake[] = [];
  jumps = 0;
  readonly #dice: Dice;
  readonly #seed: number;
  readonly #store = memoryStore();
  /** What each sleeper waits for. */
  readonly #waits = new Map<string, number>();
  readonly #sleeper = workflow('sleeper', (plan: Plan) => this.#sleep(plan));
  #runtime: TestRuntime | null = null;
  /** What the clock says while the runtime opens: deadlines fire then, too. */
  #openedAt = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#dice = new Dice(seed);
  }

  async live(): Promise<void> {
    await this.#open(Date.UTC(2026, 0, 1));
    const latest = await this.#fill();
    for (let move = 0; move < MOVES; move += 1) {
      await this.#move();
      this.#assertNoneLate();
    }
    await this.#world.advance(Math.max(0, latest - this.#world.now()) + ROUNDS * 2 * DAY);
    await this.#world.stop();
  }

  get #world(): TestRuntime {
    if (this.#runtime === null) throw new Error('It is not open.');
    return this.#runtime;
  }

  async #open(startAt: number): Promise<void> {
    this.#runtime = null;
    this.#openedAt = startAt;
    const maxResident = this.#dice.chance(0.5) ? 0 : 100;
    this.#runtime = await createTestRuntime({ workflows: [this.#sleeper], store: this.#store, startAt, seed: this.#seed, maxResident });
    await this.#runtime.runUntilIdle();
  }

  /** Resolves to a time to which the clock can have been set. */
  async #fill(): Promise<number> {
    for (let n = 0; n < SLEEPERS; n += 1) {
      const plan = { id: `sleeper ${n}`, ms: Array.from({ length: ROUNDS }, () => MINUTE + this.#dice.below(36 * HOUR)) };
      await this.#world.start(this.#sleeper, plan, { id: plan.id });
    }
    await this.#world.runUntilIdle();
    return this.#world.now() + MOVES * DAY;
  }

  async #move(): Promise<void> {
    const chance = this.#dice.below(100);
    const jump = this.#dice.below(2 * DAY) - DAY;
    if (chance < 40) await this.#world.advance(this.#dice.below(3 * HOUR));
    else if (chance < 50) this.#runtime = await this.#world.crash();
    else if (chance < 80) await this.#world.setClock(this.#world.now() + jump);
    else {
      await this.#world.stop();
      await this.#open(this.#world.now() + jump);
    }
    if (chance >= 50) this.jumps += 1;
    await this.#world.runUntilIdle();
  }

  /** Whatever is past has fired. */
  #assertNoneLate(): void {
    const late = [...this.#waits].filter(([, dueAt]) => dueAt <= this.#world.now());
    assert.deepEqual(late, [], `deadlines that are past have not fired, with seed ${this.#seed}`);
  }

  *#sleep({ id, ms }: Plan): Operation<void> {
    for (const [round, each] of ms.entries()) {
      const dueAt = (yield* now()) + each;
      yield* step('begin', () => void this.#waits.set(id, dueAt));
      yield* waitUntil(dueAt, round + id.length);
      yield* step('look', () => {
        this.#waits.delete(id);
        this.wakes.push({ id, round, dueAt, at: this.#runtime?.now() ?? this.#openedAt });
      });
    }
  }
}

/** In one of the ways to wait for a time. */
function* waitUntil(dueAt: number, way: number): Operation<void> {
  const ms = dueAt - (yield* now());
  if (way % 4 === 0) yield* sleepUntil(dueAt);
  else if (way % 4 === 1) yield* sleep(Math.max(0, ms));
  else if (way % 4 === 2) yield* timedOut(receive(go, { timeout: Math.max(0, ms) }));
  else yield* timedOut(waitForCallback('answer', () => undefined, { timeout: Math.max(0, ms) }));
}

function* timedOut(operation: Operation<unknown>): Operation<void> {
  try {
    yield* operation;
  } catch {
    // It is over.
  }
}

/** A pause between two attempts is time that passes, wherever the clock is set to. */
async function assertAttemptsAreUnaffected(seed: number): Promise<void> {
  for (const jump of [DAY, -DAY]) {
    let attempts = 0;
    const failing = workflow('failing', () => step('fail', fail, { retry: { attempts: 2, delay: '1 minute', factor: 1 } }));
    const fail = (): string => {
      attempts += 1;
      if (attempts === 1) throw new Error('not yet');
      return 'done';
    };
    const world = await createTestRuntime({ workflows: [failing], seed });
    const instance = await world.start(failing);
    await world.runUntilIdle();
    await world.setClock(world.now() + jump);
    // The pause is spread over the upper half of its length.
    await world.advance('29s');
    assert.equal(attempts, 1, `a pause between attempts was cut short by a clock set by ${jump} ms`);
    await world.advance('31s');
    assert.equal(attempts, 2, `a pause between attempts was not over, the clock being set by ${jump} ms`);
    assert.equal(await instance.result(), 'done');
    await world.stop();
  }
}
