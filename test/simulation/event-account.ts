// Keeps account of events, commit by commit: each that was accepted is consumed once, waits, is dead, or ended with
// its instance; at each address in the order of arrival (D2). Events are told apart by the label in their payload.

import { DEAD_LETTERS, describeAddress, parseAddress } from '../../src/runtime/addresses.js';
import { limits } from '../../src/runtime/limits.js';
import type { MailboxDelta, MailboxRecord } from '../../src/runtime/mailbox-record.js';
import type { Json } from '../../src/runtime/record.js';
import { Broken } from './broken.js';

/** An event that a receive was given. */
export interface Consumption {
  readonly address: string;
  readonly label: string;
  readonly instanceId: string;
}

/** What a commit says of mailboxes, and the world around it. */
export interface Movement {
  readonly changes: readonly { readonly address: string; readonly delta: MailboxDelta }[];
  readonly consumptions: readonly Consumption[];
  /** As they were before it. */
  readonly mailboxes: ReadonlyMap<string, MailboxRecord>;
  /** Whether there is no such instance any more, or it has ended. */
  readonly isOver: (instanceId: string) => boolean;
}

interface Account {
  accepted: number;
  consumed: number;
  address: string;
  at: number;
  /** Its sender was forgotten: another one of the same id sends the same again. */
  mayRepeat: boolean;
  /** Its place among all that were accepted. */
  order: number;
}

export class EventAccount {
  readonly #accounts = new Map<string, Account>();
  /** Labels of events that an ephemeral instance says that it was given: no record tells of them. */
  readonly #givenToEphemerals = new Set<string>();
  #order = 0;

  accepted(label: string): Readonly<Account> | undefined {
    return this.#accounts.get(label);
  }

  wasGivenToEphemeral(label: string): boolean {
    return this.#givenToEphemerals.has(label);
  }

  giveToEphemeral(label: string): void {
    this.#givenToEphemerals.add(label);
  }

  /** An instance is forgotten. */
  forget(instanceId: string): void {
    for (const [label, account] of this.#accounts) if (label.startsWith(`${instanceId}~`)) account.mayRepeat = true;
  }

  /** An event's id is forgotten, a day after it was seen: the event may come again. */
  forgetId(id: string, age: number): void {
    const account = this.#accounts.get(labelOfId(id));
    if (account === undefined) return;
    if (age <= limits.seenIdsMs) throw new Broken('D2', `the id of event ${labelOfId(id)} was forgotten after ${age} ms`);
    account.mayRepeat = true;
  }

  move(movement: Movement): void {
    const moves = new Moves(movement);
    for (const consumption of movement.consumptions) this.#consume(consumption, moves);
    for (const { address, label } of moves.puts) this.#put(address, label, moves);
    for (const { address, label } of moves.leftTaken()) this.#takeAway(address, label, moves);
  }

  #consume({ address, label, instanceId }: Consumption, moves: Moves): void {
    const first = moves.first(address);
    if (first === undefined) this.#accept(address, label, moves);
    else if (first.label !== label)
      throw new Broken('D2', `event ${label} at ${describeAddress(address)} overtook ${first.label} on its way to ${instanceId}`);
    else if (!moves.take(address, first.seq)) throw new Broken('D2', `event ${label} was given to ${instanceId}, and waits still`);
    const account = this.#accounts.get(label);
    if (account === undefined) throw new Broken('D2', `event ${label} was given to ${instanceId}, and nobody sent it`);
    account.consumed += 1;
    if (account.consumed > account.accepted) throw new Broken('D2', `event ${label} was consumed again, by ${instanceId}`);
  }

