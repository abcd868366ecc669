// What the outside does to the couriers while their process is killed again and again: it starts them, feeds them,
// answers their callbacks, cancels some and waits for their results. Whatever is not acknowledged is sent again with
// the same id; some of it is given up instead.

import type { Dice } from './dice.js';
import type { Callback, Ledger, Sent, Voyage } from './ledger.js';
import type { Line } from './line.js';
import { type Ending, type Request, toValue } from './protocol.js';

/** Couriers that are under way at a time. */
export const BERTHS = 64;
/** Fewer than berths: couriers compete for parcels. */
const KEYS = 8;

export interface TrafficOptions {
  readonly line: Line;
  readonly ledger: Ledger;
  readonly dice: Dice;
  /** Told what must not happen. */
  readonly onFault: (text: string) => void;
}

export class Traffic {
  readonly keys = Array.from({ length: KEYS }, (_, number) => `key ${number}`);
  readonly #line: Line;
  readonly #ledger: Ledger;
  readonly #dice: Dice;
  readonly #onFault: (text: string) => void;
  readonly #underWay = new Set<Promise<void>>();
  #isClosing = false;

  constructor({ line, ledger, dice, onFault }: TrafficOptions) {
    this.#line = line;
    this.#ledger = ledger;
    this.#dice = dice;
    this.#onFault = onFault;
  }

  begin(): void {
    for (let berth = 0; berth < BERTHS; berth += 1) this.#run(this.#occupy(berth, this.#dice.part(berth)));
  }

  /** From now on no courier follows one that has ended. Resolves when the last has, and all was answered. */
  async windDown(): Promise<void> {
    this.#isClosing = true;
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** A callback was submitted, or submitted again. */
  onToken(label: string, token: string): void {
    const callback = this.#ledger.addCallback(label, token);
    if (callback !== null) this.#run(this.#answer(label, callback));
  }

  /** What kills the process is not the step that it was taken to be: the instance is to go on. */
  onInterrupted(id: string): void {
    this.#ledger.interrupted += 1;
    this.#run(this.#retry(id));
  }

  #run(task: Promise<void>): void {
    const done = task
      .catch((error: unknown) => this.#onFault(error instanceof Error ? (error.stack ?? error.message) : String(error)))
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  async #occupy(berth: number, dice: Dice): Promise<void> {
    for (let generation = 0; generation === 0 || !this.#isClosing; generation += 1) {
      const route = { laps: 2 + dice.below(4), key: this.keys[berth % KEYS] ?? '', salt: dice.below(1_000) };
      const voyage = this.#ledger.begin(`courier${berth}.${generation}`, route);
      await this.#accompany(voyage, dice.part(generation));
    }
  }

  async #accompany(voyage: Voyage, dice: Dice): Promise<void> {
    const { id, route } = voyage;
    const start = { kind: 'start', id, route } as const;
    while (!(await this.#try(voyage.start, start)));
    this.#run(this.#sendParcels(voyage, dice.part(1)));
    this.#run(this.#sendOrders(voyage, dice.part(2)));
    const ending = await this.#insist({ kind: 'result', id });
    this.#ledger.ended(voyage, ending as Ending);
  }

  /** One order more than it takes: what is left when it ends is dropped with it. */
  async #sendOrders(voyage: Voyage, dice: Dice): Promise<void> {
    const wanted = voyage.route.laps + 1;
    const cancelAfter = dice.chance(0.15) ? dice.below(wanted) : null;
    for (let acknowledged = 0; acknowledged < wanted; ) {
      if (acknowledged === cancelAfter && voyage.cancel === null) this.#run(this.#cancel(voyage));
      const sent = begin(voyage.orders, `order ${voyage.orders.length} to ${voyage.id}`);
      const request = { kind: 'order', id: sent.id, to: voyage.id, padding: dice.below(300) } as const;
      await this.#deliver(sent, request, dice);
      if (sent.fate === 'refused') return;
      if (sent.fate === 'acknowledged') acknowledged += 1;
      await this.#look(voyage);
    }
  }

  /** As many as it takes, and sometimes one more: which courier gets them is not known. */
  async #sendParcels(voyage: Voyage, dice: Dice): Promise<void> {
    const { laps, key } = voyage.route;
    const wanted = laps + dice.below(2);
    for (let acknowledged = 0; acknowledged < wanted; ) {
      const sent = begin(voyage.parcels, `parcel ${voyage.parcels.length} from ${voyage.id}`);
      await this.#deliver(sent, { kind: 'parcel', id: sent.id, key, padding: dice.below(300) }, dice);
      if (sent.fate === 'acknowledged') acknowledged += 1;
    }
  }

  /** Sends an event until it is acknowledged, refused, or given up after a kill. */
  async #deliver(sent: Sent, request: Request, dice: Dice): Promise<void> {
    while (!(await this.#try(sent, request, ['INSTANCE_ENDED']))) {
      if (!dice.chance(0.2)) continue;
      sent.fate = 'abandoned';
      return;
    }
  }

  async #cancel(voyage: Voyage): Promise<void> {
    const sent: Sent = { id: voyage.id, fate: 'pending', tries: 0 };
    voyage.cancel = sent;
    while (!(await this.#try(sent, { kind: 'cancel', id: voyage.id }, ['INSTANCE_ENDED'])));
  }

  async #retry(id: string): Promise<void> {
    const sent: Sent = { id, fate: 'pending', tries: 0 };
    while (!(await this.#try(sent, { kind: 'retry', id }, ['INSTANCE_NOT_STUCK'])));
  }

  /** Each try has a payload of its own: of them all, one is to arrive. */
  async #answer(label: string, { token, answers }: Callback): Promise<void> {
    for (;;) {
      const sent = begin(answers, `${label} answer ${answers.length}`);
      if (await this.#try(sent, { kind: 'complete', token, payload: sent.id }, ['TOKEN_USED'])) return;
      sent.fate = 'abandoned';
    }
  }

  /** What a courier shows now. */
  async #look(voyage: Voyage): Promise<void> {
    const request = { kind: 'history', id: voyage.id } as const;
    const reply = await this.#line.ask(request);
    if (reply !== null) this.#ledger.saw(voyage, toValue(reply, request) as string[]);
  }

  /** Resolves with false when it has to be tried again: the process was killed before it said what became of it, or the instance is stuck. */
  async #try(sent: Sent, request: Request, refusals: readonly string[] = []): Promise<boolean> {
    sent.tries += 1;
    const reply = await this.#line.ask(request);
    if (reply === null || ('code' in reply && reply.code === 'INSTANCE_STUCK')) return false;
    const isRefused = 'code' in reply && refusals.includes(reply.code);
    if (!isRefused && toValue(reply, request) === 'duplicate') this.#noteDuplicate(sent);
    sent.fate = isRefused ? 'refused' : 'acknowledged';
    return true;
  }

  #noteDuplicate(sent: Sent): void {
    this.#ledger.duplicates += 1;
    if (sent.tries === 1) this.#ledger.faults.push(`${sent.id} was sent once, and is called a duplicate.`);
  }

  /** Asks again after each kill. */
  async #insist(request: Request): Promise<unknown> {
    for (;;) {
      const reply = await this.#line.ask(request);
      if (reply !== null) return toValue(reply, request);
    }
  }
}

function begin(list: Sent[], id: string): Sent {
  const sent: Sent = { id, fate: 'pending', tries: 0 };
  list.push(sent);
  return sent;
}
