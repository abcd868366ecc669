// The line to whichever process lives: a request waits while there is none.

import type { Reply, Request } from './protocol.js';
import type { Victim } from './victim.js';

export class Line {
  #victim: Promise<Victim>;
  #connect: (victim: Victim) => void = () => {};

  constructor() {
    this.#victim = this.#newVictim();
  }

  connect(victim: Victim): void {
    this.#connect(victim);
  }

  /** To be called before the process is killed. */
  disconnect(): void {
    this.#victim = this.#newVictim();
  }

  /** Resolves with null when the process was killed before it replied. */
  async ask(request: Request): Promise<Reply | null> {
    const victim = await this.#victim;
    return victim.ask(request);
  }

  #newVictim(): Promise<Victim> {
    return new Promise((resolve) => {
      this.#connect = resolve;
    });
  }
}
