// A store whose disk a test holds in its hand: it can be held still before or after it writes, can fail, and counts.
// Around a memory store unless another is given. What is held when the store is opened again was lost in a crash.

import { memoryStore } from '../../src/index.js';
import { toStorePort } from '../../src/runtime/options.js';
import type { Change, Commit, OpenStore, StoreOpenOptions, StorePort } from '../../src/runtime/ports.js';

/** Where an append stops: before anything is on disk, or when all is and nobody has been told. */
export type HoldPoint = 'before' | 'after';

interface Fault {
  /** Appends that still succeed before it. */
  after: number;
  /** How many fail from then on. */
  times: number;
  readonly error: () => Error;
}

interface ReadFault {
  times: number;
  readonly error: () => Error;
}

export class GatedStore implements StorePort {
  readonly kind = 'gated';
  /** Commits that are on disk, in order. */
  readonly commits: Commit[] = [];
  /** Calls of `append` that wrote. */
  appends = 0;
  /** Records and mailboxes that were read. */
  reads = 0;
  readonly #inner: StorePort;
  readonly #readFaults = new Map<string, ReadFault>();
  #fault: Fault | null = null;
  #holdAt: HoldPoint | null = null;
  #holdsNextOwner = false;
  #waiting: (() => void)[] = [];

  constructor(inner: StorePort = toStorePort(memoryStore())) {
    this.#inner = inner;
  }

  /** Appends wait from now on, those that are called later included, until the store is opened again. */
  hold(point: HoldPoint = 'before'): void {
    this.#holdAt = point;
  }

  /** Appends of whoever opens the store next wait, from the first one on. */
  holdNextOwner(): void {
    this.#holdsNextOwner = true;
  }

  /** Lets those that wait go on, and holds no more. */
  release(): void {
    this.#holdAt = null;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** The next append fails, or `times` of them, after so many that succeed. Nothing of them is kept. */
  failAppend(error: () => Error, { after = 0, times = 1 }: { after?: number; times?: number } = {}): void {
    this.#fault = { after, times, error };
  }

  /** Reading this instance fails so many times. */
  failRead(instanceId: string, error: () => Error, times = Number.POSITIVE_INFINITY): void {
    this.#readFaults.set(instanceId, { times, error });
  }

  mendReads(): void {
    this.#readFaults.clear();
  }

  /** Every change on disk to this row, with its delta parsed. */
  changesOf(table: Change['table'], key: string): Record<string, unknown>[] {
    return this.commits
      .flatMap((commit) => commit.changes)
      .filter((change) => change.table === table && change.key === key)
      .map((change) => JSON.parse(change.delta) as Record<string, unknown>);
  }

  async open(options: StoreOpenOptions): Promise<OpenStore> {
    this.#holdAt = this.#holdsNextOwner ? 'before' : null;
    this.#holdsNextOwner = false;
    this.#waiting = [];
    const inner = await this.#inner.open(options);
    return {
      recovery: inner.recovery,
      visitHeads: (visit) => inner.visitHeads(visit),
      instanceIds: () => inner.instanceIds(),
      hasInstance: (id) => inner.hasInstance(id),
      mailboxes: () => inner.mailboxes(),
      append: (commits) => this.#append(inner, commits),
      readInstance: (id) => {
        this.reads++;
        this.#throwReadFault(id);
        return inner.readInstance(id);
      },
      readMailbox: (address) => {
        this.reads++;
        return inner.readMailbox(address);
      },
      figures: () => inner.figures(),
      close: () => inner.close(),
      crash: () => inner.crash(),
    };
  }

  async #append(inner: OpenStore, commits: readonly Commit[]): Promise<void> {
    if (this.#holdAt === 'before') await this.#released();
    this.#throwFault();
    await inner.append(commits);
    this.appends++;
    this.commits.push(...commits.map(({ changes }) => ({ changes: [...changes] })));
    if (this.#holdAt === 'after') await this.#released();
  }

  #released(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #throwFault(): void {
    const fault = this.#fault;
    if (fault === null) return;
    if (fault.after-- > 0) return;
    if (--fault.times <= 0) this.#fault = null;
    throw fault.error();
  }

  #throwReadFault(id: string): void {
    const fault = this.#readFaults.get(id);
    if (fault === undefined) return;
    if (--fault.times <= 0) this.#readFaults.delete(id);
    throw fault.error();
  }
}
