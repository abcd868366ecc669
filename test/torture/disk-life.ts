// The life of a store on a simulated disk: a history of commits appended in batches of several lengths, with checkpoints,
// split shards, closings and openings on the way; and what a store must be that is found after something went wrong.

import assert from 'node:assert/strict';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { limits } from '../../src/runtime/limits.js';
import type { Commit, OpenStore } from '../../src/runtime/ports.js';
import { StoreFullError, StoreWriteError } from '../../src/runtime/store-errors.js';
import { createSimulatedDisk, type Kept, type SimulatedDisk } from '../../src/testing.js';
import { describeStore, type History, makeHistory, makeStates } from '../stores/history.js';
import { begin, MemoryLogger, openStore, remove } from '../stores/store-harness.js';

const directory = '/data/store';
/** Many checkpoints, of few commits each. */
const logBytes = 700;

/** How far a life has come. Commits are counted from the beginning of the history. */
export interface Progress {
  /** Those that were acknowledged. */
  acknowledged: number;
  /** Those that were given to the store. */
  begun: number;
}

export interface LifeOptions {
  readonly commits: number;
  /** The store is closed and opened again in front of these commits. */
  readonly closings: readonly number[];
  /** These commits make an instance that is too large for one shard; it goes again seven commits later. */
  readonly large?: readonly number[];
  /** Every commit makes an instance of so many bytes; it goes again with the next but one. */
  readonly paddingBytes?: number;
}

export class DiskLife {
  readonly history: History;
  readonly #closings: readonly number[];
  /** By the text of a state, how many commits lead to it. */
  readonly #counts = new Map<string, number[]>();
  /** Shards and checkpoints that the last life had at its end. */
  shards = 0;
  checkpoints = 0;
  /** Codes of refusals that callers were told and sent their batch again after. */
  readonly refused: string[] = [];
  /** The store that was opened last. */
  store: OpenStore | null = null;

  constructor({ commits, closings, large = [], paddingBytes = 0 }: LifeOptions) {
    this.#closings = closings;
    const plain = makeHistory(commits);
    const padded =
      paddingBytes === 0 ? plain : withInstances(plain, { name: 'padding', bytes: paddingBytes, lastFor: 2, isAt: () => true });
    const bytes = Math.ceil(limits.storeShardBytes * 1.1);
    this.history =
      large.length === 0 ? padded : withInstances(padded, { name: 'large', bytes, lastFor: 7, isAt: (at) => large.includes(at) });
    for (const [count, state] of this.history.states.entries()) this.#counts.set(state, [...(this.#counts.get(state) ?? []), count]);
  }

  async open(disk: SimulatedDisk, logger = new MemoryLogger()): Promise<OpenStore> {
    this.store = null;
    const store = jsonStore(directory, { fileSystem: disk, logBytesMin: logBytes, logBytesMax: logBytes });
    this.store = await openStore(store, logger);
    return this.store;
  }

  /** Opens what is found, as `find` does, and appends the history from there to its end. */
  async live(disk: SimulatedDisk, progress: Progress, what = 'a life'): Promise<void> {
    let store = await this.open(disk);
    // What a store shows when it is open is told to others: from now on it must be there.
    progress.acknowledged = this.#countOf(store, progress, what);
    progress.begun = progress.acknowledged;
    let checkpoints = 0;
    const { commits } = this.history;
    while (progress.acknowledged < commits.length) {
      const { acknowledged } = progress;
      if (this.#closings.includes(acknowledged)) {
        checkpoints += store.figures().checkpoints ?? 0;
        await store.close();
        store = await this.open(disk);
      }
      const nextClosing = this.#closings.find((each) => each > acknowledged) ?? commits.length;
      // 1 to 5 commits, in an order that does not repeat soon.
      progress.begun = Math.min(acknowledged + 1 + ((acknowledged * 7) % 5), nextClosing);
      await this.#append(store, progress, what);
    }
    this.shards = store.figures().shards ?? 0;
    await store.close();
    this.checkpoints = checkpoints + (store.figures().checkpoints ?? 0);
  }

