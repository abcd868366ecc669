// The life of ephemeral instances: how they are started, found, watched, cancelled and ended, what their handles know
// after that, what is told of mistakes and failures, and that nothing is left of them.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { InspectionEvent } from 'xstate';
import type { RuntimeCore } from '../src/actors/runtime.js';
import {
  call,
  continueAs,
  createLatch,
  createQueue,
  createRuntime,
  DefinitionError,
  event,
  expose,
  type Instance,
  InstanceConflictError,
  memoryStore,
  type Operation,
  publish,
  RuntimeStoppedError,
  receive,
  sleep,
  spawn,
  startChild,
  step,
  type Task,
  timeout,
  waitForCallback,
  workflow,
} from '../src/index.js';
import { createTestRuntime, type TestRuntime } from '../src/testing.js';
import { breathe, watch } from './support/promises.js';
import { failureOf, rejectionOf } from './support/rejection.js';
import { untyped } from './support/untyped.js';

const word = event<unknown>('word');
const stop = event<void>('stop');

/** An ephemeral workflow. */
function green<I, O>(name: string, body: (input: I) => Operation<O>) {
  return workflow({ name, durable: false }, body);
}

const waiting = green('waiting', function* (_input: unknown): Operation<unknown> {
  yield* expose('mood', 'patient');
  const heard = yield* receive(word, { timeout: '1 day' });
  if (heard instanceof Error) throw heard;
  return heard;
});

function worldOf(runtime: TestRuntime) {
  return (runtime as unknown as RuntimeCore).supervisor.world;
}

describe('while it lives', () => {
  test('it is listed, shown, queried and counted as others are', async () => {
    const world = await createTestRuntime({ workflows: [waiting] });
    const instance = await world.start(waiting, 1, { id: 'e' });
    const listed: unknown[] = [];
    for await (const info of world.list({ workflow: 'waiting', status: 'sleeping' })) listed.push(info);

    const info = await world.instance('e').info();
    expect(info).toEqual({
      id: 'e',
      workflow: 'waiting',
      version: 1,
      status: 'sleeping',
      waitingFor: [{ kind: 'receive', name: 'word', key: null, since: world.now(), dueAt: world.now() + 86_400_000 }],
      startedAt: world.now(),
      endedAt: null,
      error: null,
      exposed: { mood: 'patient' },
      generation: 0,
      tasks: [],
      primitives: [],
    });
    expect(listed).toEqual([info]);
    await expect(instance.info()).resolves.toEqual(info);
    await expect(world.query('e', 'mood')).resolves.toBe('patient');
    expect(world.health()).toMatchObject({ instances: 1, parkedAddresses: 1, deadlines: 1 });
    await expect(instance.retry()).rejects.toMatchObject({ code: 'INSTANCE_NOT_STUCK' });
  });

  test('a second start of its id is the same instance where workflow and input are the same, in each generation', async () => {
    const [first, other] = [() => 'first', () => 'other'];
    const going = green('going', function* (input: unknown): Operation<unknown> {
      const heard = yield* receive(word);
      return heard === 'last' ? input : yield* continueAs('second');
    });
    const world = await createTestRuntime({ workflows: [going, waiting] });
    await world.start(going, first, { id: 'e' });
    for (let generation = 0; generation < 2; generation++) {
      const again = await world.start(going, first, { id: 'e' });
      expect((await again.info()).generation).toBe(generation);
      await expect(world.start(going, other, { id: 'e' })).rejects.toThrow(InstanceConflictError);
      await expect(world.start(waiting, first, { id: 'e' })).rejects.toThrow(InstanceConflictError);
      await again.send(word, generation === 0 ? 'on' : 'last');
    }

    await expect(rejectionOf(world.instance('e').info(), Error)).resolves.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
    await expect(world.start(going, other, { id: 'e' })).resolves.toMatchObject({ id: 'e' });
  });

  test('it continues with what it exposes, or without; its input goes by reference', async () => {
    const thing = () => 'thing';
    const going = green('going', function* (from: { stage: number; thing: unknown }): Operation<unknown> {
      yield* expose(`of ${from.stage}`, from.thing);
      yield* receive(word);
      return from.stage === 2
        ? from.thing === thing
        : yield* continueAs({ ...from, stage: from.stage + 1 }, { keepExposed: from.stage === 0 });
    });
    const world = await createTestRuntime({ workflows: [going] });
    const instance = await world.start(going, { stage: 0, thing });
    const names: string[][] = [];
    for (let stage = 0; stage < 3; stage++) {
      names.push(Object.keys((await instance.info()).exposed));
      await instance.send(word, 'on');
    }

    expect(names).toEqual([['of 0'], ['of 0', 'of 1'], ['of 2']]);
    await expect(instance.result()).resolves.toBe(true);
  });

  test('XState can watch it, as a real actor, from its start to its end', async () => {
    const seen: InspectionEvent[] = [];
    const world = await createTestRuntime({ workflows: [waiting], inspect: (seenNow) => void seen.push(seenNow) });
    const thing = () => 'thing';
    const good = await world.start(waiting, thing, { id: 'good' });
    const bad = await world.start(waiting, thing, { id: 'bad' });
    const told = new RangeError('told');
    await good.send(word, thing);
    watch(bad.result());
    await bad.send(word, told);

    const snapshots = new Map<string, { status: string; output: unknown; error: unknown }>();
    for (const each of seen)
      if (each.type === '@xstate.snapshot') snapshots.set((each.actorRef as unknown as { id: string }).id, each.snapshot as never);
    expect([snapshots.get('good')?.status, snapshots.get('good')?.output === thing]).toEqual(['done', true]);
    expect([snapshots.get('bad')?.status, snapshots.get('bad')?.error === told]).toEqual(['error', true]);
  });
});

