// What the store tests share: a logger that remembers, and deltas written as the runtime writes them.

import type { Head } from '../../src/runtime/head.js';
import type { Change, Commit, Logger, LogLevel, OpenStore, StorePort } from '../../src/runtime/ports.js';

export interface LoggedLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class MemoryLogger implements Logger {
  readonly lines: LoggedLine[] = [];
  readonly #waiting: { message: string; resolve: () => void }[] = [];

  /** What a user would be told. */
  get told(): LoggedLine[] {
    return this.lines.filter((line) => line.level !== 'debug');
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.lines.push({ level, message, fields });
    for (const each of this.#waiting.splice(0)) {
      if (message.includes(each.message)) each.resolve();
      else this.#waiting.push(each);
    }
  }

  /** Resolves with the next line that says this. */
  next(message: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ message, resolve });
    });
  }
}

export function openStore(store: StorePort, logger: Logger = new MemoryLogger()): Promise<OpenStore> {
  return store.open({ logger });
}

export function commit(...changes: Change[]): Commit {
  return { changes };
}

export function onInstance(key: string, delta: unknown): Change {
  return { table: 'instance', key, delta: JSON.stringify(delta) };
}

export function onMailbox(key: string, delta: unknown): Change {
  return { table: 'mailbox', key, delta: JSON.stringify(delta) };
}

/** An instance that began, ran a step, and sleeps until it is approved. */
export function begin(id: string, input: unknown = { model: 'cx22' }): Change {
  return onInstance(id, {
    t: 1_000,
    n: ['provision', 1, input, 0, 0],
    j: [[0, 0, 'ok', '10.0.0.7', 'activity', 'requestServer', null, 1_000]],
    p: [[0, 1, 'receive', 'approval', 1, { k: '10.0.0.7', d: 9_000, r: [['approval', '10.0.0.7']] }]],
  });
}

/** The same instance, approved and at its next step. */
export function approve(id: string, payload: unknown = { approved: true }): Change {
  return onInstance(id, {
    t: 2_000,
    j: [[0, 1, 'ok', payload]],
    p: [[0, 2, 'activity', 'execJob', 2, { a: { job: 'deploy' } }]],
    e: { state: 'deploying' },
  });
}

/** The same instance at its end. */
export function complete(id: string): Change {
  return onInstance(id, { t: 3_000, j: [[0, 2, 'ok', null]], z: ['completed', { status: 'live' }] });
}

export function put(address: string, seq: number, payload: unknown = { n: seq }): Change {
  return onMailbox(address, { p: [[seq, 1_000 + seq, payload, `id-${seq}`, 0, 0]], s: [[`id-${seq}`, 1_000 + seq]] });
}

export function take(address: string, seq: number): Change {
  return onMailbox(address, { x: [seq] });
}

export function forget(address: string, seq: number): Change {
  return onMailbox(address, { f: [`id-${seq}`] });
}

export function remove(change: Pick<Change, 'table' | 'key'>): Change {
  return { table: change.table, key: change.key, delta: '{"d":1}' };
}

/** The part of a record that a store lists without reading the rest. */
/** The heads of all instances, by their ids. */
export function headsOf(store: OpenStore): (readonly [id: string, head: Head])[] {
  const heads: (readonly [string, Head])[] = [];
  store.visitHeads((id, head) => heads.push([id, head]));
  return heads.sort(([left], [right]) => compare(left, right));
}

/** All that a store has, in an order of its own; what it has twice is there twice. */
export function contentsOf(store: OpenStore): Record<string, unknown> {
  const heads = headsOf(store);
  const addresses = [...store.mailboxes()].map((mailbox) => mailbox.address).sort(compare);
  return {
    heads,
    instances: heads.map(([id]) => store.readInstance(id)),
    mailboxes: addresses.map((address) => store.readMailbox(address)),
  };
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
