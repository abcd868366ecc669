// What a service was asked, by idempotency key: how often each request arrived, and how often it took effect.
// A durable process may send a request more than once, because it cannot know whether one that was cut off arrived.
// The ledger is how the demo knows that this happened, and that it did no harm.

export interface LedgerLine {
  readonly service: string;
  readonly key: string;
  readonly request: string;
  readonly arrived: number;
  readonly effects: number;
}

export class Ledger {
  readonly #service: string;
  readonly #lines = new Map<string, { request: string; arrived: number; effects: number }>();

  constructor(service: string) {
    this.#service = service;
  }

  /** Notes that a request came in. Returns whether it is the first with this key. */
  arrived(key: string, request: string): boolean {
    const line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, { request, arrived: 1, effects: 0 });
    else line.arrived += 1;
    return line === undefined;
  }

  /** Notes that what the request asks for was really done. */
  tookEffect(key: string): void {
    const line = this.#lines.get(key);
    if (line === undefined) throw new Error(`${this.#service} did something that nobody asked for.`);
    line.effects += 1;
  }

  lines(): LedgerLine[] {
    return [...this.#lines].map(([key, line]) => ({ service: this.#service, key, ...line }));
  }
}