describe('its end', () => {
  const cleaning = green('cleaning', function* (log: string[]): Operation<string> {
    try {
      yield* receive(word);
      return 'heard';
    } finally {
      yield* sleep('1h');
      yield* step('clean', async () => log.push('cleaned'));
    }
  });

  test('cancel lets it clean up; terminate does not; both are CancelledError to whoever waits', async () => {
    const world = await createTestRuntime({ workflows: [cleaning] });
    const logs: Record<string, string[]> = { cancel: [], terminate: [] };
    for (const how of ['cancel', 'terminate'] as const) {
      const instance = await world.start(cleaning, logs[how] ?? [], { id: how });
      const failure = failureOf(instance);
      await instance[how]('enough');
      await instance[how]('enough');
      await world.advance('1h');
      await expect(failure).resolves.toMatchObject({ name: 'CancelledError' });
      await expect(instance.info()).resolves.toMatchObject({ status: 'cancelled', error: { name: 'CancelledError' } });
    }

    expect(logs).toEqual({ cancel: ['cleaned'], terminate: [] });
    expect(worldOf(world).slots.size).toBe(0);
  });

  test('one that is cancelled before it begins is cancelled at its first wait', async () => {
    const log: string[] = [];
    const parent = green('parent', function* () {
      yield* timeout(0, call(cleaning, log, { id: 'child' }), { orElse: 'late' });
      const { id } = yield* startChild(cleaning, log, { id: 'unborn' });
      return id;
    });
    const world = await createTestRuntime({ workflows: [parent, cleaning] });
    await expect((await world.start(parent)).result()).resolves.toBe('unborn');
    await world.instance('unborn').cancel();
    await world.advance('1h');

    expect(log).toEqual(['cleaned', 'cleaned']);
    expect(worldOf(world).slots.size).toBe(0);
  });

  test('is known to the handles that were made with it, and to nobody else; a new one of its id is another one', async () => {
    const world = await createTestRuntime({ workflows: [waiting] });
    const [old, same] = [await world.start(waiting, 1, { id: 'e' }), await world.start(waiting, 1, { id: 'e' })];
    const stranger = world.instance('e');
    await old.send(word, 'first');
    const methods: ((instance: Instance<unknown>) => Promise<unknown>)[] = [
      (instance) => instance.result(),
      (instance) => instance.info(),
      (instance) => instance.cancel(),
      (instance) => instance.terminate(),
      (instance) => instance.send(word, 'x'),
    ];
    for (const method of methods) await expect(method(stranger)).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
    await expect(world.query('e', 'mood')).rejects.toMatchObject({ code: 'INSTANCE_NOT_FOUND' });
    const next = await world.start(waiting, 2, { id: 'e' });
    await Promise.allSettled([old.cancel(), old.terminate(), old.send(word, 'meant for the old one')]);

    await expect(next.info()).resolves.toMatchObject({ status: 'sleeping' });
    await next.send(word, 'second');
    for (const handle of [old, same]) {
      await expect(handle.result()).resolves.toBe('first');
      await expect(handle.info()).resolves.toMatchObject({ status: 'completed', exposed: { mood: 'patient' } });
    }
    await expect(next.result()).resolves.toBe('second');
    await world.stop();
    await expect(old.result()).resolves.toBe('first');
  });

  test('when the runtime stops, those who wait are told, and nobody hangs', async () => {
    const spinning = green('spinning', (n: number) => continueAs(n + 1));
    const runtime = await createRuntime({ workflows: [waiting, spinning], store: memoryStore() });
    const instance = await runtime.start(waiting, 1);
    const results = [watch(instance.result()), watch((await runtime.start(spinning, 0)).result())];
    await runtime.stop();
    await breathe();

    for (const result of results) expect(result.error).toBeInstanceOf(RuntimeStoppedError);
    await expect(instance.result()).rejects.toThrow(RuntimeStoppedError);
  });

  test('when the runtime stops in the midst of more than it can do at once, no start is left unanswered', async () => {
    const spinning = green('spinning', (n: number) => continueAs(n + 1));
    const crowd = green('crowd', function* () {
      for (let n = 0; n < 30_000; n++) yield* startChild(spinning, n);
    });
    const working = green('working', () => step('work', () => 1));
    const runtime = await createRuntime({ workflows: [working, spinning, crowd], store: memoryStore() });
    await runtime.start(crowd);
    const started = watch(runtime.start(working));
    await runtime.stop();
    await breathe();

    expect(started.state).not.toBe('pending');
  });

  test('a failure is logged when nobody waits for it: by itself, behind its parent, or of a child that nobody asked for', async () => {
    const parent = green('parent', function* (how: string) {
      const { id } = yield* startChild(waiting, 1, { id: `of ${how}` });
      if (how !== 'ended') yield* receive(stop);
      return how === 'asking' ? yield* call(waiting, 1, { id: `${id}, called` }) : how;
    });
    const world = await createTestRuntime({ workflows: [parent, waiting] });
    await world.start(waiting, 1, { id: 'alone' });
    for (const how of ['ended', 'silent']) await world.start(parent, how, { id: how });
    for (const id of ['alone', 'of ended', 'of silent']) await world.send(id, word, new RangeError(`told to ${id}`));
    await world.send('silent', stop, undefined);
    const waitedFor = await world.start(waiting, 1);
    const failure = failureOf(waitedFor);
    await waitedFor.send(word, new RangeError('told, and waited for'));
    await failure;
    await world.runUntilIdle();

    const errors = world.logged.filter(({ level }) => level === 'error');
    expect(errors.map(({ fields }) => [fields.instanceId, String(fields.error)])).toEqual(
      ['of silent', 'alone', 'of ended'].map((id) => [id, `RangeError: told to ${id}`]),
    );
    expect(worldOf(world).slots.size).toBe(0);
  });
});

