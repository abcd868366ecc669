// What must compile, and what must not. Checked with the project; `types.test.ts` proves that each expected error is
// really one, and that each comparison of types can fail. Nothing here runs.

import { z } from 'zod';
import {
  activity,
  all,
  call,
  createRuntime,
  type Delivery,
  event,
  expose,
  instanceId,
  memoryStore,
  now,
  type Operation,
  publish,
  type Runtime,
  race,
  random,
  receive,
  receiveAny,
  type Source,
  send,
  sleep,
  spawn,
  startChild,
  step,
  type Task,
  timeout,
  uuid,
  type Workflow,
  waitForCallback,
  workflow,
} from '../../src/index.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_isSame: Same<A, B>): void => {};

const approval = event<{ approved: boolean }>('approval');
const ping = event<{ n: number }>('ping');
const letter = event<'a'>('letter');
const schema = z.object({ n: z.number().default(1), d: z.string().transform((text) => new Date(text)) });
const dated = event('dated', schema);
const measure = activity('measure', async (order: { model: string }) => order.model.length);
const nullary = activity('nullary', async () => 'x');
const echo = activity('echo', async (n: number) => n);
const silent = activity('silent', () => {});

function* helper(): Operation<string> {
  yield* sleep(1);
  return 'h';
}

function* job(n: number): Operation<number> {
  yield* sleep(n);
  return n;
}

// --- what operations give

export const results = workflow('results', function* (order: { model: string }) {
  const ip = yield* measure({ model: order.model });
  same<typeof ip, number>(true);
  const answer = yield* receive(approval, { key: 'k', timeout: '3 days' });
  same<typeof answer, { approved: boolean }>(true);
  const list = yield* all([measure(order), receive(ping), helper()]);
  same<typeof list, [number, { n: number }, string]>(true);
  const object = yield* all({ x: measure(order), y: helper() });
  same<typeof object, { x: number; y: string }>(true);
  const won = yield* race({ x: measure(order), y: helper() });
  if (won.key === 'x') same<typeof won.value, number>(true);
  else same<typeof won.value, string>(true);
  const first = yield* race([measure(order), helper()]);
  same<typeof first, number | string>(true);
  const many = yield* all(['a', 'b'].map((model) => measure({ model })));
  same<typeof many, number[]>(true);
  const one = yield* race(['a', 'b'].map((model) => measure({ model })));
  same<typeof one, number>(true);
  return { status: 'live' as const, ip };
});
same<typeof results, Workflow<{ model: string }, { status: 'live'; ip: number }>>(true);

export const tasks = workflow('tasks', function* (order: { model: string }) {
  const task = yield* spawn(function* () {
    yield* sleep(1);
    return 3;
  });
  same<typeof task, Task<number>>(true);
  const joined = yield* task.join();
  same<typeof joined, number>(true);
  const byCall = yield* spawn(() => job(3));
  same<typeof byCall, Task<number>>(true);
  const late = yield* timeout('1s', measure(order), { orElse: 'late' });
  same<typeof late, number | 'late'>(true);
  const bounded = yield* timeout('1s', measure(order));
  same<typeof bounded, number>(true);
  const orNothing = yield* timeout('1s', measure(order), { orElse: undefined });
  same<typeof orNothing, number | undefined>(true);
  const annotated: number | undefined = yield* timeout('1s', echo(1), { orElse: undefined });
  return annotated;
});
same<typeof tasks, Workflow<{ model: string }, number | undefined>>(true);

export const events = workflow('events', function* () {
  const byKey = yield* receiveAny({ yes: approval, tick: { event: ping, key: 'k' } });
  if (byKey.key === 'yes') same<typeof byKey.value, { approved: boolean }>(true);
  else same<typeof byKey.value, { n: number }>(true);
  const byEvent = yield* receiveAny([approval, { event: ping, key: 'k' }]);
  if (approval.matches(byEvent)) same<typeof byEvent.payload, { approved: boolean }>(true);
  const converted = yield* receive(dated);
  same<typeof converted, { n: number; d: Date }>(true);
  const sources: readonly [Source, Source] = [approval, { event: ping, key: 'k' }];
  yield* receiveAny(sources);
  const maybe: string | undefined = undefined as string | undefined;
  const delivered = yield* send('id', ping, { n: 1 }, { id: maybe });
  same<typeof delivered, Delivery>(true);
  yield* publish(dated, 'k', { d: '2020' });
  const paid = yield* waitForCallback<{ receipt: string }>('pay', (token, { signal }) => fetch(token, { signal }));
  same<typeof paid, { receipt: string }>(true);
  return yield* receive(approval, { key: maybe, timeout: maybe });
});

