// Ephemeral workflows (durable: false): green threads of this process. Nothing of them is written, their values go by
// reference, and what is over leaves nothing behind.

import { describe, expect, test } from 'vitest';
import type { RuntimeCore } from '../src/actors/runtime.js';
import {
  activity,
  all,
  call,
  compensate,
  continueAs,
  createLatch,
  createPool,
  createQueue,
  createRuntime,
  createSemaphore,
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
  spawn,
  startChild,
  step,
  timeout,
  uuid,
  WorkflowFailedError,
  waitForCallback,
  workflow,
} from '../src/index.js';
import { limits } from '../src/runtime/limits.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { RecordingStore } from './support/committed-history.js';
import { Gate } from './support/gate.js';
import { breathe, watch } from './support/promises.js';
import { rejectionOf } from './support/rejection.js';

const word = event<unknown>('word');
const stop = event<void>('stop');

/** Stands for a socket, a handle, a connection: nobody can store it, and a copy is worth nothing. */
class Connection {
  readonly #secret = 7;
  open = () => this.#secret;
}

/** An ephemeral workflow. */
function green<I, O>(name: string, body: (input: I) => Operation<O>) {
  return workflow({ name, durable: false }, body);
}

const waiting = green('waiting', function* (_input: unknown) {
  return yield* receive(word);
});
const failing = green('failing', function* (error: Error): Operation<never> {
  yield* receive(stop);
  throw error;
});

/** Everything by which the runtime could remember an instance. */
function memoryOf(runtime: TestRuntime): Record<string, number> {
  const { world } = (runtime as unknown as RuntimeCore).supervisor;
  const { slots, mailboxes, deadlines, childWaits, tokens, runner } = world;
  return {
    slots: slots.size,
    addresses: [...mailboxes.addresses()].length,
    deadlines: deadlines.size,
    childWaits: childWaits.size,
    tokens: tokens.size,
    attempts: runner.size,
  };
}

const nothing = { slots: 0, addresses: 0, deadlines: 0, childWaits: 0, tokens: 0, attempts: 0 };

describe('nothing is written', () => {
  const double = activity('double', (n: number) => n * 2, { retry: { attempts: 2, delay: '1s' } });
  const echo = green('echo', function* (input: { answerTo: string }): Operation<string> {
    yield* receive(word, { key: 'k' });
    yield* receive(word);
    yield* send(input.answerTo, word, 'answer');
    return 'echoed';
  });

  function* withTasks(): Operation<void> {
    const [pool, queue, semaphore, latch] = [
      yield* createPool(1),
      yield* createQueue<number>(),
      yield* createSemaphore(1),
      yield* createLatch(),
    ];
    yield* pool.spawn(() => sleep('1s'));
    const task = yield* spawn(function* () {
      yield* queue.put(yield* semaphore.use(step('work', async () => 1)));
      yield* latch.open();
    });
    yield* all([latch.wait(), queue.get(), task.join(), pool.waitAll()]);
  }

  const everything = green('everything', function* (from: { stage: number; runtime: TestRuntime }): Operation<unknown[]> {
    yield* expose('stage', from.stage);
    yield* compensate(() => step('undo', () => undefined));
    const values = [yield* now(), yield* random(), yield* uuid()].map((value) => typeof value);
    yield* withTasks();
    const child = yield* startChild(echo, { answerTo: 'e' }, { id: `echo-${from.stage}` });
    yield* sleep('1s');
    yield* publish(word, 'k', new Connection());
    yield* send(child.id, word, new Connection(), { id: 'once' });
    const heard = yield* receive(word, { timeout: '1h' });
    const token = yield* waitForCallback<string>('answer', (given) => from.runtime.complete(given, 'called back'));
    yield* race({ late: sleep('1s'), never: receive(stop) });
    const late = yield* timeout('1s', receive(word), { orElse: 'late' });
    const results = [yield* double(2), heard, token, late, yield* child.result(), ...values];
    return from.stage < 2 ? yield* continueAs({ ...from, stage: from.stage + 1 }) : results;
  });

  test('for any effect, nor for a failure, a cancellation or an end', async () => {
    const store = new RecordingStore();
    const world = await createTestRuntime({ workflows: [everything, echo, failing, waiting], store });
    const instance = await world.start(everything, { stage: 0, runtime: world }, { id: 'e' });
    await world.advance('1m');
    for (const each of [failing, waiting]) await world.start(each, new Error(), { id: each.name });
    await world.send('failing', stop, undefined, { id: 'once' });
    await world.instance('waiting').cancel();

    await expect(instance.result()).resolves.toEqual([4, 'answer', 'called back', 'late', 'echoed', 'number', 'number', 'string']);
    expect(store.history).toEqual([]);
    expect(memoryOf(world)).toEqual(nothing);
  });
});

