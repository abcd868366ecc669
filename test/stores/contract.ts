// What the runtime counts on from every store. A store passes all of it, whatever it is made of.

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { applyMailboxDelta, type MailboxRecord } from '../../src/runtime/mailbox-record.js';
import type { Change, OpenStore, StorePort } from '../../src/runtime/ports.js';
import { applyDelta, type InstanceRecord } from '../../src/runtime/record.js';
import { StoreFailedError, StoreLockedError } from '../../src/runtime/store-errors.js';
import {
  approve,
  begin,
  commit,
  complete,
  contentsOf,
  forget,
  headOf,
  onInstance,
  onMailbox,
  openStore,
  put,
  remove,
  take,
} from './store-harness.js';

export interface StoreUnderTest {
  readonly store: StorePort;
  /** What is left when the process of the open store dies now. */
  crash(): Promise<StorePort>;
  dispose(): Promise<void>;
}

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

export function describeStoreContract(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}: what every store does`, () => {
    const made: { under: StoreUnderTest; opened: OpenStore[] }[] = [];

    async function make() {
      const under = await makeStore();
      const opened: OpenStore[] = [];
      made.push({ under, opened });
      const open = async (store: StorePort = under.store) => {
        const result = await openStore(store);
        opened.push(result);
        return result;
      };
      return { ...under, open, crashed: async () => open(await under.crash()) };
    }

    afterEach(async () => {
      for (const { under, opened } of made.splice(0)) {
        for (const store of opened) await store.close();
        await under.dispose();
      }
    });

    test('a new store is empty and clean', async () => {
      const { open } = await make();

      const store = await open();

      expect(store.recovery).toEqual({ clean: true, cut: null });
      expect(contentsOf(store)).toEqual({ heads: [], instances: [], mailboxes: [] });
      expect(store.readInstance('a')).toBeUndefined();
      expect(store.readMailbox('a')).toBeUndefined();
    });

    test('an appended commit is read at once, and again after the store was closed and opened', async () => {
      const { open } = await make();
      const first = await open();

      await first.append([commit(begin('a'), put('approval/1', 1)), commit(approve('a'))]);
      const live = contentsOf(first);
      await first.close();
      const second = await open();

      expect(live.instances).toMatchObject([{ id: 'a', input: { model: 'cx22' }, exposed: new Map([['state', 'deploying']]) }]);
      expect(contentsOf(second)).toEqual(live);
      expect(second.recovery.clean).toBe(true);
    });

    test('what was acknowledged survives a crash, and recovery says that it was one', async () => {
      const { open, crashed } = await make();
      const first = await open();
      await first.append([commit(begin('a'), put('m', 1))]);
      await first.append([commit(approve('a'), take('m', 1))]);
      const before = contentsOf(first);

      const recovered = await crashed();

      expect(recovered.recovery).toEqual({ clean: false, cut: null });
      expect(contentsOf(recovered)).toEqual(before);
    });

    test('a store that was opened and then crashed without a commit is not clean: steps may have been in flight', async () => {
      const { open, crashed } = await make();
      const first = await open();
      await first.append([commit(begin('a'))]);
      await first.close();
      await open();

      const recovered = await crashed();

      expect(recovered.recovery.clean).toBe(false);
    });

    test('commits are applied in their order, within a batch and over batches', async () => {
      const { open, crashed } = await make();
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

    test('a batch shows nothing before its append has resolved', async () => {
      const { open } = await make();
      const store = await open();

      const appended = store.append([commit(begin('a')), commit(put('m', 1))]);
      const during = [store.readInstance('a'), store.readMailbox('m')];
      await appended;

      expect(during).toEqual([undefined, undefined]);
      expect(store.readInstance('a')).toBeDefined();
      expect(store.readMailbox('m')).toBeDefined();
    });

    test('whoever reads while others append sees whole commits only', async () => {
      const { open } = await make();
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

    test('an empty batch, and a commit without changes, are nothing', async () => {
      const { open, crashed } = await make();
      const store = await open();

      await store.append([]);
      await store.append([commit()]);
      await store.append([commit(begin('a'))]);

      expect((await crashed()).readInstance('a')).toBeDefined();
    });

    test('a record that was read is the own copy of its reader', async () => {
      const { open } = await make();
      const store = await open();
      await store.append([commit(begin('a'), approve('a'), put('m', 1))]);
      const before = contentsOf(store);

      const instance = store.readInstance('a');
      instance?.journal.pop();
      instance?.pending.clear();
      instance?.exposed.set('state', 'changed');
      if (instance) (instance.input as { model: string }).model = 'changed';
      const mailbox = store.readMailbox('m');
      mailbox?.events.clear();
      mailbox?.seen.clear();
      for (const head of store.instances()) head.pending.clear();

      expect(contentsOf(store)).toEqual(before);
    });

    test('heads are the records without what is only needed when they wake', async () => {
      const { open, crashed } = await make();
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
        const heads = [...each.instances()];
        expect(heads.map((head) => head.id).sort()).toEqual(['asleep', 'awake', 'ended', 'failed', 'stuck']);
        for (const head of heads) {
          const record = each.readInstance(head.id);
          expect(record && headOf(record)).toEqual(head);
        }
      }
    });

    test('a removed row is gone, and may begin anew', async () => {
      const { open, crashed } = await make();
      const store = await open();
      await store.append([commit(begin('a'), put('m', 1)), commit(begin('b'), put('n', 1))]);

      await store.append([commit(remove(begin('a')), onMailbox('m', { t: 1_763_820_000_000, d: 1 }))]);
      await store.append([commit(onInstance('b', { t: 1_763_820_000_000, d: 1 }), begin('b', 'anew'))]);

      for (const each of [store, await crashed()]) {
        expect([...each.instances()].map((head) => head.id)).toEqual(['b']);
        expect(each.readInstance('a')).toBeUndefined();
        expect(each.readInstance('b')?.input).toBe('anew');
        expect(each.readMailbox('m')).toBeUndefined();
      }
    });

    test('data that looks like a removal is data', async () => {
      const { open } = await make();
      const store = await open();

      await store.append([
        commit(onInstance('a', { t: 1, n: ['w', 1, { d: 1 }, 0, 0] }), onInstance('a', { t: 2, e: { '"d":1': { d: 1 } } })),
      ]);

      expect(store.readInstance('a')).toMatchObject({ input: { d: 1 }, exposed: new Map([['"d":1', { d: 1 }]]) });
    });

    test('a mailbox of which nothing is left is gone', async () => {
      const { open, crashed } = await make();
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

    test('a mailbox and an instance that changed thousands of times are as right as new ones', async () => {
      const { open, crashed } = await make();
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
      const { open, crashed } = await make();
      const store = await open();
      const large = `"${'ä\n🔑'.repeat(300_000)}"`;

      await store.append([commit(begin('a', large), put('m', 1, large)), commit(approve('a', large))]);

      for (const each of [store, await crashed()]) {
        expect(each.readInstance('a')?.input).toBe(large);
        expect(each.readInstance('a')?.journal[1]?.value).toBe(large);
        expect(each.readMailbox('m')?.events.get(1)?.payload).toBe(JSON.stringify(large));
      }
    });

    test('keys and names from outside are data, never structure', async () => {
      const { open, crashed } = await make();
      const store = await open();

      for (const key of hostileKeys) {
        const exposed = { t: 1, e: Object.fromEntries([[key, key]]) };
        await store.append([
          commit(begin(key, key), onInstance(key, exposed), put(key, 1, JSON.parse(`{"__proto__":{"polluted":${JSON.stringify(key)}}}`))),
        ]);
      }

      for (const each of [store, await crashed()]) {
        expect([...each.instances()].map((head) => head.id).sort()).toEqual([...hostileKeys].sort());
        expect([...each.mailboxes()].map((mailbox) => mailbox.address).sort()).toEqual([...hostileKeys].sort());
        for (const key of hostileKeys) {
          expect(each.readInstance(key)).toMatchObject({ id: key, input: key });
          expect([...(each.readInstance(key)?.exposed ?? [])]).toEqual([[key, key]]);
          expect(each.readMailbox(key)?.events.get(1)?.payload).toBe(`{"__proto__":{"polluted":${JSON.stringify(key)}}}`);
        }
      }
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    });

    test('two openers never both write: the second is refused, or ends the first', async () => {
      const { open } = await make();
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
      const { open } = await make();
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
      const { open } = await make();
      const store = await open();
      await store.append([commit(begin('a'), put('m', 1), put('n', 1))]);

      const figures = store.figures();

      expect(figures).toMatchObject({ instances: 1, mailboxes: 2 });
      expect(Object.values(figures).every((figure) => Number.isFinite(figure))).toBe(true);
    });

    test('two thousand instances and mailboxes are all there after a close and after a crash', async () => {
      const { open, crashed } = await make();
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

    test('whatever is appended, closed and crashed, the rows are the folds of their deltas', async () => {
      const step = fc.oneof(
        {
          weight: 8,
          arbitrary: fc.record({
            kind: fc.constant('append' as const),
            rows: fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }),
            take: fc.boolean(),
          }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), row: fc.nat(5) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const under = await make();
          const model = new Model();
          let store = await under.open();
          for (const [index, each] of steps.entries()) {
            if (each.kind === 'close') {
              await store.close();
              store = await under.open();
            } else if (each.kind === 'crash') {
              const crashed = await under.crashed();
              expect(contentsOf(crashed)).toEqual(model.contents());
              await crashed.close();
              if (under.store.kind === 'memory') store = await under.open();
            } else {
              const commits =
                each.kind === 'remove' ? [model.removal(each.row)] : each.rows.map((row) => model.change(row, index + 1, each.take));
              await store.append(commits.map((changes) => commit(...changes)));
            }
          }
          expect(contentsOf(store)).toEqual(model.contents());
        }),
        { numRuns: 25 },
      );
    });
  });
}

/** What a store should hold: the records of two tables, changed by the same deltas. */
class Model {
  readonly #instances = new Map<string, InstanceRecord>();
  readonly #mailboxes = new Map<string, MailboxRecord>();

  change(row: number, seq: number, takes: boolean): Change[] {
    const id = `row-${row}`;
    const known = this.#instances.get(id);
    const turn = onInstance(id, { t: seq, u: [[0, 1, { n: seq }]], e: { [`n${seq}`]: seq } });
    const events = this.#mailboxes.get(id)?.events;
    const event = takes && events?.size ? take(id, [...events.keys()][0] ?? 0) : put(id, seq);
    return this.#apply([known === undefined ? begin(id, seq) : turn, event]);
  }

  removal(row: number): Change[] {
    return this.#apply([remove(begin(`row-${row}`)), remove(put(`row-${row}`, 0))]);
  }

  contents(): Record<string, unknown> {
    const ids = [...this.#instances.keys()].sort();
    return {
      heads: ids.map((id) => headOf(this.#instances.get(id) as InstanceRecord)),
      instances: ids.map((id) => this.#instances.get(id)),
      mailboxes: [...this.#mailboxes.keys()].sort().map((address) => this.#mailboxes.get(address)),
    };
  }

  #apply(changes: Change[]): Change[] {
    for (const { table, key, delta } of changes) {
      if (table === 'instance') set(this.#instances, key, applyDelta(key, this.#instances.get(key), JSON.parse(delta)));
      else set(this.#mailboxes, key, applyMailboxDelta(key, this.#mailboxes.get(key), JSON.parse(delta)));
    }
    return changes;
  }
}

function set<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
