// G12: everything has a limit, in one file; reaching one is a typed error that names the limit and the way out.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  activity,
  all,
  call,
  event,
  expose,
  now,
  type Operation,
  publish,
  receive,
  send,
  sleep,
  spawn,
  step,
  type Workflow,
  waitForCallback,
  workflow,
} from '../../src/index.js';
import { limits } from '../../src/runtime/limits.js';
import { createTestRuntime } from '../../src/testing.js';
import { GatedStore } from '../support/gated-store.js';
import { failureOf } from '../support/rejection.js';

const any = event<unknown>('any');

const large = 'x'.repeat(limits.payloadBytesMax);
/** Its text has two quotes more than itself. */
const largest = 'x'.repeat(limits.payloadBytesMax - 2);

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let n = 0; n < levels; n++) value = [value];
  return value;
}

describe('a payload', () => {
  test.each([
    ['too large', large, 'payloadBytesMax'],
    ['too deep', nested(limits.payloadDepthMax + 1), 'payloadDepthMax'],
  ])('G12: that is %s is refused from outside, and nothing is written', async (_how, payload, limit) => {
    const tokens: string[] = [];
    const asking = workflow('asking', (_input: unknown) => waitForCallback('answer', (token) => void tokens.push(token)));
    const store = new GatedStore();
    const world = await createTestRuntime({ workflows: [asking], store });
    await world.start(asking, null, { id: 'a' });
    await world.runUntilIdle();
    const appends = store.appends;

    for (const door of [
      () => world.start(asking, payload),
      () => world.send('a', any, payload),
      () => world.publish(any, 'k', payload),
      () => world.complete(tokens[0] ?? '', payload),
    ]) {
      await expect(door()).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE', message: expect.stringContaining(limit) });
    }
    expect(store.appends).toBe(appends);
    await expect(world.complete(tokens[0] ?? '', largest)).resolves.toBeUndefined();
  });

  test('G12: that is too large is refused inside a workflow where it is given, and the workflow can go on', async () => {
    const echo = activity('echo', (args: unknown) => args);
    const child = workflow('child', function* (input: unknown) {
      return input;
    });
    const doors: (() => Operation<unknown>)[] = [
      () => step('make', () => large),
      () => echo(large),
      () => expose('x', large),
      () => send('a', any, large),
      () => publish(any, 'k', large),
      () => call(child, large),
    ];
    const trying = workflow('trying', function* () {
      const codes: unknown[] = [];
      for (const door of doors) {
        try {
          yield* door();
        } catch (error) {
          codes.push((error as { code: string }).code);
        }
      }
      return codes;
    });
    const world = await createTestRuntime({ workflows: [trying, child] });
    const instance = await world.start(trying, undefined, { id: 'a' });

    await expect(instance.result()).resolves.toEqual(doors.map(() => 'PAYLOAD_TOO_LARGE'));
  });

  test('G12: that is too large as the output of a workflow fails it', async () => {
    const giving = workflow('giving', function* () {
      yield* sleep(0);
      return [largest, 'more'];
    });
    const world = await createTestRuntime({ workflows: [giving] });
    const instance = await world.start(giving);
    await world.runUntilIdle();

    expect(await failureOf(instance)).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', message: expect.stringContaining('output') });
  });
});

test('G12: the journal of an instance is bound; what reaches the bound is told, and fails unless it ends', async () => {
  const chatting = workflow('chatting', function* (extra: number) {
    for (let n = 0; n < limits.journalEntriesMax - 1 + extra; n++) yield* now();
    yield* sleep('1h');
    return 'done';
  });
  const world = await createTestRuntime({ workflows: [chatting] });
  const fits = await world.start(chatting, 0);
  const over = await world.start(chatting, 2);

  await world.advance('1h');

  await expect(fits.result()).resolves.toBe('done');
  expect(await failureOf(over)).toMatchObject({ code: 'JOURNAL_FULL', message: expect.stringContaining('journalEntriesMax') });
});

test('G12: instances that call instances are nested so deep and no deeper', async () => {
  const descending: Workflow<number, number> = workflow('descending', function* (levels: number): Operation<number> {
    return levels === 0 ? 0 : 1 + (yield* call(descending, levels - 1));
  });
  const world = await createTestRuntime({ workflows: [descending] });
  const fits = await world.start(descending, limits.nestingMax);
  const over = await world.start(descending, limits.nestingMax + 1);
  await world.runUntilIdle();

  await expect(fits.result()).resolves.toBe(limits.nestingMax);
  const { message } = await failureOf(over);
  expect(message).toContain('WorkflowFailedError');
  await expect(over.info()).resolves.toMatchObject({ status: 'failed' });
  const codes: unknown[] = [];
  for await (const { error } of world.list({ status: 'failed' })) codes.push(error?.code === 'LIMIT' ? error.message : error?.code);
  expect(codes).toHaveLength(limits.nestingMax + 1);
  expect(codes).toContainEqual(expect.stringContaining('nestingMax'));
});

test('G12: the tasks of an instance that live at once are bound', async () => {
  const spawning = workflow('spawning', function* (count: number) {
    for (let n = 0; n < count; n++) yield* spawn(() => sleep('1h'));
  });
  const world = await createTestRuntime({ workflows: [spawning] });

  const over = await world.start(spawning, limits.tasksMax + 1);
  await world.runUntilIdle();

  expect(await failureOf(over)).toMatchObject({ code: 'LIMIT', message: expect.stringContaining('tasksMax') });
});

test('G12: operations that are made and not run are bound', async () => {
  const making = workflow('making', function* () {
    const made: Operation<unknown>[] = [];
    for (let n = 0; n <= limits.operationsUnrunMax; n++) made.push(sleep(0));
    yield* all(made);
  });
  const world = await createTestRuntime({ workflows: [making] });

  const over = await world.start(making);
  await world.advance('1s');

  expect(await failureOf(over)).toMatchObject({ code: 'LIMIT', message: expect.stringContaining('operationsUnrunMax') });
});

test('G12: instances in memory are bound: the longest asleep leave it, and are brought back by what they wait for', async () => {
  const sleeping = workflow('sleeping', () => receive(any));
  const world = await createTestRuntime({ workflows: [sleeping], maxResident: 10 });
  const handles = [];
  for (let n = 0; n < 50; n++) handles.push(await world.start(sleeping));
  await world.runUntilIdle();
  const resident = world.health().resident;

  await Promise.all(handles.map((handle, n) => handle.send(any, n)));

  expect(resident).toBe(10);
  await expect(Promise.all(handles.map((handle) => handle.result()))).resolves.toEqual(handles.map((_, n) => n));
});

test('G12: an instance that has slept for passivateAfter leaves memory, and one whose step runs does not', async () => {
  const sleeping = workflow('sleeping', () => receive(any));
  const world = await createTestRuntime({ workflows: [sleeping], passivateAfter: '5s' });
  await world.start(sleeping);

  await world.advance(4_999);
  const before = world.health().resident;
  await world.advance(1);

  expect([before, world.health().resident]).toEqual([1, 0]);
});

test('G12: every limit is used by the code that it bounds', () => {
  const names = Object.keys(limits);
  const text = sourceFiles()
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');

  expect(names.filter((name) => !text.includes(`limits.${name}`))).toEqual([]);
});

function sourceFiles(): string[] {
  return readdirSync(new URL('../../src/', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('limits.ts'))
    .map((path) => fileURLToPath(new URL(`../../src/${path}`, import.meta.url)));
}