describe('values go by reference', () => {
  test('input, payload, the result of a step and of a child, what is exposed, and the result', async () => {
    const things = Array.from({ length: 6 }, () => new Connection());
    const child = green('child', function* (given: unknown) {
      return [given, things[3]];
    });
    const passing = green('passing', function* (input: () => unknown) {
      const taken = yield* receiveAny({ a: word, b: { event: word, key: 'k' } });
      yield* expose('thing', things[4]);
      const found = yield* step('find', async () => things[1]);
      const args = yield* activity('same', (given: unknown) => given)(things[5]);
      return [input(), taken, found, args, ...(yield* call(child, things[2]))];
    });
    const world = await createTestRuntime({ workflows: [passing, child] });
    const instance = await world.start(passing, () => things[0], { id: 'e' });
    await world.publish(word, 'k', things[4]);
    const [input, taken, found, args, given, output] = (await instance.result()) as unknown[];

    expect([input === things[0], found === things[1], given === things[2], output === things[3], args === things[5]]).not.toContain(false);
    expect(taken).toEqual({ key: 'b', value: things[4] });
  });

  test('errors are the errors that were thrown: by a step, by a child, and to whoever waits for the result', async () => {
    const thrown = [new RangeError('of a step'), new RangeError('of a child'), { not: 'an error' }] as const;
    const caught: unknown[] = [];
    function* noted(operation: Operation<unknown>): Operation<void> {
      try {
        yield* operation;
      } catch (error) {
        caught.push(error instanceof WorkflowFailedError ? error.cause : error);
      }
    }
    const child = green('child', function* () {
      throw thrown[1];
    });
    const catching = green('catching', function* () {
      yield* noted(step('fail', () => Promise.reject(thrown[0])));
      yield* noted(call(child));
      throw thrown[2];
    });
    const world = await createTestRuntime({ workflows: [catching, child] });
    const instance = await world.start(catching);
    const error = await rejectionOf(instance.result(), WorkflowFailedError);

    expect([caught[0] === thrown[0], caught[1] === thrown[1], error.cause === thrown[2]]).toEqual([true, true, true]);
    expect(error).toMatchObject({ code: 'WORKFLOW_FAILED', instanceId: instance.id, workflow: 'catching' });
  });
});

describe('a step is plain I/O', () => {
  test('it is tried once, and again only where a policy says so', async () => {
    const attempts: string[] = [];
    const fails = (name: string) => () => {
      attempts.push(name);
      throw new RangeError(name);
    };
    const trying = green('trying', function* (): Operation<void> {
      const twice = activity('twice', fails('twice'), { retry: { attempts: 2, delay: '1s' } });
      for (const operation of [step('once', fails('once')), twice(), step('never', fails('never'), { retry: false })]) {
        try {
          yield* operation;
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
        }
      }
    });
    const world = await createTestRuntime({ workflows: [trying] });
    const instance = await world.start(trying);
    await world.advance('1m');

    await expect(instance.result()).resolves.toBeUndefined();
    expect(attempts).toEqual(['once', 'twice', 'twice', 'never']);
  });

  /** A step that is under way until its gate opens, and the signals that it was given. */
  function connection() {
    const gate = new Gate<string>();
    const signals: AbortSignal[] = [];
    const connect = () =>
      step('connect', ({ signal }) => {
        signals.push(signal);
        return gate.passed;
      });
    return { gate, signals, connect };
  }

  test.each([
    { by: 'cancel', end: (world: TestRuntime) => world.instance('e').cancel('enough') },
    { by: 'terminate', end: (world: TestRuntime) => world.instance('e').terminate() },
    { by: 'an event that wins the race', end: (world: TestRuntime) => world.send('e', stop, undefined) },
    { by: 'stop', end: (world: TestRuntime) => world.stop({ grace: 0 }) },
    { by: 'a crash', end: (world: TestRuntime) => world.crash() },
  ])('its signal is aborted by $by', async ({ end }) => {
    const { gate, signals, connect } = connection();
    const connecting = green('connecting', () => race({ connected: connect(), stopped: receive(stop) }));
    const world = await createTestRuntime({ workflows: [connecting] });
    watch((await world.start(connecting, undefined, { id: 'e' })).result());
    await end(world);
    const isAborted = signals[0]?.aborted;
    gate.open('too late');
    await breathe();

    expect([isAborted, signals.length]).toEqual([true, 1]);
  });

  test('its signal is also aborted when it has given its outcome, and nobody will have it', async () => {
    const { gate, signals, connect } = connection();
    const connecting = green('connecting', connect);
    const world = await createTestRuntime({ workflows: [connecting] });
    const instance = await world.start(connecting);
    const failure = watch(instance.result());
    gate.open('connected');
    await instance.cancel();
    await breathe();

    expect([failure.state, signals[0]?.aborted]).toEqual(['rejected', true]);
  });
});

