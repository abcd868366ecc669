// A process that waits for a person. The program ends while it waits; another one, on the same store, brings the answer.
//   npx tsx examples/02-approval.ts

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, event, jsonStore, receive, workflow } from '../src/index.js';

const decision = event<{ approved: boolean; by: string }>('decision');

const expense = workflow('expense', function* (claim: { ticket: string; amount: number }) {
  const { approved, by } = yield* receive(decision, { key: claim.ticket });
  return approved ? `${by} pays ${claim.amount}` : `${by} declines`;
});

const directory = await mkdtemp(join(tmpdir(), 'rouse-approval-'));

const monday = await createRuntime({ workflows: [expense], store: jsonStore(directory) });
await monday.start(expense, { ticket: 'T-7', amount: 120 }, { id: 'claim-7' });
await monday.stop();

const tuesday = await createRuntime({ workflows: [expense], store: jsonStore(directory) });
await tuesday.publish(decision, 'T-7', { approved: true, by: 'Grace' });
const outcome = await tuesday.instance('claim-7', expense).result();
await tuesday.stop();
await rm(directory, { recursive: true });

assert.equal(outcome, 'Grace pays 120');
console.log(`✓ ${outcome}`);
