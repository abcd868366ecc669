// A store that tells the history what it has acknowledged, and compares itself with it whenever it is opened.

import type { Commit, OpenStore, StoreOpenOptions, StorePort } from '../../src/runtime/ports.js';
import { Broken } from './broken.js';
import type { History } from './history.js';

export interface WitnessParts {
  readonly history: History;
  /** Commits that the last process was writing when it ended. They are on disk up to some point, or not at all. */
  readonly uncertain: Commit[];
  readonly onBroken: (error: unknown) => void;
}

export class WitnessStore implements StorePort {
  readonly kind = 'witness';
  readonly #inner: StorePort;
  readonly #history: History;
  readonly #uncertain: Commit[];
  readonly #onBroken: (error: unknown) => void;

  constructor(inner: StorePort, parts: WitnessParts) {
    this.#inner = inner;
    this.#history = parts.history;
    this.#uncertain = parts.uncertain;
    this.#onBroken = parts.onBroken;
  }

  async open(options: StoreOpenOptions): Promise<OpenStore> {
    const opened = await this.#inner.open(options);
    this.#reconcile(opened);
    return new Proxy(opened, {
      get: (target, name) => {
        if (name === 'append') return (commits: readonly Commit[]) => this.#append(opened, commits);
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }

  /** D8: what was acknowledged, and of what was being written the first so many commits. */
  #reconcile(opened: OpenStore): void {
    let difference = this.#history.differenceFrom(opened);
    const first = difference;
    for (const commit of this.#uncertain.splice(0)) {
      if (difference === null) break;
      this.#history.add(commit);
      difference = this.#history.differenceFrom(opened);
    }
    if (difference !== null) throw new Broken('D8', `${difference}${first === difference ? '' : ` (before what was under way: ${first})`}`);
  }

  async #append(opened: OpenStore, commits: readonly Commit[]): Promise<void> {
    if (this.#uncertain.length > 0) this.#onBroken(new Broken('D8', 'a batch was given to the store before it was told of the last one'));
    const copies = commits.map(({ changes }) => ({ changes: [...changes] }));
    this.#uncertain.push(...copies);
    try {
      await opened.append(commits);
    } catch (error) {
      // Of what it says is not there nothing is; of what it cannot say, some may be.
      const { code } = error as { code?: unknown };
      if (code === 'STORE_FULL' || code === 'STORE_WRITE') this.#uncertain.length = 0;
      throw error;
    }
    this.#uncertain.length = 0;
    try {
      for (const commit of copies) this.#history.add(commit);
    } catch (error) {
      this.#onBroken(error);
      throw error;
    }
  }
}
