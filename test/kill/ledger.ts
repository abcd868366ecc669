// The ledger: what the test asked for, and what of it was acknowledged. It is kept in the process that is not killed.

import type { Ending } from './protocol.js';
import type { Route } from './workflows.js';

/**
 * What is known of a request: `acknowledged` it must not be lost; `refused` it must not have happened; `abandoned` it
 * was not acknowledged before a kill and not repeated, so it happened once or not at all.
 */
export type Fate = 'pending' | 'acknowledged' | 'refused' | 'abandoned';

/** Something that was sent, with as many repetitions as kills made necessary. */
export interface Sent {
  readonly id: string;
  fate: Fate;
  tries: number;
}

export interface Callback {
  readonly token: string;
  readonly answers: Sent[];
}

/** One courier, from the outside. */
export class Voyage {
  readonly id: string;
  readonly route: Route;
  readonly start: Sent;
  cancel: Sent | null = null;
  /** In the order in which they were sent. */
  readonly orders: Sent[] = [];
  readonly parcels: Sent[] = [];
  /** The longest history that was seen. */
  history: readonly string[] = [];
  ending: Ending | null = null;

  constructor(id: string, route: Route) {
    this.id = id;
    this.route = route;
    this.start = { id, fate: 'pending', tries: 0 };
  }
}

export class Ledger {
  readonly voyages = new Map<string, Voyage>();
  /** By the courier and stage that submitted them. */
  readonly callbacks = new Map<string, Callback>();
  /** What was found still waiting at each key in the end. */
  readonly left = new Map<string, readonly string[]>();
  /** What was seen to be wrong on the way. */
  readonly faults: string[] = [];
  duplicates = 0;
  /** Instances that had to be retried, because a step of theirs was in flight at too many kills. */
  interrupted = 0;

  begin(id: string, route: Route): Voyage {
    const voyage = new Voyage(id, route);
    this.voyages.set(id, voyage);
    return voyage;
  }

  /** Notes a token; null when it was known. The token of one wait never changes. */
  addCallback(label: string, token: string): Callback | null {
    const known = this.callbacks.get(label);
    if (known === undefined) {
      const callback = { token, answers: [] };
      this.callbacks.set(label, callback);
      return callback;
    }
    if (known.token !== token) this.faults.push(`The callback of ${label} has another token after a crash.`);
    return null;
  }

  /** Notes what a courier shows of its history: what was committed once is never taken back. */
  saw(voyage: Voyage, history: readonly string[]): void {
    const isOlder = history.length < voyage.history.length;
    const [short, long] = isOlder ? [history, voyage.history] : [voyage.history, history];
    const isSame = short.every((entry, index) => entry === long[index]);
    if (!isSame || isOlder) this.faults.push(`${voyage.id} had shown the history [${voyage.history}], and after that shows [${history}].`);
    voyage.history = history;
  }

  /** Notes how a courier ended: once and for all. */
  ended(voyage: Voyage, ending: Ending): void {
    const known = voyage.ending;
    if (known !== null && JSON.stringify(known) !== JSON.stringify(ending))
      this.faults.push(`${voyage.id} had ended as ${JSON.stringify(known)}, and after that as ${JSON.stringify(ending)}.`);
    voyage.ending = ending;
  }

  /** Everything that was sent, by what it is. */
  sent(): Record<'starts' | 'orders' | 'parcels' | 'answers' | 'cancels', Sent[]> {
    const voyages = [...this.voyages.values()];
    return {
      starts: voyages.map((voyage) => voyage.start),
      orders: voyages.flatMap((voyage) => voyage.orders),
      parcels: voyages.flatMap((voyage) => voyage.parcels),
      answers: [...this.callbacks.values()].flatMap((callback) => callback.answers),
      cancels: voyages.flatMap((voyage) => voyage.cancel ?? []),
    };
  }

  /** What couriers received, or what is left for them, by id. */
  *received(): Generator<string> {
    for (const { history } of this.voyages.values()) {
      for (const entry of history) yield entry.slice(entry.indexOf(' ') + 1).replace(/^(\d+) (?=.* answer \d+$)/, '');
    }
    for (const ids of this.left.values()) yield* ids;
  }
}
