// send and publish from workflows: events between instances, in the sender's own commit.

import { expect, test } from 'vitest';
import { z } from 'zod';
import { type AnyWorkflow, event, type Operation, publish, receive, send, sleep, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';

const word = event<string>('word');
const dated = event('dated', z.object({ at: z.string().transform((text) => new Date(text)) }));
const listener = workflow('listener', () => receive(word));
const keyed = workflow('keyed', () => receive(word, { key: 'k' }));
const short = workflow('short', function* () {});

async function begin<O>(body: () => Operation<O>, before: (runtime: Awaited<ReturnType<typeof createTestRuntime>>) => Promise<unknown>) {
  const sender = workflow('sender', body);
  const others: AnyWorkflow[] = [listener, keyed, short];
  const runtime = await createTestRuntime({ workflows: [sender, ...others] });
  await before(runtime);
  const instance = await runtime.start(sender, undefined, { id: 's' });
  await runtime.runUntilIdle();
  return { runtime, instance };
}

test('send rouses the instance that waits, and says that it was delivered', async () => {
  const { runtime, instance } = await begin(
    () => send('l', word, 'hello'),
    (runtime) => runtime.start(listener, undefined, { id: 'l' }),
  );

  await expect(instance.result()).resolves.toEqual({ status: 'delivered' });
  await expect(runtime.instance('l').result()).resolves.toBe('hello');
});

test('publish rouses who waits at the key; with nobody there the event is kept for who comes', async () => {
  const { runtime, instance } = await begin(
    function* () {
      return [yield* publish(word, 'k', 'first'), yield* publish(word, 'k', 'second')];
    },
    (runtime) => runtime.start(keyed, undefined, { id: 'k1' }),
  );
  await expect(instance.result()).resolves.toEqual([{ status: 'delivered' }, { status: 'buffered' }]);
  await expect(runtime.instance('k1').result()).resolves.toBe('first');

  const late = await runtime.start(keyed);

  await expect(late.result()).resolves.toBe('second');
});

test('a repeated event id is a duplicate, within the turn and later', async () => {
  const { runtime, instance } = await begin(
    function* () {
      const now = [yield* send('l', word, 'a', { id: 'e1' }), yield* send('l', word, 'a', { id: 'e1' })];
      yield* sleep('1 hour');
      return [...now, yield* send('l', word, 'a', { id: 'e1' })].map(({ status }) => status);
    },
    (runtime) => runtime.start(listener, undefined, { id: 'l' }),
  );

  await runtime.advance('1 hour');

  await expect(instance.result()).resolves.toEqual(['delivered', 'duplicate', 'duplicate']);
});

test('the answers to repeated ids are the same after a crash', async () => {
  const { runtime } = await begin(
    function* () {
      const first = yield* send('l', word, 'a', { id: 'e1' });
      yield* sleep('1 hour');
      return [first.status, (yield* send('l', word, 'a', { id: 'e1' })).status];
    },
    (runtime) => runtime.start(listener, undefined, { id: 'l' }),
  );

  const recovered = await (await runtime.crash()).crash();
  await recovered.advance('1 hour');

  await expect(recovered.instance('s').result()).resolves.toEqual(['delivered', 'duplicate']);
  await expect(recovered.instance('l').result()).resolves.toBe('a');
});

test('an instance may send to itself', async () => {
  const { instance } = await begin(
    function* () {
      yield* send('s', word, 'note to self');
      return yield* receive(word);
    },
    async () => {},
  );

  await expect(instance.result()).resolves.toBe('note to self');
});

test('two instances may talk for long, without a turn that has no end', async () => {
  const player = workflow('player', function* (other: string) {
    let rounds = 0;
    for (let text = yield* receive(word); text !== 'stop'; text = yield* receive(word)) {
      rounds++;
      yield* send(other, word, rounds === 200 ? 'stop' : 'ball');
      if (rounds === 200) return rounds;
    }
    return rounds;
  });
  const runtime = await createTestRuntime({ workflows: [player] });
  const ping = await runtime.start(player, 'pong', { id: 'ping' });
  const pong = await runtime.start(player, 'ping', { id: 'pong' });

  await ping.send(word, 'ball');
  await runtime.runUntilIdle();

  await expect(ping.result()).resolves.toBe(200);
  await expect(pong.result()).resolves.toBe(199);
});

test('what a schema makes of the payload is what is sent', async () => {
  const receiver = workflow('receiver', function* () {
    const { at } = yield* receive(dated, { key: 'd' });
    return at.getUTCFullYear();
  });
  const sender = workflow('sender', () => publish(dated, 'd', { at: '2020-05-01' }));
  const runtime = await createTestRuntime({ workflows: [receiver, sender] });
  const instance = await runtime.start(receiver);

  await runtime.start(sender);

  await expect(instance.result()).resolves.toBe(2020);
});

const refusals: Readonly<Record<string, { operation: () => Operation<unknown>; name: string }>> = {
  'an instance that never was': { operation: () => send('nobody', word, 'x'), name: 'InstanceNotFoundError' },
  'an instance that has ended': { operation: () => send('ended', word, 'x'), name: 'InstanceEndedError' },
  'an id that is none': { operation: () => send('', word, 'x'), name: 'InvalidIdError' },
  'a key that is none': { operation: () => publish(word, '\n', 'x'), name: 'InvalidIdError' },
  'an event id that is none': { operation: () => publish(word, 'k', 'x', { id: '' }), name: 'InvalidIdError' },
  'a payload that its schema refuses': { operation: () => publish(dated, 'k', { at: 5 } as never), name: 'ValidationError' },
  'a payload that cannot be stored': { operation: () => publish(word, 'k', (() => 1) as never), name: 'UnstorableValueError' },
  'a payload that is too large': { operation: () => publish(word, 'k', 'x'.repeat(1_100_000)), name: 'PayloadTooLargeError' },
  'what is no event': { operation: () => publish('word' as never, 'k', 'x' as never), name: 'UnknownEventError' },
};

test.each(Object.entries(refusals))('%s is refused, can be caught, and is refused in replay too', async (_what, { operation, name }) => {
  const { runtime } = await begin(
    function* () {
      try {
        yield* operation();
      } catch (error) {
        yield* sleep('1 hour');
        return (error as Error).name;
      }
      return 'not refused';
    },
    (runtime) => runtime.start(short, undefined, { id: 'ended' }),
  );

  const recovered = await runtime.crash();
  await recovered.advance('1 hour');

  await expect(recovered.instance('s').result()).resolves.toBe(name);
});

test('an event and what its sender does next are one commit: an end that never was sends nothing', async () => {
  const { runtime, instance } = await begin(
    function* () {
      yield* publish(word, 'k', 'from the end');
      return 'ended';
    },
    (runtime) => runtime.start(keyed, undefined, { id: 'k1' }),
  );
  const commits = runtime.health().commits;

  await expect(instance.result()).resolves.toBe('ended');
  await expect(runtime.instance('k1').result()).resolves.toBe('from the end');
  // The listener's start, the sender's whole life with its event, and the listener's receipt and end.
  expect(commits).toBe(3);
});
