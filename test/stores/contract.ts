// What the runtime counts on from every store. A store passes all of it, whatever it is made of.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Change } from '../../src/runtime/ports.js';
import { testOrder, testVisibility } from './contract-appends.js';
import { testCrashing, testOpening, testOwning } from './contract-opening.js';
import { testHeads, testKeys, testRemoval, testSizes } from './contract-rows.js';
import { type MakeStore, use } from './contract-setup.js';
import { begin, commit, contentsOf, onInstance, put, remove, take } from './store-harness.js';
import { StoreModel } from './store-model.js';

export function describeStoreContract(name: string, makeStore: MakeStore): void {
  describe(`${name}: what every store does`, () => {
    testOpening(makeStore);
    testCrashing(makeStore);
    testOwning(makeStore);
    testOrder(makeStore);
    testVisibility(makeStore);
    testHeads(makeStore);
    testRemoval(makeStore);
    testSizes(makeStore);
    testKeys(makeStore);
    testAnything(makeStore);
  });
}

const row = fc.nat(5);
const anyStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      rows: fc.array(row, { minLength: 1, maxLength: 6 }),
      takes: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), row }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
);

function testAnything(makeStore: MakeStore): void {
  test('whatever is appended, closed and crashed, the rows are the folds of their deltas', async () => {
    const lives = fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      const used = await use(makeStore);
      const model = new StoreModel();
      let store = await used.open();
      for (const [index, step] of steps.entries()) {
        if (step.kind === 'close') {
          await store.close();
          store = await used.open();
        } else if (step.kind === 'crash') {
          const crashed = await used.crashed();
          expect(contentsOf(crashed)).toEqual(model.contents());
          await crashed.close();
          if (used.store.kind === 'memory') store = await used.open();
        } else {
          const changes =
            step.kind === 'remove' ? [toRemoval(model, step.row)] : step.rows.map((each) => toTurn(model, each, index + 1, step.takes));
          await store.append(changes.map((each) => commit(...each)));
        }
      }
      expect(contentsOf(store)).toEqual(model.contents());
      await store.close();
    });
    await fc.assert(lives, { numRuns: 25 });
  });
}

function toRemoval(model: StoreModel, row: number): Change[] {
  const changes = [remove(begin(`row-${row}`)), remove(put(`row-${row}`, 0))];
  model.apply(changes);
  return changes;
}

function toTurn(model: StoreModel, row: number, seq: number, takes: boolean): Change[] {
  const id = `row-${row}`;
  const turn = onInstance(id, { t: seq, u: [[0, 1, { n: seq }]], e: { [`n${seq}`]: seq } });
  const [oldest] = model.mailboxes.get(id)?.events.keys() ?? [];
  const changes = [model.instances.has(id) ? turn : begin(id, seq), takes && oldest !== undefined ? take(id, oldest) : put(id, seq)];
  model.apply(changes);
  return changes;
}
