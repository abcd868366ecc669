// What one turn changes in its instance, gathered while it runs, and its text for the commit.

import { type Carried, textOfCarried } from './carried.js';
import type { Encoded } from './codec.js';
import { grown } from './grown.js';
import type { Request, SharedDelta } from './record.js';
import { isStepKind, requestText } from './request-text.js';

/** The end of an instance: its output, or its error as data; of an ephemeral one the error itself. */
export interface InstanceEnd {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly carried: Carried;
}

/** With what an instance goes on as its next generation. */
export interface Continuation {
  readonly input: Carried;
  readonly keepExposed: boolean;
}

const none: readonly Request[] = [];

export class TurnDelta {
  readonly entries: string[] = [];
  #added: Request[] | null = null;
  /** Of those made, the ones given up in the same turn. */
  #withdrawn: Set<Request> | null = null;
  #dropped: Request[] | null = null;
  exposed: Map<string, Encoded> | null = null;
  shared: SharedDelta | null = null;
  end: InstanceEnd | null = null;
  continuation: Continuation | null = null;

  get isEmpty(): boolean {
    return this.entries.length === 0 && this.added.length === 0 && this.dropped.length === 0 && !this.isLast;
  }

  /** It ends the instance, or this generation of it. */
  get isLast(): boolean {
    return this.end !== null || this.continuation !== null;
  }

  /** It only waits for something else now: no step is to be started, none to be aborted, nobody to be told. */
  get onlyWaits(): boolean {
    return !this.isLast && this.dropped.length === 0 && !this.added.some(({ kind }) => isStepKind(kind));
  }

  /** Requests made, in order. */
  get added(): readonly Request[] {
    const withdrawn = this.#withdrawn;
    if (withdrawn !== null && this.#added !== null) this.#added = this.#added.filter((request) => !withdrawn.has(request));
    this.#withdrawn = null;
    return this.#added ?? none;
  }

  /** Requests of earlier turns given up without an outcome. */
  get dropped(): readonly Request[] {
    return this.#dropped ?? none;
  }

  add(request: Request): void {
    this.#added = grown(this.#added, request);
  }

  /** Gives a request up; one that was made in this very turn, and has a later number than all before it, leaves no trace. */
  drop(request: Request): void {
    const first = this.#added?.[0];
    if (first !== undefined && request.seq >= first.seq) {
      this.#withdrawn ??= new Set();
      this.#withdrawn.add(request);
    } else this.#dropped = grown(this.#dropped, request);
  }

  expose(name: string, text: Encoded): void {
    this.exposed ??= new Map();
    this.exposed.set(name, text);
  }

  /** The delta as JSON, with `begin` (the text of an `n` part) for the first turn of an instance. */
  text(at: number, begin?: string): string {
    let text = `{"t":${at}`;
    if (begin !== undefined) text += `,"n":${begin}`;
    if (this.entries.length > 0) text += `,"j":[${this.entries.join(',')}]`;
    if (!this.isLast) text += this.#requestsText();
    if (!this.isLast && this.shared !== null) text += `,"g":${JSON.stringify(this.shared)}`;
    if (this.exposed !== null) text += `,"e":{${[...this.exposed].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
    if (this.end !== null) text += `,"z":["${this.end.status}",${textOfCarried(this.end.carried)}]`;
    if (this.continuation !== null) text += `,"y":[${textOfCarried(this.continuation.input)},${this.continuation.keepExposed ? 1 : 0}]`;
    return `${text}}`;
  }

  /** Needless at the end, which clears all requests. */
  #requestsText(): string {
    let text = '';
    if (this.added.length > 0) text += `,"p":[${this.added.map(requestText).join(',')}]`;
    if (this.dropped.length > 0) text += `,"x":[${this.dropped.map((request) => `[${request.task},${request.pos}]`).join(',')}]`;
    return text;
  }
}
