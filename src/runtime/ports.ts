// What the runtime needs from outside, and where actors and adapters meet: time, ids, a log and a store.
// Adapters implement these; nothing here knows how.

import type { Head } from './head.js';
import type { MailboxRecord } from './mailbox-record.js';
import type { InstanceRecord } from './record.js';

/** Time. */
export interface Timers {
  now(): number;
  /** Milliseconds that have passed since some moment, whatever the clock is set to meanwhile. */
  elapsed(): number;
  /** Fires once at or after an absolute time, however far away, never before. */
  setTimer(at: number, fire: () => void): Timer;
  /** Fires once after so many milliseconds, whatever the clock is set to meanwhile. */
  setDelay(ms: number, fire: () => void): Timer;
}

export interface Clock extends Timers {
  /** Resolves when whatever else is ready has had its turn. */
  letOthersRun(): Promise<void>;
}

export interface Timer {
  cancel(): void;
}

/** Ids and randomness. */
export interface Ids {
  /** An instance id. */
  id(): string;
  /** A callback token: at least 128 random bits. */
  token(): string;
  uuid(): string;
  /** From 0 up to, not including, 1. */
  random(): number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where the runtime and `log.*` of workflows write. */
export interface Logger {
  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** A place where instances and mailboxes are kept. Made by `memoryStore()` or `jsonStore(directory)`. */
export interface Store {
  readonly kind: string;
}

/** What a store is to the runtime. A store can be opened again after it was closed. */
export interface StorePort extends Store {
  /**
   * Takes the store for this process and recovers what was committed.
   *
   * @throws StoreLockedError, StoreCorruptError, StoreFormatError, StoreUnavailableError
   */
  open(options: StoreOpenOptions): Promise<OpenStore>;
}

export interface StoreOpenOptions {
  readonly logger: Logger;
}

export type Table = 'instance' | 'mailbox';

/** One row's part of a commit: the JSON text of a delta (see record.ts and mailbox-record.ts). */
export interface Change {
  readonly table: Table;
  /** Instance id or mailbox address. */
  readonly key: string;
  readonly delta: string;
}

/** What one turn changes: written whole or not at all. */
export interface Commit {
  readonly changes: readonly Change[];
}

/** A store that this process owns. */
export interface OpenStore {
  readonly recovery: Recovery;
  /** Tells the head of every instance: at little cost right after opening, else by reading every record. */
  visitHeads(visit: (id: string, head: Head) => void): void;
  /** Every mailbox as it was committed. Only right after opening. */
  mailboxes(): Iterable<MailboxRecord>;
  /**
   * Makes commits durable, in order, all of them or none. The runtime calls it once at a time.
   *
   * @throws StoreFullError or StoreWriteError when nothing of the batch was kept and the store goes on;
   *   StoreFailedError when the store cannot be trusted any more.
   */
  append(commits: readonly Commit[]): Promise<void>;
  /** The ids of every committed instance; those that come or go meanwhile may be among them. */
  instanceIds(): Iterable<string>;
  hasInstance(id: string): boolean;
  /** The committed record of an instance, its own copy. Synchronous: an event is routed, applied and committed without a gap. */
  readInstance(id: string): InstanceRecord | undefined;
  /** The committed mailbox at an address, its own copy. */
  readMailbox(address: string): MailboxRecord | undefined;
  /** Numbers for `health()`. */
  figures(): Readonly<Record<string, number>>;
  /** Lets go without flushing or sealing, so that this process can open it as after a crash; for tests. */
  crash(): Promise<void>;
  /** Waits for the background, seals, and gives the store back. */
  close(): Promise<void>;
}

export interface Recovery {
  /** The last process closed the store: no step was in flight. */
  readonly clean: boolean;
  /** An unsynced tail of the log that was cut off: nobody had been told of it. */
  readonly cut: { readonly file: string; readonly offset: number; readonly bytes: number } | null;
}
