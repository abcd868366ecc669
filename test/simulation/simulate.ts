// Plays a scenario in a world of its own, from beginning to end: what happens, then an end for everyone, then a look
// at what is left.

import { Dice } from '../kill/dice.js';
import { Asking } from './asking.js';
import { Broken } from './broken.js';
import { assertCalm, assertNothingHeld, look } from './calm.js';
import type { Deed, Scenario } from './scenario.js';
import { World } from './world.js';

/** What came of a scenario. */
export interface Outcome {
  readonly broken: Broken | null;
  /** The same for every run of the same scenario. */
  readonly hash: string;
  readonly lines: readonly string[];
  readonly commits: number;
  readonly crashes: number;
  readonly attempts: number;
  readonly calls: number;
  readonly events: number;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

export async function simulate(scenario: Scenario, { keepsTrace = false }: { keepsTrace?: boolean } = {}): Promise<Outcome> {
  const { stackTraceLimit } = Error;
  // Stacks are stored with errors, and name files: without them a seed means the same everywhere.
  Error.stackTraceLimit = Number(process.env.SIMULATION_STACKS ?? 0);
  const world = new World(scenario, { keepsTrace });
  const play = new Play(world);
  let broken: Broken | null = null;
  try {
    await play.run();
  } catch (error) {
    broken =
      error instanceof Broken
        ? error
        : new Broken('D6', `it fell over: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  const { trace, history, ledger, kills } = world;
  return {
    broken,
    hash: trace.hash,
    lines: trace.lines,
    commits: history.commits,
    crashes: kills,
    attempts: [...ledger.steps.values()].reduce((sum, { attempts }) => sum + attempts, 0),
    calls: ledger.calls.length,
    events: ledger.sent.size,
  };
}

class Play {
  readonly #world: World;
  readonly #asking: Asking;

  constructor(world: World) {
    this.#world = world;
    this.#asking = new Asking(world);
  }

  async run(): Promise<void> {
    const { scenario } = this.#world;
    const dice = new Dice(scenario.seed);
    await this.#world.open(dice);
    for (const deed of scenario.deeds) await this.#play(deed);
    await this.#end(dice.part(1));
  }

  async #play(deed: Deed): Promise<void> {
    const dice = new Dice(deed.seed);
    const { turns, seed, ...told } = deed;
    this.#world.trace.add(`${this.#world.now} ${JSON.stringify(told)}`);
    await this.#do(deed, dice);
    if (turns === 'rest') await this.#rest(dice, { isLater: false });
    else for (let turn = 0; turn < turns; turn += 1) await this.#world.turn(dice, this.#world.now);
    if (this.#world.hasFailed) await this.#reopenFailed(dice);
  }

  async #do(deed: Deed, dice: Dice): Promise<void> {
    const world = this.#world;
    const asking = this.#asking;
    switch (deed.do) {
      case 'start':
        return asking.start(deed);
      case 'send':
        return asking.send(deed);
      case 'publish':
        return asking.publish(deed);
      case 'complete':
      case 'reject':
        return asking.answer(deed);
      case 'cancel':
        return asking.cancel(deed.to);
      case 'terminate':
        return asking.terminate(deed.to);
      case 'retry':
        return asking.retry(deed.to);
      case 'break':
        world.changed.add(deed.to);
        return;
      case 'mend':
        world.changed.delete(deed.to);
        return;
      case 'redeliver':
        return asking.redeliver();
      case 'look':
        return world.hasFailed ? undefined : look(world);
      case 'advance':
        return world.advance(dice, deed.ms);
      case 'setClock':
        world.setClock(deed.ms);
        return;
      case 'fault':
        world.current.disk.arm(deed.fault);
        return;
      case 'mendDisk':
        world.current.disk.mend();
        return;
      case 'kill':
      case 'cutPower':
        world.kill({ power: deed.do === 'cutPower' });
        await world.open(dice, deed.early);
        return asking.awaitAgain();
      case 'stop':
        await world.stop(dice, deed.graceMs);
        await world.open(dice);
        return asking.awaitAgain();
    }
  }

  async #rest(dice: Dice, { isLater }: { isLater: boolean }): Promise<void> {
    await this.#world.rest(dice);
    if (!this.#world.hasFailed) assertCalm(this.#world, this.#asking, { isLater });
  }

  /** The runtime has stopped by itself: only a disk may make it do so. */
  async #reopenFailed(dice: Dice): Promise<void> {
    const { current, core } = this.#world;
    if (current.disk.failed.size === 0) {
      const { failure } = core.supervisor;
      const { cause } = failure ?? {};
      throw new Broken(
        'D6',
        `the runtime has failed without a fault of the disk: ${cause instanceof Error ? (cause.stack ?? cause.message) : failure?.message}`,
      );
    }
    current.disk.mend();
    if (dice.chance(0.5)) await this.#world.stop(dice, 0);
    else this.#world.kill({ power: dice.chance(0.5) });
    await this.#world.open(dice);
    this.#asking.awaitAgain();
  }

  /** Everything is put right, and everyone gets to an end. */
  async #end(dice: Dice): Promise<void> {
    const world = this.#world;
    world.trace.add(`${world.now} the end begins`);
    await this.#rest(dice, { isLater: false });
    if (world.hasFailed) await this.#reopenFailed(dice);
    world.current.disk.mend();
    world.changed.clear();
    await this.#pass(dice, 10 * MINUTE);
    await this.#retryAll(dice);
    await look(world);
    await this.#endAll(dice);
    assertNothingHeld(world);
    await this.#lookAfterOpening(dice);
    if (world.scenario.isLong) await this.#forgetAll(dice);
    await world.stop(dice, 0);
  }

  /** A fault of before may still come up meanwhile. */
  async #retryAll(dice: Dice): Promise<void> {
    const { records } = this.#world.history;
    for (let round = 0; round < 3; round += 1) {
      for (const { id, stuck } of records.values()) if (stuck !== null) this.#asking.retry(id);
      await this.#pass(dice, MINUTE);
    }
    for (const { id, stuck } of records.values())
      if (stuck !== null) throw new Broken('D3', `instance ${id} is stuck: ${JSON.stringify(stuck)}`);
  }

