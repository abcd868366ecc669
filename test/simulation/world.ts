// The simulated world: a disk, a clock and one runtime at a time, whose every move is decided by dice. It outlives the
// runtime's crashes, remembers what was asked and answered, and compares.

import type { RuntimeCore } from '../../src/actors/runtime.js';
import { seededIds } from '../../src/adapters/testing/seeded-ids.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/adapters/testing/simulated-disk.js';
import { RouseError, type StepContext } from '../../src/index.js';
import type { Commit } from '../../src/runtime/ports.js';
import { Dice } from '../kill/dice.js';
import { attempt } from './attempts.js';
import { Broken, type Rule } from './broken.js';
import { History } from './history.js';
import { Ledger } from './ledger.js';
import { Life } from './life.js';
import type { Outside } from './outside.js';
import { createPrograms, type Programs } from './programs.js';
import type { Behaviour, Program, Scenario } from './scenario.js';
import { Trace } from './trace.js';

const START_AT = Date.UTC(2026, 0, 1);
/** Turns of the loop in which nothing happens before nothing will. */
const QUIET_TURNS = 8;
const TURNS_MAX = 50_000;

export class World implements Outside {
  readonly scenario: Scenario;
  readonly trace: Trace;
  readonly ledger = new Ledger();
  readonly history: History;
  readonly workflows: Programs;
  /** Ids of instances whose code was changed under them. */
  readonly changed = new Set<string>();
  readonly #ids;
  readonly #dice: Dice;
  readonly #uncertain: Commit[] = [];
  readonly #newest = new Map<string, number>();
  #disk: SimulatedDisk;
  #life: Life;
  #lives = 0;
  #generators = 0;
  #turns = 0;
  #broken: unknown = null;
  /** How the last life ended; after faults of the disk nobody knows whether it could say so. */
  #ending: 'stop' | 'crash' | 'unknown' = 'unknown';
  #commitsAtOpening = 0;
  kills = 0;

  constructor(scenario: Scenario, { keepsTrace }: { keepsTrace: boolean }) {
    this.scenario = scenario;
    this.trace = new Trace(keepsTrace);
    this.history = new History(this.ledger, this.trace);
    this.workflows = createPrograms(this);
    this.#ids = seededIds(scenario.seed);
    this.#dice = new Dice(scenario.seed);
    this.#disk = createSimulatedDisk({ seed: scenario.seed });
    this.history.latest = START_AT;
    this.#life = this.#nextLife(START_AT);
  }

  get life(): number {
    return this.#life.number;
  }

  get current(): Life {
    return this.#life;
  }

