// rouse/testing: virtual time, seeded ids, crashes. What the other tests of this project stand on.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  type AnyWorkflow,
  event,
  jsonStore,
  memoryStore,
  now,
  RuntimeStoppedError,
  random,
  receive,
  sleep,
  step,
  uuid,
  workflow,
} from '../src/index.js';
import { createTestRuntime, type TestRuntimeOptions } from '../src/testing.js';
import { Gate } from './support/gate.js';
import { GatedStore } from './support/gated-store.js';
import { rejectionOf } from './support/rejection.js';

const START = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const word = event<string>('word');
let trail: string[] = [];

beforeEach(() => {
  trail = [];
});

const ticking = workflow('ticking', function* (hours: number) {
  for (let tick = 1; tick <= hours; tick++) {
    yield* sleep('1 hour');
    const at = yield* now();
    yield* step('tick', async () => void trail.push(`tick ${(at - START) / HOUR}`));
  }
  return hours;
});
const listener = workflow('listener', () => receive(word));

function create(workflows: readonly AnyWorkflow[] = [ticking, listener], options: Partial<TestRuntimeOptions> = {}) {
  return createTestRuntime({ workflows, ...options });
}

describe('time', () => {
  test('it begins at the first of 2026, or when it is told to, and stands still', async () => {
    const runtime = await create();
    const early = await create([ticking], { startAt: 5_000 });
    await runtime.start(ticking, 1);
    await runtime.runUntilIdle();

    expect([runtime.now(), early.now()]).toEqual([START, 5_000]);
    expect(trail).toEqual([]);
  });

  test('advance moves it by exactly that much, stopping at every deadline on the way', async () => {
    const runtime = await create();
    const instance = await runtime.start(ticking, 5);

    await runtime.advance('3.5 hours');
    expect(trail).toEqual(['tick 1', 'tick 2', 'tick 3']);
    expect(runtime.now()).toBe(START + 3.5 * HOUR);
    await runtime.advance(1.5 * HOUR);

    expect(trail.at(-1)).toBe('tick 5');
    await expect(instance.result()).resolves.toBe(5);
  });

  test('what several instances do on the way happens in the order of their times', async () => {
    const runtime = await create();
    await runtime.start(ticking, 2, { id: 'a' });
    await runtime.advance('30 minutes');
    await runtime.start(ticking, 2, { id: 'b' });

    await runtime.advance('2 hours');

    expect(trail).toEqual(['tick 1', 'tick 1.5', 'tick 2', 'tick 2.5']);
  });

  test('a step that really takes a while is waited for before time goes on', async () => {
    const slow = workflow('slow', function* () {
      const file = yield* step('slow', () => mkdtemp(join(tmpdir(), 'rouse-kit-')));
      yield* step('clean up', () => rm(file, { recursive: true }));
      return yield* now();
    });
    const runtime = await create([slow]);
    const instance = await runtime.start(slow);

    await runtime.advance('1 day');

    await expect(instance.result()).resolves.toBe(START);
  });

  test('a step that hangs does not hold time up', async () => {
    const hanging = workflow('hanging', () => step('hang', () => new Promise<void>(() => {})));
    const runtime = await create([hanging, ticking]);
    await runtime.start(hanging);
    const instance = await runtime.start(ticking, 1);

    await runtime.advance('1 hour');

    await expect(instance.result()).resolves.toBe(1);
    expect(runtime.health()).toMatchObject({ stepsRunning: 1 });
  });

  test('setClock goes forward without stopping, and back', async () => {
    const runtime = await create();
    await runtime.start(ticking, 1);

    await runtime.setClock(START + 10 * HOUR);
    expect(trail).toEqual(['tick 10']);
    await runtime.setClock(START - HOUR);

    expect(runtime.now()).toBe(START - HOUR);
  });

  test('what is no duration is refused', async () => {
    const runtime = await create();

    await expect((async () => runtime.advance('soon'))()).rejects.toMatchObject({ code: 'INVALID_DURATION' });
  });
});

describe('chance', () => {
  const drawing = workflow('drawing', function* () {
    return [yield* random(), yield* uuid()];
  });

  test('the same seed gives the same ids, randomness and pauses', async () => {
    const draw = async (seed?: number) => {
      const runtime = await create([drawing], { seed });
      const instance = await runtime.start(drawing);
      return [instance.id, ...((await instance.result()) as unknown[])];
    };

    expect(await draw()).toEqual(await draw(1));
    expect(await draw(7)).toEqual(await draw(7));
    expect(await draw(7)).not.toEqual(await draw(8));
  });
});

