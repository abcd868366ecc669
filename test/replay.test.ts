// Whatever a process does, a crash after any of its commits changes nothing of what becomes of it: not an outcome, not
// an entry of a journal, and no step whose outcome was committed is called again.

import { describe, expect, test } from 'vitest';
import {
  type AnyWorkflow,
  all,
  call,
  compensate,
  event,
  expose,
  memoryStore,
  now,
  type Operation,
  publish,
  race,
  random,
  receive,
  receiveAny,
  send,
  sleep,
  sleepUntil,
  spawn,
  startChild,
  TimeoutError,
  TokenUsedError,
  timeout,
  uuid,
  waitForCallback,
  workflow,
} from '../src/index.js';
import { createTestRuntime } from '../src/testing.js';
import { type Action, counted, runFromEveryCommit, until } from './support/crash-points.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const word = event<string>('word');
const count = event<{ n: number }>('count');

const starting =
  (tested: AnyWorkflow, id: string): Action =>
  (runtime) =>
    runtime.start(tested as never, undefined, { id } as never);
const published =
  (key: string, text: string): Action =>
  (runtime) =>
    runtime.publish(word, key, text, { id: `${key}-${text}` });

function* tidy(who: string): Operation<never> {
  try {
    while (true) yield* receive(word, { key: `never for ${who}` });
  } finally {
    yield* counted(`${who} cleans up`, () => who);
    yield* sleep('1 hour');
    yield* counted(`${who} is done`, () => who);
  }
}

const steps = workflow('steps', function* () {
  const first = yield* counted('first', () => new Map([['a', 1]]));
  const flaky = yield* counted('flaky', ({ attempt }) => {
    if (attempt < 3) throw new Error(`attempt ${attempt}`);
    return attempt;
  });
  const last = yield* counted('last', async () => first.get('a'));
  return [flaky, last];
});

const approval = workflow('approval', function* () {
  const ip = yield* counted('request', () => '10.0.0.7');
  const answers: string[] = [];
  for (const limit of ['1 day', '1 hour', '2 days']) {
    try {
      answers.push(yield* receive(word, { key: ip, timeout: limit }));
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      answers.push(yield* counted(`remind after ${limit}`, () => `no answer within ${error.ms}`));
    }
  }
  return answers;
});

const races = workflow('races', function* () {
  const winner = yield* race({ a: tidy('a'), b: sleep('2 hours'), c: tidy('c') });
  const bounded = yield* timeout('1 hour', tidy('d'), { orElse: 'none' });
  const stepping = yield* race([counted('quick', () => 'quick'), tidy('e')]);
  return [winner, bounded, stepping];
});

const side = workflow('side', function* () {
  const branch = function* (n: number) {
    const begun = yield* counted(`begin ${n}`, async () => n);
    yield* sleep(n * HOUR);
    return begun + (yield* counted(`end ${n}`, () => 10 * n));
  };
  return yield* all({ lists: all([branch(1), branch(2), branch(3)]), waits: all([sleep('30 minutes'), branch(2)]), empty: all([]) });
});

const tasks = workflow('tasks', function* () {
  const seen: string[] = [];
  const worker = yield* spawn(function* () {
    let sum = 0;
    for (let got = yield* receive(count); got.n > 0; got = yield* receive(count)) sum += yield* counted(`add ${got.n}`, () => got.n);
    return sum;
  });
  worker.onDone(({ status }) => seen.push(status));
  const idle = yield* spawn(() => tidy('idle'));
  yield* sleep('1 hour');
  yield* idle.cancel('not needed');
  try {
    const failing = yield* spawn(function* () {
      yield* sleep('1 hour');
      throw new RangeError('task failed');
    });
    yield* failing.join();
  } catch (error) {
    seen.push((error as Error).message);
  }
  return [yield* worker.join(), seen];
});

const saga = workflow('saga', function* () {
  for (const thing of ['hotel', 'flight', 'car']) {
    yield* counted(`book ${thing}`, () => thing);
    yield* compensate(function* () {
      yield* sleep('1 hour');
      yield* counted(`return ${thing}`, ({ attempt }) => {
        if (thing === 'flight' && attempt < 2) throw new Error('busy');
      });
    });
  }
  yield* counted('pay', () => Promise.reject(new Error('no cover')), { retry: { attempts: 2 } });
});

const child = workflow('child', function* (n: number) {
  yield* sleep(n * HOUR);
  if (n === 2) throw Object.assign(new Error('two'), { code: 'E_TWO' });
  return yield* counted('work', () => n);
});

const family = workflow('family', function* () {
  const one = yield* startChild(child, 1, { id: 'one' });
  const errors: string[] = [];
  try {
    yield* call(child, 2, { id: 'two' });
  } catch (error) {
    errors.push((error as Error).message);
  }
  const slow = yield* timeout('1 hour', call(child, 9, { id: 'nine' }), { orElse: 'too slow' });
  return [yield* one.result(), yield* call(child, 3, { id: 'three' }), slow, errors];
});

const talker = workflow('talker', function* () {
  const told: unknown[] = [yield* publish(word, 'k', 'hello'), yield* send('listener', count, { n: 1 }, { id: 'once' })];
  yield* counted('between', () => 1);
  told.push(yield* send('listener', count, { n: 1 }, { id: 'once' }), yield* publish(word, 'k', 'bye'));
  return [told, yield* receive(word)];
});

