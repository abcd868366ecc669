// A store in memory: for tests, for examples and for processes that need not outlive themselves. What was appended
// can be opened again in the same process, after a close or after the runtime that had it was simply abandoned,
// which is how tests crash a runtime. It keeps the texts of deltas, so whoever reads gets what a disk would give.
//
// Invariants:
//   S1. A batch is visible whole once its append has resolved, and not at all before or when it rejects.
//   S2. Only the last OpenStore writes: opening again, or closing, ends the one before it.
//   S3. Memory is bound by what is stored, not by how often it changed: an instance's deltas are folded when they
//       have doubled, a mailbox's when something leaves it or a few have gathered.

import { type Head, toHead } from '../../runtime/head.js';
import { applyMailboxDelta, type MailboxDelta, type MailboxRecord } from '../../runtime/mailbox-record.js';
import type { Change, Commit, OpenStore, Recovery, StoreOpenOptions, StorePort } from '../../runtime/ports.js';
import { foldInstance, type InstanceRecord, toBaseDelta } from '../../runtime/record.js';
import { StoreFailedError } from '../../runtime/store-errors.js';
import { isRemoval, parseDeltas } from './rows.js';

/** Deltas of one instance are not folded before they are this many characters. */
const foldLengthMin = 8_192;
/** Deltas of one mailbox that wait to be applied. */
const mailboxTailMax = 16;

/** Appends after which the event loop gets a turn: two instances that answer each other for ever must not starve it. */
const breathEvery = 64;
const { setImmediate } = globalThis;

/**
 * Gives a store that lives as long as this process. Opening it again recovers what was committed, as after a crash
 * unless it was closed. The process's end loses everything.
 *
 * @example
 * const runtime = await createRuntime({ workflows: [provision], store: memoryStore() });
 */
export function memoryStore(): StorePort {
  return new MemoryStore();
}

class MemoryStore implements StorePort {
  readonly kind = 'memory';
  readonly instances = new Map<string, InstanceRow>();
  readonly mailboxes = new Map<string, MailboxRow>();
  owner: OpenMemoryStore | null = null;

  async open(_options: StoreOpenOptions): Promise<OpenStore> {
    this.owner = new OpenMemoryStore(this, { clean: this.owner === null, cut: null });
    return this.owner;
  }
}

class OpenMemoryStore implements OpenStore {
  readonly recovery: Recovery;
  readonly #rows: MemoryStore;
  #appends = 0;
  #breath: Promise<void> | undefined;

  constructor(rows: MemoryStore, recovery: Recovery) {
    this.#rows = rows;
    this.recovery = recovery;
  }

  visitHeads(visit: (id: string, head: Head) => void): void {
    for (const [id, row] of this.#rows.instances) {
      const record = row.read(id);
      if (record !== undefined) visit(id, toHead(record));
    }
  }

  instanceIds(): Iterable<string> {
    return this.#rows.instances.keys();
  }

  hasInstance(id: string): boolean {
    return this.#rows.instances.has(id);
  }

  *mailboxes(): Generator<MailboxRecord> {
    for (const address of this.#rows.mailboxes.keys()) {
      const record = this.readMailbox(address);
      if (record !== undefined) yield record;
    }
  }

  async append(commits: readonly Commit[]): Promise<void> {
    this.#assertOwner();
    // Rows must not change before the caller waits, and whoever opens the store in between takes it with them.
    await this.#takeTurn();
    this.#assertOwner();
    for (const commit of commits) {
      for (const change of commit.changes) {
        if (change.table === 'instance') this.#changeInstance(change);
        else this.#changeMailbox(change);
      }
    }
  }

  readInstance(id: string): InstanceRecord | undefined {
    return this.#rows.instances.get(id)?.read(id);
  }

  readMailbox(address: string): MailboxRecord | undefined {
    return this.#rows.mailboxes.get(address)?.read(address);
  }

  figures(): Readonly<Record<string, number>> {
    return { instances: this.#rows.instances.size, mailboxes: this.#rows.mailboxes.size };
  }

  /** Whoever opens it next takes it from us. */
  async crash(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#rows.owner === this) this.#rows.owner = null;
  }

  #changeInstance({ key, delta }: Change): void {
    const rows = this.#rows.instances;
    if (isRemoval(delta)) {
      rows.delete(key);
      return;
    }
    const row = rows.get(key);
    if (row === undefined) rows.set(key, new InstanceRow(delta));
    else row.push(key, delta);
  }

  #changeMailbox({ key, delta }: Change): void {
    const rows = this.#rows.mailboxes;
    let row = rows.get(key);
    if (row === undefined) {
      row = new MailboxRow();
      rows.set(key, row);
    }
    row.push(key, delta);
    if (row.isEmpty()) rows.delete(key);
  }

  /** Whoever comes while the loop takes its breath waits behind those who came before. */
  #takeTurn(): Promise<void> | undefined {
    this.#appends += 1;
    if (this.#appends % breathEvery === 0) {
      this.#breath ??= breath().then(() => {
        this.#breath = undefined;
      });
    }
    return this.#breath;
  }

  #assertOwner(): void {
    if (this.#rows.owner !== this) throw new StoreFailedError('it was closed, or opened again by someone else');
  }
}

/** An instance as the texts of its deltas. */
class InstanceRow {
  #deltas: string[];
  #length: number;
  #foldAt = foldLengthMin;

  constructor(delta: string) {
    this.#deltas = [delta];
    this.#length = delta.length;
  }

  push(id: string, delta: string): void {
    this.#deltas.push(delta);
    this.#length += delta.length;
    if (this.#length >= this.#foldAt) this.#fold(id);
  }

  read(id: string): InstanceRecord | undefined {
    return foldInstance(id, parseDeltas(this.#deltas));
  }

  #fold(id: string): void {
    const record = this.read(id);
    if (record !== undefined) {
      const base = toBaseDelta(record);
      this.#deltas = [base];
      this.#length = base.length;
    }
    this.#foldAt = Math.max(foldLengthMin, this.#length * 2);
  }
}

/** A mailbox as its record, and the deltas not yet applied to it: each is parsed once. */
class MailboxRow {
  #record: MailboxRecord | undefined;
  #tail: string[] = [];

  push(address: string, delta: string): void {
    this.#tail.push(delta);
    if (this.#tail.length >= mailboxTailMax || mayRemove(delta)) this.#apply(address);
  }

  isEmpty(): boolean {
    return this.#record === undefined && this.#tail.length === 0;
  }

  read(address: string): MailboxRecord | undefined {
    this.#apply(address);
    const record = this.#record;
    return record && { address, events: new Map(record.events), seen: new Map(record.seen) };
  }

  #apply(address: string): void {
    if (this.#tail.length === 0) return;
    for (const text of this.#tail) this.#record = applyMailboxDelta(address, this.#record, JSON.parse(text) as MailboxDelta);
    this.#tail = [];
  }
}

/** Whether a delta of a mailbox can leave nothing of it. A payload that only looks like it costs an early parse. */
function mayRemove(delta: string): boolean {
  return delta.includes('"x":') || delta.includes('"f":') || delta.includes('"d":');
}

function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
