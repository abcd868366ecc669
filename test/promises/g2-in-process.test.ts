// G2: result() and every wake happen in-process; nothing polls.

import { describe, expect, test } from 'vitest';
import { call, event, receive, sleep, step, waitForCallback, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { GatedStore } from '../support/gated-store.js';
import { breathe, watch } from '../support/promises.js';
import { residencies } from '../support/residency.js';

const go = event<number>('go');
const sleeper = workflow('sleeper', function* () {
  return yield* receive(go);
});

describe.each(residencies)('instances $where', ({ options }) => {
  test('G2: everyone who waits for a result has it in the moment in which the end is on disk', async () => {
    const store = new GatedStore();
    const { runtime, runUntilIdle, now } = await createTestRuntime({ ...options, workflows: [sleeper], store });
    const instance = await runtime.start(sleeper, undefined, { id: 'a' });
    const waiting = [watch(instance.result()), watch(instance.result()), watch(runtime.instance('a').result())];
    const before = now();
    await runUntilIdle();

    store.hold();
    const sent = watch(runtime.send('a', go, 7));
    await breathe();
    const whileHeld = waiting.map((each) => each.state);
    store.release();
    await breathe();

    expect(whileHeld).toEqual(['pending', 'pending', 'pending']);
    expect(waiting.map((each) => each.value)).toEqual([7, 7, 7]);
    expect(sent.value).toEqual({ status: 'delivered' });
    expect(now()).toBe(before);
  });

  test('G2: an event wakes its receiver, an answer its callback and a child its parent without time passing', async () => {
    const tokens: string[] = [];
    const asking = workflow('asking', function* () {
      return yield* waitForCallback<number>('answer', (token) => void tokens.push(token));
    });
    const calling = workflow('calling', function* () {
      return (yield* call(sleeper, undefined, { id: 'child' })) + 1;
    });
    const { runtime, runUntilIdle, now } = await createTestRuntime({ ...options, workflows: [sleeper, asking, calling] });
    const before = now();
    const results = [runtime.start(sleeper, undefined, { id: 'a' }), runtime.start(asking), runtime.start(calling)].map((started) =>
      watch(started.then((instance) => instance.result())),
    );
    await runUntilIdle();

    await runtime.send('a', go, 1);
    await runtime.complete(tokens[0] ?? '', 2);
    await runtime.send('child', go, 3);
    await breathe();

    expect(results.map((each) => each.value)).toEqual([1, 2, 4]);
    expect(now()).toBe(before);
  });

  test('G2: while everyone sleeps for a year nothing is read, written or due', async () => {
    const store = new GatedStore();
    const { runtime, runUntilIdle, advance } = await createTestRuntime({ ...options, workflows: [sleeper], store });
    const handles = await Promise.all(Array.from({ length: 50 }, (_, n) => runtime.start(sleeper, undefined, { id: `s${n}` })));
    const results = handles.map((handle) => watch(handle.result()));
    await runUntilIdle();
    await advance('1 minute');
    const before = { reads: store.reads, appends: store.appends };

    await advance('365 days');

    expect({ reads: store.reads, appends: store.appends }).toEqual(before);
    expect(runtime.health()).toMatchObject({ deadlines: 0, stepsRunning: 0, pendingCommits: 0 });
    await Promise.all(handles.map((handle, n) => handle.send(go, n)));
    await breathe();
    expect(results.map((result) => result.value)).toEqual(handles.map((_, n) => n));
  });

  test('G2: the result of an instance that has ended is there at once, also after a crash', async () => {
    const { runtime, crash } = await createTestRuntime({ ...options, workflows: [sleeper] });
    const instance = await runtime.start(sleeper, undefined, { id: 'a' });
    await instance.send(go, 7);

    await expect(instance.result()).resolves.toBe(7);
    const recovered = await crash();
    await expect(recovered.instance('a').result()).resolves.toBe(7);
  });
});

test('G2: a thousand waits of an instance in memory run its body once', async () => {
  let bodies = 0;
  const counting = workflow('counting', function* () {
    bodies++;
    let sum = 0;
    for (let n = 0; n < 250; n++) {
      sum += yield* receive(go);
      yield* sleep('1s');
      sum += yield* step('one', () => 1);
      sum += yield* receive(go, { key: 'k', timeout: '1 minute' });
    }
    return sum;
  });
  const { runtime, advance, runUntilIdle } = await createTestRuntime({ workflows: [counting] });
  const instance = await runtime.start(counting);

  for (let n = 0; n < 250; n++) {
    await instance.send(go, 1);
    await advance('1s');
    await runtime.publish(go, 'k', 1);
  }
  await runUntilIdle();

  await expect(instance.result()).resolves.toBe(750);
  expect(bodies).toBe(1);
});

test('G2: whoever gives up waiting for a result is told why, and the others wait on', async () => {
  const { runtime } = await createTestRuntime({ workflows: [sleeper] });
  const instance = await runtime.start(sleeper);
  const giveUp = new AbortController();
  const impatient = watch(instance.result({ signal: giveUp.signal }));
  const patient = watch(instance.result({ signal: new AbortController().signal }));

  giveUp.abort(new Error('no time'));
  await breathe();
  await instance.send(go, 1);
  await breathe();

  expect(impatient.error).toEqual(new Error('no time'));
  expect(patient.value).toBe(1);
  await expect(instance.result({ signal: AbortSignal.abort(new Error('too late')) })).rejects.toThrow('too late');
});
