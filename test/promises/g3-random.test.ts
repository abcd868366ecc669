// G3 and G1 under random weather: steps that end at once, later or never, children, sleeps; crashes before and after a
// commit, stops, writes that fail, time that passes. No step begins before the disk knows of it or after it has its
// outcome, none runs twice in one life of the runtime, and every recorded outcome is that of one of its runs.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { all, call, StoreFullError, sleep, step, workflow } from '../../src/index.js';
import { createTestRuntime, type TestRuntime } from '../../src/testing.js';
import { Gate } from '../support/gate.js';
import { GatedStore } from '../support/gated-store.js';
import { breathe, type Watched, watch } from '../support/promises.js';

type Move =
  | { readonly kind: 'start' | 'open' | 'stop' }
  | { readonly kind: 'crash'; readonly at: 'rest' | 'before' | 'after' }
  | { readonly kind: 'fail'; readonly times: number }
  | { readonly kind: 'wait'; readonly minutes: number };

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('start' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('open' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      at: fc.constantFrom('rest' as const, 'before' as const, 'after' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fail' as const), times: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), minutes: fc.constantFrom(0, 1, 10) }) },
);

interface Run {
  readonly step: string;
  readonly life: number;
  readonly key: string;
}

/** The steps of a story's workflows: what they look at when they begin, and when they end. */
class Steps {
  readonly runs: Run[] = [];
  readonly flaws: string[] = [];
  life = 0;
  /** No step waits for a gate any more. */
  isOver = false;
  readonly #store: GatedStore;
  #gates: Gate[] = [];

  constructor(store: GatedStore) {
    this.#store = store;
  }

  /** A step that gives the number of its run; a slow one when its gate is opened. */
  of(name: string) {
    return step(name, async ({ idempotencyKey, instanceId }) => {
      this.#check(instanceId, name);
      const run = this.runs.push({ step: `${instanceId} ${name}`, life: this.life, key: idempotencyKey }) - 1;
      if (!name.startsWith('slow') || this.isOver) return run;
      const gate = new Gate();
      this.#gates.push(gate);
      await gate.passed;
      return run;
    });
  }

  openOldest(): void {
    this.#gates.shift()?.open();
  }

  openAll(): void {
    for (const gate of this.#gates.splice(0)) gate.open();
  }

  /** What the disk has to say about a step that begins. */
  #check(instanceId: string, name: string): void {
    const changes = this.#store.changesOf('instance', instanceId) as { p?: unknown[][]; j?: unknown[][] }[];
    const request = changes.flatMap(({ p }) => p ?? []).find((each) => each[3] === name);
    if (request === undefined) {
      this.flaws.push(`"${name}" of ${instanceId} began before the disk knew of it`);
      return;
    }
    const isDone = changes.flatMap(({ j }) => j ?? []).some((each) => each[0] === request[0] && each[1] === request[1]);
    if (isDone) this.flaws.push(`"${name}" of ${instanceId} began when its outcome was on disk`);
  }
}

class Story {
  readonly #store = new GatedStore();
  readonly steps = new Steps(this.#store);
  readonly #started: { id: string; told: Watched<unknown> }[] = [];
  readonly #workflows: readonly [typeof this.worker, ReturnType<typeof childOf>];
  readonly worker;
  #world: TestRuntime | null = null;

  constructor() {
    const child = childOf(this.steps);
    this.worker = workerOf(this.steps, child);
    this.#workflows = [this.worker, child];
  }

  async begin(options: { maxResident?: number }): Promise<void> {
    this.#world = await createTestRuntime({ ...options, workflows: this.#workflows, store: this.#store });
  }

  async play(move: Move, next: Move | undefined): Promise<void> {
    const world = this.#theWorld;
    if (next?.kind === 'crash' && next.at !== 'rest') this.#store.hold(next.at);
    if (move.kind === 'start') this.#start();
    if (move.kind === 'open') this.steps.openOldest();
    if (move.kind === 'fail') this.#store.failAppend(() => new StoreFullError(), { times: move.times });
    if (move.kind === 'stop') {
      this.#store.release();
      await world.stop({ grace: 0 });
    }
    if (move.kind === 'crash' || move.kind === 'stop') {
      this.steps.life++;
      this.#world = await world.crash();
    }
    await breathe();
    if (move.kind === 'wait' && next?.kind !== 'crash') await world.advance(move.minutes * 60_000);
  }

  /** Lets everything come to its end, and gives the results of those whose start was acknowledged. */
  async end(): Promise<{ id: string; result: number[] }[]> {
    this.steps.isOver = true;
    for (let n = 0; n < 4; n++) {
      this.steps.openAll();
      await this.#theWorld.advance('10 minutes');
    }
    const acknowledged = this.#started.filter(({ told }) => told.state === 'resolved');
    return Promise.all(acknowledged.map(async ({ id }) => ({ id, result: await this.#theWorld.instance(id, this.worker).result() })));
  }

  #start(): void {
    const id = `w${this.#started.length}`;
    this.#started.push({ id, told: watch(this.#theWorld.start(this.worker, undefined, { id })) });
  }

  get #theWorld(): TestRuntime {
    if (this.#world === null) throw new Error('The story has not begun.');
    return this.#world;
  }
}

function childOf(steps: Steps) {
  return workflow('child', () => steps.of('slow in child'));
}

function workerOf(steps: Steps, child: ReturnType<typeof childOf>) {
  return workflow('worker', function* () {
    const first = yield* steps.of('quick 1');
    const both = yield* all([steps.of('slow 2'), steps.of('quick 2')]);
    yield* sleep('5 minutes');
    const inChild = yield* call(child);
    return [first, ...both, inChild, yield* steps.of('slow 3'), yield* steps.of('quick 3')];
  });
}

const names = ['quick 1', 'slow 2', 'quick 2', 'slow in child', 'slow 3', 'quick 3'];

test('G3: whatever happens, a step has one outcome, and runs again only after a crash or a stop that it was under way at', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 30 }), fc.boolean(), async (moves, isPassivated) => {
      const story = new Story();
      await story.begin(isPassivated ? { maxResident: 0 } : {});

      for (const [index, each] of moves.entries()) await story.play(each, moves[index + 1]);
      const ended = await story.end();

      const { runs, flaws } = story.steps;
      const lives = runs.map((run) => `${run.step} in life ${run.life}`);
      const keys = new Map(runs.map((run) => [run.step, run.key]));
      expect(flaws).toEqual([]);
      expect(lives).toHaveLength(new Set(lives).size);
      expect(runs.filter((run) => keys.get(run.step) !== run.key)).toEqual([]);
      for (const { result } of ended) expect(result.map((run) => runs[run]?.step.replace(/^\S+ /, ''))).toEqual(names);
    }),
    { numRuns: 15 },
  );
});
