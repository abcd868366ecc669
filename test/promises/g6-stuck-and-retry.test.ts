// G6, what becomes of an instance whose code has diverged: it is kept as it is, still takes events, holds nobody up,
// and goes on when the code has been put right.

import { beforeEach, expect, test } from 'vitest';
import {
  event,
  InstanceNotStuckError,
  InstanceStuckError,
  NondeterminismError,
  now,
  type Operation,
  receive,
  sleep,
  step,
  workflow,
} from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';
import { failureOf, rejectionOf } from '../support/rejection.js';
import { lineOf } from '../support/source-line.js';

const word = event<string>('word');
let calls: string[] = [];

beforeEach(() => {
  calls = [];
});

/** Runs a step, and collects words until the last. */
function* collecting(): Operation<string[]> {
  yield* step('first', () => calls.push('first'));
  const words: string[] = [];
  while (words.at(-1) !== 'end') words.push(yield* receive(word, { key: 'k' }));
  yield* step('last', () => calls.push('last'));
  return words;
}

function* divergent(): Operation<string[]> {
  yield* step('other', () => calls.push('other')); // <- diverges
  return [];
}

const right = workflow('collect', collecting);
const wrong = workflow('collect', divergent);
const bystander = workflow('bystander', function* () {
  return yield* receive(word, { key: 'b' });
});

/** An instance that has received one word, was crashed, and got stuck at the second because its code is another. */
async function stuckAtSecondWord() {
  const original = await createTestRuntime({ workflows: [right, bystander] });
  await original.start(right, undefined, { id: 'a' });
  await original.start(bystander, undefined, { id: 'b' });
  await original.publish(word, 'k', 'one');
  const edited = await original.crash({ workflows: [wrong, bystander] });
  expect(await edited.publish(word, 'k', 'two')).toEqual({ status: 'buffered' });
  return edited;
}

test('G6: the mailbox of a stuck instance still accepts, and retry() with the right code loses nothing', async () => {
  const edited = await stuckAtSecondWord();
  expect(await edited.publish(word, 'k', 'three')).toEqual({ status: 'buffered' });
  expect(await edited.publish(word, 'k', 'end')).toEqual({ status: 'buffered' });

  const mended = await edited.crash({ workflows: [right, bystander] });
  await mended.instance('a').retry();

  await expect(mended.instance('a').result()).resolves.toEqual(['one', 'two', 'three', 'end']);
  expect(calls).toEqual(['first', 'last']);
  expect(await mended.instance('a').info()).toMatchObject({ status: 'completed', error: null });
});

test('G6: all other instances go on', async () => {
  const edited = await stuckAtSecondWord();

  expect(await edited.publish(word, 'b', 'hello')).toEqual({ status: 'delivered' });

  await expect(edited.instance('b').result()).resolves.toBe('hello');
  expect((await edited.instance('a').info()).status).toBe('stuck');
});

test('G6: an event goes to the next receiver at its address when the first turns out to be stuck', async () => {
  const spare = workflow('spare', () => receive(word, { key: 'k' }));
  const original = await createTestRuntime({ workflows: [right, spare] });
  await original.start(right, undefined, { id: 'a' });
  await original.runUntilIdle();
  await original.start(spare, undefined, { id: 's' });

  const edited = await original.crash({ workflows: [wrong, spare] });
  const delivery = await edited.publish(word, 'k', 'hello');

  expect(delivery).toEqual({ status: 'delivered' });
  await expect(edited.instance('s').result()).resolves.toBe('hello');
  expect((await edited.instance('a').info()).status).toBe('stuck');
});

test('G6: info().error is the divergence, with the line that diverged', async () => {
  const edited = await stuckAtSecondWord();

  const { status, error, waitingFor } = await edited.instance('a').info();

  expect(status).toBe('stuck');
  expect(error).toMatchObject({ name: 'NondeterminismError', code: 'NONDETERMINISM' });
  expect(error?.message).toContain(lineOf(import.meta.url, 'diverges'));
  expect(waitingFor).toMatchObject([{ kind: 'receive', name: 'word', key: 'k' }]);
});

test('G6: it is logged once as an error that names the instance', async () => {
  const edited = await stuckAtSecondWord();
  await edited.publish(word, 'k', 'three');

  const lines = edited.logged.filter(({ level }) => level === 'error');

  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ fields: { instanceId: 'a', code: 'NONDETERMINISM' } });
});

