// One commit on its way to the disk: what it changes, who waits for it, and what is to be done once it is there.
// Lists that most commits have no use for are made when they are first needed.

import { grown } from '../runtime/grown.js';
import type { EffectOf } from '../runtime/operation.js';
import type { Change, Commit, Table } from '../runtime/ports.js';
import type { Request } from '../runtime/record.js';
import type { InstanceEnd } from '../runtime/turn-delta.js';
import type { Slot } from './slot.js';
import type { AttemptResult } from './step-runner.js';

/** Somebody who is told when the commit is on disk, or why it is not. */
export interface Caller {
  resolve(): void;
  reject(error: unknown): void;
}

/** The result of an attempt, as the supervisor is told it. */
export interface AttemptEvent {
  readonly type: 'rouse.attempted';
  readonly instanceId: string;
  readonly key: string;
  /** The number of its request: another generation may have one of the same key. */
  readonly seq: number;
  readonly effect: EffectOf<'step' | 'activity'>;
  readonly result: AttemptResult;
  /** Tells the attempt through its signal that its outcome came too late. */
  readonly drop: () => void;
}

/** What one turn in this commit changed of an instance's requests. */
export interface Turn {
  readonly slot: Slot;
  readonly added: readonly Request[];
  readonly dropped: readonly Request[];
  readonly end: InstanceEnd | null;
  /** Ended ephemeral instances that nobody can ask for any more, when the body that started them is over. */
  readonly orphans: Iterable<Slot> | null;
}

/** Of those that have none. */
const noChanges: Change[] = [];

export class PendingCommit implements Commit {
  changes: Change[] = noChanges;
  turns: Turn[] | null = null;
  callers: Caller[] | null = null;
  /** Events put into mailboxes: address and seq. */
  puts: { address: string; seq: number }[] | null = null;
  /** Mailbox addresses that it changes. */
  addresses: string[] | null = null;
  /** Instances that it changes without a turn. */
  slots: Slot[] | null = null;
  /** Instances that it began, whose first turn comes next. */
  born: Slot[] | null = null;
  /** Instances whose `call` was given up. */
  cancels: Slot[] | null = null;
  /** Attempts whose results it records: told again when the commit fails, since nobody else can. */
  redo: AttemptEvent[] | null = null;
  /** Ephemeral instances whose turns it holds. */
  ephemerals: Slot[] | null = null;
  /** It takes its turn behind those that are being written. */
  isInLine = false;
  /** Run when it is on disk. */
  after: (() => void)[] | null = null;
  undone: (() => void)[] | null = null;

  change(table: Table, key: string, delta: string): void {
    // Reading a character makes one flat string of the pieces it was put together from: it is kept, and they are not.
    delta.charCodeAt(delta.length - 1);
    if (this.changes === noChanges) this.changes = [{ table, key, delta }];
    else this.changes.push({ table, key, delta });
  }

  /** Whether something follows from it, though it may have nothing to write. */
  get hasConsequences(): boolean {
    return (this.turns ?? this.puts ?? this.born ?? this.cancels ?? this.after) !== null;
  }

  /** Nothing was done in it: it can be used again. */
  get isUntouched(): boolean {
    return (
      this.changes === noChanges &&
      !this.hasConsequences &&
      (this.callers ?? this.addresses ?? this.slots ?? this.redo ?? this.ephemerals ?? this.undone) === null
    );
  }

  addEphemeral(slot: Slot): void {
    this.ephemerals = grown(this.ephemerals, slot);
  }

  addTurn(turn: Turn): void {
    this.turns = grown(this.turns, turn);
  }

  addCaller(caller: Caller): void {
    this.callers = grown(this.callers, caller);
  }

  touchMailbox(address: string): void {
    this.addresses = grown(this.addresses, address);
  }

  touchSlot(slot: Slot): void {
    this.slots = grown(this.slots, slot);
    slot.uncommitted++;
  }

  addPut(address: string, seq: number): void {
    this.puts = grown(this.puts, { address, seq });
  }

  addBorn(slot: Slot): void {
    this.born = grown(this.born, slot);
  }

  addCancel(slot: Slot): void {
    this.cancels = grown(this.cancels, slot);
  }

  addRedo(event: AttemptEvent): void {
    this.redo = grown(this.redo, event);
  }

  /** To be run when it could not be written. */
  addUndone(fn: () => void): void {
    this.undone = grown(this.undone, fn);
  }

  addAfter(fn: () => void): void {
    this.after = grown(this.after, fn);
  }
}
