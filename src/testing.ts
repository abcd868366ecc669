// rouse/testing: a runtime in a world of its own. Time stands still until the test moves it, ids and randomness come
// from a seed, and a crash loses what a crash would lose.

import type { InspectionEvent, Observer } from 'xstate';
import type { Runtime } from './actors/public.js';
import { RuntimeCore } from './actors/runtime.js';
import { memoryStore } from './adapters/stores/memory-store.js';
import { seededIds } from './adapters/testing/seeded-ids.js';
import { VirtualClock } from './adapters/testing/virtual-clock.js';
import { type Duration, toMs } from './runtime/duration.js';
import { checkOptions, type RuntimeOptions, toStorePort } from './runtime/options.js';
import type { Ids, Logger, LogLevel, StorePort } from './runtime/ports.js';

export interface TestRuntimeOptions extends RuntimeOptions {
  /** Seed of ids and randomness. Default 1. */
  seed?: number | undefined;
  /** Told of every inspection event of XState. */
  inspect?: Observer<InspectionEvent> | ((event: InspectionEvent) => void) | undefined;
  /** When the test begins, in milliseconds. Default 2026-01-01. */
  startAt?: number | undefined;
}

/** A line that the runtime or a workflow logged. */
export interface LoggedLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A runtime under test, and the world it runs in. */
export interface TestRuntime extends Runtime {
  /** The runtime itself, for destructuring: `const { runtime, advance } = await createTestRuntime(...)`. */
  readonly runtime: TestRuntime;
  /** What was logged since the beginning, crashes included. */
  readonly logged: readonly LoggedLine[];
  /** The virtual time, in milliseconds. */
  now(): number;
  /**
   * Moves time forward, stopping at every deadline on the way and letting what it causes come to rest first.
   *
   * A step that is under way is waited for, in real time, unless it shows no sign of an end (for 100 ms).
   */
  advance(duration: Duration): Promise<void>;
  /** Waits until nothing happens any more by itself: no step, no commit, nothing due. Time does not move. */
  runUntilIdle(): Promise<void>;
  /** Sets the clock, forward or back, without stopping at deadlines. */
  setClock(at: number): Promise<void>;
  /**
   * Kills the runtime where it stands, and gives one that has recovered on the same bytes. `workflows` replaces the
   * code, as a deployment does.
   */
  crash(changes?: { workflows?: RuntimeOptions['workflows'] | undefined }): Promise<TestRuntime>;
}

const START_AT = Date.UTC(2026, 0, 1);
const PATIENCE_MS = 100;
const { setTimeout, setImmediate, clearTimeout } = globalThis;

/**
 * A runtime for tests: virtual time, seeded ids, a memory store unless another is given.
 *
 * @example
 * const { runtime, advance, crash } = await createTestRuntime({ workflows: [approve] });
 * const order = await runtime.start(approve, { id: 7 });
 * await advance('3 days');
 * await expect(order.result()).resolves.toEqual({ status: 'expired' });
 */
export async function createTestRuntime(options: TestRuntimeOptions): Promise<TestRuntime> {
  const world = new TestWorld(options);
  return world.open(options.workflows);
}

class TestWorld {
  readonly #options: TestRuntimeOptions;
  readonly #store: StorePort;
  readonly #clock: VirtualClock;
  readonly #ids: Ids;
  readonly #logged: LoggedLine[] = [];
  readonly #logger: Logger;
  #core: RuntimeCore | null = null;

