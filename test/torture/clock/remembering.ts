// What is remembered for a time, when the clock is set back by a day in the middle: ids that were seen, and instances
// that have ended. Neither is forgotten early; a day late at most, both are.

import assert from 'node:assert/strict';
import { event, workflow } from '../../../src/index.js';
import { limits } from '../../../src/runtime/limits.js';
import { createTestRuntime, type TestRuntime } from '../../../src/testing.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const news = event<number>('news');
const brief = workflow('brief', function* () {
  return 'done';
});

export async function rememberForATime(seed: number): Promise<string[]> {
  const world = await createTestRuntime({ workflows: [brief], seed });
  const begin = world.now();
  const tell = async (id: string): Promise<string> => (await world.publish(news, 'nobody', 1, { id })).status;
  await world.start(brief, undefined, { id: 'ahead' });
  assert.equal(await tell('ahead'), 'buffered');

  await world.setClock(begin - DAY);
  await world.start(brief, undefined, { id: 'behind' });
  assert.equal(await tell('behind'), 'buffered');
  assert.deepEqual(
    [await tell('ahead'), await tell('behind')],
    ['duplicate', 'duplicate'],
    'an id was forgotten when the clock was set back',
  );
  await world.advance(limits.seenIdsMs - 1);
  assert.deepEqual([await tell('ahead'), await tell('behind')], ['duplicate', 'duplicate'], 'an id was forgotten early');
  const restarted = await world.crash();
  assert.deepEqual(await present(restarted), ['ahead', 'behind']);
  await restarted.advance(begin - restarted.now() + limits.seenIdsMs + 2 * HOUR);
  assert.equal((await restarted.publish(news, 'nobody', 1, { id: 'ahead' })).status, 'buffered', 'an id was never forgotten');

  await restarted.setClock(begin - DAY + limits.retentionMs - 1);
  await restarted.runUntilIdle();
  assert.deepEqual(await present(restarted), ['ahead', 'behind'], 'an ended instance was forgotten early');
  await restarted.setClock(begin + limits.retentionMs - 1);
  await restarted.runUntilIdle();
  assert.ok((await present(restarted)).includes('ahead'), 'an ended instance was forgotten early');
  await restarted.advance(HOUR);
  assert.deepEqual(await present(restarted), [], 'ended instances were never forgotten');
  await restarted.stop();
  return [
    'ids that were seen and instances that had ended, the clock set back by a day: none forgotten early, all within a day of their time',
  ];
}

async function present(world: TestRuntime): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of world.list()) ids.push(id);
  return ids.toSorted();
}
