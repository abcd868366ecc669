// A record that has its right checksum, and makes no sense: an outcome without the request that it is one of.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { jsonStore } from '../../../src/adapters/stores/json/json-store.js';
import { createTestRuntime } from '../../../src/testing.js';
import { adding, alterRecords, go, PoisonedStore } from './poisons.js';

/** Only that instance may be out of reach for it, or the store is refused as damaged: by name, and not as something that a new start may heal. */
export async function openWithOneThatDoesNotFold(folder: string): Promise<string[]> {
  const store = new PoisonedStore(jsonStore(join(folder, 'unfoldable')));
  const first = await createTestRuntime({ workflows: [adding], store });
  for (const id of ['senseless', 'other']) {
    await first.start(adding, undefined, { id });
    await first.send(id, go, 1);
  }
  await first.stop();
  store.beforeOpening = (closed) => alterRecords(closed, ['senseless'], '"j":[', '"j":[[9,9,"ok",null],');

  const opened = await createTestRuntime({ workflows: [adding], store }).catch((error: unknown) => error);

  if (opened instanceof Error) {
    const { code, message } = opened as Error & { code?: unknown };
    assert.equal(code, 'STORE_CORRUPT', `a record that makes no sense was told as ${String(code)}: ${message}`);
    assert.ok(message.includes('senseless'), `it does not say which record: ${message}`);
    return ['a record with the right checksum that makes no sense: refused as damage, by its name'];
  }
  const world = opened as Awaited<ReturnType<typeof createTestRuntime>>;
  assert.deepEqual(await world.send('senseless', go, 1), { status: 'buffered' });
  await world.send('other', go, 0);
  assert.equal(await world.instance('other').result(), 1);
  await world.stop();
  return ['a record with the right checksum that makes no sense: its instance stuck by itself'];
}
