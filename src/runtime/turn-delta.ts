// What one turn changes in its instance, gathered while it runs, and its text for the commit.

import type { Encoded } from './codec.js';
import { type Request, requestKey, requestText } from './record.js';

/** The end of an instance: `text` is its encoded output or its error as data. */
export interface InstanceEnd {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly text: string;
}

export class TurnDelta {
  readonly entries: string[] = [];
  readonly added = new Map<string, Request>();
  readonly dropped: Request[] = [];
  readonly exposed = new Map<string, Encoded>();
  end: InstanceEnd | null = null;

  get isEmpty(): boolean {
    return this.entries.length === 0 && this.added.size === 0 && this.dropped.length === 0 && this.end === null;
  }

  add(request: Request): void {
    this.added.set(requestKey(request.task, request.pos), request);
  }

  /** Gives a request up; one that was made in this very turn leaves no trace. */
  drop(request: Request): void {
    if (!this.added.delete(requestKey(request.task, request.pos))) this.dropped.push(request);
  }

  /** The delta as JSON, with `begin` (the text of an `n` part) for the first turn of an instance. */
  text(at: number, begin?: string): string {
    let text = `{"t":${at}`;
    if (begin !== undefined) text += `,"n":${begin}`;
    if (this.entries.length > 0) text += `,"j":[${this.entries.join(',')}]`;
    if (this.end === null) text += this.#requestsText();
    if (this.exposed.size > 0) text += `,"e":{${[...this.exposed].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
    if (this.end !== null) text += `,"z":["${this.end.status}",${this.end.text}]`;
    return `${text}}`;
  }

  /** Needless at the end, which clears all requests. */
  #requestsText(): string {
    let text = '';
    if (this.added.size > 0) {
      const added: string[] = [];
      for (const request of this.added.values()) added.push(requestText(request));
      text += `,"p":[${added.join(',')}]`;
    }
    if (this.dropped.length > 0) text += `,"x":[${this.dropped.map((request) => `[${request.task},${request.pos}]`).join(',')}]`;
    return text;
  }
}
