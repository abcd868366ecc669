// What was committed, in order, as the world saw the store say so: the truth that everything else is compared with.
// It folds the deltas for itself, and looks at each of them as it comes.

import { parseAddress, sourceAddress } from '../../src/runtime/addresses.js';
import { revive } from '../../src/runtime/codec.js';
import type { ErrorData } from '../../src/runtime/error-data.js';
import { applyMailboxDelta, type MailboxDelta, type MailboxRecord, toMailboxBase } from '../../src/runtime/mailbox-record.js';
import type { Change, Commit, OpenStore } from '../../src/runtime/ports.js';
import {
  applyDelta,
  type InstanceDelta,
  type InstanceRecord,
  type Json,
  type Request,
  requestKey,
  toBaseDelta,
} from '../../src/runtime/record.js';
import { Broken } from './broken.js';
import { type Consumption, EventAccount, labelOf } from './event-account.js';
import type { Ledger } from './ledger.js';
import type { Trace } from './trace.js';

/** What the ids of called instances end with. */
export const called = 'called';

export class History {
  readonly records = new Map<string, InstanceRecord>();
  readonly mailboxes = new Map<string, MailboxRecord>();
  readonly events = new EventAccount();
  /** The latest time that the clock has shown since the world was last at rest. */
  latest = 0;
  commits = 0;
  /** Labels of answers to callbacks that were taken. */
  readonly answers = new Set<string>();
  /** Instances that have a cancellation in their journal. */
  readonly cancelled = new Set<string>();
  /** Instances that were called, and whose callers wait no more. */
  readonly givenUp = new Set<string>();
  readonly #ledger: Ledger;
  readonly #trace: Trace;
  /** Positions of the journals of the generations that live. */
  readonly #positions = new Map<string, Set<string>>();
  /** What each instance has shown last, to see that it only grows. */
  readonly #shown = new Map<string, { readonly lap: number; readonly trail: readonly string[] }>();

  constructor(ledger: Ledger, trace: Trace) {
    this.#ledger = ledger;
    this.#trace = trace;
  }

  /** A commit is on disk. */
  add(commit: Commit): void {
    this.commits += 1;
    const consumptions: Consumption[] = [];
    const changes: { address: string; delta: MailboxDelta }[] = [];
    for (const change of commit.changes) {
      const delta = JSON.parse(change.delta) as InstanceDelta & MailboxDelta;
      if (change.table === 'mailbox') changes.push({ address: change.key, delta });
      else this.#addInstance(change.key, delta, consumptions);
    }
    const isOver = (id: string): boolean => (this.records.get(id)?.status ?? 'gone') !== 'active';
    this.events.move({ changes, consumptions, mailboxes: this.mailboxes, isOver });
    for (const { address, delta } of changes) {
      const { seen } = this.mailboxes.get(address) ?? {};
      for (const id of (delta.f ?? []) as string[]) this.events.forgetId(id, this.latest - (seen?.get(id) ?? Infinity));
      const record = applyMailboxDelta(address, this.mailboxes.get(address), delta);
      if (record === undefined) this.mailboxes.delete(address);
      else this.mailboxes.set(address, record);
    }
    this.#trace.add(`  commit ${this.commits}: ${commit.changes.map(describeChange).join('; ')}`);
  }

  /** What a store that was just opened has otherwise than this; null when it is the same. */
  differenceFrom(store: OpenStore): string | null {
    const ids = [...store.instanceIds()];
    for (const id of ids) if (!this.records.has(id)) return `instance ${id} is in the store, and was never committed`;
    for (const [id, record] of this.records) {
      const stored = store.readInstance(id);
      if (stored === undefined) return `instance ${id} is not in the store`;
      if (toBaseDelta(stored) !== toBaseDelta(record))
        return `instance ${id} is ${toBaseDelta(stored)} in the store, and was committed as ${toBaseDelta(record)}`;
    }
    if (ids.length !== this.records.size) return `the store lists ${ids.length} instances of ${this.records.size}`;
    const addresses = [...store.mailboxes()].map(({ address }) => address);
    for (const address of addresses) if (!this.mailboxes.has(address)) return `mailbox ${address} is in the store, and was never committed`;
    for (const [address, record] of this.mailboxes) {
      const stored = store.readMailbox(address);
      const text = stored === undefined ? 'missing' : toMailboxBase(stored);
      if (text !== toMailboxBase(record))
        return `mailbox ${address} is ${text} in the store, and was committed as ${toMailboxBase(record)}`;
    }
    return null;
  }

  /** Active instances that are not stuck. */
  *active(): Iterable<InstanceRecord> {
    for (const record of this.records.values()) if (record.status === 'active' && record.stuck === null) yield record;
  }

