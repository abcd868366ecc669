// F9: store files that are not what they should be, by the thousands. A store that opens them must tell, with one of its
// own errors, or be the one that it was; nothing may hang, nothing may leak out of the data into the program.

import assert from 'node:assert/strict';
import { seededIds } from '../../src/adapters/testing/seeded-ids.js';
import { jsonStore, RouseError } from '../../src/index.js';
import { createTestRuntime, type SimulatedDisk, type TestRuntime } from '../../src/testing.js';
import { shop as workflows } from '../stores/fixtures/shop.js';
import { directory, isLog, showsSynced } from '../stores/layout.js';
import { leftAt, shop } from '../stores/shop-disk.js';
import { begin, commit, put } from '../stores/store-harness.js';
import { type Answer, ask, fifty, makeStoreDisk, openDamaged, storeKinds } from './damaged-disk.js';
import { orHang } from './disk-life.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';
import { Draw, type Mutation, mutations } from './mutations.js';

export const fuzzedFiles: Fault = {
  id: 'F9',
  title: 'fuzzed store files',
  must: 'typed errors only; no hang, no pollution, no silent default',
  run: async (options) => new FuzzedFiles(options).run(),
};

interface Original {
  readonly name: string;
  readonly disk: SimulatedDisk;
  readonly state: string;
}

class FuzzedFiles {
  readonly #options: FaultOptions;
  /** By what was seen. */
  readonly #seen = new Map<string, number>();
  #runtimes = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  async run(): Promise<FaultOutcome> {
    const count = this.#options.scale === 'long' ? 110_000 : 1_500;
    const originals: Original[] = [];
    for (const kind of storeKinds) {
      const disk = await makeStoreDisk(kind);
      originals.push({ name: kind.name, disk, state: fifty.states.at(-1) ?? '' });
    }
    for (let index = 0; index < count; index += 1) {
      const seed = this.#options.seed * 1_000_003 + index;
      const draw = new Draw(seededIds(seed).random);
      const original = draw.of(originals);
      const mutation = draw.of(mutations);
      const what = `mutation ${seed}: ${original.name}, ${mutation.name}`;
      if (index % 100 === 0) this.#options.progress(`${index} of ${count}`);
      await this.#try(original, mutation, draw, what);
    }
    await this.#inRuntimes(this.#options.scale === 'long' ? 4_000 : 80);
    const seen = [...this.#seen]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, times]) => `${times.toLocaleString('en')} ${name}`);
    return {
      figures: [
        `${count.toLocaleString('en')} mutations of ${mutations.length} kinds: 0 untyped errors, 0 hangs, 0 pollution, 0 silent defaults`,
        `${this.#runtimes.toLocaleString('en')} runtimes on stores with wrong records: each refused with a typed error, or lives`,
        `seen: ${seen.join(', ')}`,
      ],
    };
  }

  async #try(original: Original, mutation: Mutation, draw: Draw, what: string): Promise<void> {
    const spoilt = original.disk.afterPowerCut('everything');
    mutation.apply(spoilt, draw);

