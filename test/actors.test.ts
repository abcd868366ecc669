// A workflow as an XState actor by itself: it runs, is told events, and keeps time by the clock of its
// system, as any other logic of XState does.

import { beforeEach, describe, expect, test } from 'vitest';
import { createActor, toPromise } from 'xstate';
import { z } from 'zod';
import {
  compensate,
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
  workflow,
} from '../src/index.js';
import { Gate } from './support/gate.js';
import { calls, provision } from './support/provision.js';
import { asleepIn, begin, DAY, HOUR, told, word } from './support/standalone-actor.js';

beforeEach(() => {
  calls.length = 0;
});

describe('running', () => {
  test('it runs steps, sleeps, is told an event, and is done with the output', async () => {
    const actor = createActor(fromWorkflow(provision), { id: 'order-1', input: { model: 'm1' } }).start();
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
    const actor = createActor(fromWorkflow(dated), { input }).start();

    input.tags.push('added later');
    actor.send(told('go'));

    await expect(toPromise(actor)).resolves.toEqual([2020, ['a']]);
  });

  test('an input that its schema refuses is the actor’s error', () => {
    const errors: unknown[] = [];
    const strict = workflow({ name: 'strict', input: z.number() }, function* () {});
    const actor = createActor(fromWorkflow(strict), { input: 'x' as never });
    actor.subscribe({ error: (error) => errors.push(error) });

    actor.start();

    expect(errors).toMatchObject([{ name: 'ValidationError', code: 'VALIDATION' }]);
  });

  test('log writes to the logger of the actor', async () => {
    const lines: unknown[][] = [];
    const logging = workflow('logging', function* () {
      log.info('hello', { order: 1 });
    });
    const actor = createActor(fromWorkflow(logging), { id: 'a', input: undefined, logger: (...line) => lines.push(line) });

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
