// receive and receiveAny: sleeping until an event comes.

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { event, now, type Operation, receive, receiveAny, sleep, step, TimeoutError, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { failureOf } from '../support/rejection.js';

const HOUR = 3_600_000;
const word = event<string>('word');
const count = event<{ n: number }>('count');

/** Starts an instance of this body, and lets it come to its first rest. */
async function begin<O>(body: () => Operation<O>) {
  const tested = workflow('tested', body);
  const runtime = await createTestRuntime({ workflows: [tested] });
  const instance = await runtime.start(tested, undefined, { id: 't' });
  await runtime.runUntilIdle();
  return { runtime, instance };
}

/** What a body throws, as a text, instead of what it gives. */
function* caught(operation: () => Operation<unknown>): Operation<unknown> {
  try {
    return yield* operation();
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : error;
  }
}

describe('receive', () => {
  test('it sleeps until an event is sent to the instance, and gives its payload', async () => {
    const { instance } = await begin(() => receive(count));
    expect(await instance.info()).toMatchObject({
      status: 'sleeping',
      waitingFor: [{ kind: 'receive', name: 'count', key: null, dueAt: null }],
    });

    const delivery = await instance.send(count, { n: 3 });

    expect(delivery).toEqual({ status: 'delivered' });
    await expect(instance.result()).resolves.toEqual({ n: 3 });
  });

  test('with a key it sleeps until an event is published under that key', async () => {
    const { runtime, instance } = await begin(() => receive(word, { key: 'k' }));

    const deliveries = [
      await instance.send(word, 'direct'),
      await runtime.publish(word, 'l', 'other'),
      await runtime.publish(word, 'k', 'mine'),
    ];

    expect(deliveries.map(({ status }) => status)).toEqual(['buffered', 'buffered', 'delivered']);
    await expect(instance.result()).resolves.toBe('mine');
  });

  test('a key that is undefined is no key', async () => {
    const { instance } = await begin(() => receive(word, { key: undefined, timeout: undefined }));

    await instance.send(word, 'direct');

    await expect(instance.result()).resolves.toBe('direct');
  });

  test('events that came early wait for it, the first one first', async () => {
    const { runtime, instance } = await begin(function* () {
      yield* sleep('1 hour');
      return [yield* receive(word), yield* receive(word), yield* receive(word)];
    });
    for (const text of ['one', 'two', 'three']) expect(await instance.send(word, text)).toEqual({ status: 'buffered' });

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toEqual(['one', 'two', 'three']);
  });

  test('the timeout throws TimeoutError at its time, not before', async () => {
    const { runtime, instance } = await begin(function* () {
      const start = yield* now();
      const end = yield* caught(() => receive(word, { timeout: '2 hours' }));
      return [end, (yield* now()) - start];
    });
    await runtime.advance(2 * HOUR - 1);
    expect((await instance.info()).status).toBe('sleeping');

    await runtime.advance(1);

    await expect(instance.result()).resolves.toEqual([`TimeoutError: receive "word" timed out after ${2 * HOUR} ms.`, 2 * HOUR]);
  });

  test('a crash does not lengthen the timeout, and one that passed meanwhile is thrown', async () => {
    const { runtime } = await begin(() => caught(() => receive(word, { timeout: '2 hours' })));
    await runtime.advance('1 hour');

    const recovered = await runtime.crash();
    await recovered.advance('1 hour');

    await expect(recovered.instance('t').result()).resolves.toContain('TimeoutError');
  });

  test('what comes after the timeout is kept for the next receive', async () => {
    const { runtime, instance } = await begin(function* () {
      const first = yield* caught(() => receive(word, { timeout: '1 hour' }));
      yield* sleep('1 hour');
      return [first, yield* receive(word)];
    });
    await runtime.advance('1 hour');

    expect(await instance.send(word, 'late')).toEqual({ status: 'buffered' });
    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toEqual([expect.stringContaining('TimeoutError'), 'late']);
  });

  test('an event in the moment of the deadline, accepted before it fires, is received', async () => {
    const { runtime, instance } = await begin(() => receive(word, { timeout: '1 hour' }));
    await runtime.advance(HOUR - 1);

    await instance.send(word, 'just in time');
    await runtime.advance(1);

    await expect(instance.result()).resolves.toBe('just in time');
  });

  test('an uncaught timeout fails the instance', async () => {
    const { runtime, instance } = await begin(() => receive(word, { timeout: '1 hour' }));
    await runtime.advance('1 hour');

    expect(await failureOf(instance)).toMatchObject({ name: TimeoutError.name, code: 'TIMEOUT', data: { ms: HOUR } });
  });

  test('the receiver gets what the schema made of the payload, in replay too', async () => {
    const dated = event('dated', z.object({ at: z.string().transform((text) => new Date(text)), n: z.number().default(7) }));
    const { runtime } = await begin(function* () {
      const got = yield* receive(dated);
      yield* sleep('1 hour');
      return [got.at instanceof Date, got.at.getUTCFullYear(), got.n];
    });
    await runtime.send('t', dated, { at: '2020-05-01' });

    const recovered = await runtime.crash();
    await recovered.advance('1 hour');

    await expect(recovered.instance('t').result()).resolves.toEqual([true, 2020, 7]);
  });

  test('the payload is a copy: what its sender does to it later is not seen', async () => {
    const payload = { n: 1 };
    const { runtime, instance } = await begin(function* () {
      yield* sleep('1 hour');
      return yield* receive(count);
    });

    const sent = instance.send(count, payload);
    payload.n = 2;
    await sent;
    payload.n = 3;
    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toEqual({ n: 1 });
  });

  test.each([
    ['an event that is none', () => receive({ name: 'word' }), 'UnknownEventError'],
    ['a key that is no key', () => receive(word, { key: '' }), 'InvalidIdError'],
    ['a timeout that is no duration', () => receive(word, { timeout: 'soon' }), 'InvalidDurationError'],
  ])('%s is refused', async (_what, operation, name) => {
    const { instance } = await begin(operation);

    expect(await failureOf(instance)).toMatchObject({ name });
  });
});

describe('receiveAny', () => {
  test('of an object, it gives the key and the payload of what came first', async () => {
    const { runtime, instance } = await begin(() => receiveAny({ text: word, number: { event: count, key: 'k' } }));
    expect(await instance.info()).toMatchObject({ waitingFor: [{ kind: 'receiveAny', name: 'word | count' }] });

    expect(await runtime.publish(count, 'k', { n: 1 })).toEqual({ status: 'delivered' });

    await expect(instance.result()).resolves.toEqual({ key: 'number', value: { n: 1 } });
  });

  test('of a list, it gives the event and the payload, which matches() tells apart', async () => {
    const { instance } = await begin(function* () {
      const got = yield* receiveAny([word, count]);
      return count.matches(got) ? got.payload.n : got.payload;
    });

    await instance.send(count, { n: 5 });

    await expect(instance.result()).resolves.toBe(5);
  });

  test('the others stay where they are', async () => {
    const { runtime, instance } = await begin(function* () {
      yield* sleep('1 hour');
      const first = yield* receiveAny({ word, count });
      const second = yield* receiveAny({ word, count });
      return [first, second];
    });
    await instance.send(count, { n: 1 });
    await instance.send(word, 'one');

    await runtime.advance('1 hour');

    const received = await instance.result();
    expect(received).toHaveLength(2);
    expect(received).toEqual(
      expect.arrayContaining([
        { key: 'count', value: { n: 1 } },
        { key: 'word', value: 'one' },
      ]),
    );
  });

  test('it may listen at one event under several keys', async () => {
    const { runtime, instance } = await begin(() => receiveAny({ a: { event: word, key: 'a' }, b: { event: word, key: 'b' }, mine: word }));

    await runtime.publish(word, 'b', 'from b');

    await expect(instance.result()).resolves.toEqual({ key: 'b', value: 'from b' });
  });

  test('after a crash it gives the same', async () => {
    const { runtime } = await begin(function* () {
      const got = yield* receiveAny({ text: word, number: count });
      yield* step('look', () => 1);
      yield* sleep('1 hour');
      return got;
    });
    await runtime.send('t', count, { n: 9 });
    await runtime.runUntilIdle();

    const recovered = await (await runtime.crash()).crash();
    await recovered.advance('1 hour');

    await expect(recovered.instance('t').result()).resolves.toEqual({ key: 'number', value: { n: 9 } });
  });

  test.each([
    ['no source at all', () => receiveAny({}), 'DefinitionError'],
    ['a source that is no event', () => receiveAny({ a: { event: { name: 'word' }, key: 'k' } }), 'UnknownEventError'],
    ['a source whose key is none', () => receiveAny([{ event: word, key: '' }]), 'InvalidIdError'],
  ])('%s is refused', async (_what, operation, name) => {
    const { instance } = await begin(operation as () => Operation<unknown>);

    expect(await failureOf(instance)).toMatchObject({ name });
  });
});
