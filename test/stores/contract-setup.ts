// How the store contract gets at a store, and at what is left of it after a crash.

import { onTestFinished } from 'vitest';
import type { OpenStore, StorePort } from '../../src/runtime/ports.js';
import { openStore } from './store-harness.js';

export interface StoreUnderTest {
  readonly store: StorePort;
  /** What is left when the process of the open store dies now. */
  crash(): Promise<StorePort>;
}

export type MakeStore = () => Promise<StoreUnderTest>;

export interface UsedStore {
  readonly store: StorePort;
  /** Opens the store, to be closed when the test ends. */
  open(): Promise<OpenStore>;
  /** Opens what a crash now would leave. */
  crashed(): Promise<OpenStore>;
}

export async function use(makeStore: MakeStore): Promise<UsedStore> {
  const under = await makeStore();
  const open = async (store: StorePort) => {
    const opened = await openStore(store);
    onTestFinished(() => opened.close());
    return opened;
  };
  return { store: under.store, open: () => open(under.store), crashed: async () => open(await under.crash()) };
}
