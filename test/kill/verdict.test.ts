// The kill test is worth what its verdict sees: each broken promise is shown to it once.

import { expect, test } from 'vitest';
import type { Attempt } from './attempts.js';
import { Ledger, type Sent, type Voyage } from './ledger.js';
import { judge } from './verdict.js';

interface Trip {
  readonly ledger: Ledger;
  readonly voyage: Voyage;
  readonly attempts: Attempt[];
}

const history = ['step 1 pack 0:0', 'order o0', 'parcel parcel 0 from c', 'answer errand 0 0:1', 'child errand 0 0:1', 'signed 2 yes'];

/** A courier that did one lap, and all went well. */
function makeTrip(): Trip {
  const ledger = new Ledger();
  const voyage = ledger.begin('c', { laps: 1, key: 'k', salt: 0 });
  voyage.start.fate = 'acknowledged';
  voyage.orders.push(acknowledged('o0'), acknowledged('o1'));
  voyage.parcels.push(acknowledged('parcel 0 from c'), acknowledged('parcel 1 from c'));
  ledger.addCallback('c 2', 'token')?.answers.push(acknowledged('yes'));
  ledger.left.set('k', ['parcel 1 from c']);
  ledger.saw(voyage, history);
  ledger.ended(voyage, { status: 'completed', output: history });
  const attempts = [
    makeAttempt({ value: '0:0' }),
    makeAttempt({ instance: 'c.helper0', name: 'help', key: 'c.helper0/0:1', value: '0:1' }),
  ];
  return { ledger, voyage, attempts };
}

function makeAttempt(change: Partial<Attempt>): Attempt {
  return { instance: 'c', stage: 1, name: 'pack', key: 'c/0:1', attempt: 1, process: 0, value: '0:2', fails: false, ...change };
}

function acknowledged(id: string): Sent {
  return { id, fate: 'acknowledged', tries: 1 };
}

function show({ ledger, voyage }: Trip, shown: readonly string[]): void {
  voyage.history = shown;
  voyage.ending = null;
  ledger.ended(voyage, { status: 'completed', output: shown });
}

const without = (kind: string) => history.filter((entry) => !entry.startsWith(kind));

test.each<[string, (trip: Trip) => void, RegExp]>([
  ['a start that is lost', ({ voyage }) => Object.assign(voyage, { ending: null }), /^c was started, and has not ended/],
  ['a history that is taken back', ({ ledger, voyage }) => ledger.saw(voyage, history.slice(1)), /^c had shown the history/],
  ['a second end', ({ ledger, voyage }) => ledger.ended(voyage, { status: 'completed', output: [] }), /^c had ended as/],
  [
    'a failure',
    ({ voyage }) => Object.assign(voyage, { ending: { status: 'failed', error: 'Error', message: 'no' } }),
    /^c failed: Error: no/,
  ],
  [
    'a cancellation that is lost',
    ({ voyage }) => Object.assign(voyage, { cancel: acknowledged('c') }),
    /^c was cancelled, and has completed/,
  ],
  ['an order that is lost', ({ voyage }) => void voyage.orders.unshift(acknowledged('o')), /^c received \[o0\], and of what was sent/],
  ['an order that was refused', ({ voyage }) => Object.assign(voyage.orders[0] ?? {}, { fate: 'refused' }), /^c received \[o0\]/],
  ['an order that comes twice', (trip) => show(trip, [...history, 'order o0']), /^c received \[o0,o0\]/],
  ['a parcel that is lost', ({ ledger }) => void ledger.left.clear(), /^parcel 1 from c was acknowledged, and is lost/],
  [
    'a parcel for two',
    ({ ledger }) => void ledger.left.set('k', ['parcel 0 from c', 'parcel 1 from c']),
    /^parcel 0 from c .* was received by c and/,
  ],
  ['a parcel that overtakes', ({ voyage }) => void voyage.parcels.reverse(), /^parcel 0 from c was received before parcel 1/],
  ['an answer that is lost', (trip) => show(trip, without('signed')), /^The callback of c 2 was given \[\]/],
  [
    'an answer that was not acknowledged',
    ({ ledger }) => void ledger.callbacks.get('c 2')?.answers.unshift(acknowledged('no')),
    /^The callback of c 2/,
  ],
  ['another token', ({ ledger }) => void ledger.addCallback('c 2', 'other'), /^The callback of c 2 has another token/],
  ['an answer of a child that is not its own', (trip) => show(trip, [...without('answer'), 'answer errand 1 0:1']), /^The child of lap 0/],
  ['an outcome from nowhere', ({ attempts }) => void attempts.shift(), /^c saw "step 1 pack 0:0", which no attempt returned/],
  ['a recorded step that runs again', ({ attempts }) => void attempts.push(makeAttempt({ process: 1 })), /was recorded, and ran again/],
  [
    'two attempts within one life',
    ({ attempts }) => void attempts.unshift(makeAttempt({})),
    /^attempt 1 of step pack .* followed attempt 1/,
  ],
  [
    'an attempt that is not counted',
    ({ attempts }) => void attempts.unshift(makeAttempt({ attempt: 2, process: -1 })),
    /followed attempt 2/,
  ],
  [
    'another idempotency key',
    ({ attempts }) => void attempts.push(makeAttempt({ key: 'c/0:9', process: 1 })),
    /has the idempotency key c\/0:9/,
  ],
  ['a stage that comes back', ({ attempts }) => void attempts.unshift(makeAttempt({ stage: 2, key: 'c/0:2', name: 'load' })), /ran after/],
])('the verdict tells %s', (_, breakIt, complaint) => {
  const trip = makeTrip();
  const before = judge(trip.ledger, trip.attempts, { isFinished: true });

  breakIt(trip);
  const after = judge(trip.ledger, trip.attempts, { isFinished: true });

  expect(before).toEqual([]);
  expect(after).toContainEqual(expect.stringMatching(complaint));
});
