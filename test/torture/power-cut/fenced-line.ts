// The line to a process whose power is cut: what it still says afterwards does not count. Whoever asked is told that
// nothing was replied, as if the reply had come out of the dark.

import { Line } from '../../kill/line.js';
import type { Reply, Request } from '../../kill/protocol.js';
import type { Victim } from '../../kill/victim.js';

export class FencedLine extends Line {
  #isDark = true;

  get isDark(): boolean {
    return this.#isDark;
  }

  override connect(victim: Victim): void {
    this.#isDark = false;
    super.connect(victim);
  }

  override disconnect(): void {
    this.#isDark = true;
    super.disconnect();
  }

  override async ask(request: Request): Promise<Reply | null> {
    const reply = await super.ask(request);
    return this.#isDark ? null : reply;
  }
}
