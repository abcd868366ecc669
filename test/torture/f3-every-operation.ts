// F3: a crash at every I/O operation. A store lives on a simulated disk that stops behind its k-th call, for every k.
// What a power cut leaves then is found by the next process, several times, with other parts of what was not synced;
// and that process is stopped at each of its own calls, and the one after it, and so on.

import assert from 'node:assert/strict';
import { createSimulatedDisk, type Kept, type SimulatedDisk } from '../../src/testing.js';
import { DiskLife, orHang, type Progress } from './disk-life.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';

interface Plan {
  /** Power cuts behind each call, beside that which keeps nothing and that which keeps everything. */
  readonly cutsPerCall: number;
  /** A crash of the recovery is shown behind each so-manyth call of the life, and each so-manyth of its own. */
  readonly recoveriesBetween: number;
  readonly recoveryCallsBetween: number;
  /** Lives that crash again and again. */
  readonly chains: number;
}

const plans: Readonly<Record<FaultOptions['scale'], Plan>> = {
  short: { cutsPerCall: 1, recoveriesBetween: 97, recoveryCallsBetween: 2, chains: 6 },
  long: { cutsPerCall: 40, recoveriesBetween: 3, recoveryCallsBetween: 1, chains: 1_000 },
};

export const everyOperation: Fault = {
  id: 'F3',
  title: 'a crash at every I/O operation',
  must: 'every state recovers to a prefix that holds every acknowledgement',
  run: async (options) => new EveryOperation(options).run(),
};

class EveryOperation {
  readonly #options: FaultOptions;
  readonly #plan: Plan;
  #states = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
    this.#plan = plans[options.scale];
  }

  async run(): Promise<FaultOutcome> {
    const small = new DiskLife({ commits: 50, closings: [16, 37] });
    const split = new DiskLife({ commits: 20, closings: [14], large: [5] });
    // Batches of many blocks: those that are lost may show what removed files had there.
    const large = new DiskLife({ commits: 16, closings: [9], paddingBytes: 6_000 });
    let calls = 0;
    for (const [name, life] of Object.entries({ small, split, large })) calls += await this.#behindEveryCall(life, name);
    assert(split.shards > small.shards, 'no shard was split');
    assert(small.checkpoints > 3, `only ${small.checkpoints} checkpoints`);
    const checkpoints = small.checkpoints + split.checkpoints + large.checkpoints;
    const direct = this.#states;
    await this.#inRecoveries(small);
    const inRecovery = this.#states - direct;
    await this.#inChains(small);
    return {
      figures: [
        `${this.#states.toLocaleString('en')} states recovered, 0 acknowledged commits lost`,
        `${direct.toLocaleString('en')} behind ${calls} calls of lives with ${checkpoints} checkpoints, splits, closings`,
        `${inRecovery.toLocaleString('en')} behind calls of a recovery, ${(this.#states - direct - inRecovery).toLocaleString('en')} in chains of crashes`,
      ],
    };
  }

  async #behindEveryCall(life: DiskLife, name: string): Promise<number> {
    const calls = await life.countCalls();
    for (let call = 0; call <= calls; call += 1) {
      this.#options.progress(`${name}: call ${call} of ${calls}, ${this.#states} states`);
      const { disk, progress } = await crashAt(life, call);
      for (const kept of this.#cuts(call)) {
        const what = `${name}, stopped behind call ${call}, kept: ${kept}`;
        const left = disk.afterPowerCut(kept);
        this.#states += 1;
        if ((call + this.#states) % 8 === 0) {
          await life.findAndGoOn(left, progress, what);
          this.#states += 1;
          continue;
        }
        const { store, cut } = await life.find(left, progress, what);
        if (kept === 'nothing') assert.equal(cut, null, `${what}: what was synced is not whole`);
        await store.crash();
      }
    }
    return calls;
  }

  /** A process is stopped while it recovers; what it found was a kill's remains, or a power cut's. */
  async #inRecoveries(life: DiskLife): Promise<void> {
    const calls = await life.countCalls();
    for (let call = 3; call <= calls; call += this.#plan.recoveriesBetween) {
      this.#options.progress(`recoveries: call ${call} of ${calls}, ${this.#states} states`);
      const { disk, progress } = await crashAt(life, call);
      for (const [name, make] of [
        ['kill', () => disk.afterKill()],
        ['power cut', () => disk.afterPowerCut(this.#options.seed + call)],
      ] as const) {
        await this.#inOneRecovery(life, make, progress, `stopped behind call ${call}, ${name}`);
      }
    }
  }

  async #inOneRecovery(life: DiskLife, make: () => SimulatedDisk, progress: Progress, what: string): Promise<void> {
    for (let call = 0; ; call += this.#plan.recoveryCallsBetween) {
      const disk = make();
      disk.stopAfter = call;
      const opened = life.open(disk).then((store) => store);
      const store = await orHang(Promise.race([opened, disk.stopped]), what);
      for (const kept of ['nothing', this.#options.seed * 31 + call] as const) {
        const where = `${what}, recovery stopped behind call ${call}, kept: ${kept}`;
        await life.findAndGoOn(disk.afterPowerCut(kept), progress, where);
        this.#states += 2;
      }
      if (store !== undefined) return;
    }
  }

  /** One process after the other goes on with the history and crashes somewhere, by a kill or a power cut. */
  async #inChains(life: DiskLife): Promise<void> {
    const calls = await life.countCalls();
    for (let chain = 0; chain < this.#plan.chains; chain += 1) {
      this.#options.progress(`chains: ${chain} of ${this.#plan.chains}, ${this.#states} states`);
      const seed = this.#options.seed * 1_000_003 + chain;
      let disk = createSimulatedDisk({ seed });
      const progress = { acknowledged: 0, begun: 0 };
      for (let crash = 0; crash < 8 && progress.acknowledged < life.history.commits.length; crash += 1) {
        const draw = (seed * 2_654_435_761 + crash * 40_503) >>> 0;
        const where = `chain ${chain} with seed ${this.#options.seed}, crash ${crash}`;
        disk.stopAfter = 1 + (draw % Math.floor(calls / 2));
        await life.liveUntil(disk, progress, where);
        disk = draw % 3 === 0 ? disk.afterKill() : disk.afterPowerCut();
        this.#states += 1;
      }
      await life.findAndGoOn(disk, progress, `chain ${chain} with seed ${this.#options.seed}, end`);
    }
  }

  #cuts(call: number): Kept[] {
    const seeds = Array.from({ length: this.#plan.cutsPerCall }, (_, index) => (this.#options.seed * 7_919 + call) * 64 + index);
    return ['nothing', 'everything', ...seeds];
  }
}

async function crashAt(life: DiskLife, call: number): Promise<{ disk: SimulatedDisk; progress: Progress }> {
  const disk = createSimulatedDisk({ seed: call });
  disk.stopAfter = call;
  const progress = { acknowledged: 0, begun: 0 };
  await life.liveUntil(disk, progress);
  return { disk, progress };
}