describe('nothing is left', () => {
  test('of 10,000 that were started, waited in every way, and ended in every way', async () => {
    const leaf = green('leaf', () => receive(word, { timeout: '1h' }));
    const branch = green('branch', function* (name: string): Operation<unknown> {
      const child = yield* startChild(leaf, undefined, { id: `child of ${name}` });
      yield* publish(word, `nobody at ${name}`, 1, { id: 'x' });
      const asking = waitForCallback('asked', () => undefined);
      yield* spawn(() => timeout('2h', asking, { orElse: 0 }));
      return yield* child.result();
    });
    const world = await createTestRuntime({ workflows: [leaf, branch, waiting] });
    const ways: ((instance: Instance<unknown>) => Promise<unknown>)[] = [
      (instance) => instance.send(word, 1, { id: 'once' }),
      (instance) => instance.cancel(),
      (instance) => instance.terminate(),
      (instance) => instance.send(stop, undefined, { id: 'never received' }),
    ];
    for (let n = 0; n < 10_000; n++) await ways[n % 4]?.(await world.start(waiting, n, { id: `e${n}` }));
    for (let n = 0; n < 100; n++) {
      await world.start(branch, `b${n}`, { id: `b${n}` });
      await world.send(`child of b${n}`, word, n, { id: 'once' });
      await world.send(`b${n}`, word, n, { id: 'never received' });
    }
    await world.advance('1 day');

    const { slots, deadlines, childWaits, tokens, runner } = worldOf(world);
    expect([slots.size, childWaits.size, tokens.size, runner.size]).toEqual([0, 0, 0, 0]);
    expect([...worldOf(world).mailboxes.addresses()].filter(({ address }) => !address.includes('nobody at')).length).toBe(0);
    expect(deadlines.size).toBe(100);
  });
});

