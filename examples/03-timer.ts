// Deadlines: an invoice, and reminders until it is paid. A deadline passes even while no program runs.
//   npx tsx examples/03-timer.ts

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { activity, createRuntime, event, jsonStore, receive, timeout, workflow } from '../src/index.js';

const paid = event<{ amount: number }>('paid');
const reminders: string[] = [];
const remind = activity('remind', (customer: string) => void reminders.push(customer));

const invoice = workflow('invoice', function* (customer: string) {
  for (let reminded = 0; reminded < 2; reminded += 1) {
    const payment = yield* timeout('200ms', receive(paid), { orElse: 'silence' });
    if (payment !== 'silence') return `${customer} paid ${payment.amount}`;
    yield* remind(customer);
  }
  return `${customer} hears from the collectors`;
});

const directory = await mkdtemp(join(tmpdir(), 'rouse-timer-'));

const before = await createRuntime({ workflows: [invoice], store: jsonStore(directory) });
await before.start(invoice, 'Ada', { id: 'ada' });
await before.start(invoice, 'Ben', { id: 'ben' });
await before.send('ada', paid, { amount: 40 });
await before.stop();

await delay(250); // nobody is there when Ben's first deadline passes

const after = await createRuntime({ workflows: [invoice], store: jsonStore(directory) });
const outcomes = [await after.instance('ada', invoice).result(), await after.instance('ben', invoice).result()];
await after.stop();
await rm(directory, { recursive: true });

assert.deepEqual(outcomes, ['Ada paid 40', 'Ben hears from the collectors']);
assert.deepEqual(reminders, ['Ben', 'Ben']);
console.log(`✓ ${outcomes.join('; ')}, after ${reminders.length} reminders`);
