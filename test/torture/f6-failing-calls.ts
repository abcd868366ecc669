// F6: any call to the disk fails, once or from then on: there is no space, no descriptor, no right to write, a broken
// disk, a write that takes a part. Whoever asked for something must be told the truth with the right error, nobody may
// hang, and what a later process finds must be what was told.

import assert from 'node:assert/strict';
import { seededIds } from '../../src/adapters/testing/seeded-ids.js';
import { RouseError } from '../../src/index.js';
import { createSimulatedDisk, type DiskCall, type DiskFault, type SimulatedDisk } from '../../src/testing.js';
import { DiskLife, orHang, type Progress } from './disk-life.js';
import { call, compare, Ledger, openRuntime } from './disk-runtime.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';

export const failingCalls: Fault = {
  id: 'F6',
  title: 'any call to the disk fails',
  must: 'the right caller is told, nothing wrongly acknowledged, no hang, state equals disk after restart',
  run: async (options) => new FailingCalls(options).run(),
};

/** How a call fails. */
interface Failure {
  readonly name: string;
  readonly fault: DiskFault;
  /** Which calls can fail so. */
  readonly calls: ReadonlySet<DiskCall> | null;
  /** Whether nobody may be told anything: a part of a write or read is no failure. */
  readonly isHarmless?: boolean;
}

const parts: ReadonlySet<DiskCall> = new Set(['write', 'read', 'readSync']);
const doable: ReadonlySet<DiskCall> = new Set(['makeDirectory', 'open', 'write', 'truncate', 'rename', 'link', 'remove', 'close', 'sync']);
const failures: readonly Failure[] = [
  ...['EIO', 'ENOSPC', 'EMFILE', 'EACCES', 'EROFS'].map((code) => ({ name: code, fault: code, calls: null })),
  { name: 'a part of 3 bytes', fault: 3, calls: parts, isHarmless: true },
  { name: 'EIO, though it was done', fault: { code: 'EIO', done: true }, calls: doable },
  { name: 'ENOSPC behind 60 bytes', fault: { code: 'ENOSPC', done: 60 }, calls: new Set(['write']) },
];

/** What a caller may be told when such a call fails while a store is used. Opening it may also be told that it is unavailable. */
function codesFor(failed: DiskCall, { fault }: Failure): readonly string[] {
  const code = typeof fault === 'object' ? fault.code : fault;
  if (failed === 'write') return [code === 'ENOSPC' ? 'STORE_FULL' : 'STORE_WRITE'];
  if (failed === 'sync' || failed === 'syncDirectory') return ['STORE_FAILED'];
  if (failed === 'readSync' || failed === 'openSync') return ['STORE_READ'];
  return [];
}

interface Place {
  readonly nth: number;
  readonly call: DiskCall;
  /** The call and the file, without its numbers. */
  readonly kind: string;
}

