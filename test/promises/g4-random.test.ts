// G4 under random weather: events and duplicates, takers that time out, race, are cancelled and end, crashes before and
// after a commit, writes that fail, time that passes. What was accepted is in one place at the end, what was refused in
// none, and nobody was given events in another order than that in which they came.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { event, expose, race, receive, StoreFullError, sleep, step, TimeoutError, workflow } from '../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { GatedStore } from '../support/gated-store.js';
import { breathe, type Watched, watch } from '../support/promises.js';

const go = event<number>('go', undefined, { expiresAfter: '6h' });
const keys = ['k', 'l'] as const;

/** Takes up to three events, each in its own way, and shows what it has. */
const taker = workflow('taker', function* (key: string) {
  const seen: number[] = [];
  for (let n = 0; n < 3; n++) {
    const got = yield* n === 1 ? racing(key) : patient(key);
    if (got === undefined) continue;
    seen.push(got);
    yield* expose('seen', [...seen]);
    yield* step('note', () => undefined);
  }
});

function* patient(key: string) {
  try {
    return yield* receive(go, { key, timeout: '1h' });
  } catch (error) {
    if (error instanceof TimeoutError) return undefined;
    throw error;
  }
}

function* racing(key: string) {
  const first = yield* race({ event: receive(go, { key }), clock: sleep('30 minutes') });
  return first.key === 'event' ? first.value : undefined;
}

type Move =
  | { readonly kind: 'publish'; readonly key: (typeof keys)[number]; readonly id: string | undefined }
  | { readonly kind: 'start' | 'stop'; readonly key: (typeof keys)[number] }
  | { readonly kind: 'crash'; readonly at: 'rest' | 'before' | 'after' }
  | { readonly kind: 'fail'; readonly times: number }
  | { readonly kind: 'wait'; readonly minutes: number };

const key = fc.constantFrom(...keys);
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), key, id: fc.constantFrom(undefined, undefined, 'e1', 'e2') }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('start' as const, 'start' as const, 'stop' as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      at: fc.constantFrom('rest' as const, 'before' as const, 'after' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), times: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), minutes: fc.constantFrom(0, 10, 40, 100) }) },
);

/** A runtime, what was done to it, and what came of it. */
class Story {
  readonly #store = new GatedStore();
  readonly #published: { value: number; told: Watched<{ status: string }> }[] = [];
  #world: TestRuntime | null = null;
  #takers = 0;

  async begin(options: { maxResident?: number }): Promise<void> {
    this.#world = await createTestRuntime({ ...options, workflows: [taker], store: this.#store });
  }

  async play(move: Move, next: Move | undefined): Promise<void> {
    const world = this.#theWorld;
    if (next?.kind === 'crash' && next.at !== 'rest') this.#store.hold(next.at);
    if (move.kind === 'publish') this.#publish(move.key, move.id);
    if (move.kind === 'start') watch(world.start(taker, move.key, { id: `t${this.#takers++}` }));
    if (move.kind === 'stop' && this.#takers > 0) watch(world.instance(`t${this.#takers - 1}`).cancel());
    if (move.kind === 'fail') this.#store.failAppend(() => new StoreFullError(), { times: move.times });
    if (move.kind === 'crash') this.#world = await world.crash();
    await breathe();
    if (move.kind === 'wait' && next?.kind !== 'crash') await world.advance(move.minutes * 60_000);
  }

  /** Where each event is in the end, when nobody takes any more and the rest has expired. */
  async end(): Promise<{ seen: number[][]; dead: number[] }> {
    const world = this.#theWorld;
    await world.advance('2 days');
    const seen: number[][] = [];
    for await (const { exposed } of world.list()) seen.push((exposed.seen as number[] | undefined) ?? []);
    const dead: number[] = [];
    for await (const { payload } of world.deadLetters()) dead.push(payload as number);
    return { seen, dead };
  }

  get accepted(): number[] {
    return this.#valuesOf(({ told }) => told.value?.status === 'delivered' || told.value?.status === 'buffered');
  }

  get refused(): number[] {
    return this.#valuesOf(({ told }) => told.state === 'rejected' || told.value?.status === 'duplicate');
  }

  #publish(key: string, id: string | undefined): void {
    const value = this.#published.length;
    this.#published.push({ value, told: watch(this.#theWorld.publish(go, key, value, { id })) });
  }

  #valuesOf(which: (each: { told: Watched<{ status: string }> }) => boolean): number[] {
    return this.#published.filter(which).map(({ value }) => value);
  }

  get #theWorld(): TestRuntime {
    if (this.#world === null) throw new Error('The story has not begun.');
    return this.#world;
  }
}

test('G4: whatever happens, an accepted event is in one place in the end, and a refused one in none', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 40 }), fc.boolean(), async (moves, isPassivated) => {
      const story = new Story();
      await story.begin(isPassivated ? { maxResident: 0 } : {});

      for (const [index, each] of moves.entries()) await story.play(each, moves[index + 1]);
      const { seen, dead } = await story.end();

      const found = [...seen.flat(), ...dead];
      expect(found).toHaveLength(new Set(found).size);
      expect(story.accepted.filter((value) => !found.includes(value))).toEqual([]);
      expect(story.refused.filter((value) => found.includes(value))).toEqual([]);
      for (const each of seen) expect(each).toEqual([...each].sort((a, b) => a - b));
    }),
    { numRuns: 60 },
  );
});
