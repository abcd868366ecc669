// The workflows of the kill test: couriers that use every kind of wait, and what they start. A courier keeps a history
// of all that it was given, in order, and shows it in the commit that consumed it.

import {
  all,
  CancelledError,
  call,
  event,
  expose,
  InstanceEndedError,
  instanceId,
  now,
  type Operation,
  race,
  receive,
  receiveAny,
  send,
  sleep,
  startChild,
  step,
  TimeoutError,
  timeout,
  waitForCallback,
  workflow,
} from '../../src/index.js';
import { checkDeadline, submit, type Work, work } from './outside.js';

export interface Route {
  readonly laps: number;
  /** The key under which parcels for it, and for others, are published. */
  readonly key: string;
  /** Makes couriers differ. */
  readonly salt: number;
}

/** An event with its id; the padding makes the log grow. */
export interface Item {
  readonly id: string;
  readonly padding: string;
}

/** The stage of a courier's cleanup: behind all others. */
const CLEANUP = 1_000_000;

export const order = event<Item>('order');
export const parcel = event<Item>('parcel');
const errand = event<string>('errand');
const answer = event<string>('answer');

/** Does laps; its result is its history. */
export const courier = workflow('courier', function* (route: Route): Operation<string[]> {
  const trip = new Trip(yield* instanceId());
  try {
    for (let lap = 0; lap < route.laps; lap += 1) yield* ride(trip, route, lap);
    return trip.history;
  } catch (error) {
    if (error instanceof CancelledError) yield* trip.cleanUp();
    throw error;
  }
});

/** Waits for an errand from the one that started it, does it, and answers. */
const helper = workflow('helper', function* (boss: string): Operation<string> {
  const instance = yield* instanceId();
  const given = yield* receive(errand);
  const value = yield* task({ instance, stage: 1, name: 'help', ms: 1 });
  try {
    yield* send(boss, answer, `${given} ${value}`, { id: `${instance} answers` });
  } catch (error) {
    // The boss may have been cancelled.
    if (!(error instanceof InstanceEndedError)) throw error;
  }
  return `${given} ${value}`;
});

/** Works while its caller waits. */
const porter = workflow('porter', function* (lap: number): Operation<string> {
  const instance = yield* instanceId();
  yield* sleep(1);
  return `carried ${lap} ${yield* task({ instance, stage: 1, name: 'carry' })}`;
});

/** Receives what is left at a key. */
export const collector = workflow('collector', function* (key: string): Operation<string[]> {
  const left: string[] = [];
  try {
    for (;;) left.push((yield* receive(parcel, { key, timeout: 20 })).id);
  } catch (error) {
    if (error instanceof TimeoutError) return left;
    throw error;
  }
});

export const workflows = [courier, helper, porter, collector];

/** What a courier knows of its way. */
class Trip {
  readonly id: string;
  readonly history: string[] = [];
  #lap = -1;
  #lapStart = 0;
  #stage = 0;

  constructor(id: string) {
    this.id = id;
  }

  beginLap(): void {
    this.#lap += 1;
    this.#lapStart = this.history.length;
  }

  nextStage(): number {
    this.#stage += 1;
    return this.#stage;
  }

  *keep(entry: string): Operation<void> {
    this.history.push(entry);
    yield* expose(`lap ${this.#lap}`, this.history.slice(this.#lapStart));
  }

  /** A step of its own stage. */
  *step(name: string): Operation<void> {
    const stage = this.nextStage();
    const value = yield* task({ instance: this.id, stage, name });
    yield* this.keep(`step ${stage} ${name} ${value}`);
  }

  *cleanUp(): Operation<void> {
    const value = yield* task({ instance: this.id, stage: CLEANUP, name: 'clean', ms: 1 });
    yield* this.keep(`step ${CLEANUP} clean ${value}`);
    const last = yield* task({ instance: this.id, stage: CLEANUP + 1, name: 'close' });
    yield* this.keep(`step ${CLEANUP + 1} close ${last}`);
    yield* this.keep('cleaned up');
  }
}

function* ride(trip: Trip, { key, salt }: Route, lap: number): Operation<void> {
  trip.beginLap();
  yield* trip.step('pack');
  if ((salt + lap) % 2 === 0) yield* takeBoth(trip, key, 10 + (salt % 200));
  else yield* takeAny(trip, key);
  yield* workSideBySide(trip, (salt + lap) % 3 === 0 ? 1 : 0);
  yield* nap(1 + (salt % 4));
  yield* trip.step('woken');
  yield* hurry(trip, salt % 5);
  if (lap % 2 === 0) yield* sendHelper(trip, lap);
  else yield* trip.keep(`child ${yield* call(porter, lap, { id: `${trip.id}.porter${lap}` })}`);
  if ((salt + lap) % 3 === 1) yield* sign(trip);
}

function* nap(ms: number): Operation<void> {
  const dueAt = (yield* now()) + ms;
  yield* sleep(ms);
  checkDeadline(dueAt);
}

/** An order, with timeouts on the way, and then a parcel. */
function* takeBoth(trip: Trip, key: string, patienceMs: number): Operation<void> {
  for (let given = null; given === null; ) {
    const dueAt = (yield* now()) + patienceMs;
    given = yield* timeout(patienceMs, receive(order), { orElse: null });
    if (given === null) checkDeadline(dueAt);
    else yield* trip.keep(`order ${given.id}`);
  }
  yield* trip.keep(`parcel ${(yield* receive(parcel, { key })).id}`);
}

/** Whichever comes first, and then the other. */
function* takeAny(trip: Trip, key: string): Operation<void> {
  const first = yield* receiveAny({ order, parcel: { event: parcel, key } });
  yield* trip.keep(`${first.key} ${first.value.id}`);
  if (first.key === 'parcel') yield* trip.keep(`order ${(yield* receive(order)).id}`);
  else yield* trip.keep(`parcel ${(yield* receive(parcel, { key })).id}`);
}

function* workSideBySide(trip: Trip, failures: number): Operation<void> {
  const stage = trip.nextStage();
  const [left, right] = yield* all([
    task({ instance: trip.id, stage, name: 'left', ms: 1 }),
    task({ instance: trip.id, stage, name: 'right', failures }),
    sleep(2),
  ]);
  yield* trip.keep(`step ${stage} left ${left}`);
  yield* trip.keep(`step ${stage} right ${right}`);
}

/** A step against the clock. */
function* hurry(trip: Trip, ms: number): Operation<void> {
  const stage = trip.nextStage();
  const first = yield* race({ late: nap(3), done: task({ instance: trip.id, stage, name: 'hurry', ms }) });
  yield* trip.keep(first.key === 'done' ? `step ${stage} hurry ${first.value}` : `late ${stage}`);
  yield* trip.step('arrive');
}

function* sendHelper(trip: Trip, lap: number): Operation<void> {
  const child = yield* startChild(helper, trip.id, { id: `${trip.id}.helper${lap}` });
  yield* send(child.id, errand, `errand ${lap}`, { id: `${trip.id} asks ${lap}` });
  yield* trip.keep(`answer ${yield* receive(answer)}`);
  yield* trip.keep(`child ${yield* child.result()}`);
}

function* sign(trip: Trip): Operation<void> {
  const stage = trip.nextStage();
  const piece = { instance: trip.id, stage, name: 'sign' };
  const signed = yield* waitForCallback<string>('sign', (token, context) => submit(piece, token, context));
  yield* trip.keep(`signed ${stage} ${signed}`);
}

function task(piece: Work): Operation<string> {
  return step(piece.name, (context) => work(piece, context), { retry: { attempts: 3, delay: 2 } });
}
