import { expect, test } from 'vitest';
import { memoryStore } from '../../src/adapters/stores/memory-store.js';
import { StoreFailedError } from '../../src/runtime/store-errors.js';
import { describeStoreContract } from './contract.js';
import { begin, commit, openStore } from './store-harness.js';

describeStoreContract('memory store', async () => {
  const store = memoryStore();
  return { store, crash: async () => store };
});

test('an append that was under way when the store was opened again changes nothing', async () => {
  const store = memoryStore();
  const first = await openStore(store);

  const appended = first.append([commit(begin('a'))]);
  const second = await openStore(store);

  await expect(appended).rejects.toThrow(StoreFailedError);
  expect(second.readInstance('a')).toBeUndefined();
  expect(second.recovery.clean).toBe(false);
});
