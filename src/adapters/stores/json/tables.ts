// The two tables of a store and the commit that they stand at: what readers see and what checkpoints write.
//
// Invariants:
//   T6. Rows hold durable commits only, all of them up to `appliedSeq`, each as a whole.

import type { MailboxRecord } from '../../../runtime/mailbox-record.js';
import type { Change, Commit } from '../../../runtime/ports.js';
import type { InstanceRecord } from '../../../runtime/record.js';
import type { FileCache } from './file-cache.js';
import type { Meta } from './meta-file.js';
import { instanceCodec, mailboxCodec } from './row-codec.js';
import { ShardTable } from './shard-table.js';

export class Tables {
  readonly instances: ShardTable<InstanceRecord>;
  readonly mailboxes: ShardTable<MailboxRecord>;
  #appliedSeq = 0;

  constructor(cache: FileCache, logPath: string, meta: Meta) {
    this.instances = new ShardTable({ codec: instanceCodec, cache, logPath, shards: meta.instance.length });
    this.mailboxes = new ShardTable({ codec: mailboxCodec, cache, logPath, shards: meta.mailbox.length });
  }

  get appliedSeq(): number {
    return this.#appliedSeq;
  }

  /** Bytes of all shard files. */
  get bytes(): number {
    return this.instances.bytes + this.mailboxes.bytes;
  }

  /** Shows commits that have become durable, the last of which has this sequence number. */
  apply(commits: readonly Commit[], lastSeq: number): void {
    for (const { changes } of commits) {
      for (const { table, key, delta } of changes) {
        if (table === 'instance') this.instances.push(key, delta);
        else this.mailboxes.push(key, delta);
      }
    }
    this.#appliedSeq = lastSeq;
  }

  /** Shows a commit from the log, as far as the shards do not have it. */
  recover(seq: number, changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.table === 'instance') this.instances.recover(seq, change);
      else this.mailboxes.recover(seq, change);
    }
    this.#appliedSeq = seq;
  }

  /** The log ends here, though it may have no commit of its own any more. */
  standAt(seq: number): void {
    this.#appliedSeq = seq;
  }

  /** Nobody asks for the heads any more. */
  releaseHeads(): void {
    this.instances.releaseHeads();
    this.mailboxes.releaseHeads();
  }

  /** While it is so, no shard is split. */
  freeze(frozen: boolean): void {
    this.instances.frozen = frozen;
    this.mailboxes.frozen = frozen;
  }
}
