// Waiting for several tasks at once: all, race, timeout and callback. A group's members are tasks of their own; the
// task that asked sleeps until the group has decided and every member has ended, their `finally` included.
//
// Invariants:
//   U1. A group decides once; the members that remain are then cancelled and waited for.
//   U2. An error of a member that was being cancelled is not lost: it takes the place of a good decision.

import type { Scheduler } from './scheduler.js';
import { fail, type Outcome, succeed, type TaskNode, type TaskOwner, type Wait } from './task-node.js';

/** What a group makes of its members' ends. */
export type Policy = 'all' | 'race' | 'timeout' | 'callback';

/** A request that a group has open beside its members: a timeout's deadline, a callback's answer. */
export interface OwnRequest {
  drop(): void;
}

export class Group implements Wait, TaskOwner {
  readonly what: string;
  readonly #scheduler: Scheduler;
  readonly #parent: TaskNode;
  readonly #policy: Policy;
  readonly #keys: readonly string[] | null;
  readonly #indexes = new Map<TaskNode, number>();
  readonly #results: unknown[] = [];
  #ownRequest: OwnRequest | null = null;
  #decision: Outcome | null = null;
  #isAbandoned = false;

  constructor(scheduler: Scheduler, parent: TaskNode, options: { policy: Policy; what: string; keys?: readonly string[] | null }) {
    this.#scheduler = scheduler;
    this.#parent = parent;
    this.#policy = options.policy;
    this.#keys = options.keys ?? null;
    this.what = options.what;
  }

  /** Gives the group its members and, where it has one, its own request. */
  begin(members: readonly TaskNode[], ownRequest: OwnRequest | null): void {
    this.#ownRequest = ownRequest;
    for (const member of members) this.#indexes.set(member, this.#indexes.size);
  }

  memberEnded(task: TaskNode): void {
    const index = this.#indexes.get(task) ?? 0;
    this.#indexes.delete(task);
    const { status, outcome } = task.end as NonNullable<TaskNode['end']>;
    if (this.#decision !== null) {
      if (status === 'failed' && (this.#decision.ok || this.#isAbandoned)) this.#decision = outcome;
    } else if (this.#decidesWith(index, outcome)) {
      this.#decide(this.#policy === 'race' && outcome.ok ? succeed(this.#keyed(index, outcome.value)) : outcome);
      return;
    } else if (this.#policy === 'all' && this.#indexes.size === 0) {
      this.#decision = succeed(this.#allResults());
    }
    this.#finishWhenEmpty();
  }

  /** The group's own request was answered. */
  requestSettled(outcome: Outcome): void {
    this.#ownRequest = null;
    if (this.#decision === null) this.#decide(outcome);
  }

  abandon(error: unknown): boolean {
    if (this.#decision !== null) {
      // What was won is given first; the error is thrown at the next wait.
      this.#parent.interrupt = { error };
      return false;
    }
    this.#isAbandoned = true;
    this.#decision = fail(error);
    this.#dropOwnRequest();
    this.#cancelMembers();
    // When the last member ended in this very call it has woken the parent already.
    return false;
  }

  #decidesWith(index: number, outcome: Outcome): boolean {
    if (!outcome.ok) return true;
    if (this.#policy === 'all') this.#results[index] = outcome.value;
    return this.#policy === 'race' || this.#policy === 'timeout';
  }

  #decide(outcome: Outcome): void {
    this.#decision = outcome;
    this.#dropOwnRequest();
    this.#cancelMembers();
  }

  #cancelMembers(): void {
    if (this.#indexes.size === 0) {
      this.#finishWhenEmpty();
      return;
    }
    for (const member of [...this.#indexes.keys()]) this.#scheduler.cancel(member, 'no longer needed');
  }

  #dropOwnRequest(): void {
    this.#ownRequest?.drop();
    this.#ownRequest = null;
  }

  #finishWhenEmpty(): void {
    if (this.#decision === null || this.#indexes.size > 0) return;
    if (this.#parent.wait === this) this.#scheduler.wake(this.#parent, this.#decision);
  }

  #keyed(index: number, value: unknown): unknown {
    return this.#keys === null ? value : { key: this.#keys[index], value };
  }

  #allResults(): unknown {
    if (this.#keys === null) return this.#results;
    const results: Record<string, unknown> = {};
    this.#keys.forEach((key, index) => {
      Object.defineProperty(results, key, { value: this.#results[index], enumerable: true, writable: true, configurable: true });
    });
    return results;
  }
}
