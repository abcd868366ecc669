// Instances as children of the supervisor: who is in memory, for how long, and that nobody notices.

import { beforeEach, describe, expect, test } from 'vitest';
import type { AnyActorRef, InspectionEvent } from 'xstate';
import { call, event, type Operation, race, receive, sleep, spawn, step, waitForCallback, workflow } from '../src/index.js';
import { createTestRuntime, type TestRuntimeOptions } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { failureOf } from './support/rejection.js';

const word = event<string>('word');
let bodyRuns = 0;
let trail: string[] = [];

beforeEach(() => {
  bodyRuns = 0;
  trail = [];
});

const listener = workflow('listener', function* () {
  bodyRuns++;
  try {
    return yield* receive(word, { timeout: '3 days' });
  } finally {
    trail.push('finally');
  }
});

/** Starts a listener and leaves it asleep for so long. */
async function sleeping(options: Partial<TestRuntimeOptions> = {}, time: string | number = '1 hour') {
  const runtime = await createTestRuntime({ workflows: [listener], ...options });
  const instance = await runtime.start(listener, undefined, { id: 'l' });
  await runtime.advance(time);
  return { runtime, instance };
}

describe('actors', () => {
  /** The actors that XState's inspector is told of, by id. */
  async function inspected() {
    const actors = new Map<string, AnyActorRef>();
    const events: string[] = [];
    const inspect = (happened: InspectionEvent) => {
      if (happened.type === '@xstate.actor') actors.set((happened.actorRef as AnyActorRef).id, happened.actorRef as AnyActorRef);
      if (happened.type === '@xstate.event') events.push(`${happened.event.type} to ${(happened.actorRef as AnyActorRef).id}`);
    };
    const store = new GatedStore();
    const runtime = await createTestRuntime({ workflows: [listener], store, inspect });
    return { runtime, store, actors, events };
  }

  test('each awake instance is a child actor of the supervisor, and one system', async () => {
    const { runtime, actors, events } = await inspected();
    await runtime.start(listener, undefined, { id: 'a' });
    await runtime.start(listener, undefined, { id: 'b' });
    await runtime.send('b', word, 'hello');

    const supervisor = actors.get('rouse');
    const [a, b] = [actors.get('a'), actors.get('b')];

    expect([...actors.keys()]).toEqual(['rouse', 'a', 'b']);
    expect([a, b].map((actor) => actor?._parent)).toEqual([supervisor, supervisor]);
    expect([a, b].map((actor) => actor?.system === supervisor?.system)).toEqual([true, true]);
    expect(a?.getSnapshot()).toMatchObject({ status: 'active', instance: { id: 'a', phase: 'sleeping', waitingFor: [{ name: 'word' }] } });
    expect(b?.getSnapshot()).toMatchObject({ status: 'done', output: 'hello' });
    expect(events).toEqual(
      expect.arrayContaining(['rouse.request to rouse', 'rouse.begin to a', 'rouse.settle to b', 'rouse.committed to b']),
    );
  });

  test('an actor’s snapshot shows what is on disk, not what is on its way there', async () => {
    const { runtime, store, actors } = await inspected();
    store.hold('before');
    const started = runtime.start(listener, undefined, { id: 'a' });
    await runtime.runUntilIdle();
    const before = actors.get('a')?.getSnapshot().instance;
    expect(before).toMatchObject({ waitingFor: [] });

    store.release();
    await started;
    expect(actors.get('a')?.getSnapshot().instance).toMatchObject({ waitingFor: [{ kind: 'receive' }] });

    store.hold('before');
    const sent = runtime.send('a', word, 'hello');
    await runtime.runUntilIdle();
    expect(actors.get('a')?.getSnapshot()).toMatchObject({
      status: 'active',
      output: undefined,
      instance: { waitingFor: [{ kind: 'receive' }] },
    });
    store.release();
    await sent;

    expect(actors.get('a')?.getSnapshot()).toMatchObject({ status: 'done', output: 'hello' });
  });

  test('a passivated instance’s actor is stopped, and another one takes its place', async () => {
    const { runtime, actors } = await inspected();
    await runtime.start(listener, undefined, { id: 'a' });
    const first = actors.get('a');
    await runtime.advance('1 minute');
    expect(first?.getSnapshot().status).toBe('stopped');

    await runtime.send('a', word, 'hello');

    expect(actors.get('a')).not.toBe(first);
    expect(actors.get('a')?.getSnapshot().status).toBe('done');
  });
});

