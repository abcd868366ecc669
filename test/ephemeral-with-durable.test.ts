// Ephemeral and durable instances together: what one writes and the other does not, who may see what before it is on
// disk, what becomes of them when a write fails, and what is left of either after a crash.

import { describe, expect, test } from 'vitest';
import {
  call,
  event,
  type Operation,
  publish,
  race,
  receive,
  StoreFullError,
  send,
  sleep,
  startChild,
  step,
  timeout,
  workflow,
} from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';
import { residencies } from './support/residency.js';

const word = event<unknown>('word');
const stop = event<void>('stop');
const brief = event<unknown>('brief', undefined, { expiresAfter: '1h' });
const full = () => new StoreFullError();

/** Nothing that goes by reference may be changed or copied on its way. */
const thing = { call: () => 'called' };

/** An ephemeral one that notes what it hears. */
function listener(heard: unknown[]) {
  return workflow({ name: 'listener', durable: false }, function* () {
    for (;;) heard.push(yield* receive(word));
  });
}

async function statusOf(runtime: TestRuntime, id: string): Promise<string> {
  return (await runtime.instance(id).info()).status;
}

describe('an ephemeral receiver of a durable sender', () => {
  const sending = workflow('sending', function* (text: string) {
    yield* receive(stop);
    return (yield* send('e', word, text)).status;
  });

  test('acts only when what was sent is on disk', async () => {
    const heard: unknown[] = [];
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [listener(heard), sending], store });
    await world.start(listener(heard), undefined, { id: 'e' });
    await world.start(sending, 'x', { id: 'd' });
    store.hold();
    const told = watch(world.send('d', stop, undefined));
    await breathe();
    expect([told.state, heard]).toEqual(['pending', []]);
    store.release();
    await world.runUntilIdle();

    expect(heard).toEqual(['x']);
    await expect(world.instance('d').result()).resolves.toBe('delivered');
  });

  test('never sees what could not be written, and everything after it', async () => {
    const heard: unknown[] = [];
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [listener(heard), sending], store });
    await world.start(listener(heard), undefined, { id: 'e' });
    await world.start(sending, 'first', { id: 'd1' });
    await world.start(sending, 'second', { id: 'd2' });
    store.failAppend(full);
    await expect(world.send('d1', stop, undefined)).rejects.toThrow(StoreFullError);
    await world.advance('1m');
    expect(heard).toEqual([]);
    await world.send('d2', stop, undefined);
    await world.runUntilIdle();
    await world.send('d1', stop, undefined);
    await world.runUntilIdle();

    expect(heard).toEqual(['second', 'first']);
    expect(world.health()).toMatchObject({ bufferedEvents: 0 });
  });

  test.each([{ by: 'key' }, { by: 'id' }])('hears by $by what was sent before it receives, first in, first out', async ({ by }) => {
    const heard: unknown[] = [];
    const late = workflow({ name: 'late', durable: false }, function* () {
      yield* receive(stop);
      for (let n = 0; n < 3; n++) heard.push(yield* by === 'key' ? receive(word, { key: 'k' }) : receive(word));
    });
    const burst = workflow('burst', function* () {
      for (let n = 0; n < 3; n++) yield* by === 'key' ? publish(word, 'k', n) : send('e', word, n);
    });
    const world = await createTestRuntime({ workflows: [late, burst] });
    const instance = await world.start(late, undefined, { id: 'e' });
    await world.start(burst);
    await world.runUntilIdle();
    await instance.send(stop, undefined);
    await instance.result();

    expect(heard).toEqual([0, 1, 2]);
    expect(world.health()).toMatchObject({ bufferedEvents: 0 });
  });
});

