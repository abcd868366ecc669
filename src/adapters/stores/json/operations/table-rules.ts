// What the two tables do differently when they are looked through.

import { DEAD_LETTERS, parseAddress } from '../../../../runtime/addresses.js';
import type { MailboxRecord } from '../../../../runtime/mailbox-record.js';
import type { InstanceRecord } from '../../../../runtime/record.js';
import { instanceCodec, mailboxCodec, type RowCodec } from '../row-codec.js';
import { IdHashes } from './id-hashes.js';
import { faultsOfInstance } from './instance-rules.js';
import { faultsOfMailbox } from './mailbox-rules.js';

/** The records of a table, as they are looked at one after the other. */
export interface TableRules<R> {
  readonly codec: RowCodec<R>;
  /** Says in words what is wrong with a record by itself. */
  faults(record: R): Iterable<string>;
  /** What is wrong with it among the others. Instances come before mailboxes. */
  faultsAmongOthers(record: R): Iterable<string>;
  count(record: R): void;
  /** There is a row of this key that cannot be counted; without a key, nobody knows which. */
  miss(key?: string): void;
}

export class InstanceTally implements TableRules<InstanceRecord> {
  readonly codec = instanceCodec;
  readonly faults = faultsOfInstance;
  readonly ids = new IdHashes();
  /** All ids are known. */
  isComplete = true;
  readonly counts = { total: 0, active: 0, stuck: 0, completed: 0, failed: 0, cancelled: 0 };

  *faultsAmongOthers(): Generator<string> {}

  count(record: InstanceRecord): void {
    this.ids.add(record.id);
    this.counts.total += 1;
    this.counts[record.stuck === null ? record.status : 'stuck'] += 1;
  }

  miss(key?: string): void {
    if (key === undefined) this.isComplete = false;
    else this.ids.add(key);
  }
}

export class MailboxTally implements TableRules<MailboxRecord> {
  readonly codec = mailboxCodec;
  readonly faults = faultsOfMailbox;
  mailboxes = 0;
  events = 0;
  deadLetters = 0;
  readonly #instances: InstanceTally;

  /** @param instances with all of them, once the first mailbox is looked at */
  constructor(instances: InstanceTally) {
    this.#instances = instances;
  }

  /** An instance takes its mailboxes with it when it goes. */
  *faultsAmongOthers({ address }: MailboxRecord): Generator<string> {
    const { isDirect, target } = parseAddress(address);
    if (isDirect && this.#instances.isComplete && !this.#instances.ids.has(target))
      yield 'it is the mailbox of an instance that there is not';
  }

  count({ address, events }: MailboxRecord): void {
    this.mailboxes += 1;
    if (address === DEAD_LETTERS) this.deadLetters += events.size;
    else this.events += events.size;
  }

  miss(): void {}
}