  /** Appends what was begun. What was refused is sent once more, as a caller would. */
  async #append(store: OpenStore, progress: Progress, what: string): Promise<void> {
    const { acknowledged, begun } = progress;
    const batch = this.history.commits.slice(acknowledged, begun);
    await store.append(batch).catch((error: unknown) => {
      if (!(error instanceof StoreFullError || error instanceof StoreWriteError)) throw error;
      this.refused.push(error.code);
      assert.equal(describeStore(store), this.history.states[acknowledged], `${what}: a batch was refused, and shows`);
      return store.append(batch);
    });
    progress.acknowledged = begun;
  }

  /** How many calls change something when nothing goes wrong. */
  async countCalls(): Promise<number> {
    const disk = createSimulatedDisk();
    await this.live(disk, { acknowledged: 0, begun: 0 });
    return disk.calls;
  }

  /** Lives until the disk stops. */
  async liveUntil(disk: SimulatedDisk, progress: Progress, what?: string): Promise<void> {
    await orHang(Promise.race([this.live(disk, progress, what), disk.stopped]), what ?? 'a life');
  }

  /**
   * Opens what is found, and says how many commits it has: all that were acknowledged, and none that was not given.
   *
   * @throws AssertionError
   */
  find(disk: SimulatedDisk, progress: Progress, what: string): Promise<Found> {
    return orHang(this.#find(disk, progress, what), what);
  }

  /**
   * Finds a store as `find` does, appends to it, and cuts the power again: what was read and what was acknowledged since
   * must be there.
   */
  findAndGoOn(disk: SimulatedDisk, progress: Progress, what: string, kept: Kept = 'nothing'): Promise<void> {
    return orHang(this.#findAndGoOn(disk, progress, { what, kept }), what);
  }

  async #find(disk: SimulatedDisk, progress: Progress, what: string): Promise<Found> {
    const store = await this.open(disk).catch((error: unknown) => assert.fail(`${what}: the store does not open: ${String(error)}`));
    return { store, count: this.#countOf(store, progress, what), cut: store.recovery.cut };
  }

  #countOf(store: OpenStore, { acknowledged, begun }: Progress, what: string): number {
    const counts = this.#counts.get(describeStore(store));
    const count = counts?.find((each) => each >= acknowledged && each <= begun);
    if (count !== undefined) return count;
    const found = counts === undefined ? 'a state that there never was' : `${counts.join(' or ')} commits`;
    return assert.fail(`${what}: found ${found}; ${acknowledged} were acknowledged and ${begun} begun`);
  }

  async #findAndGoOn(disk: SimulatedDisk, progress: Progress, { what, kept }: { what: string; kept: Kept }): Promise<void> {
    const { store, count } = await this.find(disk, progress, what);
    const end = Math.min(count + 3, this.history.commits.length);
    await store.append(this.history.commits.slice(count, end));
    const left = disk.afterPowerCut(kept);
    await store.crash();
    const again = await this.find(
      left,
      { acknowledged: end, begun: end },
      `${what}, ${end - count} more commits, power cut, kept: ${kept}`,
    );
    await again.store.crash();
  }
}

export interface Found {
  readonly store: OpenStore;
  readonly count: number;
  readonly cut: OpenStore['recovery']['cut'];
}

/** A simulated disk waits for nothing but turns of the loop: what has not ended after so many never will. */
const turnsMax = 20_000;
const runLater = setImmediate;

/** @throws AssertionError when it does not end. */
export async function orHang<T>(promise: Promise<T>, what: string): Promise<T> {
  let isOver = false;
  const watch = async (): Promise<never> => {
    for (let turn = 0; turn < turnsMax && !isOver; turn += 1) await new Promise((resolve) => runLater(resolve));
    return isOver ? new Promise<never>(() => {}) : assert.fail(`${what}: it hangs`);
  };
  try {
    return await Promise.race([promise, watch()]);
  } finally {
    isOver = true;
  }
}

interface Insertion {
  readonly name: string;
  readonly bytes: number;
  /** So many commits. */
  readonly lastFor: number;
  readonly isAt: (index: number) => boolean;
}

/** The history with further instances in some of its commits. */
function withInstances({ commits }: History, { name, bytes, lastFor, isAt }: Insertion): History {
  const text = 'x'.repeat(bytes);
  const changed = commits.map(({ changes }, index): Commit => {
    const born = isAt(index) ? [begin(`${name}-${index}`, text)] : [];
    const gone = index >= lastFor && isAt(index - lastFor) ? [remove(begin(`${name}-${index - lastFor}`))] : [];
    return { changes: [...changes, ...born, ...gone] };
  });
  return { commits: changed, states: makeStates(changed) };
}
