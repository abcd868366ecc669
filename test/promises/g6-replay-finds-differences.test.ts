// G6, what is found: code is edited under a sleeping instance, which is then roused. Whatever the edit, the error says
// what the record has, what the code asks, and the line that asks it. Each case is what the body was, and is now.

import { expect, test } from 'vitest';
import {
  activity,
  all,
  call,
  compensate,
  event,
  expose,
  now,
  type Operation,
  publish,
  receive,
  receiveAny,
  send,
  sleep,
  spawn,
  startChild,
  step,
  timeout,
  uuid,
  waitForCallback,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { lineOf } from '../support/source-line.js';

type Body = () => Operation<unknown>;

/** An edit: `where` marks the line that the error names; without one, the code has ended. */
interface Edit {
  readonly before: Body;
  readonly after: Body;
  readonly recorded: string;
  readonly asked: string;
  readonly where: string | null;
}

const go = event<string>('go');
const other = event<string>('other');
const third = event<string>('third');
const first = activity('first', () => 1);
const second = activity('second', (unit: string) => unit);
const wait = () => receive(go, { key: 'k' });
const helper = workflow('helper', () => sleep('365 days'));
const twin = workflow('twin', () => sleep('365 days'));

/** What most edits are made to: two activities, then a wait. */
function* plain(): Operation<unknown> {
  yield* first();
  yield* second('x');
  return yield* wait();
}

const theWait = 'receive "go" with key "k" in the body';

const edits: Readonly<Record<string, Edit>> = {
  'a changed name': {
    before: plain,
    *after() {
      yield* step('premier', () => 1); // <- a changed name
      yield* second('x');
      return yield* wait();
    },
    recorded: 'activity "first" in the body',
    asked: 'step "premier" in the body',
    where: 'a changed name',
  },
  'a changed kind': {
    before: plain,
    *after() {
      yield* step('first', () => 1); // <- a changed kind
      yield* second('x');
      return yield* wait();
    },
    recorded: 'activity "first" in the body',
    asked: 'step "first" in the body',
    where: 'a changed kind',
  },
  'a removed effect': {
    before: plain,
    *after() {
      yield* first();
      return yield* receive(go, { key: 'k' }); // <- a removed effect
    },
    recorded: 'activity "second" in the body',
    asked: theWait,
    where: 'a removed effect',
  },
  'an effect added before the wait': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      yield* step('added', () => 1); // <- an effect added before the wait
      return yield* wait();
    },
    recorded: theWait,
    asked: 'step "added" in the body',
    where: 'an effect added before the wait',
  },
  'effects in another order': {
    before: plain,
    *after() {
      yield* second('x'); // <- effects in another order
      yield* first();
      return yield* wait();
    },
    recorded: 'activity "first" in the body',
    asked: 'activity "second" in the body',
    where: 'effects in another order',
  },
  'a changed key': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      return yield* receive(go, { key: 'l' }); // <- a changed key
    },
    recorded: theWait,
    asked: 'receive "go" with key "l" in the body',
    where: 'a changed key',
  },
  'a key that was taken away': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      return yield* receive(go); // <- a key that was taken away
    },
    recorded: theWait,
    asked: 'receive "go" in the body',
    where: 'a key that was taken away',
  },
  'the key of a receive that is over': {
    *before() {
      yield* receive(other);
      return yield* wait();
    },
    *after() {
      yield* receive(other, { key: 'later' }); // <- the key of a receive that is over
      return yield* wait();
    },
    recorded: 'receive "other" in the body',
    asked: 'receive "other" with key "later" in the body',
    where: 'the key of a receive that is over',
  },
  'a changed source of receiveAny': {
    *before() {
      return yield* receiveAny({ a: { event: go, key: 'k' }, b: { event: go, key: 'l' } });
    },
    *after() {
      return yield* receiveAny({ a: { event: go, key: 'k' }, b: { event: go, key: 'm' } }); // <- a changed source of receiveAny
    },
    recorded: 'receiveAny "go | go"',
    asked: 'receiveAny "go | go"',
    where: 'a changed source of receiveAny',
  },
  'sources of receiveAny in another order': {
    *before() {
      return yield* receiveAny([{ event: go, key: 'k' }, third]);
    },
    *after() {
      return yield* receiveAny([third, { event: go, key: 'k' }]); // <- sources of receiveAny in another order
    },
    recorded: 'receiveAny "go | third"',
    asked: 'receiveAny "third | go"',
    where: 'sources of receiveAny in another order',
  },
  'exchanged sources of a receiveAny that is over': {
    *before() {
      yield* receiveAny({ a: other, b: { event: other, key: 'l' } });
      return yield* wait();
    },
    *after() {
      yield* receiveAny({ b: { event: other, key: 'l' }, a: other }); // <- exchanged sources of a receiveAny that is over
      return yield* wait();
    },
    recorded: 'receiveAny "other | other"',
    asked: 'receiveAny "other | other"',
    where: 'exchanged sources of a receiveAny that is over',
  },
  'a body that ends early': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      return 'early';
    },
    recorded: theWait,
    asked: 'nothing: the body has ended',
    where: null,
  },
  'a body that throws early': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      throw new Error('early');
    },
    recorded: theWait,
    asked: 'nothing: the body has ended',
    where: null,
  },
  'another effect that is answered at once': {
    *before() {
      yield* now();
      return yield* wait();
    },
    *after() {
      yield* uuid(); // <- another effect that is answered at once
      return yield* wait();
    },
    recorded: 'now "now" in the body',
    asked: 'uuid "uuid" in the body',
    where: 'another effect that is answered at once',
  },
  'an added effect that is answered at once': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      yield* expose('state', 'waiting'); // <- an added effect that is answered at once
      return yield* wait();
    },
    recorded: 'nothing more',
    asked: 'expose "state" in the body',
    where: 'an added effect that is answered at once',
  },
  'another key of a publish': {
    *before() {
      yield* publish(other, 'x', 'hello');
      return yield* wait();
    },
    *after() {
      yield* publish(other, 'y', 'hello'); // <- another key of a publish
      return yield* wait();
    },
    recorded: 'publish "other" with key "x" in the body',
    asked: 'publish "other" with key "y" in the body',
    where: 'another key of a publish',
  },
  'another instance that is sent to': {
    *before() {
      yield* send('a', other, 'hello');
      return yield* wait();
    },
    *after() {
      yield* send('b', other, 'hello'); // <- another instance that is sent to
      return yield* wait();
    },
    recorded: 'send "other" with key "a" in the body',
    asked: 'send "other" with key "b" in the body',
    where: 'another instance that is sent to',
  },
  'another child': {
    *before() {
      yield* startChild(helper);
      return yield* wait();
    },
    *after() {
      yield* startChild(twin); // <- another child
      return yield* wait();
    },
    recorded: 'startChild "helper" in the body',
    asked: 'startChild "twin" in the body',
    where: 'another child',
  },
  'a wait that has a bound now': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      return yield* timeout('1 day', wait()); // <- a wait that has a bound now
    },
    recorded: theWait,
    asked: 'timeout "timeout" in the body',
    where: 'a wait that has a bound now',
  },
  'a callback in place of an event': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      return yield* waitForCallback('go', () => {}); // <- a callback in place of an event
    },
    recorded: theWait,
    asked: 'callback "go" in the body',
    where: 'a callback in place of an event',
  },
  'a wait beside another': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      return yield* all([wait(), sleep('1 day')]); // <- a wait beside another
    },
    recorded: theWait,
    asked: 'receive "go" with key "k" in task 1',
    where: 'a wait beside another',
  },
  'a compensation noted before the wait': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      yield* compensate(() => first());
      return yield* receive(go, { key: 'k' }); // <- a compensation noted before the wait
    },
    recorded: theWait,
    asked: theWait,
    where: 'a compensation noted before the wait',
  },
  'a task that waits where it did not': {
    *before() {
      yield* spawn(function* () {});
      return yield* wait();
    },
    *after() {
      yield* spawn(function* () {
        yield* sleep('1 day'); // <- a task that waits where it did not
      });
      return yield* wait();
    },
    recorded: 'nothing more',
    asked: 'sleep "sleep" in task 1',
    where: 'a task that waits where it did not',
  },
  'a child in place of the wait': {
    before: plain,
    *after() {
      yield* first();
      yield* second('x');
      return yield* call(helper); // <- a child in place of the wait
    },
    recorded: 'nothing more',
    asked: 'startChild "helper" in the body',
    where: 'a child in place of the wait',
  },
};

test.each(Object.entries(edits))('G6: %s is found, and told with its line', async (_edit, { before, after, recorded, asked, where }) => {
  const [v1, v2] = [workflow('edited', before), workflow('edited', after)];
  const original = await createTestRuntime({ workflows: [v1, helper, twin] });
  await original.start(v1, undefined, { id: 'a' });
  await original.send('a', other, 'early');
  await original.runUntilIdle();

  const edited = await original.crash({ workflows: [v2, helper, twin] });
  const delivery = await edited.publish(go, 'k', 'word');
  const info = await edited.instance('a').info();

  expect(delivery).toEqual({ status: 'buffered' });
  expect(info.status).toBe('stuck');
  expect(info.error).toMatchObject({ name: 'NondeterminismError', code: 'NONDETERMINISM', data: { instanceId: 'a' } });
  const told = (info.error?.data ?? {}) as { recorded: string; requested: string; where: string };
  expect(told.recorded).toContain(recorded);
  expect(told.requested).toContain(asked);
  expect(told.requested, 'two texts that differ').not.toBe(told.recorded);
  const place = where === null ? 'no line: the code ended' : `${lineOf(import.meta.url, where)}:`;
  expect(told.where).toContain(place);
  expect(info.error?.message).toContain(place);
});
