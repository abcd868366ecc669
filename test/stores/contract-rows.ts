// Part of the store contract: what rows are, however often they change and whatever is in them.

import { expect, test } from 'vitest';
import { toHead } from '../../src/runtime/head.js';
import { type MakeStore, use } from './contract-setup.js';
import { approve, begin, commit, complete, forget, headsOf, onInstance, onMailbox, put, remove, take } from './store-harness.js';

const hostileKeys = [
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '..%2f..%2fetc',
  'a\u0000b',
  '\n"\\',
  'ключ-鍵-🔑',
  '\ud800',
  ' ',
  'x'.repeat(10_000),
];

export function testHeads(makeStore: MakeStore): void {
  test('heads are the records without what is only needed when they wake', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();
    await store.append([
      commit(begin('asleep')),
      commit(begin('awake'), approve('awake')),
      commit(begin('ended'), approve('ended'), complete('ended')),
    ]);
    await store.append([
      commit(begin('stuck'), onInstance('stuck', { t: 4_000, s: { name: 'NondeterminismError', message: 'diverged' } })),
    ]);
    await store.append([
      commit(begin('failed'), onInstance('failed', { t: 5_000, x: [[0, 1]], z: ['failed', { name: 'Error', message: 'no' }] })),
    ]);

    for (const each of [store, await crashed()]) {
      const heads = headsOf(each);
      expect(heads.map(([id]) => id)).toEqual(['asleep', 'awake', 'ended', 'failed', 'stuck']);
      for (const [id, head] of heads) {
        const record = each.readInstance(id);
        expect(record && toHead(record)).toEqual(head);
      }
    }
  });
}

export function testRemoval(makeStore: MakeStore): void {
  test('a removed row is gone, and may begin anew', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();
    await store.append([commit(begin('a'), put('m', 1)), commit(begin('b'), put('n', 1))]);

    await store.append([commit(remove(begin('a')), onMailbox('m', { t: 1_763_820_000_000, d: 1 }))]);
    await store.append([commit(onInstance('b', { t: 1_763_820_000_000, d: 1 }), begin('b', 'anew'))]);

    for (const each of [store, await crashed()]) {
      expect([...each.instanceIds()]).toEqual(['b']);
      expect(each.readInstance('a')).toBeUndefined();
      expect(each.readInstance('b')?.input).toBe('anew');
      expect(each.readMailbox('m')).toBeUndefined();
    }
  });

  test('data that looks like a removal is data', async () => {
    const { open } = await use(makeStore);
    const store = await open();

    await store.append([
      commit(onInstance('a', { t: 1, n: ['w', 1, { d: 1 }, 0, 0] }), onInstance('a', { t: 2, e: { '"d":1': { d: 1 } } })),
    ]);

    expect(store.readInstance('a')).toMatchObject({ input: { d: 1 }, exposed: new Map([['"d":1', { d: 1 }]]) });
  });

  test('a mailbox of which nothing is left is gone', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();
    await store.append([commit(put('m', 1)), commit(put('m', 2))]);
    await store.append([commit(take('m', 1)), commit(take('m', 2))]);
    expect(store.readMailbox('m')?.seen.size).toBe(2);

    await store.append([commit(forget('m', 1), forget('m', 2))]);

    for (const each of [store, await crashed()]) {
      expect(each.readMailbox('m')).toBeUndefined();
      expect([...each.mailboxes()]).toEqual([]);
    }
  });
}

export function testSizes(makeStore: MakeStore): void {
  test('a mailbox and an instance that changed thousands of times are as right as new ones', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();
    await store.append([commit(begin('a'))]);

    for (let batch = 0; batch < 20; batch += 1) {
      const commits = Array.from({ length: 100 }, (_, index) => {
        const n = batch * 100 + index + 1;
        const change = onInstance('a', {
          t: n,
          u: [[0, 1, { n, w: n, i: 0 }]],
          e: { n },
          j: [[0, n, 'inline', n, 'now', 'now', null, n]],
        });
        return commit(change, put('m', n), ...(n > 3 ? [take('m', n - 3), forget('m', n - 3)] : []));
      });
      await store.append(commits);
    }

    for (const each of [store, await crashed()]) {
      const record = each.readInstance('a');
      expect(record?.pending.get('0:1')?.attempt).toBe(2_000);
      expect(record?.journal.length).toBe(2_001);
      expect(record?.exposed).toEqual(new Map([['n', 2_000]]));
      expect([...(each.readMailbox('m')?.events.keys() ?? [])]).toEqual([1_998, 1_999, 2_000]);
    }
  });

  test('large values are kept whole', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();
    const large = `"${'ä\n🔑'.repeat(300_000)}"`;

    await store.append([commit(begin('a', large), put('m', 1, large)), commit(approve('a', large))]);

    for (const each of [store, await crashed()]) {
      expect(each.readInstance('a')?.input).toBe(large);
      expect(each.readInstance('a')?.journal[1]?.value).toBe(large);
      expect(each.readMailbox('m')?.events.get(1)?.payload).toBe(JSON.stringify(large));
    }
  });
}

export function testKeys(makeStore: MakeStore): void {
  test('keys and names from outside are data, never structure', async () => {
    const { open, crashed } = await use(makeStore);
    const store = await open();

    for (const key of hostileKeys) {
      const exposed = { t: 1, e: Object.fromEntries([[key, key]]) };
      await store.append([
        commit(begin(key, key), onInstance(key, exposed), put(key, 1, JSON.parse(`{"__proto__":{"polluted":${JSON.stringify(key)}}}`))),
      ]);
    }

    for (const each of [store, await crashed()]) {
      expect([...each.instanceIds()].sort()).toEqual([...hostileKeys].sort());
      expect([...each.mailboxes()].map((mailbox) => mailbox.address).sort()).toEqual([...hostileKeys].sort());
      for (const key of hostileKeys) {
        expect(each.readInstance(key)).toMatchObject({ id: key, input: key });
        expect([...(each.readInstance(key)?.exposed ?? [])]).toEqual([[key, key]]);
        expect(each.readMailbox(key)?.events.get(1)?.payload).toBe(`{"__proto__":{"polluted":${JSON.stringify(key)}}}`);
      }
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
}