describe('a durable receiver of an ephemeral sender', () => {
  const taking = workflow('taking', () => receive(word, { key: 'k' }));
  const waiting = workflow({ name: 'waiting', durable: false }, (key: string) =>
    race({ word: receive(word, { key }), brief: receive(brief, { key }), stop: receive(stop) }),
  );

  test('gets a copy, which is on disk; what cannot be stored is refused at the sender', async () => {
    const given = { at: new Date(0), list: [1] };
    const sending = workflow({ name: 'sending', durable: false }, function* () {
      const refused: unknown[] = [];
      for (const operation of [publish(word, 'k', thing), send('d', word, thing)]) {
        try {
          yield* operation;
        } catch (error) {
          refused.push((error as { code: string }).code);
        }
      }
      yield* publish(word, 'k', given);
      given.list.push(2);
      return refused;
    });
    let world = await createTestRuntime({ workflows: [taking, sending] });
    await world.start(taking, undefined, { id: 'd' });
    await expect((await world.start(sending)).result()).resolves.toEqual(['UNSTORABLE_VALUE', 'UNSTORABLE_VALUE']);
    await world.runUntilIdle();
    world = await world.crash();

    await expect(world.instance('d').result()).resolves.toEqual({ at: new Date(0), list: [1] });
  });

  /** Publishes while an ephemeral one is first in line, which is gone before it can take it. */
  const racing = workflow({ name: 'racing', durable: false }, function* (publishing: Operation<unknown>) {
    yield* send('e', stop, undefined);
    yield* publishing;
  });

  test('behind an ephemeral one that leaves gets what was meant for that one, as a copy', async () => {
    const world = await createTestRuntime({ workflows: [taking, waiting, racing] });
    const leaving = await world.start(waiting, 'k', { id: 'e' });
    const instance = await world.start(taking, undefined, { id: 'd' });
    await world.start(racing, publish(word, 'k', { n: 1 }));
    await world.runUntilIdle();

    await expect(leaving.result()).resolves.toMatchObject({ key: 'stop' });
    expect(await statusOf(world, 'd')).toBe('completed');
    await expect(instance.result()).resolves.toEqual({ n: 1 });
  });

  test('that comes later gets it too, after a crash as well; when it cannot be stored it is lost, and that is said', async () => {
    let world = await createTestRuntime({ workflows: [taking, waiting, racing] });
    for (const [key, payload] of [
      ['k', { n: 1 }],
      ['lost', thing],
    ] as const) {
      await world.start(waiting, key, { id: 'e' });
      await world.start(racing, publish(word, key, payload));
      await world.runUntilIdle();
    }
    world = await world.crash();
    const instance = await world.start(taking, undefined, { id: 'd' });
    await world.runUntilIdle();

    expect(await instance.info()).toMatchObject({ status: 'completed', error: null });
    await expect(instance.result()).resolves.toEqual({ n: 1 });
    expect(world.logged.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(world.health()).toMatchObject({ bufferedEvents: 0 });
  });

  test('an event that nobody takes any more expires as others do', async () => {
    const world = await createTestRuntime({ workflows: [waiting, racing] });
    await world.start(waiting, 'k', { id: 'e' });
    await world.start(racing, publish(brief, 'k', { n: 1 }));
    await world.advance('2h');

    expect(world.health()).toMatchObject({ live: true, deadLetters: 1 });
  });
});

describe.each(residencies)('a durable parent $where', ({ options }) => {
  const child = workflow({ name: 'child', durable: false }, function* (answer: unknown) {
    yield* receive(word);
    return answer;
  });

  test('calls an ephemeral child, and gives and gets copies; what cannot be stored is an error there', async () => {
    const given = { list: [1] };
    const same: boolean[] = [];
    const echoing = workflow({ name: 'echoing', durable: false }, function* (input: unknown) {
      same.push(input === given);
      return input === 'a function' ? thing : input;
    });
    const parent = workflow('parent', function* () {
      const results: unknown[] = [];
      for (const input of [given, 'a function', thing]) {
        try {
          results.push(yield* (yield* startChild(echoing, input)).result());
        } catch (error) {
          results.push((error as { code: string }).code);
        }
      }
      return [...results, results[0] === given];
    });
    const world = await createTestRuntime({ ...options, workflows: [parent, echoing] });
    const instance = await world.start(parent);

    await expect(instance.result()).resolves.toEqual([given, 'UNSTORABLE_VALUE', 'UNSTORABLE_VALUE', false]);
    expect(same).toEqual([false, false]);
    await world.runUntilIdle();
    expect(world.health()).toMatchObject({ instances: 1 });
  });

  test('is told when its child was lost in a crash: when it waits at that time, and when it asks only later', async () => {
    const parent = workflow('parent', function* (asksAtOnce: boolean) {
      const handle = yield* startChild(child, 'x', { id: `of ${asksAtOnce}` });
      if (!asksAtOnce) yield* sleep('1h');
      try {
        return yield* handle.result();
      } catch (error) {
        return error;
      }
    });
    let world = await createTestRuntime({ ...options, workflows: [parent, child] });
    for (const asksAtOnce of [true, false]) await world.start(parent, asksAtOnce, { id: `parent of ${asksAtOnce}` });
    await world.runUntilIdle();
    world = await world.crash();
    await world.advance('2h');

    for (const asksAtOnce of [true, false]) {
      expect(await statusOf(world, `parent of ${asksAtOnce}`)).toBe('completed');
      const error = await world.instance(`parent of ${asksAtOnce}`).result();
      expect(error).toMatchObject({ code: 'WORKFLOW_FAILED', error: { name: 'EphemeralLostError', code: 'EPHEMERAL_LOST' } });
    }
  });

  test('whose turn cannot be written begins its child once, under the same id', async () => {
    const begun: string[] = [];
    const working = workflow({ name: 'working', durable: false }, function* (text: string) {
      begun.push(text);
      return yield* step('work', () => 'worked');
    });
    const parent = workflow('parent', function* () {
      yield* step('before', () => undefined);
      return yield* call(working, 'x', { id: 'c' });
    });
    const store = new GatedStore();
    const world = await createTestRuntime({ ...options, workflows: [parent, working], store });
    store.failAppend(full, { after: 1 });
    const instance = await world.start(parent, undefined, { id: 'a' });
    await world.advance('1m');

    expect(await instance.info()).toMatchObject({ status: 'completed', error: null });
    await expect(instance.result()).resolves.toBe('worked');
    expect(begun).toEqual(['x']);
    expect(world.health()).toMatchObject({ instances: 1 });
  });

  test('that could not write what its child came to is told again', async () => {
    const parent = workflow('parent', () => call(child, 'x', { id: 'c' }));
    const store = new GatedStore();
    const world = await createTestRuntime({ ...options, workflows: [parent, child], store });
    const instance = await world.start(parent, undefined, { id: 'a' });
    await world.runUntilIdle();
    store.failAppend(full, { times: 2 });
    await world.send('c', word, 'go');
    await world.advance('5m');

    expect(await statusOf(world, 'a')).toBe('completed');
    await expect(instance.result()).resolves.toBe('x');
  });

  test('that gives its call up cancels its child; one that ends lets it run', async () => {
    const ends: string[] = [];
    const cleaning = workflow({ name: 'cleaning', durable: false }, function* (name: string) {
      try {
        yield* receive(word);
      } finally {
        ends.push(name);
      }
    });
    const parent = workflow('parent', function* () {
      yield* timeout('1h', call(cleaning, 'called', { id: 'called' }), { orElse: 'late' });
      yield* startChild(cleaning, 'started', { id: 'started' });
    });
    const world = await createTestRuntime({ ...options, workflows: [parent, cleaning] });
    await world.start(parent);
    await world.advance('1h');

    expect(ends).toEqual(['called']);
    expect(await statusOf(world, 'started')).toBe('sleeping');
    await world.send('started', word, 'go');
    expect(ends).toEqual(['called', 'started']);
    expect(world.health()).toMatchObject({ instances: 1 });
  });
});

describe('an ephemeral instance whose durable events', () => {
  const announcing = workflow({ name: 'announcing', durable: false }, function* (): Operation<string> {
    yield* receive(stop);
    yield* publish(word, 'elsewhere', 1);
    const text = yield* receive(word);
    return `heard ${text}`;
  });

  test('are being written can be waited for', async () => {
    const short = workflow({ name: 'short', durable: false }, function* () {
      yield* receive(stop);
      yield* publish(word, 'elsewhere', 1);
      return 'published';
    });
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [short], store });
    const instance = await world.start(short, undefined, { id: 'e' });
    store.hold();
    const told = watch(instance.send(stop, undefined));
    await breathe();
    const results = [watch(instance.result()), watch(world.instance('e').result())];
    await breathe();
    expect([told, ...results].map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
    store.release();
    await world.runUntilIdle();

    expect(results.map(({ value }) => value)).toEqual(['published', 'published']);
  });

  test('cannot be written fails with that, once, whatever it did since; nothing else is held up', async () => {
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [announcing], store });
    const instance = await world.start(announcing, undefined, { id: 'e' });
    store.hold();
    const told = watch(instance.send(stop, undefined));
    await breathe();
    const heard = watch(instance.send(word, 'x'));
    const result = watch(instance.result());
    await breathe();
    store.failAppend(full);
    store.release();
    await world.runUntilIdle();

    expect(told.error).toBeInstanceOf(StoreFullError);
    expect(heard.state).not.toBe('pending');
    const again = watch(instance.result());
    await breathe();
    expect([again.state, again.value]).toEqual([result.state, result.value]);
    await world.advance('1m');
    await expect(world.start(announcing, undefined, { id: 'e' })).resolves.toMatchObject({ id: 'e' });
  });

  test('a write that failed holds up no timer, message or step of ephemeral instances', async () => {
    const busy = workflow({ name: 'busy', durable: false }, function* (): Operation<number> {
      for (let n = 0; n < 10; n++) yield* sleep('10ms');
      return yield* step('work', () => 7);
    });
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [announcing, busy], store });
    store.failAppend(full);
    await expect(world.publish(word, 'k', 1)).rejects.toThrow(StoreFullError);
    const instance = await world.start(busy);
    const result = watch(instance.result());
    await world.advance('100ms');

    expect(result.value).toBe(7);
  });
});
