// The rules of a commit (DESIGN.md, C1-C8): what rides in one, what is shown while it is on its way, and in which order
// things come up. What happens when a commit fails is in commit-failures.test.ts.

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  all,
  event,
  expose,
  instanceId,
  now,
  publish,
  random,
  receive,
  send,
  sleep,
  startChild,
  step,
  type TimeoutError,
  uuid,
  workflow,
} from '../src/index.js';
import { createTestRuntime } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';
import { residencies } from './support/residency.js';

const go = event<number>('go');
const other = event<string>('other');

describe.each(residencies)('instances $where', ({ options }) => {
  test('C1: while a commit is on its way, info, list and query show what is committed', async () => {
    const showing = workflow('showing', function* () {
      yield* expose('state', 'asleep');
      const n = yield* receive(go);
      yield* expose('state', `woken by ${n}`);
      yield* sleep('1h');
    });
    const store = new GatedStore();
    const { runtime, runUntilIdle } = await createTestRuntime({ ...options, workflows: [showing], store });
    await runtime.start(showing, undefined, { id: 'a' });
    const look = async () => {
      const listed = [];
      for await (const { waitingFor } of runtime.list({ status: 'sleeping' })) listed.push(waitingFor.map(({ kind }) => kind));
      return [await runtime.query('a', 'state'), (await runtime.instance('a').info()).waitingFor[0]?.kind, listed];
    };

    store.hold();
    const sent = watch(runtime.send('a', go, 7));
    await breathe();
    const whileHeld = await look();
    store.release();
    await runUntilIdle();

    expect(whileHeld).toEqual(['asleep', 'receive', [['receive']]]);
    expect(await look()).toEqual(['woken by 7', 'sleep', [['sleep']]]);
    expect(sent.state).toBe('resolved');
  });

  test('C2: an outside event whose receiver waits is accepted and consumed in one commit', async () => {
    const store = new GatedStore();
    const taking = workflow('taking', () => receive(go, { key: 'k' }));
    const { runtime } = await createTestRuntime({ ...options, workflows: [taking], store });
    await runtime.start(taking, undefined, { id: 'a' });
    const before = store.commits.length;

    await runtime.publish(go, 'k', 1, { id: 'e1' });

    const tables = store.commits.slice(before).map((commit) => commit.changes.map((change) => change.table).sort());
    expect(tables[0]).toEqual(['instance', 'mailbox']);
    expect(tables.flat().filter((table) => table === 'mailbox')).toHaveLength(1);
  });

  test('C3: a generator sees what was stored, not what the giver does with it afterwards', async () => {
    const given = { list: [1] };
    const stepMade = { list: [1] };
    const seen: unknown[] = [];
    const looking = workflow('looking', function* (input: { list: number[] }) {
      const made = yield* step('make', () => stepMade);
      const event = yield* receive(changing);
      seen.push(structuredClone({ input, made, event }));
      for (const each of [input, made, event]) each.list.push(99);
      yield* receive(go);
      return { input, made, event };
    });
    const { runtime, crash, runUntilIdle } = await createTestRuntime({ ...options, workflows: [looking] });
    const instance = await runtime.start(looking, given, { id: 'a' });
    given.list.push(2);
    await runUntilIdle();
    stepMade.list.push(2);
    const payload = { list: [1] };
    const sent = instance.send(changing, payload);
    payload.list.push(2);
    await sent;

    const recovered = await crash();
    await recovered.send('a', go, 1);
    const result = await recovered.instance('a').result();

    const stored = { input: { list: [1] }, made: { list: [1] }, event: { list: [1] } };
    for (const each of seen) expect(each).toMatchObject({ input: stored.input, made: stored.made });
    expect(result).toEqual({ input: { list: [1, 99] }, made: { list: [1, 99] }, event: { list: expect.arrayContaining([1, 99]) } });
  });

  test('C5: deadlines are counted from the turn that made them, however long it took to write', async () => {
    const store = new GatedStore();
    const sleeping = workflow('sleeping', function* () {
      yield* sleep('1h');
      return yield* now();
    });
    const { runtime, advance, now: clock } = await createTestRuntime({ ...options, workflows: [sleeping], store });
    const begin = clock();
    store.hold();
    const started = watch(runtime.start(sleeping));
    await breathe();
    await advance('10 minutes');
    store.release();
    await advance('49 minutes');
    const early = await started.value?.info();

    await advance('1 minute');

    expect(early?.waitingFor[0]?.dueAt).toBe(begin + 3_600_000);
    await expect(started.value?.result()).resolves.toBe(begin + 3_600_000);
  });

  test('C5: what is due together comes up in the order in which it was asked for, also after a crash', async () => {
    const woken: string[] = [];
    const pair = workflow('pair', function* (name: string) {
      yield* all([sleep('1h'), sleep('1h')].map((each, n) => noted(`${name}${n}`, each)));
    });
    function* noted(name: string, wait: ReturnType<typeof sleep>) {
      yield* wait;
      woken.push(name);
    }
    const world = await createTestRuntime({ ...options, workflows: [pair] });
    for (const name of ['c', 'a', 'b']) await world.start(pair, name, { id: name });
    const recovered = await world.crash();
    woken.length = 0;

    await recovered.advance('1h');

    expect([...new Set(woken)]).toEqual(['c0', 'c1', 'a0', 'a1', 'b0', 'b1']);
  });
});