test('of what a long-lived one makes and lets go, nothing is left', async () => {
  const made: WeakRef<object>[] = [];
  const living = green('living', function* (): Operation<never> {
    for (;;) {
      yield* receive(word);
      for (let n = 0; n < 1_000; n++) {
        const [latch, queue] = [yield* createLatch(), yield* createQueue<number>()];
        const task = yield* spawn(() => latch.wait());
        yield* queue.put(n);
        yield* latch.open();
        yield* queue.get();
        made.push(new WeakRef(latch), new WeakRef(queue), new WeakRef(task));
      }
    }
  });
  const world = await createTestRuntime({ workflows: [living] });
  const instance = await world.start(living);
  for (let turn = 0; turn < 10; turn++) await instance.send(word, turn);
  await breathe();
  setFlagsFromString('--expose_gc');
  (runInNewContext('gc') as () => void)();

  expect(made).toHaveLength(30_000);
  expect(made.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(100);
});

describe('authoring mistakes are told', () => {
  const mistakes: Record<string, (kept: { task?: Task<void> }) => Operation<unknown>> = {
    *'a forgotten yield*'() {
      sleep('1h');
      yield* sleep('1h');
    },
    *'a bare yield'() {
      yield undefined as never;
    },
    *'a promise'() {
      yield Promise.resolve() as never;
    },
    *'a task of another instance'(kept) {
      if (kept.task !== undefined) yield* kept.task.join();
    },
    *'a deadlock'() {
      yield* (yield* createLatch()).wait();
    },
    *'a negative pause'() {
      yield* sleep(-1);
    },
    *'an async body'() {
      yield* spawn(untyped(async () => undefined));
    },
    *'an unknown workflow'() {
      yield* startChild(green('nowhere', () => sleep(0)));
    },
  };
  const codes = {
    'a forgotten yield*': 'FORGOTTEN_YIELD',
    'a bare yield': 'AUTHORING',
    'a promise': 'AUTHORING',
    'a task of another instance': 'FOREIGN_PRIMITIVE',
    'a deadlock': 'DEADLOCK',
    'a negative pause': 'INVALID_DURATION',
    'an async body': 'AUTHORING',
    'an unknown workflow': 'UNKNOWN_WORKFLOW',
  };
  const kept: { task?: Task<void> } = {};
  const keeping = green('keeping', function* () {
    kept.task = yield* spawn(() => sleep('1h'));
    return 'kept';
  });
  const mistaken = green('mistaken', function* (name: string) {
    yield* mistakes[name]?.(kept) ?? sleep(0);
  });

  test.each(Object.entries(codes))('%s is %s', async (name, code) => {
    const world = await createTestRuntime({ workflows: [keeping, mistaken] });
    await world.start(keeping);
    const instance = await world.start(mistaken, name);
    const failure = watch(failureOf(instance));
    await world.advance('1h');

    expect(failure.value).toMatchObject({ code });
  });

  test('where it is not strict, a forgotten yield* is logged once and the instance goes on', async () => {
    const world = await createTestRuntime({ workflows: [mistaken], strict: false });
    const instances = [await world.start(mistaken, 'a forgotten yield*'), await world.start(mistaken, 'a forgotten yield*')];
    await world.advance('1h');

    for (const instance of instances) await expect(instance.info()).resolves.toMatchObject({ status: 'completed' });
    expect(world.logged.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('durable is true or false, and nothing else', () => {
    for (const durable of [0, 'false', null] as never[])
      expect(() => workflow({ name: 'x', durable }, () => sleep(0))).toThrow(DefinitionError);
  });
});