  get core(): RuntimeCore {
    if (this.#life.core === null) throw new Error('The runtime has not been opened.');
    return this.#life.core;
  }

  get now(): number {
    return this.#life.clock.now();
  }

  get programs(): readonly Program[] {
    return this.scenario.programs;
  }

  get disk(): SimulatedDisk {
    return this.#disk;
  }

  get hasFailed(): boolean {
    return this.#life.core?.health().live === false;
  }

  // --- what programs see of it

  begin(instanceId: string): number {
    this.#generators += 1;
    this.#newest.set(instanceId, this.#generators);
    return this.#generators;
  }

  assertNewest(instanceId: string, number: number): void {
    if (this.#newest.get(instanceId) !== number) this.broken('D9', `an old generator of instance ${instanceId} runs`);
  }

  attempt(label: string, how: Behaviour, context: StepContext): unknown {
    return this.guarded(() => attempt(this, { label, how, context }));
  }

  submitted(label: string, token: string): void {
    this.guarded(() => this.ledger.submit(label, token));
  }

  gaveToEphemeral(label: string): void {
    this.history.events.giveToEphemeral(label);
  }

  /** The code lies only about what it has asked before: what it asks for the first time is what it will stand by. */
  isChanged(instanceId: string, label: string): boolean {
    return this.changed.has(instanceId) && this.ledger.hasRun(label);
  }

  broken(rule: Rule, text: string): never {
    const error = new Broken(rule, text);
    this.note(error);
    throw error;
  }

  /** Runs something inside of the runtime that may find a promise broken: what is thrown there may be swallowed. */
  guarded<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof Broken) this.note(error);
      throw error;
    }
  }

  /** The same where nobody is there to catch it. */
  watched(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.note(error);
    }
  }

  readonly note = (error: unknown): void => {
    this.#broken ??= error;
  };

  // --- how it goes on

  /** Lets one thing happen, at most up to a moment. False when nothing can. */
  async turn(dice: Dice, until: number): Promise<boolean> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet += 1) {
      const hasHappened = this.#happen(dice, until);
      await immediate();
      if (this.#broken !== null) throw this.#broken;
      if (!hasHappened) continue;
      this.#turns += 1;
      if (this.#turns > TURNS_MAX) this.broken('D6', `after ${TURNS_MAX} turns of the world it does not come to rest`);
      return true;
    }
    return false;
  }

  #happen(dice: Dice, until: number): boolean {
    const { clock, happenings } = this.#life;
    const next = clock.nextAt ?? Infinity;
    const isDue = next <= clock.now();
    if (isDue && (happenings.size === 0 || dice.chance(0.5))) return clock.fireDue();
    if (happenings.size > 0 && (next > until || isDue || !dice.chance(0.1))) {
      happenings.take(dice)?.run();
      return true;
    }
    if (next > until || next === Infinity) return false;
    clock.moveTo(next);
    this.#noteTime();
    return true;
  }

  #noteTime(): void {
    this.history.latest = Math.max(this.history.latest, this.now);
  }

  /** Until nothing happens by itself any more; time stands still. */
  async rest(dice: Dice): Promise<void> {
    while (await this.turn(dice, this.now));
    // A deadline that came up in the pause after a failed write is held until that is over.
    if (this.#life.disk.failed.size === 0) this.history.latest = this.now;
  }

  async advance(dice: Dice, ms: number): Promise<void> {
    const until = this.now + ms;
    while (await this.turn(dice, until));
    this.#life.clock.moveTo(until);
    this.#noteTime();
  }

  setClock(by: number): void {
    this.#life.wasSet = true;
    this.#life.clock.setTo(this.now + by);
    this.#noteTime();
  }

  /** Kills the process, or takes the power from the machine. */
  kill({ power }: { power: boolean }): void {
    this.kills += 1;
    const at = this.now;
    this.#life.end();
    this.ledger.lose();
    this.#disk = power ? this.#disk.afterPowerCut(this.#dice.below(2 ** 32)) : this.#disk.afterKill();
    this.#ending = 'crash';
    this.#life = this.#nextLife(at);
  }

  /** Stops in order. */
  async stop(dice: Dice, graceMs: number): Promise<void> {
    const { clock, core } = this.#life;
    this.#life.isStopping = true;
    let isStopped = false;
    const stopped = this.core.stop({ grace: graceMs }).then(
      () => {
        isStopped = true;
      },
      (error: unknown) => {
        isStopped = true;
        this.note(new Broken('D6', `stop() was refused: ${String(error)}`));
      },
    );
    while (!isStopped) if (!(await this.turn(dice, Infinity)) && !isStopped) this.broken('D6', 'stop() does not end');
    await stopped;
    this.trace.add(`stopped at ${clock.now()}, live ${core?.health().live}`);
    await immediate();
    this.#assertAnswered('the stop');
    this.#checkLeft();
    this.#life.end();
    this.ledger.lose();
    const hadFaults = this.#life.disk.failed.size > 0;
    this.#ending = hadFaults ? 'unknown' : 'stop';
    // What could not be removed of its lock goes with the process.
    if (hadFaults) this.#disk = this.#disk.afterKill();
    this.#life = this.#nextLife(clock.now());
  }

  /** Opens the store and recovers; killed on the way after so many turns, each in its turn. */
  async open(dice: Dice, early: readonly number[] = []): Promise<void> {
    for (const turns of early) {
      if (await this.#openWithin(dice, turns)) this.trace.add('opened before the kill');
      this.kill({ power: dice.chance(0.5) });
    }
    for (let attempt = 0; !(await this.#openWithin(dice, Infinity)); attempt += 1) {
      if (attempt > 3) this.broken('D8', 'the store does not open');
      this.kill({ power: false });
    }
  }

  /** False when it was not open in so many turns, or a fault kept it from that. */
  async #openWithin(dice: Dice, turnsMax: number): Promise<boolean> {
    let state: 'opening' | 'open' | 'refused' = 'opening';
    let refusal: unknown = null;
    this.#life.begin().then(
      () => {
        state = 'open';
      },
      (error: unknown) => {
        refusal = error;
        state = 'refused';
      },
    );
    const isOpening = (): boolean => state === 'opening';
    for (let turns = 0; isOpening(); turns += 1) {
      if (turns >= turnsMax) return false;
      if (!(await this.turn(dice, this.now)) && isOpening()) this.broken('D6', 'opening the store does not end');
    }
    if (refusal !== null) this.#judgeRefusal(refusal);
    if (refusal === null) this.#judgeRecovery();
    return refusal === null;
  }

  #judgeRefusal(refusal: unknown): void {
    if (refusal instanceof Broken) throw refusal;
    const isExpected = this.#life.disk.failed.size > 0 && refusal instanceof RouseError && refusal.code !== 'STORE_CORRUPT';
    if (!isExpected)
      this.broken('D8', `the store did not open: ${refusal instanceof Error ? (refusal.stack ?? refusal.message) : String(refusal)}`);
    this.trace.add(`the store did not open: ${refusal.message}`);
  }

  #judgeRecovery(): void {
    const clean = this.#life.recovery?.clean;
    this.trace.add(`open, life ${this.life}, clean ${clean}`);
    if (clean === true && this.#ending === 'crash' && this.history.commits > this.#commitsAtOpening)
      this.broken('D8', 'the store takes the last process for one that ended in order');
    if (clean === false && this.#ending === 'stop') this.broken('D8', 'the store takes the last process for one that crashed');
    this.#commitsAtOpening = this.history.commits;
  }

  /** Every call has been answered (D6). */
  #assertAnswered(what: string): void {
    const open = this.ledger.calls.find((call) => call.fate === 'pending' && call.life === this.life);
    if (open !== undefined) this.broken('D6', `${open.what} is not answered after ${what}`);
  }

  assertAtRest(): void {
    this.#assertAnswered('all has come to rest');
  }

  /** The lock is given back, and no file is open, when a store is closed (D7). */
  #checkLeft(): void {
    if (this.#life.disk.failed.size > 0) return;
    if (this.#disk.openFiles > 0) this.broken('D7', `${this.#disk.openFiles} files are open after the stop`);
    if (this.#disk.files.has('/store/lock')) this.broken('D7', 'the lock is there after the stop');
  }

  #nextLife(at: number): Life {
    this.#lives += 1;
    const dice = this.#dice.part(this.#lives);
    return new Life({
      number: this.#lives,
      scenario: this.scenario,
      disk: this.#disk,
      dice,
      at,
      trace: this.trace,
      history: this.history,
      witness: { history: this.history, uncertain: this.#uncertain, onBroken: this.note },
      ids: this.#ids,
      workflows: [this.workflows.durable, this.workflows.ephemeral],
    });
  }
}

function immediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
