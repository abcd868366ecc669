// The rule behind all 23: first come, first served, and whoever leaves while waiting leaves no trace. Every place to
// wait at is crossed with every way of leaving it: at 0 h `a` waits there, then `b`, then `c`; `a` leaves; at 2 h and at
// 3 h there is something for one of those who wait. No item may be swallowed, no slot lost, nobody woken for nothing.

import { all, any, createLatch, type Latch, type Operation, race, spawn, timeout } from '../../src/index.js';
import { failingAfter, HOUR } from '../support/bodies.js';
import { counted, until } from '../support/crash-points.js';
import { type Place, type PlaceKind, places } from './places.js';
import { beginTrail, caught, hours, nameOf, type Rule, type Trail, testRules } from './rules.js';

type Wait = () => Operation<unknown>;

/** Leaves at 1 h. */
const ways: Readonly<Record<string, (wait: Wait) => Operation<unknown>>> = {
  'a timeout': (wait) => timeout('1 hour', wait(), { orElse: 'late' }),
  'a timeout that throws': (wait) => caught(timeout('1 hour', wait())),
  'a timeout around others': (wait) => caught(timeout('1 hour', timeout('2 days', all([timeout('1 day', wait()), hours(9)])))),
  *'a cancellation'(wait) {
    const task = yield* spawn(wait);
    yield* hours(1);
    yield* task.cancel();
  },
  *'a cancellation of the task above'(wait) {
    const task = yield* spawn(function* () {
      yield* spawn(() => race([hours(9), wait()]));
    });
    yield* hours(1);
    yield* task.cancel();
  },
  'a sibling that fails': (wait) => caught(all([failingAfter(1, 'sibling'), wait()])),
  'a lost race': (wait) => race([wait(), hours(1)]),
  'a lost race for the first that succeeds': (wait) => any([wait(), hours(1)]),
  *'a scope that fails'(wait) {
    const scope = yield* spawn(function* () {
      yield* spawn(() => failingAfter(1, 'task'));
      yield* wait();
    });
    yield* caught(scope.join());
  },
};

/** Leaves when it is told, which is in the turn in which there is something for it: it has been handed that, and has not run since. */
const moments: Readonly<Record<string, (wait: Wait, end: Latch<void>) => Operation<unknown>>> = {
  'a lost race': (wait, end) => race([wait(), end.wait()]),
  'a lost race for the first that succeeds': (wait, end) => any([all([wait()]), end.wait()]),
  'a sibling that fails': (wait, end) => caught(all([wait(), failingWith(end)])),
  *'a scope whose body fails'(wait, end) {
    const scope = yield* spawn(function* () {
      yield* spawn(wait);
      yield* failingWith(end);
    });
    yield* caught(scope.join());
  },
  *'a cancellation'(wait, end) {
    const task = yield* spawn(wait);
    yield* end.wait();
    yield* task.cancel();
  },
  *'a cancellation of the task above'(wait, end) {
    const task = yield* spawn(() => timeout('1 day', race([hours(9), wait()])));
    yield* end.wait();
    yield* task.cancel();
  },
};

function* failingWith(end: Latch<void>): Operation<never> {
  yield* end.wait();
  throw new Error('told to fail');
}

/** `b` and `c` wait behind `a`, and note what they get. */
function* queueUp(place: Place, trail: Trail) {
  for (const who of ['b', 'c']) {
    yield* hours(0.25);
    yield* spawn(() => place.wait(who, () => trail.note(`${who} got it`)));
  }
}

/** What `a` does after it has left: who wakes it before its time is up is found out. */
function* afterwards(trail: Trail) {
  const nobody = yield* createLatch();
  const left = 5 - (yield* trail.hour());
  yield* trail.note(`a waited ${yield* timeout(left * HOUR, nobody.wait(), { orElse: 'in peace' })}`);
}

function leaving(kind: PlaceKind, leave: (wait: Wait, end: Latch<void>) => Operation<unknown>): () => Operation<unknown> {
  return function* () {
    const trail = yield* beginTrail();
    const place = yield* kind.make();
    const end = yield* createLatch();
    // Should it be given anything nevertheless, the next wait is where it is told at the latest.
    const goingOn = function* () {
      yield* hours(0.125);
      yield* trail.note('a has it');
    };
    const leaver = yield* spawn(function* () {
      yield* leave(() => place.wait('a', goingOn), end);
      yield* afterwards(trail);
    });
    yield* queueUp(place, trail);
    yield* hours(1.5);
    yield* counted('before', () => 1);
    yield* end.open();
    yield* place.give();
    yield* hours(1);
    if (kind.isForAll !== true) yield* place.give();
    yield* leaver.join();
    return [trail.lines, yield* place.end()];
  };
}

/** The rules of one place. */
function rulesOf([name, kind]: readonly [string, PlaceKind]): Rule[] {
  const expected = [['2 h: b got it', `${kind.isForAll === true ? 2 : 3} h: c got it`, '5 h: a waited in peace'], kind.rest];
  const early = Object.entries(ways).map(([way, leave]) => ({
    rule: `${way} leaves no trace in ${name}`,
    body: leaving(kind, leave),
    expected,
  }));
  const late = Object.entries(moments).map(([way, leave]) => ({
    rule: `${way} in the very moment leaves no trace in ${name}`,
    body: leaving(kind, leave),
    expected,
  }));
  return kind.isFinal === true ? early : [...early, ...late];
}

/** One waiter at each place; the outside cancels the instance, whose body swallows that and looks at what is left. */
const cancelledFromOutside: Rule = {
  rule: 'the cancellation of the instance leaves no trace anywhere',
  body: function* () {
    const told: string[] = [];
    const standing: [string, Place][] = [];
    for (const [name, { make }] of Object.entries(places)) standing.push([name, yield* make()]);
    const waiters = yield* spawn(function* () {
      for (const [name, place] of standing) {
        yield* spawn(function* () {
          told.push(`${nameOf(yield* caught(place.wait('a', () => hours(0))))} at ${name}`);
        });
      }
    });
    yield* counted('before', () => 1);
    const error = yield* caught(hours(9));
    yield* waiters.join();
    for (const [name, place] of standing) if (places[name]?.isForAll === true) yield* place.give();
    yield* hours(1);
    return [nameOf(error), told.toSorted()];
  },
  script: [until(HOUR), (runtime) => runtime.instance('t').cancel('by hand'), until(5 * HOUR)],
  expected: [
    'CancelledError: by hand',
    Object.keys(places)
      .map((name) => `CancelledError: by hand at ${name}`)
      .toSorted(),
  ],
};

testRules('leaving', [...Object.entries(places).flatMap(rulesOf), cancelledFromOutside]);
