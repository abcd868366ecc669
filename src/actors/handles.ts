// The handles of instances: what their holders can ask, and how they wait for an end.

import { type Carried, unpack } from '../runtime/carried.js';
import { revive } from '../runtime/codec.js';
import type { AnyEvent } from '../runtime/definitions.js';
import type { Delivery } from '../runtime/effects.js';
import { type ErrorData, toErrorData } from '../runtime/error-data.js';
import { InstanceEndedError, InstanceNotFoundError, InstanceNotStuckError, InstanceStuckError } from '../runtime/instance-errors.js';
import type { InstanceRecord } from '../runtime/record.js';
import { CancelledError, WorkflowFailedError } from '../runtime/workflow-errors.js';
import { toEphemeralInfo, toInfo } from './info.js';
import type { Instance, InstanceInfo } from './public.js';
import type { Slot } from './slot.js';
import type { Supervisor } from './supervisor.js';
import type { World } from './world.js';

/** What of the runtime a handle uses. */
export interface Asking {
  /** Runs something in a commit of its own; resolves when that is on disk. */
  ask(name: string, target: string, run: () => void): Promise<void>;
  /** @throws RuntimeStoppedError, StoreFailedError */
  assertRunning(): void;
  send(id: string, event: AnyEvent, payload: unknown, options: { id?: string | undefined } | undefined): Promise<Delivery>;
}

export class Handles {
  readonly #supervisor: Supervisor;
  readonly #world: World;
  readonly #asking: Asking;

  constructor(supervisor: Supervisor, asking: Asking) {
    this.#supervisor = supervisor;
    this.#world = supervisor.world;
    this.#asking = asking;
  }

  /** An ephemeral instance that has ended is known to the handles that were made with it, and to nobody else. */
  handle<O>(id: string, known?: Slot): Instance<O> {
    return {
      id,
      result: (options = {}) => this.#result<O>(id, known, options.signal),
      info: () => this.#info(id, known),
      send: async (event, payload, options) => {
        this.#assertSame(known);
        return this.#asking.send(id, event, payload, options);
      },
      cancel: (reason) => this.#cancel(id, known, reason ?? null),
      terminate: (reason) => this.#terminate(id, known, reason ?? null),
      retry: () => this.#retry(id, known),
    };
  }

  /** The handle of an ephemeral instance is not that of another one which got its id later. */
  #assertSame(known: Slot | undefined): void {
    if (known !== undefined && this.#world.slots.known(known.id) !== known) throw new InstanceEndedError(known.id, known.status);
  }

  async #info(id: string, known: Slot | undefined): Promise<InstanceInfo> {
    this.#asking.assertRunning();
    const slot = known ?? this.#world.slots.known(id);
    return slot?.isEphemeral === true ? toEphemeralInfo(slot) : toInfo(await this.record(id));
  }

  /** The instance that is to end; null when it was cancelled already. */
  #toEnd(id: string, known: Slot | undefined): Slot | null {
    if (known?.status === 'cancelled') return null;
    this.#assertSame(known);
    const slot = this.slot(id);
    if (slot.status === 'cancelled') return null;
    if (!slot.isActive) throw new InstanceEndedError(id, slot.status);
    return slot;
  }

  async #cancel(id: string, known: Slot | undefined, reason: string | null): Promise<void> {
    await this.#asking.ask('cancel', id, () => {
      const slot = this.#toEnd(id, known);
      if (slot !== null && !this.#supervisor.instances.cancel(slot, reason))
        throw new InstanceStuckError(id, slot.stuck?.message ?? 'unknown');
    });
  }

  async #terminate(id: string, known: Slot | undefined, reason: string | null): Promise<void> {
    await this.#asking.ask('terminate', id, () => {
      const slot = this.#toEnd(id, known);
      if (slot !== null) this.#supervisor.instances.terminate(slot, new TerminatedError(reason));
    });
  }

  async #retry(id: string, known: Slot | undefined): Promise<void> {
    const { instances, consequences } = this.#supervisor;
    await this.#asking.ask('retry', id, () => {
      this.#assertSame(known);
      const slot = this.slot(id);
      if (slot.stuck === null) throw new InstanceNotStuckError(id, slot.shownStatus);
      instances.retry(slot);
      consequences.afterwards(slot);
    });
  }

  async #result<O>(id: string, known: Slot | undefined, signal: AbortSignal | undefined): Promise<O> {
    signal?.throwIfAborted();
    // An ephemeral one that has gone is known to its handles, whatever became of the runtime.
    if (known === undefined || known.resident !== null || known.end === null) this.#asking.assertRunning();
    const slot = known ?? this.slot(id);
    slot.isAsked = true;
    if (slot.end !== null && slot.resident === null) return endedWith<O>(slot, slot.end.status, slot.end.carried);
    if (!slot.isEphemeral && !slot.isActive && slot.uncommitted === 0) return this.#endOf<O>(await this.record(id));
    return new Promise<O>((resolve, reject) => {
      const onAbort = (): void => {
        slot.waiters = slot.waiters?.filter((candidate) => candidate !== waiter) ?? null;
        this.#world.slots.settle(slot);
        reject(signal?.reason as Error);
      };
      const waiter = {
        ended: (status: string, carried: Carried): void => {
          signal?.removeEventListener('abort', onAbort);
          try {
            resolve(endedWith<O>(slot, status, carried));
          } catch (error) {
            reject(error);
          }
        },
        reject: (error: unknown): void => {
          signal?.removeEventListener('abort', onAbort);
          reject(error as Error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      slot.waiters ??= [];
      slot.waiters.push(waiter);
    });
  }

  #endOf<O>(record: InstanceRecord): O {
    if (record.status === 'completed') return revive(record.output) as O;
    throw new WorkflowFailedError(record.id, record.workflow, revive(record.error) as ErrorData);
  }

  /** The committed record of an instance, once its beginning is on disk. */
  async record(id: string): Promise<InstanceRecord> {
    this.#asking.assertRunning();
    const slot = this.#world.slots.known(id);
    if (slot !== undefined && slot.uncommitted > 0 && !this.#world.store.hasInstance(id))
      await new Promise<void>((resolve, reject) => this.#world.committer.barrier({ resolve, reject }));
    const record = this.#world.store.readInstance(id);
    if (record === undefined) throw new InstanceNotFoundError(id);
    return record;
  }

  slot(id: string): Slot {
    const slot = this.#world.slots.get(id);
    if (slot === undefined) throw new InstanceNotFoundError(id);
    return slot;
  }
}

/** `terminate()` is a cancellation that runs nothing. */
class TerminatedError extends CancelledError {
  override readonly code = 'TERMINATED';

  override get name(): string {
    return 'CancelledError';
  }
}

/** @throws WorkflowFailedError */
function endedWith<O>(slot: Slot, status: string, carried: Carried): O {
  const value = unpack(carried);
  if (status === 'completed') return value as O;
  if (typeof carried === 'string') throw new WorkflowFailedError(slot.id, slot.workflow, value as ErrorData);
  throw new WorkflowFailedError(slot.id, slot.workflow, toErrorData(value), { cause: value });
}
