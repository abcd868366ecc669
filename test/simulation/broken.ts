// What the simulation holds to be true. Tests and messages cite these numbers.
//
//   D1. Each position of a journal has one outcome ever, across all crashes.
//   D2. Events: what was accepted was consumed once, waits, is dead, or ended with its instance; first in, first out
//       at each address. None that was acknowledged is lost; what was not is there at most once.
//   D3. Replay equals live: what an instance has seen only grows, its outputs are what its journal says, and what is
//       shown of it is what is committed.
//   D4. A step runs when its request is on disk, and again only while its outcome is not; its idempotency key stays.
//   D5. Deadlines are never early, and fire once.
//   D6. Every promise given to a caller settles, with an error of ours or not at all; nobody who has something to do
//       is left asleep.
//   D7. Nothing is left over: when all has ended no slot, address, deadline or file is held, and the figures say so.
//   D8. The store opens after every crash, and holds all that was acknowledged and at most what was under way.
//   D9. An instance never runs two turns from one record.

export type Rule = 'D1' | 'D2' | 'D3' | 'D4' | 'D5' | 'D6' | 'D7' | 'D8' | 'D9';

/** A promise that was not kept. */
export class Broken extends Error {
  readonly rule: Rule;

  constructor(rule: Rule, text: string) {
    super(`${rule}: ${text}`);
    this.name = 'Broken';
    this.rule = rule;
  }
}