  #addInstance(id: string, delta: InstanceDelta, consumptions: Consumption[]): void {
    const before = this.records.get(id);
    if (before !== undefined && before.status !== 'active' && delta.d !== 1) throw new Broken('D1', `instance ${id} goes on after its end`);
    for (const item of (delta.j ?? []) as Json[][]) this.#addEntry(id, before, item, consumptions, delta.t as number);
    for (const [task, pos] of (delta.x ?? []) as [number, number][]) {
      const child = before?.pending.get(requestKey(task, pos));
      if (child?.kind === 'child' && child.key?.endsWith(called) === true) this.givenUp.add(child.key);
    }
    const after = applied(id, before, delta);
    if (after === undefined) {
      this.records.delete(id);
      this.#positions.delete(id);
      this.#shown.delete(id);
      this.cancelled.delete(id);
      this.givenUp.delete(id);
      this.#ledger.forget(id);
      this.events.forget(id);
      return;
    }
    if (delta.y !== undefined) this.#positions.delete(id);
    this.records.set(id, after);
    if (delta.e !== undefined) this.#checkShown(id, after);
    if (after.status === 'completed' && delta.z !== undefined) this.#checkOutput(after);
  }

  #addEntry(id: string, before: InstanceRecord | undefined, item: Json[], consumptions: Consumption[], at: number): void {
    const [task, pos, status, value, kind] = item as [number, number, string, Json, string?];
    if (status === 'cancel') this.cancelled.add(id);
    else {
      const key = requestKey(task, pos);
      const positions = this.#positions.get(id) ?? new Set();
      this.#positions.set(id, positions);
      if (positions.has(key)) throw new Broken('D1', `instance ${id} has two outcomes at ${key}`);
      positions.add(key);
    }
    if (kind !== undefined) return;
    const request = before?.pending.get(requestKey(task, pos));
    if (request === undefined) throw new Broken('D9', `instance ${id} has an outcome for ${task}:${pos}, which it did not ask for`);
    if (status === 'due') this.#checkDue(id, request, at);
    else this.#checkOutcome(id, before?.generation ?? 0, request, status, value, consumptions);
  }

  #checkDue(id: string, { kind, dueAt }: Request, at: number): void {
    if (dueAt === null || at < dueAt || this.latest < dueAt)
      throw new Broken('D5', `${kind} of instance ${id} was due at ${dueAt}, and was over at ${at}; the clock was at ${this.latest}`);
  }

  #checkOutcome(id: string, generation: number, request: Request, status: string, value: Json, consumptions: Consumption[]): void {
    if (request.kind === 'callback') this.answers.add(status === 'ok' ? labelOf(value) : String((revive(value) as ErrorData).message));
    if (status !== 'ok') return;
    if (request.kind === 'receive' || request.kind === 'receiveAny') {
      const [index, payload] = request.kind === 'receive' ? [0, value] : (value as [number, Json]);
      const source = request.sources?.[index];
      if (source === undefined) throw new Broken('D2', `instance ${id} was given an event of source ${index}, which it has not`);
      consumptions.push({ address: sourceAddress(source, id), label: labelOf(payload), instanceId: id });
    }
    if (request.kind === 'step' || request.kind === 'activity') {
      const step = this.#ledger.steps.get(stepKey(id, generation, request));
      if (step === undefined) throw new Broken('D4', `step ${request.name} of instance ${id} has an outcome, and never ran`);
      if (typeof value === 'string' && !step.returned.has(value))
        throw new Broken('D4', `step ${step.label} has the outcome ${value}, which no attempt returned`);
    }
  }

  /** What an instance has seen only grows, whatever crashed on the way. */
  #checkShown(id: string, { exposed }: InstanceRecord): void {
    const shown = exposed.get('seen') as { lap: number; trail: string[] } | undefined;
    if (shown === undefined) return;
    const before = this.#shown.get(id);
    this.#shown.set(id, shown);
    if (before === undefined || before.lap !== shown.lap) return;
    const isPrefix = before.trail.every((entry, index) => shown.trail[index] === entry);
    if (!isPrefix) throw new Broken('D3', `instance ${id} had seen [${before.trail}], and has now seen [${shown.trail}]`);
  }

  #checkOutput({ id, output }: InstanceRecord): void {
    const shown = this.#shown.get(id);
    const { lap, trail } = output as unknown as { lap: number; trail: string[] };
    if (shown === undefined || shown.lap !== lap) return;
    // Tasks that the body has left behind may have seen more since.
    const shorter = Math.min(shown.trail.length, trail.length);
    if (!trail.slice(0, shorter).every((entry, index) => shown.trail[index] === entry))
      throw new Broken('D3', `instance ${id} returned [${trail}] after it had seen [${shown.trail}]`);
  }
}

/** The idempotency key of a step. */
export function stepKey(id: string, generation: number, { task, pos }: Request): string {
  return `${id}/${requestKey(task, pos)}${generation === 0 ? '' : `~${generation}`}`;
}

function applied(id: string, before: InstanceRecord | undefined, delta: InstanceDelta): InstanceRecord | undefined {
  try {
    return applyDelta(id, before, delta);
  } catch (error) {
    throw new Broken('D9', `a commit of instance ${id} does not follow from the one before it: ${String(error)}`);
  }
}

function describeChange({ table, key, delta }: Change): string {
  if (table === 'instance') return `${key} ${delta}`;
  const { event, target } = parseAddress(key);
  return `${event}@${target} ${delta}`;
}
