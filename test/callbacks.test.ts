// waitForCallback: the token is on disk and the wait is open before anybody can answer, and it works once.

import { describe, expect, test } from 'vitest';
import { race, StoreFullError, sleep, step, waitForCallback, workflow } from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { breathe, watch } from './support/promises.js';
import { failureOf } from './support/rejection.js';
import { residencies } from './support/residency.js';

/** A workflow that asks, and the tokens that it asked with. */
function asking(submit: (token: string, attempt: number) => unknown = () => undefined, timeout?: string) {
  const tokens: string[] = [];
  const ask = workflow('ask', function* () {
    const answer = yield* waitForCallback<unknown>(
      'answer',
      (token, { attempt }) => {
        tokens.push(token);
        return submit(token, attempt);
      },
      { timeout },
    );
    yield* step('after', () => undefined);
    return answer;
  });
  return { ask, tokens, last: () => tokens.at(-1) ?? '' };
}

describe.each(residencies)('instances $where', ({ options }) => {
  test('an answer wakes who waits for it, also after a crash', async () => {
    const { ask, last, tokens } = asking();
    const world = await createTestRuntime({ ...options, workflows: [ask] });
    await world.start(ask, undefined, { id: 'a' });
    await world.runUntilIdle();
    const waiting = (await world.instance('a').info()).waitingFor;
    const recovered = await world.crash();

    await recovered.complete(last(), { paid: true });

    expect(waiting).toMatchObject([{ kind: 'callback', name: 'answer' }]);
    await expect(recovered.instance('a').result()).resolves.toEqual({ paid: true });
    expect(tokens).toHaveLength(1);
  });

  test('an answer may come while submit runs, and before its outcome', async () => {
    const world: { runtime?: TestRuntime } = {};
    const held = new Gate();
    const { ask } = asking(async (token) => {
      await world.runtime?.complete(token, 'quick');
      await held.passed;
    });
    world.runtime = await createTestRuntime({ ...options, workflows: [ask] });
    const instance = await world.runtime.start(ask);

    await expect(instance.result()).resolves.toBe('quick');
    held.open();
    await breathe();
    expect(world.runtime.health()).toMatchObject({ stepsRunning: 0 });
  });

  test('the token is on disk before submit runs, and is the same at every attempt and after a crash', async () => {
    const store = new GatedStore();
    const { ask, tokens, last } = asking((_token, attempt) => {
      if (attempt === 1) throw new Error('again');
      return attempt === 2 ? new Gate().passed : undefined;
    });
    const world = await createTestRuntime({ ...options, workflows: [ask], store });
    store.hold();
    const started = watch(world.start(ask, undefined, { id: 'a' }));
    await breathe();
    const whileHeld = [...tokens];
    store.release();
    await world.advance('1 minute');

    const recovered = await world.crash();
    await breathe();
    await recovered.complete(last(), 'answer');

    expect(whileHeld).toEqual([]);
    expect(started.state).toBe('resolved');
    expect(tokens.length).toBeGreaterThanOrEqual(3);
    expect(new Set(tokens).size).toBe(1);
    await expect(recovered.instance('a').result()).resolves.toBe('answer');
  });

  test('an error given to reject is thrown at the wait', async () => {
    const { ask, last } = asking();
    const world = await createTestRuntime({ ...options, workflows: [ask] });
    const instance = await world.start(ask);
    await world.runUntilIdle();

    await world.reject(last(), Object.assign(new RangeError('declined'), { code: 'E_CARD', limit: 5 }));

    expect(await failureOf(instance)).toMatchObject({ name: 'RangeError', message: 'declined', code: 'E_CARD', data: { limit: 5 } });
  });

  test('a token works once: an answer to a wait that is over is TokenUsedError, also after a crash', async () => {
    const { ask, tokens, last } = asking(() => undefined, '1h');
    const world = await createTestRuntime({ ...options, workflows: [ask] });
    const over = {
      answered: () => world.complete(last(), 1),
      rejected: () => world.reject(last(), new Error('no')),
      'timed out': () => world.advance('1h'),
      cancelled: () => world.instance('cancelled').cancel(),
      terminated: () => world.instance('terminated').terminate(),
    };
    for (const [id, end] of Object.entries(over)) {
      await world.start(ask, undefined, { id });
      await world.runUntilIdle();
      await end();
    }
    await world.runUntilIdle();

    for (const token of tokens) await expect(world.complete(token, 2)).rejects.toMatchObject({ code: 'TOKEN_USED' });
    const recovered = await world.crash();
    for (const token of tokens) await expect(recovered.reject(token, 2)).rejects.toMatchObject({ code: 'TOKEN_USED' });
    expect(tokens).toHaveLength(5);
  });
});

test('of two answers at once the first counts, and the second is told only when that is on disk', async () => {
  const { ask, last } = asking();
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [ask], store });
  const instance = await world.start(ask);
  await world.runUntilIdle();

  store.hold();
  const answers = [watch(world.complete(last(), 1)), watch(world.complete(last(), 2)), watch(world.reject(last(), new Error('no')))];
  await breathe();
  const whileHeld = answers.map(({ state }) => state);
  store.release();
  await world.runUntilIdle();

  expect(whileHeld).toEqual(['pending', 'pending', 'pending']);
  expect(answers.map(({ error }) => (error as { code?: string } | undefined)?.code)).toEqual([undefined, 'TOKEN_USED', 'TOKEN_USED']);
  await expect(instance.result()).resolves.toBe(1);
});

