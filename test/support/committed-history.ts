// A store that remembers every commit in order, so that a test can go back to any of them: to what a crash right after
// that commit would have left on the disk.

import { memoryStore } from '../../src/index.js';
import type { Commit, OpenStore, StoreOpenOptions, StorePort } from '../../src/runtime/ports.js';

/** A commit, and when it was made. */
export interface CommittedAt {
  readonly commit: Commit;
  readonly at: number;
  /** Which of the script's actions had begun. */
  readonly action: number;
}

/** Records what a runtime commits. */
export class RecordingStore implements StorePort {
  readonly kind = 'recording';
  readonly history: CommittedAt[] = [];
  /** The virtual time and the action under way, told by whoever runs the script. */
  moment: { now(): number; action: number } = { now: () => 0, action: 0 };
  readonly #store = memoryStore();

  async open(options: StoreOpenOptions): Promise<OpenStore> {
    const opened = await this.#store.open(options);
    return {
      recovery: opened.recovery,
      visitHeads: (visit) => opened.visitHeads(visit),
      instanceIds: () => opened.instanceIds(),
      hasInstance: (id) => opened.hasInstance(id),
      mailboxes: () => opened.mailboxes(),
      append: async (commits) => {
        await opened.append(commits);
        for (const { changes } of commits)
          this.history.push({ commit: { changes: [...changes] }, at: this.moment.now(), action: this.moment.action });
      },
      readInstance: (id) => opened.readInstance(id),
      readMailbox: (address) => opened.readMailbox(address),
      figures: () => opened.figures(),
      close: () => opened.close(),
      crash: () => opened.crash(),
    };
  }
}

/** A store that holds these commits, as a process left it that was killed after the last of them. */
export async function storeAfter(history: readonly CommittedAt[]): Promise<StorePort> {
  const store = memoryStore();
  const opened = await store.open({ logger: { log: () => {} } });
  for (const { commit } of history) await opened.append([commit]);
  return store;
}