describe('residents', () => {
  test('a resident sleeper keeps its live generator: a thousand waits run its body once', async () => {
    const counting = workflow('counting', function* () {
      bodyRuns++;
      let sum = 0;
      for (let wait = 0; wait < 1_000; wait++) sum += (yield* receive(word)).length;
      return sum;
    });
    const runtime = await createTestRuntime({ workflows: [counting] });
    const instance = await runtime.start(counting);

    for (let wait = 0; wait < 1_000; wait++) await instance.send(word, 'x');

    await expect(instance.result()).resolves.toBe(1_000);
    expect(bodyRuns).toBe(1);
  });

  test('deadlines and steps do not run the body again either', async () => {
    const busy = workflow('busy', function* () {
      bodyRuns++;
      for (let round = 0; round < 20; round++) {
        yield* sleep('20s');
        yield* step('work', async () => round);
        yield* race([sleep('1s'), receive(word)]);
      }
    });
    const runtime = await createTestRuntime({ workflows: [busy] });
    const instance = await runtime.start(busy);

    await runtime.advance('1 hour');
    await instance.result();

    expect(bodyRuns).toBe(1);
  });

  test('who has ended leaves memory', async () => {
    const { runtime, instance } = await sleeping({}, 0);
    expect(runtime.health()).toMatchObject({ resident: 1, parkedAddresses: 1 });

    await instance.send(word, 'hello');

    expect(runtime.health()).toMatchObject({ resident: 0, parkedAddresses: 0, deadlines: 0 });
  });
});

describe('passivation', () => {
  test('who has slept for passivateAfter leaves memory, and no finally runs', async () => {
    const { runtime, instance } = await sleeping({}, 29_999);
    expect(runtime.health()).toMatchObject({ resident: 1 });

    await runtime.advance(1);

    expect(runtime.health()).toMatchObject({ resident: 0, parkedAddresses: 1 });
    expect(trail).toEqual([]);
    expect((await instance.info()).status).toBe('sleeping');
    expect(bodyRuns).toBe(1);
  });

  test.each([
    ['5 minutes', '4 minutes', 1],
    ['5 minutes', '5 minutes', 0],
    [0, 0, 0],
  ])('passivateAfter: %s, after %s', async (passivateAfter, time, resident) => {
    const { runtime } = await sleeping({ passivateAfter }, time);

    expect(runtime.health()).toMatchObject({ resident });
  });

  test('a wake begins the time anew', async () => {
    const { runtime } = await sleeping({ workflows: [workflow('listener', nagging)] }, 0);
    await runtime.advance('20s');
    await runtime.send('l', word, 'again');

    await runtime.advance('20s');
    expect(runtime.health()).toMatchObject({ resident: 1 });
    await runtime.advance('10s');

    expect(runtime.health()).toMatchObject({ resident: 0 });
  });

  test('it comes back by its event, its body running once more up to where it slept', async () => {
    const { runtime, instance } = await sleeping();
    expect(runtime.health()).toMatchObject({ resident: 0 });

    expect(await instance.send(word, 'hello')).toEqual({ status: 'delivered' });

    await expect(instance.result()).resolves.toBe('hello');
    expect(bodyRuns).toBe(2);
    expect(trail).toEqual(['finally']);
  });

  test('it comes back by its deadline', async () => {
    const { runtime, instance } = await sleeping();

    await runtime.advance('3 days');

    expect(await failureOf(instance)).toMatchObject({ name: 'TimeoutError' });
    expect(trail).toEqual(['finally']);
  });

  test('it comes back to be cancelled', async () => {
    const { instance } = await sleeping();

    await instance.cancel('enough');

    expect(await failureOf(instance)).toMatchObject({ name: 'CancelledError' });
    expect(trail).toEqual(['finally']);
  });

  test('it does not come back to be terminated', async () => {
    const { instance } = await sleeping();

    await instance.terminate();

    expect(await failureOf(instance)).toMatchObject({ name: 'CancelledError' });
    expect([bodyRuns, trail]).toEqual([1, []]);
  });

  test('it comes back by its callback’s answer, and by its child’s end', async () => {
    const tokens: string[] = [];
    const child = workflow('child', () => waitForCallback<string>('ask', (token) => void tokens.push(token)));
    const parent = workflow('parent', () => call(child, undefined, { id: 'c' }));
    const runtime = await createTestRuntime({ workflows: [parent, child] });
    const instance = await runtime.start(parent);
    await runtime.advance('1 hour');
    expect(runtime.health()).toMatchObject({ resident: 0 });

    await runtime.complete(tokens[0] ?? '', 'answered');

    await expect(instance.result()).resolves.toBe('answered');
  });

  test('info, query and result do not bring it back', async () => {
    const { runtime, instance } = await sleeping();

    await instance.info();
    await runtime.query('l', 'nothing');
    await instance.result({ signal: AbortSignal.abort() }).catch(() => {});

    expect(runtime.health()).toMatchObject({ resident: 0 });
  });

  test('a running step keeps its instance in memory, beside whatever else sleeps in it', async () => {
    const gate = new Gate<string>();
    const busy = workflow('busy', function* () {
      bodyRuns++;
      yield* spawn(() => sleep('365 days'));
      const result = yield* step('work', () => gate.passed);
      yield* receive(word);
      return result;
    });
    const runtime = await createTestRuntime({ workflows: [busy], passivateAfter: 0, maxResident: 0 });
    const instance = await runtime.start(busy);
    await runtime.advance('1 minute');
    expect(runtime.health()).toMatchObject({ resident: 1, stepsRunning: 1 });

    gate.open('done');
    await runtime.runUntilIdle();

    expect(runtime.health()).toMatchObject({ resident: 0, stepsRunning: 0 });
    expect(bodyRuns).toBe(1);
    expect((await instance.info()).waitingFor).toHaveLength(2);
  });

  test('in the pause before the next attempt of a step it may leave, and comes back for it', async () => {
    let attempts = 0;
    const flaky = workflow('flaky', () =>
      step(
        'flaky',
        () => {
          if (++attempts < 3) throw new Error('not yet');
          return attempts;
        },
        { retry: { delay: '2 minutes', factor: 1 } },
      ),
    );
    const runtime = await createTestRuntime({ workflows: [flaky] });
    const instance = await runtime.start(flaky);
    await runtime.advance('45s');
    expect(runtime.health()).toMatchObject({ resident: 0 });

    await runtime.advance('5 minutes');

    await expect(instance.result()).resolves.toBe(3);
  });

  test('a cancel that changes nothing does not keep it in memory', async () => {
    const cleaning = workflow('cleaning', function* () {
      try {
        yield* receive(word);
      } finally {
        yield* sleep('1 day');
      }
    });
    const runtime = await createTestRuntime({ workflows: [cleaning] });
    const instance = await runtime.start(cleaning);
    await instance.cancel();
    await instance.cancel();

    await runtime.advance('1 minute');

    expect(runtime.health()).toMatchObject({ resident: 0 });
  });
});

