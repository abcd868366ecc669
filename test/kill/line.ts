// The line to whichever process lives: a request waits while there is none.

import type { Reply, Request } from './protocol.js';
import type { Victim } from './victim.js';

export class Line {
  #victim: Victim | null = null;
  #waiting: ((victim: Victim) => void)[] = [];

  connect(victim: Victim): void {
    this.#victim = victim;
    for (const resolve of this.#waiting.splice(0)) resolve(victim);
  }

  /** To be called before the process is killed. */
  disconnect(): void {
    this.#victim = null;
  }

  /** Resolves with null when the process was killed before it replied. */
  async ask(request: Request): Promise<Reply | null> {
    const victim = this.#victim ?? (await new Promise<Victim>((resolve) => this.#waiting.push(resolve)));
    const reply = await victim.ask(request);
    // It ended by itself: it is not to be asked again.
    if (reply === null && this.#victim === victim) this.disconnect();
    return reply;
  }
}