  async #pass(dice: Dice, ms: number): Promise<void> {
    await this.#world.advance(dice, ms);
    await this.#rest(dice, { isLater: true });
    if (this.#world.hasFailed) await this.#reopenFailed(dice);
  }

  /** Cleanups may wait, and may start others. */
  async #endAll(dice: Dice): Promise<void> {
    for (let round = 0; ; round += 1) {
      const active: string[] = [];
      for await (const { id, endedAt } of this.#world.core.list()) if (endedAt === null) active.push(id);
      if (active.length === 0) return;
      if (round > 12) throw new Broken('D6', `instances ${active} do not end`);
      for (const id of active) round < 3 ? this.#asking.cancel(id) : this.#asking.terminate(id);
      await this.#pass(dice, 5 * MINUTE);
    }
  }

  async #lookAfterOpening(dice: Dice): Promise<void> {
    const way = dice.below(3);
    if (way === 0) await this.#world.stop(dice, 0);
    else this.#world.kill({ power: way === 1 });
    await this.#world.open(dice);
    this.#asking.awaitAgain();
    await this.#rest(dice, { isLater: true });
    await look(this.#world);
    assertNothingHeld(this.#world);
  }

  /** Ended instances are forgotten after a week, unclaimed events become dead letters after a month. */
  async #forgetAll(dice: Dice): Promise<void> {
    await this.#pass(dice, 40 * DAY);
    await this.#pass(dice, DAY);
    const { history } = this.#world;
    if (history.records.size > 0) throw new Broken('D7', `instances ${[...history.records.keys()]} are not forgotten`);
    assertNothingHeld(this.#world);
    const left = [...history.mailboxes.keys()].filter((address) => address !== '!dead');
    if (left.length > 0) throw new Broken('D7', `mailboxes ${left} are not forgotten`);
    const { deadlines } = this.#world.core.health();
    if (deadlines !== 0) throw new Broken('D7', `${deadlines} deadlines are held`);
  }
}
