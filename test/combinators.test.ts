// all, race and timeout, over operations and nested generators. (That losers are waited for is promise G8.)

import { beforeEach, describe, expect, test } from 'vitest';
import { all, type Effect, now, type Operation, race, receive, type StepContext, sleep, step, timeout } from '../src/index.js';
import { failingAfter, HOUR, later, runBody } from './support/bodies.js';
import { Gate } from './support/gate.js';
import { noisy, trail, word } from './support/noisy.js';
import { failureOf } from './support/rejection.js';

beforeEach(() => {
  trail.length = 0;
});

describe('all', () => {
  test('it gives a list in order, or an object by key, whoever was first', async () => {
    const { instance } = await runBody(function* () {
      const list = yield* all([later(3, 'a'), later(1, 'b'), step('c', () => 'c')]);
      const object = yield* all({ x: later(2, 1), __proto__x: later(1, 2) });
      return { list, object };
    }, '5 hours');

    await expect(instance.result()).resolves.toEqual({ list: ['a', 'b', 'c'], object: { x: 1, __proto__x: 2 } });
  });

  test('of nothing it gives nothing', async () => {
    const { instance } = await runBody(function* () {
      return [yield* all([]), yield* all({})];
    });

    await expect(instance.result()).resolves.toEqual([[], {}]);
  });

  test('a key that means something to JavaScript is data', async () => {
    const { instance } = await runBody(function* () {
      const results = yield* all(Object.fromEntries([['__proto__', later(1, 'mine')]]));
      return [Object.entries(results), Object.getPrototypeOf(results) === Object.prototype];
    }, '1 hour');

    await expect(instance.result()).resolves.toEqual([[['__proto__', 'mine']], true]);
  });

  test('a hundred steps run at once', async () => {
    const gate = new Gate();
    let running = 0;
    const { runtime, instance } = await runBody(() =>
      all(
        Array.from({ length: 100 }, (_, index) =>
          step(`s${index}`, async () => {
            running++;
            if (running === 100) gate.open();
            await gate.passed;
            return index;
          }),
        ),
      ),
    );
    await runtime.runUntilIdle();

    expect(running).toBe(100);
    await expect(instance.result()).resolves.toEqual(Array.from({ length: 100 }, (_, index) => index));
  });
});

describe('race', () => {
  test('it gives what the first gives, of an object with its key', async () => {
    const { instance } = await runBody(function* () {
      return [yield* race([later(2, 'slow'), later(1, 'fast')]), yield* race({ slow: later(2, 1), fast: later(1, 2) })];
    }, '4 hours');

    await expect(instance.result()).resolves.toEqual(['fast', { key: 'fast', value: 2 }]);
  });

  test('an error that comes first is thrown', async () => {
    const { instance } = await runBody(() => race([later(2, 'slow'), failingAfter(1, 'first')]), '1 hour');

    expect(await failureOf(instance)).toMatchObject({ message: 'first' });
  });

  test('when two are ready at once the earlier one wins, and the other event is kept', async () => {
    const { runtime, instance } = await runBody(function* () {
      yield* sleep('1 hour');
      const first = yield* race({ a: receive(word, { key: 'a' }), b: receive(word, { key: 'b' }) });
      return [first, yield* receive(word, { key: first.key === 'a' ? 'b' : 'a' })];
    });
    await runtime.publish(word, 'a', 'from a');
    await runtime.publish(word, 'b', 'from b');

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toEqual([{ key: 'a', value: 'from a' }, 'from b']);
  });

  test('of nothing is refused', async () => {
    const { instance } = await runBody(() => race([] as unknown as [Operation<unknown>]));

    expect(await failureOf(instance)).toMatchObject({ name: 'DefinitionError', message: expect.stringContaining('never end') });
  });
});

describe('timeout', () => {
  test('it throws TimeoutError when the time is up, after the cleanup of what it bounded', async () => {
    const { instance } = await runBody(function* () {
      try {
        yield* timeout(
          '1 hour',
          (function* () {
            try {
              yield* noisy('bounded');
            } finally {
              yield* sleep('1 hour');
              trail.push('cleaned');
            }
          })(),
        );
      } catch (error) {
        trail.push(`${(error as Error).name}: ${(error as Error).message}`);
      }
    }, '2 hours');
    await instance.result();

    expect(trail).toEqual(['bounded: no longer needed', 'cleaned', `TimeoutError: timeout() timed out after ${HOUR} ms.`]);
  });

  test('orElse is given instead when it is present, also when it is undefined', async () => {
    const { instance } = await runBody(function* () {
      return [yield* timeout('1 hour', later(2, 1), { orElse: 'else' }), yield* timeout('1 hour', later(2, 1), { orElse: undefined })];
    }, '2 hours');

    await expect(instance.result()).resolves.toEqual(['else', undefined]);
  });

  test('in time, it gives what the operation gives or throws', async () => {
    const { runtime, instance } = await runBody(function* () {
      const value = yield* timeout('2 hours', later(1, 'value'));
      try {
        yield* timeout('2 hours', failingAfter(1, 'own error'));
      } catch (error) {
        return [value, (error as Error).message];
      }
    }, '2 hours');

    await expect(instance.result()).resolves.toEqual(['value', 'own error']);
    expect(runtime.health()).toMatchObject({ deadlines: 0 });
  });

  test('the outer bound cuts the inner one', async () => {
    const { instance } = await runBody(
      () => timeout('1 hour', timeout('1 day', later(48, 1), { orElse: 'inner' }), { orElse: 'outer' }),
      '1 hour',
    );

    await expect(instance.result()).resolves.toBe('outer');
  });

  test('a step that is bounded is told through its signal', async () => {
    const signals: AbortSignal[] = [];
    const slow = ({ signal }: StepContext) => {
      signals.push(signal);
      return new Promise<void>(() => {});
    };
    const { instance } = await runBody(() => timeout('1 hour', step('slow', slow), { orElse: 'gave up' }), '1 hour');

    await expect(instance.result()).resolves.toBe('gave up');
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});

describe('nested generators', () => {
  test('an operation can be run again, a generator function as often as it is called', async () => {
    const { instance } = await runBody(function* () {
      const twice = sleep('1 hour');
      const start = yield* now();
      yield* twice;
      yield* twice;
      return (yield* now()) - start + (yield* later(1, 1)) + (yield* later(1, 1));
    }, '4 hours');

    await expect(instance.result()).resolves.toBe(2 * HOUR + 2);
  });

  test('any iterable of effects is an operation, such as an object of the user', async () => {
    const pause: Operation<string> = {
      *[Symbol.iterator](): Iterator<Effect, string, unknown> {
        yield* sleep('1 hour');
        return 'paused';
      },
    };
    const { instance } = await runBody(function* () {
      return yield* pause;
    }, '1 hour');

    await expect(instance.result()).resolves.toBe('paused');
  });

  test('a deep chain of yield* is no deeper for the journal', async () => {
    const descend = function* (depth: number): Operation<number> {
      return depth === 0 ? yield* step('bottom', () => 1) : 1 + (yield* descend(depth - 1));
    };
    const { runtime } = await runBody(function* () {
      const depth = yield* descend(500);
      yield* sleep('1 hour');
      return depth;
    });

    const recovered = await runtime.crash();
    await recovered.advance('1 hour');

    await expect(recovered.instance('t').result()).resolves.toBe(501);
  });
});
