// F7: fsync fails once, then succeeds. The kernel has dropped the dirty pages, or shows them though they are not on disk
// and no later fsync writes them: what was not synced then is lost, whatever fsync says afterwards. So nothing may be
// acknowledged any more; and the process that opens the store next, on the same running machine, must not trust what it
// reads there without having written it.

import assert from 'node:assert/strict';
import { createSimulatedDisk, type FailedSync, type SimulatedDisk } from '../../src/testing.js';
import { DiskLife, orHang, type Progress } from './disk-life.js';
import { call, compare, Ledger, openRuntime } from './disk-runtime.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';

export const failedSync: Fault = {
  id: 'F7',
  title: 'fsync fails once, then succeeds',
  must: 'nothing acknowledged after it; stop; restart recovers',
  run: async (options) => new FailedSyncs(options).run(),
};

class FailedSyncs {
  readonly #options: FaultOptions;
  #failures = 0;
  #powerCuts = 0;
  #refused = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  async run(): Promise<FaultOutcome> {
    const isLong = this.#options.scale === 'long';
    // Commits of several pages: what is written to a page later would bring the rest of it to disk after all.
    const life = new DiskLife({ commits: 24, closings: [12], paddingBytes: 9_000 });
    const runtimeStep = isLong ? 1 : 9;
    for (const how of this.#ways()) {
      for (let nth = 1; await this.#inStore(life, nth, how); nth += 1) this.#progress(`store, sync ${nth}`, how);
      for (let nth = 1; await this.#inRuntime(nth, how); nth += runtimeStep) this.#progress(`runtime, sync ${nth}`, how);
    }
    assert(this.#refused > 0, 'no caller was refused anything');
    return {
      figures: [
        `${this.#failures} syncs failed once, ${this.#refused} later requests refused, 0 acknowledged`,
        `${this.#powerCuts} restarts with a power cut behind them, 0 acknowledged commits lost`,
      ],
    };
  }

  #ways(): FailedSync[] {
    const { seed, scale } = this.#options;
    const worst: FailedSync[] = [
      { kept: 'nothing', reads: 'new' },
      { kept: seed, reads: 'old' },
    ];
    if (scale === 'short') return worst;
    const seeds = Array.from({ length: 10 }, (_, index) => seed * 101 + index);
    const others = seeds.flatMap((kept): FailedSync[] => [
      { kept, reads: 'new' },
      { kept, reads: 'old' },
    ]);
    return [...worst, { kept: 'everything', reads: 'new' }, { kept: 'nothing', reads: 'old' }, ...others];
  }

  #progress(text: string, { kept, reads }: FailedSync): void {
    this.#options.progress(`${text}, kept: ${kept}, reads: ${reads}; ${this.#failures} failures`);
  }

  /** Resolves false when there are not so many syncs. */
  async #inStore(life: DiskLife, nth: number, how: FailedSync): Promise<boolean> {
    const what = `sync ${nth} failed once, kept: ${how.kept}, reads: ${how.reads}`;
    const { disk, failed } = failingDisk(nth, how);
    const progress: Progress = { acknowledged: 0, begun: 0 };
    const told = await orHang(tellError(life.live(disk, progress)), what);
    if (!failed()) return false;
    this.#failures += 1;
    if (told !== undefined) {
      assert.equal(codeOf(told), 'STORE_FAILED', `${what}: the caller is told ${String(told)}`);
      await this.#isRefused(life, what);
    }
    for (const kept of ['nothing', 'everything', this.#options.seed * 17 + nth] as const) {
      await life.findAndGoOn(disk.afterKill(), progress, `${what}; restarted`, kept);
      await life.findAndGoOn(disk.afterPowerCut(kept), progress, `${what}; power cut, kept: ${kept}`);
      this.#powerCuts += 2;
    }
    return true;
  }

  /** The disk works again, and the store takes nothing all the same. */
  async #isRefused(life: DiskLife, what: string): Promise<void> {
    const store = life.store;
    if (store === null) return;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const again: unknown = await orHang(tellError(store.append(life.history.commits.slice(0, 1))), what);
      assert.equal(codeOf(again), 'STORE_FAILED', `${what}: a later append is told ${String(again)}`);
      this.#refused += 1;
    }
    await orHang(store.close(), `${what}: closing`);
  }

  async #inRuntime(nth: number, how: FailedSync): Promise<boolean> {
    const what = `runtime, sync ${nth} failed once, kept: ${how.kept}, reads: ${how.reads}`;
    const { disk, failed } = failingDisk(nth, how);
    const ledger = new Ledger();
    const runtime = await openRuntime(disk).catch((error: unknown) => {
      assert(failed(), `${what}: it does not start: ${String(error)}`);
      return undefined;
    });
    if (runtime !== undefined) {
      await call(runtime, ledger, { rounds: 4 });
      if (!failed()) return false;
      this.#refused += ledger.count('unknown') + ledger.count('refused');
      const after = new Ledger(ledger.starts);
      const known = after.count('done');
      await call(runtime, after, { rounds: 1, from: 100 });
      assert.equal(after.count('done'), known, `${what}: something was acknowledged after it`);
      assert.equal(runtime.health().live, false, `${what}: the runtime says that it lives`);
      await runtime.stop();
    }
    this.#failures += 1;
    await this.#restart(disk, ledger, what);
    return true;
  }

  /** On the same machine; then the power is cut. */
  async #restart(disk: SimulatedDisk, ledger: Ledger, what: string): Promise<void> {
    const same = disk.afterKill();
    const restarted = await openRuntime(same);
    await call(restarted, ledger, { rounds: 2, from: 200 });
    await compare(restarted, ledger, `${what}; restarted`);
    await restarted.crash();
    for (const found of [same.afterPowerCut('nothing'), same.afterPowerCut(this.#options.seed)]) {
      const last = await openRuntime(found);
      await compare(last, ledger, `${what}; restarted, then a power cut`);
      await last.stop();
      this.#powerCuts += 1;
    }
  }
}

function failingDisk(nth: number, how: FailedSync): { disk: SimulatedDisk; failed: () => boolean } {
  const disk = createSimulatedDisk({ seed: nth });
  disk.failedSync = how;
  let syncs = 0;
  disk.fault = (each) => {
    if (each !== 'sync' && each !== 'syncDirectory') return undefined;
    syncs += 1;
    return syncs === nth ? 'EIO' : undefined;
  };
  return { disk, failed: () => syncs >= nth };
}

function tellError(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}
