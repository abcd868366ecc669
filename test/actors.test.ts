// A workflow as an XState actor by itself: it runs, is told events, keeps time by the system's clock, persists and
// restores, as any other logic of XState does.

import { beforeEach, describe, expect, test } from 'vitest';
import { type AnyActorRef, assign, createActor, createMachine, SimulatedClock, sendTo, setup, toPromise, waitFor } from 'xstate';
import { z } from 'zod';
import {
  type AnyEvent,
  compensate,
  event,
  fromWorkflow,
  log,
  now,
  type Operation,
  publish,
  receive,
  receiveAny,
  send,
  sleep,
  startChild,
  step,
  timeout,
  type Workflow,
  workflow,
} from '../src/index.js';
import { Gate } from './support/gate.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const word = event<string>('word');
let calls: string[] = [];

beforeEach(() => {
  calls = [];
});

/** Asks a machine for an address, waits for a word, and tells it. */
const provision = workflow('provision', function* (order: { model: string }) {
  const ip = yield* step('allot', async () => {
    calls.push(`allot ${order.model}`);
    return '10.0.0.7';
  });
  const text = yield* receive(word, { key: ip });
  yield* step('tell', () => void calls.push(`tell ${text}`));
  return { ip, text };
});

/** Starts an actor of a workflow that takes no input. */
function begin<O>(tested: Workflow<void, O>, clock = new SimulatedClock()) {
  const actor = createActor(fromWorkflow(tested), { input: { id: 'a', input: undefined }, clock });
  actor.subscribe({ error: () => {} });
  return { actor: actor.start(), clock };
}

/** Waits until the actor waits for something of this kind. */
async function asleepIn(actor: AnyActorRef, kind: string) {
  await waitFor(actor, ({ instance }) => instance?.waitingFor[0]?.kind === kind);
}

/** What a file or a browser's storage would give back. */
function throughJson<T>(snapshot: T): T {
  return JSON.parse(JSON.stringify(snapshot)) as T;
}

const told = (text: string, key?: string, type: AnyEvent = word) =>
  ({ type: 'rouse.event', event: type, payload: text, ...(key !== undefined && { key }) }) as const;

