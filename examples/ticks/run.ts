// A daemon that ticks without drift, and goes on after a restart as if it had never been away.
//   npx tsx examples/ticks/run.ts

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createRuntime, jsonStore } from '../../src/index.js';
import { bell, type Tick, ticker } from './workflow.js';

setTimeout(() => assert.fail('not done after 10 seconds'), 10_000).unref();

const everyMs = 50;
const ticks: Tick[] = [];
bell.on('tick', (tick: Tick) => ticks.push(tick));
const heard = async (count: number) => {
  while (ticks.length < count) await once(bell, 'tick');
};

const directory = await mkdtemp(join(tmpdir(), 'rouse-ticks-'));
const start = () => createRuntime({ workflows: [ticker], store: jsonStore(directory) });

const before = await start();
await before.start(ticker, { dueAt: Date.now() + everyMs, everyMs }, { id: 'ticker' });
await heard(7);
await before.stop();
const first = ticks.length; // where the first tick after the pause will be

await delay(6 * everyMs); // nobody is there

const after = await start();
await heard(first + 7);
const { generation } = await after.instance('ticker').info();
await after.instance('ticker').cancel();
await after.stop();
await rm(directory, { recursive: true });

const firstDueAt = ticks[0]?.dueAt ?? 0;
for (const { dueAt, startedAt } of ticks) {
  assert.ok(startedAt >= dueAt && startedAt < dueAt + everyMs, `the tick of ${dueAt} ran at ${startedAt}`);
  assert.equal((dueAt - firstDueAt) % everyMs, 0, `the tick of ${dueAt} is off the grid of ${firstDueAt}`);
}
console.log(`✓ ${ticks.length} ticks, one every ${everyMs} ms: none early, none off the grid`);

const missed = ticks[first]?.missed ?? 0;
const accounted = ticks.slice(1).reduce((sum, tick) => sum + 1 + tick.missed, 0);
assert.equal(accounted, ((ticks.at(-1)?.dueAt ?? 0) - firstDueAt) / everyMs, 'each period has its tick, or one that stands for it');
assert.ok(missed >= 4, `only ${missed} ticks were missed`);
console.log(`✓ a restart in between: one tick stands for itself and the ${missed} that were missed`);

assert.ok(generation >= 2, `generation ${generation}`);
console.log(`✓ generation ${generation} of the same instance: its journal is never longer than a few ticks`);