test('G6: retry() before the code is right is refused with the divergence, and changes nothing', async () => {
  const edited = await stuckAtSecondWord();

  const error = await rejectionOf(edited.instance('a').retry(), NondeterminismError);

  expect(error.where).toContain(lineOf(import.meta.url, 'diverges'));
  expect((await edited.instance('a').info()).status).toBe('stuck');
  expect(calls).toEqual(['first']);
});

test('G6: a stuck instance is still stuck after a crash, with its error and its mailbox', async () => {
  const edited = await stuckAtSecondWord();

  const again = await (await edited.crash()).crash();

  expect(await again.instance('a').info()).toMatchObject({ status: 'stuck', error: { name: 'NondeterminismError' } });
  expect(again.health()).toMatchObject({ bufferedEvents: 1 });
});

test('G6: with the right code back a stuck instance waits for retry(), which is refused afterwards', async () => {
  const edited = await stuckAtSecondWord();
  const mended = await edited.crash({ workflows: [right, bystander] });
  await mended.runUntilIdle();
  expect((await mended.instance('a').info()).status).toBe('stuck');

  await mended.instance('a').retry();
  await mended.runUntilIdle();

  expect((await mended.instance('a').info()).status).toBe('sleeping');
  expect(mended.health()).toMatchObject({ bufferedEvents: 0 });
  await rejectionOf(mended.instance('a').retry(), InstanceNotStuckError);
});

test('G6: a deadline that comes up finds the divergence too, and fires after retry()', async () => {
  const napping = workflow('nap', function* () {
    const start = yield* now();
    yield* sleep('1 day');
    return (yield* now()) - start;
  });
  const edits = workflow('nap', function* () {
    yield* sleep('2 days'); // <- diverges at a deadline
    return 0;
  });
  const original = await createTestRuntime({ workflows: [napping] });
  await original.start(napping, undefined, { id: 'n' });

  const edited = await original.crash({ workflows: [edits] });
  await edited.advance('1 day');
  const stuck = await edited.instance('n').info();
  await edited.advance('1 day');
  const mended = await edited.crash({ workflows: [napping] });
  await mended.instance('n').retry();

  expect(stuck.status).toBe('stuck');
  expect(stuck.error?.message).toContain(lineOf(import.meta.url, 'diverges at a deadline'));
  await expect(mended.instance('n').result()).resolves.toBe(2 * 86_400_000);
});

test('G6: a stuck instance cannot be cancelled, but terminated', async () => {
  const edited = await stuckAtSecondWord();

  await rejectionOf(edited.instance('a').cancel(), InstanceStuckError);
  await edited.instance('a').terminate('given up');

  expect(await failureOf(edited.instance('a'))).toMatchObject({ name: 'CancelledError', message: 'Cancelled: given up' });
  expect(calls).toEqual(['first']);
});

test('G6: an instance diverges when it is cancelled, and is stuck instead', async () => {
  const original = await createTestRuntime({ workflows: [right] });
  await original.start(right, undefined, { id: 'a' });
  await original.runUntilIdle();
  const edited = await original.crash({ workflows: [wrong] });

  const error = await rejectionOf(edited.instance('a').cancel(), InstanceStuckError);

  expect(error.instanceId).toBe('a');
  expect((await edited.instance('a').info()).status).toBe('stuck');
});

test('G6: what is not asked of the outside may change: plain code, arguments, timeouts', async () => {
  const v1 = workflow('harmless', function* () {
    const seen = yield* step('look', () => 1);
    return [seen, yield* receive(word, { key: 'h', timeout: '1 day' })];
  });
  const v2 = workflow('harmless', function* () {
    const seen = yield* step('look', () => 2, { timeout: '1s' });
    const text = yield* receive(word, { key: 'h', timeout: '2 days' });
    return { seen, text };
  });
  const original = await createTestRuntime({ workflows: [v1] });
  await original.start(v1, undefined, { id: 'h' });
  await original.runUntilIdle();

  const edited = await original.crash({ workflows: [v2] });
  await edited.publish(word, 'h', 'hello');

  await expect(edited.instance('h').result()).resolves.toEqual({ seen: 1, text: 'hello' });
});
