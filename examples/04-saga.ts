// A saga: what was done is undone, in reverse, when something later fails. The code reads as if nothing ever failed.
//   npx tsx examples/04-saga.ts

import assert from 'node:assert/strict';
import { activity, compensate, createRuntime, memoryStore, NonRetryableError, WorkflowFailedError, workflow } from '../src/index.js';

const diary: string[] = [];
const book = activity('book', (what: string) => {
  if (what === 'car') throw new NonRetryableError('no cars left');
  diary.push(`book ${what}`);
});
const cancel = activity('cancel', (what: string) => void diary.push(`cancel ${what}`));

const trip = workflow('trip', function* (parts: string[]) {
  for (const part of parts) {
    yield* book(part);
    yield* compensate(() => cancel(part));
  }
  return 'have a nice trip';
});

const runtime = await createRuntime({ workflows: [trip], store: memoryStore() });
const booked = await (await runtime.start(trip, ['flight', 'hotel'])).result();
const failure = await (await runtime.start(trip, ['train', 'room', 'car'])).result().catch((error: unknown) => error);
await runtime.stop();

assert.equal(booked, 'have a nice trip');
assert.ok(failure instanceof WorkflowFailedError && failure.error.message === 'no cars left');
assert.deepEqual(diary, ['book flight', 'book hotel', 'book train', 'book room', 'cancel room', 'cancel train']);
console.log(`✓ ${diary.slice(2).join(', ')}: ${failure.error.message}`);