const listener = workflow('listener', function* () {
  const heard: unknown[] = [];
  while (heard.length < 3) {
    const got = yield* receiveAny({ word: { event: word, key: 'k' }, count });
    heard.push(got.key === 'word' ? got.value : got.value.n);
    yield* counted(`heard ${heard.length}`, () => 1);
  }
  yield* send('talker', word, 'heard all');
  return heard.map(String).toSorted();
});

const tokens = new Map<string, string>();
const paying = workflow('paying', function* () {
  const submit = (name: string) => (token: string) => void tokens.set(name, token);
  const paid = yield* waitForCallback<string>('pay', submit('pay'), { timeout: '1 day' });
  try {
    yield* waitForCallback('ship', submit('ship'), { timeout: '1 day' });
  } catch (error) {
    yield* counted('shipping refused', () => (error as Error).message);
  }
  const late = yield* timeout('3 days', waitForCallback<string>('rate', submit('rate'), { timeout: '1 hour' }), { orElse: 'no rating' });
  return [paid, late];
});
const answered =
  (name: string, answer: { payload: string } | { error: Error }): Action =>
  async (runtime) => {
    const token = tokens.get(name) ?? '';
    const done = 'error' in answer ? runtime.reject(token, answer.error) : runtime.complete(token, answer.payload);
    await done.catch((error) => {
      if (!(error instanceof TokenUsedError)) throw error;
    });
  };

const drawing = workflow('drawing', function* () {
  let isSame = true;
  for (let round = 1; round <= 3; round++) {
    const drawn = [yield* random(), yield* uuid(), yield* now()];
    yield* expose('round', { round });
    yield* sleep('1 hour');
    isSame &&= (yield* counted('echo', () => drawn)).every((value, index) => value === drawn[index]);
  }
  return isSame;
});

const cancelled = workflow('cancelled', function* () {
  yield* compensate(() => counted('undo', () => 1));
  yield* spawn(() => tidy('task'));
  yield* all([tidy('member'), sleepUntil(Date.UTC(2027, 0, 1))]);
});

const scripts: Readonly<Record<string, { workflows: readonly AnyWorkflow[]; actions: readonly Action[] }>> = {
  'steps, one of which fails twice': { workflows: [steps], actions: [starting(steps, 's'), until(HOUR)] },
  'a wait with answers and timeouts': {
    workflows: [approval],
    actions: [starting(approval, 'a'), published('10.0.0.7', 'yes'), until(3 * HOUR), published('10.0.0.7', 'late'), until(5 * DAY)],
  },
  'races and their losers': { workflows: [races], actions: [starting(races, 'r'), until(HOUR), until(2 * HOUR), until(DAY)] },
  'branches side by side': { workflows: [side], actions: [starting(side, 'p'), until(2 * HOUR), until(DAY)] },
  'tasks that are joined, cancelled and fail': {
    workflows: [tasks],
    actions: [
      starting(tasks, 't'),
      ...[3, 4].map(
        (n): Action =>
          (runtime) =>
            runtime.send('t', count, { n }, { id: `n${n}` }),
      ),
      until(DAY),
      (runtime) => runtime.send('t', count, { n: 0 }, { id: 'end' }),
    ],
  },
  compensations: { workflows: [saga], actions: [starting(saga, 'b'), until(DAY)] },
  children: { workflows: [family, child], actions: [starting(family, 'f'), until(DAY)] },
  'instances that talk': { workflows: [talker, listener], actions: [starting(listener, 'listener'), starting(talker, 'talker')] },
  callbacks: {
    workflows: [paying],
    actions: [
      starting(paying, 'c'),
      answered('pay', { payload: 'receipt' }),
      answered('ship', { error: new Error('no stock') }),
      until(4 * DAY),
    ],
  },
  'drawn values': { workflows: [drawing], actions: [starting(drawing, 'd'), until(DAY)] },
  'a cancellation': {
    workflows: [cancelled],
    actions: [starting(cancelled, 'x'), until(HOUR), (runtime) => runtime.instance('x').cancel('by hand'), until(DAY)],
  },
};

describe.each(Object.entries(scripts))('%s', (_name, script) => {
  test('come out the same after a crash at any commit, and repeat no committed step', async () => {
    const { plain, points } = await runFromEveryCommit(script);

    expect(points.length).toBeGreaterThan(5);
    for (const record of Object.values(plain.instances)) expect(record).toMatchObject({ stuck: null, open: [] });
    for (const { name, outcome, callsExpected } of points) {
      expect(outcome.instances, name).toEqual(plain.instances);
      expect(outcome.calls, name).toEqual(callsExpected);
    }
  });
});

describe('at recovery', () => {
  test('a step that something overdue asks for is started once, beside one that was in flight', async () => {
    const calls: string[] = [];
    const hang = () => {
      calls.push('in flight');
      return new Promise<void>(() => {});
    };
    const both = workflow('both', function* () {
      yield* spawn(() => counted('in flight', hang));
      yield* sleep('1 hour');
      yield* counted('overdue', () => calls.push('overdue'));
      yield* sleep('1 hour');
    });
    const store = memoryStore();
    const first = await createTestRuntime({ workflows: [both], store });
    await first.start(both);
    await first.runUntilIdle();
    calls.length = 0;

    const late = await createTestRuntime({ workflows: [both], store, startAt: first.now() + DAY });
    await late.runUntilIdle();

    expect(calls.toSorted()).toEqual(['in flight', 'overdue']);
  });
});