  #put(address: string, label: string, moves: Moves): void {
    if (address !== DEAD_LETTERS) this.#accept(address, label, moves);
    else if (!moves.takeLabel(label)) throw new Broken('D2', `event ${label} is a dead letter, and was not taken from where it lay`);
  }

  #accept(address: string, label: string, moves: Moves): void {
    this.#order += 1;
    const known = this.#accounts.get(label);
    const at = moves.acceptedAt(address);
    if (known === undefined) {
      this.#accounts.set(label, { accepted: 1, consumed: 0, address, at, mayRepeat: false, order: this.#order });
      return;
    }
    if (moves.takeDead(label)) return;
    if (!known.mayRepeat && !(at - known.at > limits.seenIdsMs))
      throw new Broken('D2', `event ${label} was accepted again at ${describeAddress(address)}`);
    known.accepted += 1;
    known.mayRepeat = false;
    known.at = at;
  }

  #takeAway(address: string, label: string, moves: Moves): void {
    if (this.#givenToEphemerals.has(label)) return;
    const { isDirect, target } = parseAddress(address);
    if (isDirect && moves.isOver(target)) return;
    throw new Broken('D2', `event ${label} was taken out of ${describeAddress(address)}, and nobody was given it`);
  }
}

interface Waiting {
  readonly seq: number;
  readonly label: string;
}

/** What one commit takes out of mailboxes and puts in. */
class Moves {
  readonly isOver: (instanceId: string) => boolean;
  readonly puts: { readonly address: string; readonly label: string }[] = [];
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #acceptedAt = new Map<string, number>();
  /** By address, what was taken out and is not accounted for yet. */
  readonly #taken = new Map<string, Waiting[]>();

  constructor({ changes, mailboxes, isOver }: Movement) {
    this.isOver = isOver;
    for (const { address, delta } of changes) {
      const before = this.#waiting.get(address) ?? toWaiting(mailboxes.get(address));
      this.#waiting.set(address, before);
      for (const item of (delta.p ?? []) as Json[][]) this.puts.push({ address, label: labelOf(item[2]) });
      for (const [, at] of (delta.s ?? []) as [string, number][]) this.#acceptedAt.set(address, at);
      const seqs = new Set(delta.d === 1 ? before.map(({ seq }) => seq) : ((delta.x ?? []) as number[]));
      const taken = before.filter(({ seq }) => seqs.has(seq));
      this.#taken.set(address, [...(this.#taken.get(address) ?? []), ...taken]);
    }
    for (const [address, mailbox] of mailboxes) if (!this.#waiting.has(address)) this.#waiting.set(address, toWaiting(mailbox));
  }

  /** When an event with an id was accepted at an address; it may be accepted again after a day. */
  acceptedAt(address: string): number {
    return this.#acceptedAt.get(address) ?? Number.NaN;
  }

  /** The event that waits longest at an address. */
  first(address: string): Waiting | undefined {
    return this.#waiting.get(address)?.[0];
  }

  /** Accounts for an event that was taken out; false when it was not. */
  take(address: string, seq: number): boolean {
    const taken = this.#taken.get(address) ?? [];
    const index = taken.findIndex((event) => event.seq === seq);
    if (index === -1) return false;
    taken.splice(index, 1);
    const waiting = this.#waiting.get(address) ?? [];
    waiting.splice(
      waiting.findIndex((event) => event.seq === seq),
      1,
    );
    return true;
  }

  /** The same for one that has become a dead letter. */
  takeLabel(label: string): boolean {
    for (const [address, events] of this.#taken) {
      const event = address === DEAD_LETTERS ? undefined : events.find((each) => each.label === label);
      if (event !== undefined) return this.take(address, event.seq);
    }
    return false;
  }

  /** The same for a dead letter that is sent again. */
  takeDead(label: string): boolean {
    const letter = this.#taken.get(DEAD_LETTERS)?.find((each) => each.label === label);
    return letter !== undefined && this.take(DEAD_LETTERS, letter.seq);
  }

  *leftTaken(): Iterable<{ address: string; label: string }> {
    for (const [address, events] of this.#taken) for (const { label } of events) yield { address, label };
  }
}

function toWaiting(mailbox: MailboxRecord | undefined): Waiting[] {
  return [...(mailbox?.events.values() ?? [])].map(({ seq, payload }) => ({ seq, label: labelOf(JSON.parse(String(payload))) }));
}

/** The ids of events name them. */
export function toEventId(label: string): string {
  return `id of ${label}`;
}

function labelOfId(id: string): string {
  return id.slice(toEventId('').length);
}

export function labelOf(payload: unknown): string {
  return String((payload as { label?: unknown } | null)?.label);
}