describe('running', () => {
  test('it runs steps, sleeps, is told an event, and is done with the output', async () => {
    const actor = createActor(fromWorkflow(provision), { input: { id: 'order-1', input: { model: 'm1' } } }).start();
    await asleepIn(actor, 'receive');
    expect(actor.getSnapshot()).toMatchObject({
      status: 'active',
      instance: {
        id: 'order-1',
        workflow: 'provision',
        phase: 'sleeping',
        waitingFor: [{ kind: 'receive', name: 'word', key: '10.0.0.7' }],
      },
    });

    actor.send(told('live', '10.0.0.7'));

    await expect(toPromise(actor)).resolves.toEqual({ ip: '10.0.0.7', text: 'live' });
    expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: { ip: '10.0.0.7', text: 'live' } });
    expect(calls).toEqual(['allot m1', 'tell live']);
  });

  test('while a step runs its phase is running', async () => {
    const gate = new Gate<string>();
    const { actor } = begin(workflow('busy', () => step('work', () => gate.passed)));
    await asleepIn(actor, 'step');
    const during = actor.getSnapshot().instance;

    gate.open('done');

    await expect(toPromise(actor)).resolves.toBe('done');
    expect(during).toMatchObject({ phase: 'running', waitingFor: [{ kind: 'step', name: 'work' }] });
  });

  test('events that come early wait, in order, directly sent or under a key', async () => {
    const listening = workflow('listening', function* () {
      yield* sleep('1 hour');
      const first = yield* receive(word);
      const second = yield* receiveAny({ direct: word, keyed: { event: word, key: 'k' } });
      const third = yield* receiveAny({ direct: word, keyed: { event: word, key: 'k' } });
      return [first, second.value, third.value].toSorted();
    });
    const { actor, clock } = begin(listening);
    for (const message of [told('one'), told('two', 'k'), told('three')]) actor.send(message);

    clock.increment(HOUR);

    await expect(toPromise(actor)).resolves.toEqual(['one', 'three', 'two']);
  });

  test('a failed step is tried again after its pause', async () => {
    const attempts: Gate[] = [new Gate(), new Gate()];
    const flaky = workflow('flaky', () =>
      step(
        'flaky',
        ({ attempt }) => {
          attempts[attempt - 1]?.open();
          if (attempt < 2) throw new Error('not yet');
          return attempt;
        },
        { retry: { delay: '1 hour' } },
      ),
    );
    const { actor, clock } = begin(flaky);
    await attempts[0]?.passed;

    clock.increment(HOUR);

    await expect(toPromise(actor)).resolves.toBe(2);
  });

  test('an error that leaves the body is the actor’s error', async () => {
    const { actor } = begin(
      workflow('failing', function* (): Operation<void> {
        yield* compensate(() => step('undo', () => void calls.push('undone')));
        throw new RangeError('too far');
      }),
    );

    await expect(toPromise(actor)).rejects.toMatchObject({ name: 'RangeError', message: 'too far' });
    expect(actor.getSnapshot()).toMatchObject({ status: 'error' });
    expect(calls).toEqual(['undone']);
  });

  test('rouse.cancel throws CancelledError at its waits, and its cleanup goes on', async () => {
    const cleaning = workflow('cleaning', function* () {
      try {
        yield* receive(word);
      } finally {
        yield* sleep('1 hour');
        yield* step('clean', () => void calls.push('cleaned'));
      }
    });
    const { actor, clock } = begin(cleaning);
    actor.send({ type: 'rouse.cancel', reason: 'enough' });
    actor.send({ type: 'rouse.cancel', reason: 'again' });

    clock.increment(HOUR);

    await expect(toPromise(actor)).rejects.toMatchObject({ name: 'CancelledError', message: 'Cancelled: enough' });
    expect(calls).toEqual(['cleaned']);
  });

  test('its body gets its own copy of the input, as the schema makes it', async () => {
    const schema = z.object({ at: z.string().transform((text) => new Date(text)), tags: z.array(z.string()) });
    const input = { at: '2020-05-01', tags: ['a'] };
    const dated = workflow({ name: 'dated', input: schema }, function* ({ at, tags }) {
      yield* receive(word);
      return [at.getUTCFullYear(), tags];
    });
    const actor = createActor(fromWorkflow(dated), { input: { input } }).start();

    input.tags.push('added later');
    actor.send(told('go'));

    await expect(toPromise(actor)).resolves.toEqual([2020, ['a']]);
  });

  test('an input that its schema refuses is the actor’s error', () => {
    const errors: unknown[] = [];
    const strict = workflow({ name: 'strict', input: z.number() }, function* () {});
    const actor = createActor(fromWorkflow(strict), { input: { input: 'x' as never } });
    actor.subscribe({ error: (error) => errors.push(error) });

    actor.start();

    expect(errors).toMatchObject([{ name: 'ValidationError', code: 'VALIDATION' }]);
  });

  test('log writes to the logger of the actor', async () => {
    const lines: unknown[][] = [];
    const logging = workflow('logging', function* () {
      log.info('hello', { order: 1 });
    });
    const actor = createActor(fromWorkflow(logging), { input: { id: 'a', input: undefined }, logger: (...line) => lines.push(line) });

    await toPromise(actor.start());

    expect(lines).toEqual([['[info] hello', { order: 1, instanceId: 'a', workflow: 'logging', task: 0 }]]);
  });

  test.each([
    ['send', () => send('b', word, 'x')],
    ['publish', () => publish(word, 'k', 'x')],
    ['startChild', () => startChild(provision, { model: 'm' })],
  ])('%s is refused: it knows no other instances', async (name, operation) => {
    const { actor } = begin(workflow('lonely', operation as () => Operation<unknown>));

    await expect(toPromise(actor)).rejects.toMatchObject({
      name: 'DefinitionError',
      message: expect.stringContaining(`${name}() needs a runtime`),
    });
  });
});