describe('events', () => {
  const counting = green('counting', function* (count: number) {
    const heard: unknown[] = [];
    yield* receive(stop);
    while (heard.length < count) heard.push(yield* receive(word));
    return heard;
  });

  test('that come before the receive wait for it, first in, first out; a repeated id is a duplicate', async () => {
    const thing = new Connection();
    const world = await createTestRuntime({ workflows: [counting] });
    const instance = await world.start(counting, 3);
    const said = [
      await instance.send(word, thing, { id: 'a' }),
      await instance.send(word, 2),
      await instance.send(word, thing, { id: 'a' }),
      await instance.send(word, 3, { id: 'b' }),
      await instance.send(stop, undefined),
    ];

    expect(said.map(({ status }) => status)).toEqual(['buffered', 'buffered', 'duplicate', 'buffered', 'delivered']);
    const heard = (await instance.result()) as unknown[];
    expect([heard[0] === thing, ...heard.slice(1)]).toEqual([true, 2, 3]);
    expect(memoryOf(world)).toEqual(nothing);
  });

  test('that one turn sends are answered as they are then received', async () => {
    const sending = green('sending', function* (to: string) {
      const said: string[] = [];
      for (const id of ['a', 'a', 'b']) said.push((yield* send(to, word, id, { id })).status);
      return said;
    });
    const world = await createTestRuntime({ workflows: [counting, sending, waiting] });
    const [instance] = [await world.start(counting, 2, { id: 'e' }), await world.start(waiting, 1, { id: 'w' })];
    const said = await Promise.all(['e', 'w'].map(async (to) => (await world.start(sending, to)).result()));
    await instance.send(stop, undefined);

    expect(said).toEqual([
      ['buffered', 'duplicate', 'buffered'],
      ['delivered', 'duplicate', 'buffered'],
    ]);
    await expect(instance.result()).resolves.toEqual(['a', 'b']);
  });

  test('over the bound of a mailbox are refused, to senders inside and outside', async () => {
    const flooding = green('flooding', function* (to: string) {
      for (let n = 0; n < limits.mailboxEventsMax; n++) yield* send(to, word, n);
      try {
        yield* send(to, word, 'one too many');
      } catch (error) {
        return (error as { code: string }).code;
      }
      return 'nothing was thrown';
    });
    const world = await createTestRuntime({ workflows: [counting, flooding] });
    const instance = await world.start(counting, limits.mailboxEventsMax, { id: 'e' });

    await expect((await world.start(flooding, 'e')).result()).resolves.toBe('MAILBOX_FULL');
    await expect(instance.send(word, 'one too many')).rejects.toMatchObject({ code: 'MAILBOX_FULL' });
    await instance.send(stop, undefined);
    await world.runUntilIdle();
    await expect(instance.result()).resolves.toHaveLength(limits.mailboxEventsMax);
  });

  test('sent for ever between two of them keep no timer, and nobody else, from running', async () => {
    const answering = green('answering', function* (to: string) {
      for (;;) yield* send(to, word, yield* receive(word));
    });
    const spinning = green('spinning', (n: number) => continueAs(n + 1));
    const napping = green('napping', function* () {
      yield* sleep(5);
      return yield* step('work', () => new Promise((resolve) => setImmediate(resolve, 'rested')));
    });
    const runtime = await createRuntime({ workflows: [answering, spinning, napping], store: memoryStore() });
    await runtime.start(answering, 'b', { id: 'a' });
    await runtime.start(answering, 'a', { id: 'b' });
    await runtime.start(spinning, 0, { id: 'c' });
    await runtime.send('a', word, 'ping');

    await expect((await runtime.start(napping)).result()).resolves.toBe('rested');
    expect((await runtime.instance('c').info()).generation).toBeGreaterThan(1);
    await runtime.stop();
  });
});
