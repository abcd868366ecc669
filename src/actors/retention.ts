// The instances that have ended and are still readable, in the order of their ends. They go when they are too old or
// too many.

import { Fifo } from '../runtime/fifo.js';
import type { Router } from './router.js';
import type { World } from './world.js';

/** One that somebody may still ask for is not looked at more often than this. */
const POSTPONED_MS_MIN = 60_000;

/** How many ended instances stay readable, and for how long. */
export interface KeepFinished {
  readonly count: number;
  readonly ageMs: number;
}

export interface Finished {
  readonly id: string;
  readonly endedAt: number;
}

export class Retention {
  readonly #keep: KeepFinished;
  readonly #kept = new Fifo<Finished>();
  /** Those that somebody may still ask for, and since when they stay longer; they are not counted. */
  readonly #postponed = new Fifo<{ readonly finished: Finished; readonly dueAt: number }>();

  constructor(keep: KeepFinished) {
    this.#keep = keep;
  }

  /** In the order of their ends. */
  add(finished: Finished): void {
    this.#kept.add(finished);
  }

  /** Takes back those that could not be removed. */
  restore(finished: readonly Finished[]): void {
    for (const each of finished.toReversed()) this.#kept.addFirst(each);
  }

  /** Keeps one as long again, from now on. */
  postpone(finished: Finished, now: number): void {
    this.#postponed.add({ finished, dueAt: now + Math.max(this.#keep.ageMs, POSTPONED_MS_MIN) });
  }

  /** When the next one goes. */
  get nextDueAt(): number | undefined {
    const { count, ageMs } = this.#keep;
    const kept = this.#kept.size > count ? -Infinity : (this.#kept.first?.endedAt ?? Infinity) + ageMs;
    const first = Math.min(kept, this.#postponed.first?.dueAt ?? Infinity);
    return first === Infinity ? undefined : first;
  }

  /** Takes one that is due. */
  takeDue(now: number): Finished | undefined {
    const { count, ageMs } = this.#keep;
    const first = this.#kept.first;
    if (first !== undefined && (this.#kept.size > count || first.endedAt + ageMs <= now)) {
      this.#kept.removeFirst();
      return first;
    }
    const postponed = this.#postponed.first;
    if (postponed === undefined || postponed.dueAt > now) return undefined;
    this.#postponed.removeFirst();
    return postponed.finished;
  }
}

/** Removes the ended instances whose time of being readable is over, those that go together in one commit. */
export function forgetFinished(world: World, router: Router, budget: number): void {
  const { now, retention } = world;
  if ((retention.nextDueAt ?? Infinity) > now) return;
  world.inCommit(() => {
    const removed: Finished[] = [];
    for (let left = budget; left > 0; left--) {
      const finished = retention.takeDue(now);
      if (finished === undefined) break;
      if (forget(world, router, finished)) removed.push(finished);
    }
    if (removed.length > 0) world.commit.addUndone(() => retention.restore(removed));
  });
}

/** Whether it is being removed. */
function forget(world: World, router: Router, finished: Finished): boolean {
  const slot = world.slots.get(finished.id);
  // The id may be another's by now.
  if (slot === undefined || slot.isEphemeral || slot.endedAt !== finished.endedAt) return false;
  // A parent that lives may still ask for the result.
  const parent = slot.parent === null ? undefined : world.slots.get(slot.parent);
  const canBeAsked = parent?.isActive === true && parent.generation === slot.parentGeneration;
  if (world.childWaits.has(slot.id) || canBeAsked) {
    world.retention.postpone(finished, world.now);
    return false;
  }
  world.commit.change('instance', slot.id, '{"d":1}');
  world.commit.touchSlot(slot);
  router.removeMailboxes(slot);
  world.slots.remove(slot);
  return true;
}