  constructor(options: TestRuntimeOptions) {
    this.#options = options;
    this.#store = toStorePort(options.store ?? memoryStore());
    this.#clock = new VirtualClock(options.startAt ?? START_AT);
    this.#ids = seededIds(options.seed ?? 1);
    this.#logger = {
      log: (level, message, fields) => {
        this.#logged.push({ level, message, fields });
        options.logger?.log(level, message, fields);
      },
    };
  }

  async open(workflows: RuntimeOptions['workflows']): Promise<TestRuntime> {
    const checked = checkOptions({ ...this.#options, workflows });
    const store = await this.#store.open({ logger: this.#logger });
    const core = await RuntimeCore.start({
      ...checked,
      store,
      logger: this.#logger,
      clock: this.#clock,
      ids: this.#ids,
      strict: this.#options.strict ?? true,
      inspect: this.#options.inspect,
    });
    this.#core = core;
    return this.#facade(core);
  }

  /** The runtime's own methods, and the world's. */
  #facade(core: RuntimeCore): TestRuntime {
    const world = {
      logged: this.#logged,
      now: () => this.#clock.now(),
      advance: (duration: Duration) => this.#advance(toMs(duration, 'advance()')),
      runUntilIdle: () => this.#settle(),
      setClock: (at: number) => this.#setClock(at),
      stop: (given?: { grace?: Duration | undefined }) => this.#stop(core, given),
      [Symbol.asyncDispose]: () => this.#stop(core, undefined),
      crash: (changes: { workflows?: RuntimeOptions['workflows'] | undefined } = {}) =>
        this.#crash(changes.workflows ?? this.#options.workflows),
    };
    const facade: object = new Proxy(core, {
      get: (target, name) => {
        if (name === 'runtime') return facade;
        if (Object.hasOwn(world, name)) return world[name as keyof typeof world];
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    return facade as TestRuntime;
  }

  async #crash(workflows: RuntimeOptions['workflows']): Promise<TestRuntime> {
    await this.#core?.crash();
    return this.open(workflows);
  }

  /** Stops the runtime; its grace for steps under way passes in virtual time. */
  async #stop(core: RuntimeCore, given: { grace?: Duration | undefined } | undefined): Promise<void> {
    let isStopped = false;
    const stopped = core.stop(given).finally(() => {
      isStopped = true;
    });
    await this.#settle();
    for (let next = this.#clock.nextAt; !isStopped && next !== undefined; next = this.#clock.nextAt) {
      this.#clock.moveTo(next);
      await this.#settle();
    }
    await stopped;
  }

  async #setClock(at: number): Promise<void> {
    await this.#settle();
    this.#clock.setTo(at);
    await this.#settle();
  }

  async #advance(ms: number): Promise<void> {
    const target = this.#clock.now() + ms;
    await this.#settle();
    for (let next = this.#clock.nextAt; next !== undefined && next <= target; next = this.#clock.nextAt) {
      this.#clock.moveTo(next);
      await this.#settle();
    }
    this.#clock.moveTo(target);
    await this.#settle();
  }

  /** Comes to rest: fires what is due, and waits while commits or steps are under way and something still happens. */
  async #settle(): Promise<void> {
    for (;;) {
      if (this.#clock.fireDue()) continue;
      await immediate();
      const due = this.#clock.nextAt;
      if (due !== undefined && due <= this.#clock.now()) continue;
      if (this.#isQuiet) return;
      if (!(await this.#nextActivity())) return;
    }
  }

  get #isQuiet(): boolean {
    return this.#core?.supervisor.isQuiet ?? true;
  }

  /** Waits for the supervisor's next message; false when none comes while steps seem to hang. */
  #nextActivity(): Promise<boolean> {
    return new Promise((resolve) => {
      const patience = setTimeout(() => resolve(false), PATIENCE_MS);
      this.#core?.supervisor.onNextMessage(() => {
        clearTimeout(patience);
        resolve(true);
      });
    });
  }
}

/** Lets what is ready run: promises, and what they cause. */
function immediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

// --- a disk that can fail
export type { FileId, FileSystem, OpenMode } from './adapters/stores/json/file-system.js';
export type { Kept } from './adapters/testing/luck.js';
export {
  createSimulatedDisk,
  type DiskCall,
  type DiskFault,
  type FailedSync,
  type SimulatedDisk,
  type SimulatedDiskOptions,
} from './adapters/testing/simulated-disk.js';