class FailingCalls {
  readonly #options: FaultOptions;
  readonly #life = new DiskLife({ commits: 40, closings: [16, 29] });
  #lives = 0;
  #told = 0;
  #runtimes = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  async run(): Promise<FaultOutcome> {
    const places = await this.#places((disk) => this.#life.live(disk, { acknowledged: 0, begun: 0 }));
    for (const failure of failures) {
      for (const place of this.#chosen(places, failure)) {
        await this.#inStore(place, failure, 'once');
        if (!failure.isHarmless && (this.#options.scale === 'long' || failure.name === 'ENOSPC'))
          await this.#inStore(place, failure, 'for good');
      }
    }
    const runtimePlaces = await this.#places(async (disk) => {
      const runtime = await openRuntime(disk);
      await call(runtime, new Ledger(), { rounds: 3 });
      await runtime.stop();
    });
    for (const failure of failures) {
      for (const place of this.#chosen(runtimePlaces, failure, 5)) {
        for (const times of ['once', 'for good'] as const) await this.#inRuntime(place, failure, times);
      }
    }
    const flaky = this.#options.scale === 'long' ? 1_500 : 12;
    for (let index = 0; index < flaky; index += 1) await this.#onFlakyDisk(this.#options.seed * 1_000_003 + index);
    return {
      figures: [
        `${this.#lives.toLocaleString('en')} stores and ${this.#runtimes.toLocaleString('en')} runtimes, each with another call that fails (of ${places.length} and ${runtimePlaces.length})`,
        `${flaky.toLocaleString('en')} stores and as many runtimes on disks that fail at random, again and again`,
        `${failures.length} ways to fail, once and for good: ${this.#told.toLocaleString('en')} callers told so, 0 wrong acknowledgements, 0 hangs`,
      ],
    };
  }

  /** Every call of a life in which nothing fails. */
  async #places(live: (disk: SimulatedDisk) => Promise<void>): Promise<Place[]> {
    const places: Place[] = [];
    const disk = createSimulatedDisk();
    disk.fault = (each, path) => {
      places.push({ nth: places.length + 1, call: each, kind: `${each} ${path.replace(/[0-9a-f]{16}|[0-9]+/g, '#')}` });
      return undefined;
    };
    await live(disk);
    return places;
  }

  /** All of them in the long run; in the short one, of each kind of call on each kind of file, one. */
  #chosen(places: readonly Place[], { name, calls }: Failure, every = 1): Place[] {
    const able = places.filter((place) => calls === null || calls.has(place.call));
    if (this.#options.scale === 'long') return able.filter((_, index) => index % every === 0);

    return groupByKind(able).flatMap((same, index) => {
      const place = same[(this.#options.seed * 31 + name.length * 7 + index * 13) % same.length];
      return place === undefined || index % every !== this.#options.seed % every ? [] : [place];
    });
  }

  async #inStore(place: Place, failure: Failure, times: 'once' | 'for good'): Promise<void> {
    const what = `call ${place.nth} (${place.call}) fails ${times} with ${failure.name}`;
    this.#options.progress(`store: ${what}; ${this.#lives} lives`);
    const disk = failingDisk(place, failure, times);
    const progress: Progress = { acknowledged: 0, begun: 0 };
    const { told, isOpening } = await this.#live(disk, progress, what);
    // A lock that could not be given back stays until its process ends.
    const atOpening = isOpening ? ['STORE_UNAVAILABLE', 'STORE_READ', ...(place.kind.includes('/lock') ? ['STORE_LOCKED'] : [])] : [];
    const right = [...codesFor(place.call, failure), ...atOpening];
    if (failure.isHarmless) assert.deepEqual(told, [], `${what}: a caller was told of it`);
    else if (times === 'once')
      for (const code of told) assert(right.includes(code), `${what}: a caller was told ${code}, not ${right.join(' or ')}`);
    this.#lives += 1;
  }

  /** Lives until somebody is told that it cannot go on, and compares what is found then with what was told. */
  async #live(disk: SimulatedDisk, progress: Progress, what: string): Promise<{ told: readonly string[]; isOpening: boolean }> {
    this.#life.refused.length = 0;
    const error = await orHang(tellError(this.#life.live(disk, progress, what)), what);
    const isOpening = this.#life.store === null;
    const told = [...this.#life.refused, ...(error === undefined ? [] : [codeOf(error, what)])];
    await orHang(this.#life.store?.close() ?? Promise.resolve(), `${what}: closing`);
    assert.equal(disk.openFiles, 0, `${what}: files stay open`);
    disk.fault = () => undefined;
    // Refused is refused. What met a store that failed may be there or not; an error of reading says nothing of it.
    if (!isOpening && ['STORE_WRITE', 'STORE_FULL'].includes(told.at(-1) ?? '')) progress.begun = progress.acknowledged;
    await this.#life.findAndGoOn(disk.afterKill(), progress, `${what}; restarted`);
    await this.#life.findAndGoOn(disk.afterPowerCut('nothing'), progress, `${what}; power cut`);
    this.#told += told.length;
    return { told, isOpening };
  }

  /** Every so-manyth call fails in one way or another, while a process comes up, works, and the next one comes up on what it left. */
  async #onFlakyDisk(seed: number): Promise<void> {
    const what = `flaky disk ${seed}`;
    this.#options.progress(`${what}; ${this.#lives} lives`);
    const random = seededIds(seed).random;
    const share = 0.005 + random() ** 3 * 0.2;
    const fails = (each: DiskCall): DiskFault | undefined => {
      if (random() > share) return undefined;
      const failure = failures[Math.floor(random() * failures.length)];
      return failure === undefined || (failure.calls !== null && !failure.calls.has(each)) ? undefined : failure.fault;
    };
    let disk = createSimulatedDisk({ seed });
    const progress: Progress = { acknowledged: 0, begun: 0 };
    for (let round = 0; round < 5 && progress.acknowledged < this.#life.history.commits.length; round += 1) {
      disk.failedSync = { kept: seed, reads: round % 2 === 0 ? 'new' : 'old' };
      disk.fault = fails;
      await this.#live(disk, progress, `${what}, round ${round}`);
      disk = round % 2 === 0 ? disk.afterKill() : disk.afterPowerCut();
      this.#lives += 1;
    }
    await this.#inFlakyRuntime(seed, fails, what);
  }

  async #inFlakyRuntime(seed: number, fails: SimulatedDisk['fault'], what: string): Promise<void> {
    let disk = createSimulatedDisk({ seed });
    const ledger = new Ledger();
    for (let round = 0; round < 4; round += 1) {
      disk.fault = fails;
      const runtime = await orHang(
        openRuntime(disk).catch((error: unknown) => void codeOf(error, what)),
        what,
      );
      if (runtime !== undefined) {
        await call(runtime, ledger, { rounds: 1, from: round });
        await runtime.stop();
      }
      disk = round % 2 === 0 ? disk.afterKill() : disk.afterPowerCut();
      this.#runtimes += 1;
    }
    const last = await openRuntime(disk);
    await compare(last, ledger, what);
    await last.stop();
  }

  async #inRuntime(place: Place, failure: Failure, times: 'once' | 'for good'): Promise<void> {
    if (failure.isHarmless && times === 'for good') return;
    const what = `runtime: call ${place.nth} (${place.call}) fails ${times} with ${failure.name}`;
    this.#options.progress(`${what}; ${this.#runtimes} runtimes`);
    const disk = failingDisk(place, failure, times);
    const ledger = new Ledger();
    const opened = await orHang(
      openRuntime(disk).catch((error: unknown) => codeOf(error, what)),
      what,
    );
    const runtime = typeof opened === 'string' ? undefined : opened;
    if (runtime !== undefined) {
      await call(runtime, ledger, { rounds: 3 });
      disk.fault = () => undefined;
      await runtime.advance('10 minutes');
      if (runtime.health().live) await this.#goesOn(runtime, ledger, what);
      await runtime.stop();
    }
    disk.fault = () => undefined;
    for (const found of [disk.afterKill(), disk.afterPowerCut('nothing')]) {
      const next = await openRuntime(found);
      await compare(next, ledger, `${what}; restarted`);
      await next.crash();
    }
    this.#told += ledger.count('refused') + ledger.count('unknown');
    this.#runtimes += 1;
  }

  /** A runtime that has not stopped works again when its disk does, unless its store has failed meanwhile: then it says so. */
  async #goesOn(runtime: Awaited<ReturnType<typeof openRuntime>>, ledger: Ledger, what: string): Promise<void> {
    await call(runtime, ledger, { rounds: 1, from: 100 });
    if (!runtime.health().live) return;
    await compare(runtime, ledger, `${what}; the same runtime`);
    assert.equal(ledger.vouchers.get(100), 'done', `${what}: the runtime lives, and refuses a voucher`);
  }
}

function failingDisk({ nth }: Place, { fault, calls }: Failure, times: 'once' | 'for good'): SimulatedDisk {
  const disk = createSimulatedDisk({ seed: nth });
  let count = 0;
  disk.fault = (each) => {
    count += 1;
    const isMeant = times === 'once' ? count === nth : count >= nth;
    return isMeant && (calls === null || calls.has(each)) ? fault : undefined;
  };
  return disk;
}

/** @throws what is not an error of ours */
function codeOf(error: unknown, what: string): string {
  if (!(error instanceof RouseError)) throw new Error(`${what}: ${String(error)}`, { cause: error });
  return String(error.code);
}

function tellError(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function groupByKind(places: readonly Place[]): Place[][] {
  const groups = new Map<string, Place[]>();
  for (const place of places) groups.set(place.kind, [...(groups.get(place.kind) ?? []), place]);
  return [...groups.values()];
}