const changing = event<{ list: number[] }>('changing');

test('C2: what a workflow sends, publishes and starts is in the commit of its turn, and is received in another', async () => {
  const child = workflow('child', () => receive(go));
  const taking = workflow('taking', function* () {
    return [yield* receive(go), yield* receive(other, { key: 'k' })];
  });
  const sending = workflow('sending', function* () {
    yield* send('t', go, 1);
    yield* publish(other, 'k', 'x');
    yield* startChild(child, undefined, { id: 'c' });
    yield* receive(go);
  });
  const store = new GatedStore();
  const { runtime, runUntilIdle } = await createTestRuntime({ workflows: [child, taking, sending], store });
  await runtime.start(taking, undefined, { id: 't' });
  await runtime.start(sending, undefined, { id: 's' });
  await runUntilIdle();

  const keys = store.commits.map((commit) => commit.changes.map((change) => change.key));
  const own = keys.find((each) => each.includes('s')) ?? [];
  expect([...own].sort()).toEqual(['#other\nk', '@go\nt', 'c', 's']);
  expect(keys.filter((each) => each.includes('t'))).toEqual([['t'], expect.arrayContaining(['t', '@go\nt']), ['t', '#other\nk']]);
});

test('C2: two instances that answer each other for ever share no turn: others are served meanwhile', async () => {
  const player = workflow('player', function* (opponent: string) {
    for (let n = yield* receive(go); ; n = yield* receive(go)) yield* send(opponent, go, n + 1);
  });
  const bystander = workflow('bystander', () => receive(go));
  const store = new GatedStore();
  const { runtime } = await createTestRuntime({ workflows: [player, bystander], store });
  await runtime.start(player, 'b', { id: 'a' });
  await runtime.start(player, 'a', { id: 'b' });

  await runtime.send('a', go, 0);
  const aside = await runtime.start(bystander);
  await aside.send(go, 1);
  const result = await aside.result();
  await Promise.all([runtime.instance('a').terminate(), runtime.instance('b').terminate()]);

  expect(result).toBe(1);
  const instances = store.commits.map((commit) => commit.changes.filter((change) => change.table === 'instance').length);
  expect(Math.max(...instances)).toBe(1);
});

test('C3: live and replay are given the same by every effect that is answered at once', async () => {
  const runs: string[] = [];
  const nothing = workflow('nothing', () => receive(go));
  const describing = workflow('describing', function* () {
    const answers: unknown[] = [
      yield* now(),
      yield* random(),
      yield* uuid(),
      yield* instanceId(),
      yield* expose('x', { a: 1 }),
      yield* send('describing', other, 'x'),
      yield* publish(other, 'k', 'x'),
      (yield* startChild(nothing, undefined, { id: 'n' })).id,
      yield* refusal(),
      yield* step('void', () => undefined),
      yield* step('null', () => null),
      yield* sleep(1),
    ];
    runs.push(answers.map((answer) => (answer === undefined ? 'undefined' : JSON.stringify(answer))).join(' '));
    yield* receive(go);
  });
  function* refusal() {
    try {
      return yield* send('nobody', go, 1);
    } catch (error) {
      const { name, message, code } = error as Error & { code: string };
      return { name, message, code };
    }
  }
  const world = await createTestRuntime({ workflows: [describing, nothing] });
  await world.start(describing, undefined, { id: 'describing' });
  await world.advance('1s');
  const recovered = await world.crash();
  await recovered.send('describing', go, 1);

  expect(runs).toHaveLength(2);
  expect(runs[1]).toBe(runs[0]);
  expect(runs[0]).toContain('INSTANCE_NOT_FOUND');
});