describe('time', () => {
  test.each([
    ['3 days', 3 * DAY],
    ['90 days', 90 * DAY],
  ])('sleep(%s) is kept by the clock of the actor system', (duration, ms) => {
    const napping = workflow('napping', function* () {
      const start = yield* now();
      yield* sleep(duration);
      return (yield* now()) - start;
    });
    const { actor, clock } = begin(napping);
    clock.increment(ms - 1);
    expect(actor.getSnapshot().status).toBe('active');

    clock.increment(1);

    expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: ms });
  });

  test('timeouts come up in their order, and a wait that is over leaves no timer behind', () => {
    const bounded = workflow('bounded', function* () {
      const first = yield* timeout('2 hours', receive(word, { timeout: '3 hours' }), { orElse: 'none' });
      const second = yield* timeout('2 hours', receive(word, { timeout: '3 hours' }), { orElse: 'none' });
      yield* receive(word);
      return [first, second];
    });
    const { actor, clock } = begin(bounded);

    clock.increment(2 * HOUR);
    actor.send(told('in time'));
    const timersLeft = (clock as unknown as { timeouts: Map<number, unknown> }).timeouts.size;
    actor.send(told('end'));

    expect(timersLeft).toBe(0);
    expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: ['none', 'in time'] });
  });

  test('a stopped actor keeps no timer, and runs no finally', () => {
    const cleaning = workflow('cleaning', function* () {
      try {
        yield* sleep('1 hour');
      } finally {
        calls.push('finally');
      }
    });
    const { actor, clock } = begin(cleaning);

    actor.stop();
    clock.increment(DAY);

    expect(actor.getSnapshot().status).toBe('stopped');
    expect(calls).toEqual([]);
  });
});

describe('persistence', () => {
  test('a snapshot through JSON goes on where it stopped, and repeats no step', async () => {
    const first = createActor(fromWorkflow(provision), { input: { id: 'order-1', input: { model: 'm1' } } }).start();
    await asleepIn(first, 'receive');
    const snapshot = throughJson(first.getPersistedSnapshot());
    first.stop();

    const second = createActor(fromWorkflow(provision), { snapshot } as never).start();
    expect(second.getSnapshot().instance).toMatchObject({ id: 'order-1', waitingFor: [{ kind: 'receive', key: '10.0.0.7' }] });
    second.send(told('live', '10.0.0.7'));

    await expect(toPromise(second)).resolves.toEqual({ ip: '10.0.0.7', text: 'live' });
    expect(calls).toEqual(['allot m1', 'tell live']);
  });

  test('a step that was under way is started again, with the same idempotency key', async () => {
    const keys: string[] = [];
    const gate = new Gate<string>();
    const busy = workflow('busy', () =>
      step('work', ({ idempotencyKey }) => {
        keys.push(idempotencyKey);
        return keys.length === 1 ? gate.passed : 'second';
      }),
    );
    const { actor } = begin(busy);
    await asleepIn(actor, 'step');
    const snapshot = throughJson(actor.getPersistedSnapshot());
    actor.stop();
    gate.open('first, too late');

    const restored = createActor(fromWorkflow(busy), { snapshot } as never).start();

    await expect(toPromise(restored)).resolves.toBe('second');
    expect(keys[0]).toBe(keys[1]);
  });

  test('deadlines are absolute: time that passed between snapshot and restoring counts', () => {
    const napping = workflow('napping', function* () {
      yield* sleep('3 days');
      return yield* now();
    });
    const { actor, clock } = begin(napping);
    clock.increment(DAY);
    const snapshot = throughJson(actor.getPersistedSnapshot());
    actor.stop();

    const later = new SimulatedClock();
    later.set(2 * DAY);
    const restored = createActor(fromWorkflow(napping), { snapshot, clock: later } as never).start();
    later.increment(DAY - 1);
    expect(restored.getSnapshot().status).toBe('active');
    later.increment(1);

    expect(restored.getSnapshot()).toMatchObject({ status: 'done', output: 3 * DAY });
  });

  test('events that wait are in the snapshot too', () => {
    const listening = workflow('listening', function* () {
      yield* sleep('1 hour');
      return [yield* receive(word), yield* receive(word, { key: 'k' })];
    });
    const { actor } = begin(listening);
    actor.send(told('early'));
    actor.send(told('keyed', 'k'));

    const clock = new SimulatedClock();
    const restored = createActor(fromWorkflow(listening), { snapshot: throughJson(actor.getPersistedSnapshot()), clock } as never).start();
    clock.increment(HOUR);

    expect(restored.getSnapshot()).toMatchObject({ status: 'done', output: ['early', 'keyed'] });
  });

  test('who has ended stays ended, with output or error', async () => {
    const good = begin(
      workflow('good', function* () {
        return { at: 1 };
      }),
    ).actor;
    const bad = begin(
      workflow('bad', function* (): Operation<void> {
        throw new RangeError('too far');
      }),
    ).actor;

    const [goodSnapshot, badSnapshot] = [good, bad].map((actor) => throughJson(actor.getPersistedSnapshot()));
    const goodAgain = createActor(fromWorkflow(provision), { snapshot: goodSnapshot } as never);
    const badAgain = createActor(fromWorkflow(provision), { snapshot: badSnapshot } as never);

    expect(goodAgain.getSnapshot()).toMatchObject({ status: 'done', output: { at: 1 }, instance: null });
    expect(badAgain.getSnapshot()).toMatchObject({ status: 'error', error: { name: 'RangeError', message: 'too far' } });
  });

  test('code that has diverged from the snapshot is the actor’s error when it is restored', () => {
    const { actor } = begin(workflow('edited', () => sleep('1 hour')));
    const snapshot = throughJson(actor.getPersistedSnapshot());
    const edited = workflow('edited', () => receive(word));
    const errors: unknown[] = [];
    const restore = () => {
      const restored = createActor(fromWorkflow(edited), { snapshot } as never);
      restored.subscribe({ error: (error) => errors.push(error) });
      restored.start();
    };

    try {
      restore();
    } catch (error) {
      errors.push(error);
    }

    expect(errors).toMatchObject([{ name: 'NondeterminismError', code: 'NONDETERMINISM' }]);
  });
});

