// The ends of ephemeral instances. No record tells of them: their handles know how they ended, and the body that
// started one may still ask; when nobody can ask any more they are forgotten.

import { unpack } from '../runtime/carried.js';
import { limits } from '../runtime/limits.js';
import type { Router } from './router.js';
import type { Slot } from './slot.js';
import type { World } from './world.js';

export class Ephemerals {
  readonly #world: World;
  readonly #router: Router;

  constructor(world: World, router: Router) {
    this.#world = world;
    this.#router = router;
  }

  /** One has ended. */
  ended(slot: Slot): void {
    const parent = this.#livingParent(slot);
    const isAwaited = this.#world.childWaits.has(slot.id);
    if (slot.isCalled && !isAwaited) {
      this.#forget(slot);
      return;
    }
    if (parent !== null) {
      this.#keepFor(parent, slot);
      return;
    }
    // Whoever waits for it is told first.
    if (isAwaited) return;
    this.#forget(slot);
    // Who started it has a handle, and gets the chance to ask for the result.
    if (slot.end?.status === 'failed' && !slot.isAsked) this.#world.options.clock.setDelay(0, () => this.#logUnasked(slot));
  }

  /** Its end is known to who waited for it, for good. */
  told(slot: Slot): void {
    slot.isAsked = true;
    if (slot.isCalled || this.#livingParent(slot) === null) this.#forget(slot);
  }

  /** The body that started these is over: nobody can ask for their ends any more. */
  orphaned(slots: Iterable<Slot>): void {
    for (const slot of slots) {
      this.#forget(slot);
      this.#logUnasked(slot);
    }
  }

  /** The commit that began one could not be written. */
  unborn(slot: Slot, error: unknown): void {
    if (slot.resident !== null || slot.end !== null) return;
    this.#forget(slot);
    for (const waiter of slot.waiters ?? []) waiter.reject(error);
    slot.waiters = null;
  }

  #livingParent({ parent: id, parentGeneration }: Slot): Slot | null {
    const parent = id === null ? undefined : this.#world.slots.get(id);
    return parent?.isActive === true && parent.generation === parentGeneration ? parent : null;
  }

  /** A body that never asks must not fill the memory: the oldest ends go first. */
  #keepFor(parent: Slot, slot: Slot): void {
    parent.endedEphemerals ??= new Set();
    parent.endedEphemerals.add(slot);
    if (parent.endedEphemerals.size <= limits.ephemeralEndsMax) return;
    const [oldest] = parent.endedEphemerals;
    if (oldest !== undefined) this.orphaned([oldest]);
  }

  #forget(slot: Slot): void {
    this.#router.removeMailboxes(slot);
    if (this.#world.slots.known(slot.id) === slot) this.#world.slots.delete(slot.id);
    if (slot.parent !== null) this.#world.slots.known(slot.parent)?.endedEphemerals?.delete(slot);
  }

  #logUnasked(slot: Slot): void {
    const { end } = slot;
    if (end?.status !== 'failed' || slot.isAsked) return;
    const error = unpack(end.carried);
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#world.logger.log('error', `Ephemeral instance "${slot.id}" failed, and nobody has asked for its result: ${text}`, {
      instanceId: slot.id,
      workflow: slot.workflow,
      error,
    });
  }
}