    const answer = await ask(spoilt.afterKill(), what);
    assertClean(what);
    if (answer.error !== undefined) this.#count(assertTyped(answer.error, what));
    else if (mutation.isSealed) this.#count('wrong with right checksums, and readable');
    else this.#count(assertNothingLost(answer, original, spoilt, what));
    if (mutation.isSealed) await this.#live(spoilt, what);
    // A lock is looked at only where it lies.
    if (mutation.name.includes('lock')) this.#count(await this.#meetLock(spoilt, what));
  }

  /** A runtime is started over a shop whose records are wrong and have right checksums: it refuses, or goes on for all that are not ill. */
  async #inRuntimes(count: number): Promise<void> {
    const original = await shop();
    const wrong = mutations.filter((mutation) => mutation.isSealed);
    for (let index = 0; index < count; index += 1) {
      const seed = this.#options.seed * 1_000_003 + index;
      const draw = new Draw(seededIds(seed).random);
      const mutation = draw.of(wrong);
      const disk = original.afterPowerCut('everything');
      mutation.apply(disk, draw);
      if (index % 20 === 0) this.#options.progress(`runtimes: ${index} of ${count}`);
      const what = `runtime, mutation ${seed}: ${mutation.name}`;
      const error = await inTime(this.#runShop(disk, what), what);
      if (error !== undefined) assertTyped(error, what);
      assertClean(what);
      this.#runtimes += 1;
    }
  }

  /** Resolves to why it does not start, or what it cannot tell. */
  async #runShop(disk: SimulatedDisk, what: string): Promise<unknown> {
    const store = jsonStore(directory, { fileSystem: disk, logBytesMin: 2_000 });
    const options = { workflows, store, startAt: leftAt, passivateAfter: '1 minute' } as const;
    const runtime = await createTestRuntime(options).catch((error: unknown) => assertTyped(error, what));
    if (typeof runtime === 'string') return undefined;
    let untold: unknown;
    for (const duration of ['1 hour', '100 days'] as const) {
      await runtime.advance(duration);
      untold = await countInstances(runtime).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    assert(runtime.health().live, `${what}: the runtime is dead`);
    await runtime.stop();
    return untold;
  }

  /** A store with wrong records is used, folded into checkpoints, closed and opened again. */
  async #live(disk: SimulatedDisk, what: string): Promise<void> {
    const use = async (): Promise<void> => {
      const store = await openDamaged(disk, 8);
      for (let turn = 0; turn < 3; turn += 1) await store.append([commit(begin(`new-${turn}`), put('approval/1', 100 + turn))]);
      await store.close();
      await (await openDamaged(disk)).close();
    };
    await orHang(use(), what).catch((error: unknown) => assertTyped(error, `${what}, used`));
    assertClean(`${what}, used`);
  }

  async #meetLock(disk: SimulatedDisk, what: string): Promise<string> {
    const { error } = await ask(disk, what);
    return error === undefined ? 'locks taken over' : assertTyped(error, what);
  }

  #count(name: string): void {
    this.#seen.set(name, (this.#seen.get(name) ?? 0) + 1);
  }
}

/** The store is the one that it was, or has reported what it cut off: nothing behind which anything shows that it had been synced. */
function assertNothingLost({ cut, state }: Answer, original: Original, disk: SimulatedDisk, what: string): string {
  if (state === original.state) return cut === null ? 'the same as before' : 'cut, nothing lost';
  const commits = fifty.states.indexOf(state ?? '');
  if (cut === null && endsEarly(original.disk, disk)) return 'ended with a line';
  assert(cut, `${what}: ${commits} commits are found, and nothing is told`);
  const logs = [...disk.files].filter(([path]) => isLog(path) && path >= cut.file);
  const isSynced = logs.some(([path, data]) => showsSynced(data, path === cut.file ? cut.offset : 0, commits + 1));
  assert(!isSynced, `${what}: ${commits} commits are left, and what was cut off had been synced`);
  return 'cut';
}

/** A log that ends where a line ends is what it would have been before the next batch: nothing can tell. */
function endsEarly(before: SimulatedDisk, after: SimulatedDisk): boolean {
  return [...after.files].some(([path, data]) => isLog(path) && before.files.get(path)?.subarray(0, data.byteLength).equals(data) === true);
}

async function countInstances(runtime: TestRuntime): Promise<number> {
  let count = 0;
  for await (const { id } of runtime.list()) count += id === '' ? 0 : 1;
  return count;
}

const hangMs = 20_000;

/** A virtual clock passes months in no time: what takes longer than this hangs. */
async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let watch: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    watch = setTimeout(() => reject(new Error(`${what}: it hangs`)), hangMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(watch));
}

/** @returns the code */
function assertTyped(error: unknown, what: string): string {
  if (!(error instanceof RouseError)) throw new Error(`${what}: ${String(error)}`, { cause: error });
  const cause = error.cause as { code?: unknown } | undefined;
  // What the disk says becomes STORE_UNAVAILABLE; what our own code trips over must not hide in it.
  if (error.code === 'STORE_UNAVAILABLE') assert(typeof cause?.code === 'string', `${what}: ${error.message} (${String(error.cause)})`);
  return String(error.code);
}

function assertClean(what: string): void {
  for (const prototype of [Object.prototype, Array.prototype, Function.prototype])
    assert.deepEqual(Object.keys(prototype), [], `${what}: a prototype was changed`);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined, `${what}: Object.prototype was changed`);
}
