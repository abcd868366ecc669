// Part of the store contract: what an append does, and when it shows.

import { expect, test } from 'vitest';
import { type MakeStore, use } from './contract-setup.js';
import { approve, begin, commit, complete, contentsOf, onInstance, put, take } from './store-harness.js';

export function testOrder(makeStore: MakeStore): void {
  test('commits are applied in their order, within a batch and over batches', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();

    await store.append([commit(begin('a')), commit(approve('a')), commit(complete('a'))]);
    await store.append([commit(put('m', 1)), commit(put('m', 2)), commit(take('m', 1))]);
    await store.append([commit(put('m', 3))]);

    for (const each of [store, await crashed()]) {
      expect(each.readInstance('a')).toMatchObject({ status: 'completed', output: { status: 'live' }, endedAt: 3_000 });
      expect(each.readInstance('a')?.journal.map((entry) => entry.pos)).toEqual([0, 1, 2]);
      expect([...(each.readMailbox('m')?.events.keys() ?? [])]).toEqual([2, 3]);
    }
  });

  test('appends that were not waited for follow one another', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();
    const turns = Array.from({ length: 200 }, (_, turn) => onInstance('a', { t: turn, e: { turn } }));

    await Promise.all([begin('a'), ...turns].map((change) => store.append([commit(change)])));

    for (const each of [store, await crashed()]) expect(each.readInstance('a')?.exposed.get('turn')).toBe(199);
  });

  test('an empty batch, and a commit without changes, are nothing', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();

    await store.append([]);
    await store.append([commit()]);
    await store.append([commit(begin('a'))]);

    expect((await crashed()).readInstance('a')).toBeDefined();
  });
}

export function testVisibility(makeStore: MakeStore): void {
  test('a batch shows nothing before its append has resolved', async () => {
    const { open } = await use(makeStore);
    const store = await open();

    const appended = store.append([commit(begin('a')), commit(put('m', 1))]);
    const during = [store.readInstance('a'), store.readMailbox('m')];
    await appended;

    expect(during).toEqual([undefined, undefined]);
    expect(store.readInstance('a')).toBeDefined();
    expect(store.readMailbox('m')).toBeDefined();
  });

  test('whoever reads while others append sees whole commits only', async () => {
    const { open } = await use(makeStore);
    const store = await open();
    await store.append([commit(begin('a'), put('m', 0))]);
    const seen = new Set<string>();
    let appending = true;
    const read = async () => {
      while (appending) {
        const journal = store.readInstance('a')?.journal.length ?? 0;
        const events = store.readMailbox('m')?.events.size ?? 0;
        seen.add(`${journal - events}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };

    const reading = read();
    for (let turn = 1; turn <= 200; turn += 1) {
      const entry = onInstance('a', { t: turn, j: [[0, turn, 'inline', turn, 'now', 'now', null, turn]] });
      await store.append([commit(entry, put('m', turn))]);
    }
    appending = false;
    await reading;

    expect(seen).toEqual(new Set(['0']));
  });

  test('a record that was read is the own copy of its reader', async () => {
    const { open } = await use(makeStore);
    const store = await open();
    await store.append([commit(begin('a'), approve('a'), put('m', 1))]);
    const before = structuredClone(contentsOf(store));

    const instance = store.readInstance('a');
    instance?.journal.pop();
    instance?.pending.clear();
    instance?.exposed.set('state', 'changed');
    if (instance) (instance.input as { model: string }).model = 'changed';
    const mailbox = store.readMailbox('m');
    mailbox?.events.clear();
    mailbox?.seen.clear();

    expect(contentsOf(store)).toEqual(before);
  });
}