describe('in a machine', () => {
  test('a machine invokes it, sends it events, persists and restores with it', async () => {
    const shop = setup({ types: { context: {} as { live: string } }, actors: { provision: fromWorkflow(provision) } }).createMachine({
      context: { live: '' },
      initial: 'working',
      states: {
        working: {
          invoke: {
            src: 'provision',
            id: 'order',
            input: { input: { model: 'm2' } },
            onDone: { target: 'done', actions: assign({ live: ({ event }) => (event.output as { text: string }).text }) },
          },
          on: { approve: { actions: sendTo('order', told('approved', '10.0.0.7')) } },
        },
        done: { type: 'final' },
      },
    });
    const first = createActor(shop).start();
    await asleepIn(first.getSnapshot().children.order as AnyActorRef, 'receive');
    const snapshot = throughJson(first.getPersistedSnapshot());
    first.stop();

    const second = createActor(shop, { snapshot } as never).start();
    second.send({ type: 'approve' });
    await waitFor(second, ({ status }) => status === 'done');

    expect(second.getSnapshot().context).toEqual({ live: 'approved' });
    expect(calls).toEqual(['allot m2', 'tell approved']);
  });

  test('a machine that leaves the state stops it where it sleeps', () => {
    const cleaning = workflow('cleaning', function* () {
      try {
        yield* sleep('1 hour');
      } finally {
        calls.push('finally');
      }
    });
    const machine = createMachine({
      initial: 'on',
      states: { on: { invoke: { src: fromWorkflow(cleaning), input: { input: undefined } }, on: { off: 'off' } }, off: {} },
    });
    const clock = new SimulatedClock();
    const actor = createActor(machine, { clock }).start();

    actor.send({ type: 'off' });
    clock.increment(DAY);

    expect(calls).toEqual([]);
    expect(Object.keys(actor.getSnapshot().children)).toEqual([]);
  });
});