test('answers that could not be written are told so, and the wait stays open', async () => {
  const { ask, last } = asking();
  const store = new GatedStore();
  const world = await createTestRuntime({ workflows: [ask], store });
  const instance = await world.start(ask);
  await world.runUntilIdle();

  store.failAppend(() => new StoreFullError());
  const answers = [watch(world.complete(last(), 1)), watch(world.complete(last(), 2))];
  await breathe();
  await world.complete(last(), 3);

  expect(answers.map(({ error }) => (error as { code?: string } | undefined)?.code)).toEqual(['STORE_FULL', 'STORE_FULL']);
  await expect(instance.result()).resolves.toBe(3);
});

test('a wait that nobody answers in time is a TimeoutError', async () => {
  const { ask } = asking(() => undefined, '3 days');
  const world = await createTestRuntime({ workflows: [ask] });
  const instance = await world.start(ask);

  await world.advance(3 * 86_400_000 - 1);
  const before = (await instance.info()).status;
  await world.advance(1);

  expect(before).toBe('sleeping');
  expect(await failureOf(instance)).toMatchObject({ name: 'TimeoutError', message: expect.stringContaining('answer') });
});

test('when submit fails for good its error is thrown at the wait, and its token is used', async () => {
  const { ask, last } = asking(() => {
    throw new Error('gateway down');
  });
  const world = await createTestRuntime({ workflows: [ask] });
  const instance = await world.start(ask);

  await world.advance('1h');

  expect(await failureOf(instance)).toMatchObject({ message: 'gateway down' });
  await expect(world.complete(last(), 1)).rejects.toMatchObject({ code: 'TOKEN_USED', instanceId: instance.id });
});

test('an answer ends a submit that still runs, through its signal', async () => {
  const signals: AbortSignal[] = [];
  const tokens: string[] = [];
  const ask = workflow('ask', () =>
    waitForCallback('answer', (token, { signal }) => {
      tokens.push(token);
      signals.push(signal);
      return new Gate().passed;
    }),
  );
  const world = await createTestRuntime({ workflows: [ask] });
  const instance = await world.start(ask);
  await breathe();

  await world.complete(tokens[0] ?? '', 'done');

  await expect(instance.result()).resolves.toBe('done');
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
});

test('two waits of one instance have tokens of their own, and the loser of a race is closed', async () => {
  const tokens = new Map<string, string>();
  const wait = (name: string) => waitForCallback<string>(name, (token) => void tokens.set(name, token));
  const racing = workflow('racing', () => race({ a: wait('a'), b: wait('b'), clock: sleep('1h') }));
  const world = await createTestRuntime({ workflows: [racing] });
  const instance = await world.start(racing);
  await world.runUntilIdle();

  await world.complete(tokens.get('b') ?? '', 'second');

  expect(new Set(tokens.values()).size).toBe(2);
  await expect(instance.result()).resolves.toEqual({ key: 'b', value: 'second' });
  await expect(world.complete(tokens.get('a') ?? '', 'first')).rejects.toMatchObject({ code: 'TOKEN_USED' });
});

test.each(['', 'nonsense', 'x.y', 'x.%', '__proto__', 'constructor.a', '.a'])(
  'the token %j, which no wait has, is TokenUnknownError',
  async (token) => {
    const { ask, last } = asking();
    const world = await createTestRuntime({ workflows: [ask] });
    const instance = await world.start(ask, undefined, { id: 'a' });
    await world.runUntilIdle();

    await expect(world.complete(token, 1)).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' });
    await expect(world.reject(token, new Error('no'))).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' });
    await expect(world.complete(`${last()}x`, 1)).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' });
    await expect(instance.info()).resolves.toMatchObject({ status: 'sleeping' });
  },
);

test('an answer that cannot be stored is refused, and the wait stays open', async () => {
  const { ask, last } = asking();
  const world = await createTestRuntime({ workflows: [ask] });
  const instance = await world.start(ask);
  await world.runUntilIdle();

  await expect(world.complete(last(), () => 1)).rejects.toMatchObject({ code: 'UNSTORABLE_VALUE' });
  await expect(world.complete(last(), 'x'.repeat(2_000_000))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  await world.complete(last(), 'fine');

  await expect(instance.result()).resolves.toBe('fine');
});

test('an answer to a stuck instance is refused, and counts after retry()', async () => {
  const { ask, last } = asking();
  const renamed = workflow('ask', () => waitForCallback('renamed', () => undefined));
  const world = await createTestRuntime({ workflows: [ask] });
  await world.start(ask, undefined, { id: 'a' });
  await world.runUntilIdle();

  const broken = await world.crash({ workflows: [renamed] });
  const first = watch(broken.complete(last(), 1));
  const second = watch(broken.complete(last(), 1));
  await broken.runUntilIdle();
  const mended = await broken.crash({ workflows: [ask] });
  await mended.instance('a').retry();
  await mended.complete(last(), 2);

  expect(first.error).toMatchObject({ code: 'INSTANCE_STUCK', instanceId: 'a' });
  expect(second.error).toMatchObject({ code: 'INSTANCE_STUCK', instanceId: 'a' });
  await expect(mended.instance('a').result()).resolves.toBe(2);
});

test('tokens of the real runtime have at least 128 random bits', async () => {
  const { randomIds } = await import('../src/adapters/ids/random-ids.js');
  const ids = randomIds();
  const tokens = Array.from({ length: 1_000 }, () => ids.token());

  expect(new Set(tokens).size).toBe(1_000);
  for (const token of tokens) expect(token).toMatch(/^[\w-]{22,}$/);
});