describe('maxResident', () => {
  async function many(maxResident: number, body: () => Operation<unknown>) {
    const tested = workflow('tested', body);
    const runtime = await createTestRuntime({ workflows: [tested], maxResident, passivateAfter: '365 days' });
    const instances = await Promise.all(Array.from({ length: 20 }, (_, index) => runtime.start(tested, undefined, { id: `i${index}` })));
    await runtime.runUntilIdle();
    return { runtime, instances };
  }

  test('above it the longest asleep leave at once, and all of them answer all the same', async () => {
    const { runtime, instances } = await many(5, () => receive(word));
    expect(runtime.health()).toMatchObject({ resident: 5, instances: 20 });

    await Promise.all(instances.map((instance, index) => instance.send(word, `to ${index}`)));

    const results = await Promise.all(instances.map((instance) => instance.result()));
    expect(results).toEqual(instances.map((_, index) => `to ${index}`));
  });

  test('the longest asleep are those that leave', async () => {
    const { runtime } = await many(5, function* () {
      for (;;) {
        bodyRuns++;
        yield* receive(word);
      }
    });
    bodyRuns = 0;

    for (const id of ['i19', 'i18', 'i17', 'i16', 'i15']) await runtime.send(id, word, 'still here?');
    expect(bodyRuns).toBe(5);
    await runtime.send('i0', word, 'who are you?');

    expect(bodyRuns).toBe(7);
    expect(runtime.health()).toMatchObject({ resident: 5 });
  });

  test('it is a soft bound: who runs a step stays', async () => {
    const gate = new Gate<string>();
    const { runtime, instances } = await many(5, function* () {
      const result = yield* step('work', () => gate.passed);
      yield* receive(word);
      return result;
    });
    expect(runtime.health()).toMatchObject({ resident: 20, stepsRunning: 20 });

    gate.open('done');
    await runtime.runUntilIdle();

    expect(runtime.health()).toMatchObject({ resident: 5 });
    for (const instance of instances) expect((await instance.info()).status).toBe('sleeping');
  });
});

function* nagging(): Operation<never> {
  for (;;) yield* receive(word);
}