export const values = workflow('values', function* () {
  const drawn = [yield* now(), yield* random()] as const;
  same<typeof drawn, readonly [number, number]>(true);
  const ids = [yield* uuid(), yield* instanceId()];
  same<typeof ids, string[]>(true);
  yield* expose('anything', { ids });
  const nothing = yield* silent();
  same<typeof nothing, void>(true);
  const measured = yield* step('s', async ({ signal, attempt }) => {
    signal.throwIfAborted();
    return [attempt];
  });
  return measured;
});
same<typeof values, Workflow<void, number[]>>(true);

// --- workflows: input, output, schemas, recursion

export const plain = workflow('plain', function* () {
  yield* sleep(1);
});
same<typeof plain, Workflow<void, void>>(true);

export const withInput = workflow({ name: 'with-input', input: schema }, function* (input) {
  same<typeof input, { n: number; d: Date }>(true);
  yield* sleep(input.n);
  return input.d;
});
export const withOutput = workflow({ name: 'with-output', version: 2, output: z.object({ ok: z.boolean() }) }, function* () {
  yield* sleep(1);
  return { ok: true };
});
export const factorial: Workflow<number, number> = workflow('factorial', function* (n: number): Operation<number> {
  return n < 2 ? 1 : n * (yield* call(factorial, n - 1));
});
export const optional = workflow('optional', function* (input: { a?: number } | undefined) {
  yield* sleep(input?.a ?? 1);
});
export const union: Workflow<{ a: 1 } | { b: 2 }, void> = workflow('union', function* (_input: { a: 1 } | { b: 2 }) {
  yield* sleep(1);
});
export const parent = workflow('parent', function* () {
  const live = yield* call(results, { model: 'x' });
  same<typeof live, { status: 'live'; ip: number }>(true);
  yield* call(plain);
  yield* call(union, { a: 1 });
  const child = yield* startChild(withInput, { d: '2020' }, { id: 'c' });
  same<typeof child.id, string>(true);
  const date = yield* child.result();
  same<typeof date, Date>(true);
  return yield* nullary();
});
export const cleanup = workflow('cleanup', function* () {
  try {
    yield* sleep(1);
  } finally {
    yield* sleep(2);
  }
});
// Plain operations are bodies as well; what only runs wrong is told when it runs (promise G15).
export const bodies = [
  workflow('operation', () => sleep(1)),
  workflow('array', () => []),
  workflow('set', () => new Set<never>()),
  workflow('forgotten', function* () {
    sleep(1);
    yield* sleep(2);
  }),
];

// --- the runtime

export async function use(runtime: Runtime): Promise<void> {
  const started = await runtime.start(withOutput);
  const output = await started.result();
  same<typeof output, { ok: boolean }>(true);
  const known = await runtime.instance('x', results).result({ signal: AbortSignal.timeout(1) });
  same<typeof known, { status: 'live'; ip: number }>(true);
  const unknown = await runtime.instance('x').result();
  same<typeof unknown, unknown>(true);
  await runtime.start(plain);
  await runtime.start(plain, undefined, { id: 'x' });
  await runtime.start(withInput, { d: '2020-01-01' });
  await runtime.start(optional);
  await runtime.start(optional, { a: 1 });
  await runtime.start(union, { b: 2 });
  const delivery = await runtime.publish(dated, 'k', { d: '2020' });
  same<typeof delivery.status, 'delivered' | 'buffered' | 'duplicate'>(true);
  await runtime.instance('x').send(letter, 'a', { id: 'e1' });
  for await (const { status, exposed } of runtime.list({ status: 'stuck' })) void [status, exposed];
  await using other = await createRuntime({ workflows: [results, plain, optional], events: [ping, dated], store: memoryStore() });
  await other.stop({ grace: '5s' });
}

