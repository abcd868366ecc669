// Answers to `waitForCallback` from outside. A token names its instance, so that one that was used can be told from one
// that never was.

import { InstanceStuckError, TokenUnknownError, TokenUsedError } from '../runtime/instance-errors.js';
import type { InstanceRecord } from '../runtime/record.js';
import type { Slot } from './slot.js';
import type { Supervisor } from './supervisor.js';
import type { World } from './world.js';

export class Callbacks {
  readonly #supervisor: Supervisor;
  readonly #world: World;
  readonly #ask: (run: () => void) => Promise<void>;

  constructor(supervisor: Supervisor, ask: (run: () => void) => Promise<void>) {
    this.#supervisor = supervisor;
    this.#world = supervisor.world;
    this.#ask = ask;
  }

  /** An answer that is being written may still fail: whoever repeats it waits until that is known, and tries again. */
  async answer(token: string, status: 'ok' | 'error', text: string): Promise<void> {
    for (let isAnswered = false; !isAnswered; ) {
      await this.#ask(() => {
        const wait = this.#world.tokens.get(token);
        if (wait === undefined && this.#isBeingAnswered(token)) return;
        if (wait === undefined) throw this.#whyNotOpen(token);
        const slot = this.#world.slots.of(wait.owner);
        if (slot === undefined) throw new TokenUnknownError();
        isAnswered = this.#supervisor.instances.settle(slot, wait.key, status, text);
        if (!isAnswered) throw new InstanceStuckError(slot.id, slot.stuck?.message ?? 'unknown');
      });
    }
  }

  #isBeingAnswered(token: string): boolean {
    const { slot, record } = this.#tokenOwner(token);
    if (slot === undefined || slot.stuck !== null || slot.uncommitted === 0) return false;
    return record !== undefined && hasPendingToken(record, token);
  }

  /** A token names its instance; the record of that instance tells a used token from one that never was. */
  #whyNotOpen(token: string): Error {
    const { slot, record } = this.#tokenOwner(token);
    if (slot === undefined || record === undefined) return new TokenUnknownError();
    if (slot.stuck !== null && hasPendingToken(record, token)) return new InstanceStuckError(slot.id, slot.stuck.message);
    const isOfBefore = generationOf(token) < record.generation;
    return isOfBefore || record.tokens.has(token) || hasPendingToken(record, token) ? new TokenUsedError(slot.id) : new TokenUnknownError();
  }

  #tokenOwner(token: string): { slot: Slot | undefined; record: InstanceRecord | undefined } {
    const id = typeof token === 'string' ? toInstanceId(token) : null;
    const slot = id === null ? undefined : this.#world.slots.get(id);
    return { slot, record: slot === undefined ? undefined : this.#world.store.readInstance(slot.id) };
  }
}

function hasPendingToken(record: InstanceRecord, token: string): boolean {
  for (const request of record.pending.values()) if (request.token === token) return true;
  return false;
}

/** The tokens of a generation that is over were used, or given up. */
function generationOf(token: string): number {
  const [, generation] = /^[^.~]*~(\d+)\./.exec(token) ?? [];
  return Number(generation ?? 0);
}

function toInstanceId(token: string): string | null {
  try {
    return decodeURIComponent(token.slice(token.indexOf('.') + 1));
  } catch {
    return null;
  }
}