test('C3: schemas run when a value comes in, and never in a replay', async () => {
  const calls: string[] = [];
  const counted = (name: string) =>
    z.string().transform((text) => {
      calls.push(name);
      return `${text}!`;
    });
  const checked = event('checked', counted('event'));
  const checking = workflow({ name: 'checking', input: counted('input'), output: counted('output') }, function* (input) {
    const first = yield* receive(checked);
    yield* receive(go);
    return input + first;
  });
  const world = await createTestRuntime({ workflows: [checking] });
  await world.start(checking, 'a', { id: 'a' });
  await world.send('a', checked, 'b');
  const recovered = await world.crash();
  await recovered.send('a', go, 1);

  await expect(recovered.instance('a').result()).resolves.toBe('a!b!!');
  expect(calls).toEqual(['input', 'event', 'output']);
});

test('C5: at recovery an accepted event comes before an overdue deadline, and both before new events', async () => {
  const patient = workflow('patient', function* () {
    const seen: unknown[] = [];
    for (let n = 0; n < 3; n++) {
      try {
        seen.push(yield* receive(go, { timeout: '1h' }));
      } catch (error) {
        seen.push((error as TimeoutError).name);
      }
    }
    return seen;
  });
  const sender = workflow('sender', () => send('p', go, 1));
  const store = new GatedStore();
  const first = await createTestRuntime({ workflows: [patient, sender], store });
  await first.start(patient, undefined, { id: 'p' });
  store.hold('after');
  const started = watch(first.start(sender));
  await breathe();

  // Nobody stops the first: it hangs with the event on disk and not received.
  const second = await createTestRuntime({ workflows: [patient, sender], store, startAt: first.now() + 7_200_000 });
  const sent = second.send('p', go, 2);
  await second.runUntilIdle();
  await sent;
  await second.advance('1h');

  expect(started.state).toBe('pending');
  await expect(second.instance('p').result()).resolves.toEqual([1, 2, 'TimeoutError']);
});

test('C5: at recovery an overdue deadline comes before a new event', async () => {
  const patient = workflow('patient', () => receive(go, { timeout: '1h' }));
  const store = new GatedStore();
  const first = await createTestRuntime({ workflows: [patient], store });
  await first.start(patient, undefined, { id: 'p' });
  await first.stop();

  const second = await createTestRuntime({ workflows: [patient], store, startAt: first.now() + 7_200_000 });
  const sent = watch(second.send('p', go, 2));
  await second.runUntilIdle();

  expect(sent.error).toMatchObject({ code: 'INSTANCE_ENDED' });
  await expect(second.instance('p').result()).rejects.toMatchObject({ error: { name: 'TimeoutError' } });
});

test('C7: now, random, uuid and expose cost no commit of their own', async () => {
  const commitsOf = async (isChatty: boolean) => {
    const store = new GatedStore();
    const working = workflow('working', function* () {
      for (let n = 0; n < 3; n++) {
        yield* step('work', () => n);
        if (!isChatty) continue;
        yield* expose('progress', [n, yield* now(), yield* random(), yield* uuid(), yield* instanceId()]);
      }
    });
    const { runtime } = await createTestRuntime({ workflows: [working], store });
    await (await runtime.start(working)).result();
    return { commits: store.commits.length, appends: store.appends };
  };

  expect(await commitsOf(true)).toEqual(await commitsOf(false));
});

test('C8: a repeated start and a repeated cancel are told only when the original is on disk', async () => {
  const held = new Gate();
  const store = new GatedStore();
  const sleeping = workflow('sleeping', function* (_n: number) {
    try {
      yield* receive(go);
    } finally {
      yield* step('clean up', () => held.passed);
    }
  });
  const { runtime, runUntilIdle } = await createTestRuntime({ workflows: [sleeping], store });
  const ask = async (request: () => Promise<unknown>) => {
    store.hold();
    const original = watch(request());
    await breathe();
    const repeated = watch(request());
    await breathe();
    const whileHeld = [original.state, repeated.state];
    store.release();
    await runUntilIdle();
    return [...whileHeld, original.state, repeated.state];
  };

  const starts = await ask(() => runtime.start(sleeping, 1, { id: 'a' }));
  const cancels = await ask(() => runtime.instance('a').cancel());

  expect(starts).toEqual(['pending', 'pending', 'resolved', 'resolved']);
  expect(cancels).toEqual(['pending', 'pending', 'resolved', 'resolved']);
});
