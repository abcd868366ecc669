// Waiting for several tasks at once: all, allSettled, race, any, timeout, callback, and a pool's map. A group's members are tasks of their own; the
// task that asked sleeps until the group has decided and every member has ended, their `finally` included.
//
// Invariants:
//   U1. A group decides once; the members that remain are then cancelled and waited for.
//   U2. An error of a member that was being cancelled is not lost: it takes the place of a good decision.
//   U3. Whoever waits for a group goes on right after the member that decided it: nothing comes in between that
//       another group, of which this one is a part, could take for the first.

import type { Scheduler } from './scheduler.js';
import { fail, type Outcome, succeed, type TaskNode, type TaskOwner, type Wait } from './task-node.js';
import { AllFailedError } from './workflow-errors.js';

/** What a group makes of its members' ends. */
export type Policy = 'all' | 'allSettled' | 'race' | 'any' | 'map' | 'timeout' | 'callback';

/** A request that a group has open beside its members: a timeout's deadline, a callback's answer. */
export interface OwnRequest {
  drop(): void;
}

export class Group implements Wait, TaskOwner {
  readonly isGroup = true;
  readonly what: string;
  readonly #scheduler: Scheduler;
  readonly parent: TaskNode;
  readonly #policy: Policy;
  readonly #keys: readonly string[] | null;
  readonly #indexes = new Map<TaskNode, number>();
  /** By member: its result, or of `any` its error. */
  readonly #results: unknown[] = [];
  #count = 0;
  /** No more members come. */
  #isComplete: boolean;
  #ownRequest: OwnRequest | null = null;
  #decision: Outcome | null = null;
  #isAbandoned = false;

  constructor(scheduler: Scheduler, parent: TaskNode, options: { policy: Policy; what: string; keys?: readonly string[] | null }) {
    this.#scheduler = scheduler;
    this.parent = parent;
    this.#policy = options.policy;
    this.#isComplete = options.policy !== 'map';
    this.#keys = options.keys ?? null;
    this.what = options.what;
  }

  /** Gives the group its members and, where it has one, its own request. */
  begin(members: readonly TaskNode[], ownRequest: OwnRequest | null): void {
    this.#ownRequest = ownRequest;
    for (const member of members) this.add(member);
  }

  add(member: TaskNode): void {
    this.#indexes.set(member, this.#count++);
  }

  /** There are no more members to come. */
  complete(): void {
    this.#isComplete = true;
    this.#ownRequest = null;
    this.#succeedWhenEmpty();
    this.#finishWhenEmpty();
  }

  /** What it came to, when it is over. */
  get outcome(): Outcome | null {
    return this.#indexes.size === 0 ? this.#decision : null;
  }

  memberEnded(task: TaskNode): void {
    const index = this.#indexes.get(task) ?? 0;
    this.#indexes.delete(task);
    const { endStatus } = task;
    const outcome = task.outcome ?? succeed(undefined);
    if (this.#decision !== null) {
      if (endStatus === 'failed' && (this.#decision.ok || this.#isAbandoned)) this.#decision = outcome;
    } else if (this.#decidesWith(index, outcome)) {
      const isFirst = this.#policy === 'race' || this.#policy === 'any';
      this.#decide(isFirst && outcome.ok ? succeed(this.#keyed(index, outcome.value)) : outcome);
      return;
    } else {
      this.#succeedWhenEmpty();
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
      this.parent.ownRare.interrupt = { error };
      return false;
    }
    this.#isAbandoned = true;
    this.#decision = fail(error);
    this.#dropOwnRequest();
    this.#cancelMembers();
    // When the last member ended in this very call it has woken the parent already.
    return false;
  }

  /** Whether this end of a member decides the group; otherwise it is kept. */
  #decidesWith(index: number, outcome: Outcome): boolean {
    switch (this.#policy) {
      case 'all':
      case 'map':
        if (outcome.ok) this.#results[index] = outcome.value;
        return !outcome.ok;
      case 'allSettled':
        this.#results[index] = outcome.ok ? { status: 'fulfilled', value: outcome.value } : { status: 'rejected', reason: outcome.value };
        return false;
      case 'any':
        if (!outcome.ok) this.#results[index] = outcome.value;
        return outcome.ok;
      case 'race':
      case 'timeout':
        return true;
      case 'callback':
        return !outcome.ok;
    }
  }

  /** The decision of a group that waits for all its members. */
  #succeedWhenEmpty(): void {
    if (this.#decision !== null || this.#indexes.size > 0 || !this.#isComplete || this.#policy === 'callback') return;
    this.#decision = this.#policy === 'any' ? fail(new AllFailedError(this.#results)) : succeed(this.#allResults());
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
    if (this.parent.wait === this) this.#scheduler.wakeNext(this.parent, this.#decision);
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
