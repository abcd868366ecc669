// Gathers commits and gives them to the store in batches: one batch under way at a time, whatever gathered meanwhile
// in the next (group commit).
//
// Invariants:
//   K1. Commits reach the store in the order in which they were added.
//   K2. A batch begins at once when none is under way, and is bounded.
//   K3. When a batch fails, every commit that is not on disk fails with it: later ones may build on it.

import { limits } from '../runtime/limits.js';
import type { OpenStore } from '../runtime/ports.js';
import { StoreFailedError } from '../runtime/store-errors.js';
import type { Caller, PendingCommit } from './commit.js';

export interface CommitterEvents {
  durable(commits: readonly PendingCommit[]): void;
  failed(commits: readonly PendingCommit[], error: unknown): void;
}

export class Committer {
  readonly #store: OpenStore;
  readonly #events: CommitterEvents;
  #gathered: PendingCommit[] = [];
  #underWay: readonly PendingCommit[] = [];
  #isScheduled = false;
  #syncs = 0;
  #commits = 0;
  #whenIdle: (() => void)[] = [];

  constructor(store: OpenStore, events: CommitterEvents) {
    this.#store = store;
    this.#events = events;
  }

  get figures(): { syncs: number; commits: number; pendingCommits: number } {
    return { syncs: this.#syncs, commits: this.#commits, pendingCommits: this.#gathered.length + this.#underWay.length };
  }

  get isIdle(): boolean {
    return this.#gathered.length === 0 && this.#underWay.length === 0;
  }

  add(commit: PendingCommit): void {
    this.#gathered.push(commit);
    if (this.#underWay.length > 0 || this.#isScheduled) return;
    this.#isScheduled = true;
    // In a microtask: what is ready in the same moment shares the sync.
    queueMicrotask(this.#flush);
  }

  /** Tells the caller when everything added so far is on disk. */
  barrier(caller: Caller): void {
    const last = this.#gathered.at(-1) ?? this.#underWay.at(-1);
    if (last === undefined) caller.resolve();
    else last.addCaller(caller);
  }

  /** Resolves when nothing is on its way. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Every commit that is not on disk, in order. */
  pending(): readonly PendingCommit[] {
    return [...this.#underWay, ...this.#gathered];
  }

  /** Lets go of everything, for a runtime that has stopped. */
  abandon(): readonly PendingCommit[] {
    const lost = this.pending();
    this.#gathered = [];
    this.#underWay = [];
    this.#tellIdle();
    return lost;
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    if (this.#gathered.length === 0 || this.#underWay.length > 0) return;
    const written: PendingCommit[] = [];
    const batch = this.#takeBatch(written);
    this.#underWay = batch;
    const writing = written.length === 0 ? Promise.resolve() : this.#store.append(written);
    writing.then(
      () => this.#onDurable(batch),
      (error) => this.#onFailed(batch, error),
    );
  };

  /** Takes what has gathered, up to a bound: a small commit behind large ones must not wait for all of them. */
  #takeBatch(written: PendingCommit[]): readonly PendingCommit[] {
    const gathered = this.#gathered;
    let length = 0;
    for (const [index, commit] of gathered.entries()) {
      if (commit.changes.length > 0) written.push(commit);
      for (const { delta } of commit.changes) length += delta.length;
      if (length < limits.batchLengthMax || index === gathered.length - 1) continue;
      this.#gathered = gathered.slice(index + 1);
      return gathered.slice(0, index + 1);
    }
    this.#gathered = [];
    return gathered;
  }

  #onDurable(batch: readonly PendingCommit[]): void {
    if (this.#underWay !== batch) return;
    this.#syncs++;
    this.#commits += batch.length;
    this.#underWay = [];
    // The next batch is on its way to the disk while this one's consequences run.
    if (this.#gathered.length > 0) this.#flush();
    this.#events.durable(batch);
    this.#tellIdle();
  }

  #onFailed(batch: readonly PendingCommit[], error: unknown): void {
    if (this.#underWay !== batch) return;
    const lost = [...batch, ...this.#gathered];
    this.#underWay = [];
    this.#gathered = [];
    this.#events.failed(lost, error);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (!this.isIdle || this.#whenIdle.length === 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}

/** Whether the runtime can go on after this error of an append. */
export function isFatal(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof StoreFailedError || (code !== 'STORE_FULL' && code !== 'STORE_WRITE');
}
