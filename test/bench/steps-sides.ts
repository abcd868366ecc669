// The two sides of `steps`: workflows of five trivial steps on the JSON store, and the floor that writes the same
// records. A start and five steps are six commits, each on disk before the next can begin.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { createRuntime, type Runtime, step, workflow } from '../../src/index.js';
import { Appender } from './appender.js';
import { recordsOf } from './log-records.js';
import { type Cost, closedLoop, expectSame, measure, percentile } from './measure.js';
import { profiled } from './profile.js';
import { quietLogger } from './quiet-logger.js';
import type { Role } from './role.js';
import { SlowDisk } from './slow-disk.js';
import { TimedDisk } from './timed-disk.js';

const stepsEach = 5;
export const commitsEach = stepsEach + 1;
const warmupWorkflows = 1_500;
const warmupConcurrency = 100;
const cyclePart = 500;

export interface Load {
  readonly directory: string;
  readonly concurrency: number;
  /** How much longer syncs take than this machine's. */
  readonly syncDelayMs?: number | undefined;
}

/** What one turn took. */
export interface StepsFigures extends Readonly<Record<string, number>> {
  readonly workflows: number;
  readonly workflowsPerSecond: number;
  readonly cpuUsPerRecord: number;
  readonly recordsPerSync: number;
  readonly syncsPerWorkflow: number;
  /** Of a batch's write and sync. */
  readonly syncP50Ms: number;
  readonly fdatasyncP50Ms: number;
  /** How long a commit took, its share of a sync's time before it included; in syncs of the same turn. */
  readonly syncsPerCommit: number;
}

/** The records of one workflow, as JSON. */
export interface Sample {
  readonly records: readonly string[];
}

interface Counts {
  readonly commits: number;
  readonly syncs: number;
  readonly store: { readonly checkpoints: number };
}

let stepsRun = 0;
const fiveSteps = workflow('five-steps', function* (start: number) {
  let value = start;
  for (let index = 0; index < stepsEach; index += 1) {
    const before = value;
    value = yield* step('add', () => {
      stepsRun += 1;
      return before + 1;
    });
  }
  return value;
});

/** The runtime's side. */
export const stepsOnRuntime: Role<Load, Sample, StepsFigures> = {
  name: 'steps-on-runtime',
  async open(load) {
    const side = await RuntimeSide.open(load);
    return { opening: side.sample(), turn: (jobs) => side.turn(() => side.run(jobs)), end: () => side.end() };
  },
};

/** The runtime's side, where a turn lasts from the end of one checkpoint to the end of the next, whatever its jobs. */
export const cycleOnRuntime: Role<Load, Sample, StepsFigures> = {
  name: 'steps-cycle-on-runtime',
  async open(load) {
    const side = await RuntimeSide.open(load);
    const sample = side.sample();
    await side.runToCheckpoint();
    return { opening: sample, turn: () => side.turn(() => side.runToCheckpoint()), end: () => side.end() };
  },
};

class RuntimeSide {
  readonly #load: Load;
  readonly #disk: TimedDisk;
  readonly #runtime: Runtime;
  #started = 0;

  private constructor(load: Load, disk: TimedDisk, runtime: Runtime) {
    this.#load = load;
    this.#disk = disk;
    this.#runtime = runtime;
  }

  static async open(load: Load): Promise<RuntimeSide> {
    const disk = load.syncDelayMs === undefined ? new TimedDisk() : new TimedDisk(new SlowDisk(load.syncDelayMs).fileSystem);
    const store = jsonStore(load.directory, { fileSystem: disk.fileSystem });
    const side = new RuntimeSide(load, disk, await createRuntime({ workflows: [fiveSteps], store, logger: quietLogger }));
    await side.run(warmupWorkflows, warmupConcurrency);
    await side.run(20);
    return side;
  }

  sample(): Sample {
    const records = recordsOf(this.#load.directory, toId(this.#started - 1));
    expectSame('records of one workflow', records.length, commitsEach);
    return { records };
  }

  async run(workflows: number, concurrency = this.#load.concurrency): Promise<void> {
    const first = this.#started;
    this.#started += workflows;
    await closedLoop(workflows, concurrency, async (job) => {
      const instance = await this.#runtime.start(fiveSteps, job, { id: toId(first + job) });
      expectSame(`the result of ${instance.id}`, await instance.result(), job + stepsEach);
    });
  }

  async runToCheckpoint(): Promise<void> {
    const { checkpoints } = this.#counts().store;
    while (this.#counts().store.checkpoints === checkpoints) await this.run(cyclePart);
  }

  async turn(run: () => Promise<void>): Promise<StepsFigures> {
    const before = this.#counts();
    const startedBefore = this.#started;
    this.#disk.reset();
    stepsRun = 0;
    const what = `5 steps, concurrency ${this.#load.concurrency}`;
    const cost = await profiled(
      what,
      () => measure(run),
      () => (this.#started - startedBefore) * commitsEach,
    );
    const after = this.#counts();
    const workflows = this.#started - startedBefore;
    const syncs = after.syncs - before.syncs;
    expectSame('steps run', stepsRun, workflows * stepsEach);
    expectSame('commits', after.commits - before.commits, workflows * commitsEach);
    const isPlain = after.store.checkpoints === before.store.checkpoints && this.#load.concurrency === 1;
    if (isPlain) expectSame('syncs of the disk', this.#disk.syncMs.length, syncs);
    return toFigures({ workflows, syncs, concurrency: this.#load.concurrency }, cost, this.#disk);
  }

  async end(): Promise<void> {
    await this.#runtime.stop();
  }

  #counts(): Counts {
    return this.#runtime.health() as unknown as Counts;
  }
}

/** The floor's side. */
export const stepsOnFloor: Role<Load & Sample, null, StepsFigures> = {
  name: 'steps-on-floor',
  async open({ directory, concurrency, syncDelayMs, records }) {
    mkdirSync(directory);
    const templates = records.map((json): unknown => JSON.parse(json));
    const appender = new Appender(join(directory, 'floor.jsonl'), syncDelayMs === undefined ? undefined : new SlowDisk(syncDelayMs).sync);
    const runOne = async (): Promise<void> => {
      for (const record of templates) await appender.append(record);
    };
    await closedLoop(warmupWorkflows, warmupConcurrency, runOne);
    await closedLoop(20, concurrency, runOne);
    return {
      opening: null,
      turn: async (workflows) => {
        appender.reset();
        const cost = await measure(() => closedLoop(workflows, concurrency, runOne));
        return toFigures({ workflows, syncs: appender.syncMs.length, concurrency }, cost, appender);
      },
      end: async () => appender.close(),
    };
  },
};

function toId(number: number): string {
  return `instance-${number}`;
}

function toFigures(
  { workflows, syncs, concurrency }: { workflows: number; syncs: number; concurrency: number },
  { wallMs, cpuUs }: Cost,
  times: { batchMs: readonly number[]; syncMs: readonly number[] },
): StepsFigures {
  const records = workflows * commitsEach;
  const syncP50Ms = percentile(times.batchMs, 0.5);
  return {
    workflows,
    workflowsPerSecond: (workflows / wallMs) * 1_000,
    cpuUsPerRecord: cpuUs / records,
    recordsPerSync: records / syncs,
    syncsPerWorkflow: syncs / workflows,
    syncP50Ms,
    fdatasyncP50Ms: percentile(times.syncMs, 0.5),
    syncsPerCommit: (wallMs * concurrency) / records / syncP50Ms,
  };
}
