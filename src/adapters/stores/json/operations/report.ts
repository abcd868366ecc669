// What looking through a store finds, and how it is counted. Nothing here reads a file.

import { limits } from '../../../../runtime/limits.js';
import type { Table } from '../../../../runtime/ports.js';

/** Something that is wrong with a store. */
export interface StoreProblem {
  /** `damage`: bytes are not as they were written. `content`: they are, and are nothing that a runtime writes; it keeps to one record. */
  readonly kind: 'damage' | 'content';
  readonly file: string;
  /** Where in the file. */
  readonly offset: number;
  readonly what: string;
  /** The instance that it is about, where it is about one. */
  readonly instance?: string;
  /** The address of the mailbox that it is about. */
  readonly mailbox?: string;
}

export interface StoreFigures {
  /** How many instances there are, ended ones included until their retention is over. `stuck` ones are not among the active. */
  readonly instances: {
    readonly total: number;
    readonly active: number;
    readonly stuck: number;
    readonly completed: number;
    readonly failed: number;
    readonly cancelled: number;
  };
  readonly mailboxes: number;
  /** Events that wait in mailboxes, without dead letters. */
  readonly events: number;
  readonly deadLetters: number;
  /** Commits since the store was made. */
  readonly commits: number;
  readonly shards: number;
  readonly segments: number;
  readonly logBytes: number;
  readonly shardBytes: number;
}

/** The end of the log that was never synced, or is being written. Opening the store cuts it off: nobody was told of it. */
export interface StoreTail {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** The process that has the store; one that is known to have died has it no more. */
export interface StoreHolder {
  /** Null when its lock does not say. */
  readonly pid: number | null;
  readonly host: string | null;
  /** False where it cannot be seen from here: it ran in another container, on another machine or before a reboot. */
  readonly isKnownAlive: boolean;
}

export interface StoreReport {
  /** No problem was found. */
  readonly ok: boolean;
  /** The version of the format; null when meta.json is damaged. */
  readonly format: number | null;
  /** In the order in which they were found, log first, up to 1,000 of them. */
  readonly problems: readonly StoreProblem[];
  readonly problemCount: number;
  /** As of the log's end, or of where its damage begins. Damaged records are not counted. */
  readonly figures: StoreFigures;
  readonly tail: StoreTail | null;
  readonly inUse: StoreHolder | null;
}

/** Problems in the order in which they were found, as many as are kept, and how many there were. */
export class Findings {
  readonly kept: StoreProblem[] = [];
  /** The first that was damage. */
  damage: StoreProblem | null = null;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(problem: StoreProblem): void {
    this.#count += 1;
    if (problem.kind === 'damage') this.damage ??= problem;
    if (this.kept.length < limits.storeProblemsMax) this.kept.push(problem);
  }
}

/** Whom a row is about, as a problem says it. */
export function subjectOf(table: Table, key: string): Pick<StoreProblem, 'instance' | 'mailbox'> {
  return table === 'instance' ? { instance: key } : { mailbox: key };
}