// --- what must not compile

export async function misuse(runtime: Runtime): Promise<void> {
  // @ts-expect-error another text than the event's
  await runtime.publish(letter, 'k', 'b');
  // @ts-expect-error a payload of another type
  await runtime.publish(approval, 'k', { approved: 'yes' });
  // @ts-expect-error what the schema gives, not what it takes
  await runtime.publish(dated, 'k', { d: new Date() });
  // @ts-expect-error a missing input
  await runtime.start(results);
  // @ts-expect-error an input of another type
  await runtime.start(results, { model: 1 });
  // @ts-expect-error an input where there is none
  await runtime.start(plain, { model: 'x' });
  // @ts-expect-error an option that there is not
  await runtime.start(plain, undefined, { name: 'x' });
  // @ts-expect-error no workflow
  await runtime.start(helper);
  // @ts-expect-error a status that there is not
  runtime.list({ status: 'lost' });
  // @ts-expect-error no event
  await runtime.send('x', results, 1);
  // @ts-expect-error the result of an unknown instance
  const n: number = await runtime.instance('x').result();
  void n;
  // @ts-expect-error no workflows
  await createRuntime({ store: memoryStore() });
}

// @ts-expect-error an async generator
export const asyncGenerator = workflow('async-generator', async function* () {
  yield 1;
});
// @ts-expect-error an async body
export const asyncBody = workflow('async-body', async () => 1);
// @ts-expect-error yield without a star
export const bareOperation = workflow('bare-operation', function* () {
  yield sleep(1);
});
// @ts-expect-error a promise
export const barePromise = workflow('bare-promise', function* () {
  yield Promise.resolve(1);
});
// @ts-expect-error nothing at all
export const bareYield = workflow('bare-yield', function* () {
  yield;
});
// @ts-expect-error a look-alike of an effect
export const lookAlike = workflow('look-alike', function* () {
  yield { kind: 'x' };
});
// @ts-expect-error an array
export const yieldedArray = workflow('yielded-array', function* () {
  yield* [1, 2];
});
export const mistakes = workflow('mistakes', function* () {
  // @ts-expect-error a forgotten yield* where its value is wanted
  const n: number = measure({ model: 'm' });
  yield* sleep(n);
  // @ts-expect-error a race of nothing
  yield* race([]);
  // @ts-expect-error a generator, not a function
  yield* spawn(job(3));
  // @ts-expect-error an input of another type
  yield* call(results, { model: 1 });
  // @ts-expect-error a missing argument
  yield* measure();
  // @ts-expect-error an argument of another type
  yield* echo('1');
  // @ts-expect-error an option that there is not
  yield* echo(1, { timeouts: '5s' });
  // @ts-expect-error a payload of another type
  yield* send('x', ping, { n: '1' });
  // @ts-expect-error no key
  yield* publish(ping, { n: 1 });
  // @ts-expect-error no source
  yield* receiveAny([]);
  // @ts-expect-error not an event
  yield* receive('ping');
  // @ts-expect-error a promise among operations
  yield* all([sleep(1), Promise.resolve(1)]);
  const won = yield* race({ a: measure({ model: '' }), b: helper() });
  // @ts-expect-error a key that is not among them
  if (won.key === 'c') return;
});
// @ts-expect-error an output that its schema refuses
export const badOutput = workflow({ name: 'bad-output', output: z.object({ ok: z.boolean() }) }, function* () {
  return { ok: 'no' };
});
// @ts-expect-error an input that its schema does not give
export const badInput = workflow({ name: 'bad-input', input: z.object({ n: z.number() }) }, function* (input: { n: string }) {
  return input.n;
});
export const ownEffect: Operation<number> = {
  // @ts-expect-error an effect of one's own
  *[Symbol.iterator]() {
    yield 'effect';
    return 1;
  },
};
