// G7: cancel is thrown once at every wait, cleanup is durable, compensations run in reverse, terminate runs nothing.

import { beforeEach, describe, expect, test } from 'vitest';
import {
  all,
  CancelledError,
  compensate,
  event,
  InstanceEndedError,
  now,
  receive,
  sleep,
  spawn,
  step,
  waitForCallback,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { Gate } from '../support/gate.js';
import { failureOf, rejectionOf } from '../support/rejection.js';

const never = event('never');
let trail: string[] = [];
const note = (text: string) => step(text, () => void trail.push(text));

beforeEach(() => {
  trail = [];
});

/** Waits, and notes what is thrown at it. */
function* waiting(who: string) {
  try {
    yield* receive(never);
  } catch (error) {
    trail.push(`${who}: ${error instanceof CancelledError ? error.reason : String(error)}`);
    throw error;
  }
}

const cleaning = workflow('cleaning', function* () {
  try {
    yield* receive(never);
  } finally {
    yield* sleep('1 day');
    yield* note('cleaned');
    yield* sleep('1 day');
    yield* note('left');
  }
});

const booking = workflow('booking', function* (fails: boolean) {
  for (const thing of ['hotel', 'flight', 'car']) {
    yield* note(`book ${thing}`);
    yield* compensate(() => note(`return ${thing}`));
  }
  if (fails) throw new Error('no money');
  yield* receive(never);
});

describe('cancel', () => {
  test('G7: cancel is thrown at the current wait of every task', async () => {
    const wide = workflow('wide', function* () {
      yield* spawn(() => waiting('spawned'));
      yield* spawn(function* () {
        yield* spawn(() => waiting('below'));
        yield* waiting('nested');
      });
      yield* all([waiting('member 1'), waiting('member 2')]);
    });
    const runtime = await createTestRuntime({ workflows: [wide] });
    const instance = await runtime.start(wide);

    await instance.cancel('enough');

    expect(trail.sort()).toEqual(['below', 'member 1', 'member 2', 'nested', 'spawned'].map((who) => expect.stringMatching(`^${who}: `)));
    expect(await failureOf(instance)).toMatchObject({ name: 'CancelledError', code: 'CANCELLED', message: 'Cancelled: enough' });
    expect(await instance.info()).toMatchObject({ status: 'cancelled', waitingFor: [] });
  });

  test('G7: it is thrown once: the waits of the cleanup are left in peace, also by a second cancel', async () => {
    const runtime = await createTestRuntime({ workflows: [cleaning] });
    const instance = await runtime.start(cleaning);

    await instance.cancel('first');
    await instance.cancel('second');
    await runtime.advance('2 days');

    expect(trail).toEqual(['cleaned', 'left']);
    expect(await failureOf(instance)).toMatchObject({ message: 'Cancelled: first' });
  });

  test('G7: nor does the end of a cancelled scope disturb the cleanup of its tasks', async () => {
    const careful = workflow('careful', function* () {
      yield* spawn(function* () {
        try {
          yield* receive(never);
        } finally {
          yield* sleep('1 day');
          yield* note('task cleaned');
        }
      });
      yield* receive(never);
    });
    const runtime = await createTestRuntime({ workflows: [careful] });
    const instance = await runtime.start(careful);

    await instance.cancel();
    await runtime.advance('1 day');

    expect(trail).toEqual(['task cleaned']);
    expect((await instance.info()).status).toBe('cancelled');
  });

  test('G7: cleanup is durable: a crash in its middle is gone on from', async () => {
    const runtime = await createTestRuntime({ workflows: [cleaning] });
    const { id } = await runtime.start(cleaning);
    await runtime.instance(id).cancel();
    await runtime.advance('1 day');

    const recovered = await runtime.crash();
    await recovered.instance(id).cancel('again');
    await recovered.advance('1 day');

    expect(trail).toEqual(['cleaned', 'left']);
    expect(await recovered.instance(id).info()).toMatchObject({ status: 'cancelled' });
  });

  test('G7: a body that swallows the cancellation and returns is completed', async () => {
    const stubborn = workflow('stubborn', function* () {
      try {
        yield* receive(never);
      } catch {
        yield* sleep('1 hour');
      }
      return `went on until ${yield* now()}`;
    });
    const runtime = await createTestRuntime({ workflows: [stubborn] });
    const instance = await runtime.start(stubborn);

    await instance.cancel();
    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toBe(`went on until ${runtime.now()}`);
    expect(await instance.info()).toMatchObject({ status: 'completed', error: null });
  });

  test('G7: a body that answers the cancellation with an error of its own has failed', async () => {
    const failing = workflow('failing', function* () {
      try {
        yield* receive(never);
      } catch (cause) {
        throw new Error('could not clean up', { cause });
      }
    });
    const runtime = await createTestRuntime({ workflows: [failing] });
    const instance = await runtime.start(failing);

    await instance.cancel();

    expect(await failureOf(instance)).toMatchObject({ message: 'could not clean up', cause: { name: 'CancelledError' } });
    expect(await instance.info()).toMatchObject({ status: 'failed' });
  });

  test('G7: who has ended cannot be cancelled; who is cancelled may be cancelled again', async () => {
    const short = workflow('short', function* () {});
    const runtime = await createTestRuntime({ workflows: [short, cleaning] });
    const ended = await runtime.start(short);
    const cancelled = await runtime.start(cleaning);
    await cancelled.cancel();
    await runtime.advance('2 days');

    await rejectionOf(ended.cancel(), InstanceEndedError);
    await expect(cancelled.cancel()).resolves.toBeUndefined();
  });
});

describe('compensations', () => {
  test('G7: compensations run in reverse when an error leaves the body', async () => {
    const runtime = await createTestRuntime({ workflows: [booking] });
    const instance = await runtime.start(booking, true);

    expect(await failureOf(instance)).toMatchObject({ message: 'no money' });

    expect(trail).toEqual(['book hotel', 'book flight', 'book car', 'return car', 'return flight', 'return hotel']);
    expect(await instance.info()).toMatchObject({ status: 'failed' });
  });

  test('G7: they run when the cancellation leaves the body, and a further cancel does not disturb them', async () => {
    const runtime = await createTestRuntime({ workflows: [booking] });
    const instance = await runtime.start(booking, false);
    await runtime.runUntilIdle();

    await Promise.all([instance.cancel('no need'), instance.cancel('really')]);
    await runtime.runUntilIdle();

    expect(trail.slice(3)).toEqual(['return car', 'return flight', 'return hotel']);
    expect(await instance.info()).toMatchObject({ status: 'cancelled', error: { message: 'Cancelled: no need' } });
  });

  test('G7: they do not run when the body returns', async () => {
    const fine = workflow('fine', function* () {
      yield* compensate(() => note('undone'));
      return 'kept';
    });
    const runtime = await createTestRuntime({ workflows: [fine] });

    await expect((await runtime.start(fine)).result()).resolves.toBe('kept');

    expect(trail).toEqual([]);
  });

  test('G7: they are durable: after a crash between two of them the rest runs', async () => {
    const slow = workflow('slow', function* () {
      yield* compensate(() => note('last'));
      yield* compensate(() => sleep('1 day'));
      yield* compensate(() => note('first'));
      throw new Error('at once');
    });
    const runtime = await createTestRuntime({ workflows: [slow] });
    const { id } = await runtime.start(slow);
    await runtime.runUntilIdle();
    expect(trail).toEqual(['first']);

    const recovered = await runtime.crash();
    await recovered.advance('1 day');

    expect(trail).toEqual(['first', 'last']);
    expect(await failureOf(recovered.instance(id))).toMatchObject({ message: 'at once' });
  });

  test('G7: one that fails keeps no other from running, and is told together with the first error', async () => {
    const broken = workflow('broken', function* () {
      yield* compensate(() => note('returned'));
      yield* compensate(function* () {
        throw new TypeError('cannot be undone');
      });
      throw new Error('no money');
    });
    const runtime = await createTestRuntime({ workflows: [broken] });

    const error = await failureOf(await runtime.start(broken));

    expect(trail).toEqual(['returned']);
    expect(error).toMatchObject({ name: 'CompensationError', code: 'COMPENSATION_FAILED', cause: { message: 'no money' } });
    expect(error).toMatchObject({ data: { failures: [{ name: 'TypeError', message: 'cannot be undone' }] } });
  });
});

describe('terminate', () => {
  test('G7: terminate ends without cleanup and without compensations', async () => {
    const runtime = await createTestRuntime({ workflows: [cleaning, booking] });
    const instances = [await runtime.start(cleaning), await runtime.start(booking, false)];
    await runtime.runUntilIdle();
    trail = [];

    for (const instance of instances) await instance.terminate('now');
    await runtime.advance('3 days');

    expect(trail).toEqual([]);
    for (const instance of instances) {
      expect(await instance.info()).toMatchObject({ status: 'cancelled', waitingFor: [] });
      expect(await failureOf(instance)).toMatchObject({ name: 'CancelledError', code: 'TERMINATED', message: 'Cancelled: now' });
    }
  });

  test('G7: terminate tells the running step through its signal', async () => {
    const gate = new Gate();
    const signals: AbortSignal[] = [];
    const busy = workflow('busy', () =>
      step('work', ({ signal }) => {
        signals.push(signal);
        return gate.passed;
      }),
    );
    const runtime = await createTestRuntime({ workflows: [busy] });
    const instance = await runtime.start(busy);

    await instance.terminate();
    gate.open();
    await runtime.runUntilIdle();

    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect((await instance.info()).status).toBe('cancelled');
  });
});

describe('steps that nobody waits for any more', () => {
  test('G7: a cancelled step is told through ctx.signal, and its late outcome is dropped', async () => {
    const gate = new Gate<string>();
    const reasons: unknown[] = [];
    const working = workflow('working', function* () {
      try {
        return yield* step('work', ({ signal }) => {
          signal.addEventListener('abort', () => reasons.push(signal.reason));
          return gate.passed;
        });
      } finally {
        yield* sleep('1 minute');
      }
    });
    const runtime = await createTestRuntime({ workflows: [working] });
    const instance = await runtime.start(working);

    await instance.cancel('too slow');
    expect(reasons).toMatchObject([{ name: 'CancelledError' }]);
    gate.open('late');
    await runtime.advance('1 minute');

    expect(await failureOf(instance)).toMatchObject({ name: 'CancelledError', message: 'Cancelled: too slow' });
  });

  test('G7: an attempt that its timeout superseded is told, and what it says later is dropped', async () => {
    const gates = [new Gate<string>(), new Gate<string>()];
    const signals: AbortSignal[] = [];
    const trying = workflow('trying', () =>
      step(
        'try',
        ({ attempt, signal }) => {
          signals.push(signal);
          return gates[attempt - 1]?.passed ?? 'none';
        },
        { timeout: '10s', retry: { attempts: 2, delay: '1s' } },
      ),
    );
    const runtime = await createTestRuntime({ workflows: [trying] });
    const instance = await runtime.start(trying);
    await runtime.advance('12s');

    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(signals[0]?.reason).toMatchObject({ name: 'TimeoutError', ms: 10_000 });
    gates[0]?.open('of the first attempt');
    await runtime.runUntilIdle();
    gates[1]?.open('of the second attempt');

    await expect(instance.result()).resolves.toBe('of the second attempt');
  });

  test('G7: the submission of a callback that was answered meanwhile is told, and dropped', async () => {
    const gate = new Gate();
    const submitted: { token: string; signal: AbortSignal }[] = [];
    const asking = workflow('asking', () =>
      waitForCallback<string>('ask', (token, { signal }) => {
        submitted.push({ token, signal });
        return gate.passed;
      }),
    );
    const runtime = await createTestRuntime({ workflows: [asking] });
    const instance = await runtime.start(asking);

    await runtime.complete(submitted[0]?.token ?? '', 'answered first');
    gate.fail(new Error('too late to matter'));

    await expect(instance.result()).resolves.toBe('answered first');
    expect(submitted[0]?.signal.aborted).toBe(true);
  });
});
