// A workflow as an XState actor by itself: it persists and restores, alone and within a machine.

import { beforeEach, describe, expect, test } from 'vitest';
import { type AnyActorRef, assign, createActor, createMachine, SimulatedClock, sendTo, setup, toPromise, waitFor } from 'xstate';
import { fromWorkflow, now, type Operation, receive, sleep, step, workflow } from '../src/index.js';
import { Gate } from './support/gate.js';
import { calls, provision } from './support/provision.js';
import { asleepIn, begin, DAY, HOUR, throughJson, told, word } from './support/standalone-actor.js';

beforeEach(() => {
  calls.length = 0;
});

describe('persistence', () => {
  test('a snapshot through JSON goes on where it stopped, and repeats no step', async () => {
    const first = createActor(fromWorkflow(provision), { id: 'order-1', input: { model: 'm1' } }).start();
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
            input: { model: 'm2' },
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
      states: { on: { invoke: { src: fromWorkflow(cleaning), input: undefined }, on: { off: 'off' } }, off: {} },
    });
    const clock = new SimulatedClock();
    const actor = createActor(machine, { clock }).start();

    actor.send({ type: 'off' });
    clock.increment(DAY);

    expect(calls).toEqual([]);
    expect(Object.keys(actor.getSnapshot().children)).toEqual([]);
  });
});
