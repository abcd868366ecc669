// Part of the store contract: opening, closing and crashing.

import { expect, test } from 'vitest';
import type { OpenStore } from '../../src/runtime/ports.js';
import { StoreFailedError, StoreLockedError } from '../../src/runtime/store-errors.js';
import { type MakeStore, use } from './contract-setup.js';
import { approve, begin, commit, contentsOf, put, take } from './store-harness.js';

export function testOpening(makeStore: MakeStore): void {
  test('a new store is empty and clean', async () => {
    const { open } = await use(makeStore);

    const store = await open();

    expect(store.recovery).toEqual({ clean: true, cut: null });
    expect(contentsOf(store)).toEqual({ heads: [], instances: [], mailboxes: [] });
    expect(store.readInstance('a')).toBeUndefined();
    expect(store.readMailbox('a')).toBeUndefined();
  });

  test('an appended commit is read at once, and again after the store was closed and opened', async () => {
    const { open } = await use(makeStore);
    const first = await open();

    await first.append([commit(begin('a'), put('approval/1', 1)), commit(approve('a'))]);
    const live = contentsOf(first);
    await first.close();
    const second = await open();

    expect(live.instances).toMatchObject([{ id: 'a', input: { model: 'cx22' }, exposed: new Map([['state', 'deploying']]) }]);
    expect(contentsOf(second)).toEqual(live);
    expect(second.recovery.clean).toBe(true);
  });

  test('a store that was opened and then crashed without a commit is not clean: steps may have been in flight', async () => {
    const { open, crashed } = await use(makeStore);
    const first = await open();
    await first.append([commit(begin('a'))]);
    await first.close();
    await open();

    const recovered = await crashed();

    expect(recovered.recovery.clean).toBe(false);
  });
}

export function testCrashing(makeStore: MakeStore): void {
  test('what was acknowledged survives a crash, and recovery says that it was one', async () => {
    const { open, crashed } = await use(makeStore);
    const first = await open();
    await first.append([commit(begin('a'), put('m', 1))]);
    await first.append([commit(approve('a'), take('m', 1))]);
    const before = contentsOf(first);

    const recovered = await crashed();

    expect(recovered.recovery).toEqual({ clean: false, cut: null });
    expect(contentsOf(recovered)).toEqual(before);
  });

  test('a store that is let go of as in a crash takes nothing more, and is opened again as after one', async () => {
    const { open } = await use(makeStore);
    const first = await open();
    await first.append([commit(begin('a'))]);
    const before = contentsOf(first);

    await first.crash();
    const second = await open();

    await expect(first.append([commit(begin('b'))])).rejects.toThrow(StoreFailedError);
    expect(second.recovery).toEqual({ clean: false, cut: null });
    expect(contentsOf(second)).toEqual(before);
  });

  test('two thousand instances and mailboxes are all there after a close and after a crash', async () => {
    const { open, crashed } = await use(makeStore);
    let store = await open();
    const ids = Array.from({ length: 2_000 }, (_, index) => `instance-${index}`);
    await store.append(ids.map((id, index) => commit(begin(id, index), put(`approval/${id}`, index + 1))));
    await store.append(ids.filter((_, index) => index % 3 === 0).map((id) => commit(approve(id))));
    const before = contentsOf(store);

    await store.close();
    store = await open();
    expect(contentsOf(store)).toEqual(before);
    expect(contentsOf(await crashed())).toEqual(before);
  });
}

export function testOwning(makeStore: MakeStore): void {
  test('two openers never both write: the second is refused, or ends the first', async () => {
    const { open } = await use(makeStore);
    const first = await open();
    await first.append([commit(begin('a'))]);

    const second = await open().catch((error: unknown) => error);

    if (second instanceof StoreLockedError) {
      expect(second.pid).toBe(process.pid);
      await first.append([commit(begin('b'))]);
      expect(first.readInstance('b')).toBeDefined();
    } else {
      await expect(first.append([commit(begin('b'))])).rejects.toThrow(StoreFailedError);
      await (second as OpenStore).append([commit(begin('c'))]);
      expect((second as OpenStore).readInstance('b')).toBeUndefined();
      expect((second as OpenStore).readInstance('c')).toBeDefined();
    }
  });

  test('a closed store takes nothing more, and closing it again is nothing', async () => {
    const { open } = await use(makeStore);
    const first = await open();
    await first.append([commit(begin('a'))]);
    await first.close();

    await expect(first.append([commit(approve('a'))])).rejects.toThrow(StoreFailedError);
    await first.close();
    const second = await open();
    await first.close();
    await second.append([commit(begin('b'))]);

    expect(second.readInstance('a')?.journal).toHaveLength(1);
    expect(second.readInstance('b')).toBeDefined();
  });

  test('figures are numbers', async () => {
    const { open } = await use(makeStore);
    const store = await open();
    await store.append([commit(begin('a'), put('m', 1), put('n', 1))]);

    const figures = store.figures();

    expect(figures).toMatchObject({ instances: 1, mailboxes: 2 });
    expect(Object.values(figures).every((figure) => Number.isFinite(figure))).toBe(true);
  });
}