describe('crash', () => {
  test('the next runtime has what was committed, and goes on from it', async () => {
    const { runtime, advance, crash } = await create();
    await runtime.start(ticking, 3, { id: 't' });
    await advance('1 hour');

    const recovered = await crash();
    await recovered.advance('2 hours');

    await expect(recovered.instance('t').result()).resolves.toBe(3);
    expect(trail).toEqual(['tick 1', 'tick 2', 'tick 3']);
  });

  test('what was not committed is lost, as if it had never been', async () => {
    const store = new GatedStore();
    const runtime = await create([listener], { store });
    store.hold('before');
    void runtime.start(listener, undefined, { id: 'l' }).catch(() => {});
    await runtime.runUntilIdle();

    const recovered = await runtime.crash();

    await rejectionOf(recovered.instance('l').info(), Error);
    expect(recovered.health()).toMatchObject({ instances: 0 });
  });

  test('the crashed one does nothing any more: no step, no deadline, no answer', async () => {
    const gate = new Gate<string>();
    const busy = workflow('busy', () =>
      step('work', ({ attempt }) => {
        trail.push(`attempt ${attempt}`);
        return gate.passed;
      }),
    );
    const runtime = await create([busy, ticking]);
    await runtime.start(busy, undefined, { id: 'b' });
    await runtime.start(ticking, 1, { id: 't' });

    const recovered = await runtime.crash();
    gate.open('done');
    await recovered.advance('1 hour');

    await rejectionOf(runtime.start(ticking, 1), RuntimeStoppedError);
    await rejectionOf(runtime.instance('b').info(), RuntimeStoppedError);
    expect(trail).toEqual(['attempt 1', 'attempt 1', 'tick 1']);
    await expect(recovered.instance('b').result()).resolves.toBe('done');
  });

  test('time goes on, and what was logged is kept', async () => {
    const logged: string[] = [];
    const logger = { log: (_level: string, message: string) => void logged.push(message) };
    const napping = workflow('edited', () => sleep('1s'));
    const edited = workflow('edited', () => receive(word));
    const runtime = await create([napping], { logger });
    await runtime.setClock(START + 5);
    const first = await runtime.start(napping);

    const recovered = await runtime.crash({ workflows: [edited] });
    await recovered.advance('1s');

    expect(recovered.now()).toBe(START + 1_005);
    expect(recovered.logged.map(({ message }) => message)).toEqual(logged);
    expect(recovered.logged).toEqual([
      expect.objectContaining({ level: 'error', message: expect.stringContaining(`"${first.id}" is stuck`) }),
    ]);
    expect(recovered.logged).toBe(runtime.logged);
  });

  test('other workflows may take the place of the old ones, for good', async () => {
    const more = workflow('more', function* () {
      return 'more';
    });
    const runtime = await create([listener]);
    await runtime.start(listener, undefined, { id: 'l' });

    const deployed = await runtime.crash({ workflows: [listener, more] });

    await expect((await deployed.start(more)).result()).resolves.toBe('more');
    await deployed.send('l', word, 'still there');
    await expect(deployed.instance('l').result()).resolves.toBe('still there');
  });

  test('it works on a real disk as well', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rouse-kit-'));
    try {
      const runtime = await create([ticking, listener], { store: jsonStore(directory) });
      await runtime.start(ticking, 2, { id: 't' });
      await runtime.advance('1 hour');

      await using recovered = await (await runtime.crash()).crash();
      await recovered.advance('1 hour');

      await expect(recovered.instance('t').result()).resolves.toBe(2);
      expect(trail).toEqual(['tick 1', 'tick 2']);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe('stop', () => {
  test('its grace passes in virtual time, a hanging step or not', async () => {
    const signals: AbortSignal[] = [];
    const hanging = workflow('hanging', () =>
      step('hang', ({ signal }) => {
        signals.push(signal);
        return new Promise<void>(() => {});
      }),
    );
    const runtime = await create([hanging]);
    await runtime.start(hanging);

    await runtime.stop({ grace: '1 minute' });

    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(runtime.now()).toBe(START + 60_000);
    await rejectionOf(runtime.start(hanging), RuntimeStoppedError);
  });

  test('a runtime that was stopped leaves a store that another one opens cleanly', async () => {
    const store = memoryStore();
    {
      await using runtime = await create([listener], { store });
      await runtime.start(listener, undefined, { id: 'l' });
    }

    const next = await create([listener], { store });

    expect(await next.send('l', word, 'hello')).toEqual({ status: 'delivered' });
  });
});

test('options are checked as createRuntime checks them', async () => {
  await expect(createTestRuntime({ workflows: [ticking, workflow('ticking', () => sleep(1))] })).rejects.toMatchObject({
    code: 'DUPLICATE_WORKFLOW',
  });
  await expect(createTestRuntime({ workflows: [{ name: 'x', version: 1 }] })).rejects.toMatchObject({ code: 'DEFINITION' });
  await expect(createTestRuntime({ workflows: [], passivateAfter: 'later' })).rejects.toMatchObject({ code: 'INVALID_DURATION' });
  await expect(createTestRuntime({ workflows: [], maxResident: -1 })).rejects.toMatchObject({ code: 'DEFINITION' });
});
