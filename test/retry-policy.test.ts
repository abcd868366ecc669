// The retry policy of a step: how often, after which pauses, and what stops it.

import { describe, expect, test } from 'vitest';
import { activity, all, NonRetryableError, type RetryPolicy, type StepOptions, workflow } from '../src/index.js';
import { createTestRuntime } from '../src/testing.js';
import { failing } from './support/failing-step.js';
import { failureOf } from './support/rejection.js';

describe('the retry policy', () => {
  const pauses = (attempts: readonly { at: number }[]) => attempts.slice(1).map(({ at }, n) => at - (attempts[n]?.at ?? 0));

  test.each<[string, RetryPolicy, [number, number][]]>([
    [
      'a delay',
      { attempts: 3, delay: '10s' },
      [
        [5_000, 10_000],
        [10_000, 20_000],
      ],
    ],
    [
      'a factor of 1',
      { attempts: 4, delay: 1_000, factor: 1 },
      [
        [500, 1_000],
        [500, 1_000],
        [500, 1_000],
      ],
    ],
    [
      'a bound',
      { attempts: 4, delay: '1 minute', factor: 10, maxDelay: '2 minutes' },
      [
        [30_000, 60_000],
        [60_000, 120_000],
        [60_000, 120_000],
      ],
    ],
    ['a delay longer than the default bound', { attempts: 2, delay: '10 minutes' }, [[300_000, 600_000]]],
    [
      'no delay',
      { attempts: 3, delay: 0 },
      [
        [0, 0],
        [0, 0],
      ],
    ],
  ])('%s is kept, spread over the upper half of each pause', async (_name, retry, bounds) => {
    const seen: number[][] = [];
    for (let seed = 1; seed <= 5; seed++) {
      const { attempts, open } = failing(Number.POSITIVE_INFINITY, { retry });
      const { world } = await open({ seed });
      await world.advance('1h');
      seen.push(pauses(attempts));
    }

    for (const each of seen) {
      expect(each).toHaveLength(bounds.length);
      each.forEach((pause, n) => {
        expect(pause).toBeGreaterThanOrEqual(bounds[n]?.[0] ?? 0);
        expect(pause).toBeLessThanOrEqual(bounds[n]?.[1] ?? 0);
      });
    }
    if (retry.delay !== 0) expect(new Set(seen.map(String)).size).toBeGreaterThan(1);
  });

  test('attempts: Infinity never gives up', async () => {
    const { attempts, open } = failing(200, { retry: { attempts: Number.POSITIVE_INFINITY, maxDelay: '1s' } });
    const { world, instance } = await open();

    await world.advance('1h');

    await expect(instance.result()).resolves.toBe('done');
    expect(attempts).toHaveLength(201);
  });

  test.each<[string, StepOptions | undefined, () => unknown]>([
    ['retry: false', { retry: false }, () => new Error('no')],
    ['a NonRetryableError', undefined, () => new NonRetryableError('no', { cause: new Error('why') })],
    [
      'an error that retryable() refuses',
      { retry: { retryable: ({ code }) => code !== 'EFATAL' } },
      () => Object.assign(new Error('no'), { code: 'EFATAL' }),
    ],
    [
      'a retryable() that throws',
      {
        retry: {
          retryable: () => {
            throw new Error('broken');
          },
        },
      },
      () => new Error('no'),
    ],
  ])('%s stops it at once', async (_name, options, error) => {
    const { attempts, open } = failing(5, options, error);
    const { world, instance } = await open();

    await world.advance('1h');

    expect(attempts).toHaveLength(1);
    expect(await failureOf(instance)).toMatchObject({ message: 'no' });
  });

  test('the options of one use of an activity take the place of those of its definition', async () => {
    const calls: string[] = [];
    const act = activity(
      'act',
      (name: string) => {
        calls.push(name);
        throw new Error('no');
      },
      { retry: { attempts: 2 } },
    );
    const using = workflow('using', function* () {
      yield* all([caught(act('twice')), caught(act('once', { retry: false }))]);
    });
    function* caught(operation: ReturnType<typeof act>) {
      try {
        yield* operation;
      } catch {}
    }
    const world = await createTestRuntime({ workflows: [using] });
    const instance = await world.start(using);

    await world.advance('1 minute');

    await expect(instance.info()).resolves.toMatchObject({ status: 'completed' });
    expect(calls.sort()).toEqual(['once', 'twice', 'twice']);
  });
});
