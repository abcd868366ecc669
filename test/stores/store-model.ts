// What a store should hold: the records of its two tables, changed by the same deltas.

import { toHead } from '../../src/runtime/head.js';
import { applyMailboxDelta, type MailboxRecord } from '../../src/runtime/mailbox-record.js';
import type { Change } from '../../src/runtime/ports.js';
import { applyDelta, type InstanceRecord } from '../../src/runtime/record.js';

export class StoreModel {
  readonly instances = new Map<string, InstanceRecord>();
  readonly mailboxes = new Map<string, MailboxRecord>();

  apply(changes: readonly Change[]): void {
    for (const { table, key, delta } of changes) {
      if (table === 'instance') set(this.instances, key, applyDelta(key, this.instances.get(key), JSON.parse(delta)));
      else set(this.mailboxes, key, applyMailboxDelta(key, this.mailboxes.get(key), JSON.parse(delta)));
    }
  }

  /** As `contentsOf` says it of a store. */
  contents(): Record<string, unknown> {
    const records = [...this.instances.keys()].sort().map((id) => this.instances.get(id));
    return {
      heads: records.map((record) => record && [record.id, toHead(record)]),
      instances: records,
      mailboxes: [...this.mailboxes.keys()].sort().map((address) => this.mailboxes.get(address)),
    };
  }
}

function set<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
