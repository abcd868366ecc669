// The process behind an instance actor: its execution, and what it hands to its host after each turn. It knows
// nothing of actors, stores or other instances; the host does.

import { type Carried, unpack } from '../runtime/carried.js';
import { revive } from '../runtime/codec.js';
import { stepping } from '../runtime/context.js';
import type { WorkflowDefinition } from '../runtime/definitions.js';
import { DecodeError } from '../runtime/errors.js';
import { Execution, type SettleStatus } from '../runtime/execution.js';
import type { ExecutionHost } from '../runtime/execution-host.js';
import { applyDelta, type InstanceRecord, type Request } from '../runtime/record.js';
import type { TurnDelta } from '../runtime/turn-delta.js';
import { NondeterminismError } from '../runtime/workflow-errors.js';

/** Who runs an instance: what its turns need at once, and what becomes of what they changed. */
export interface InstanceHost extends ExecutionHost {
  readonly id: string;
  /** It has ended, whatever its turns may come to. */
  readonly isOver: boolean;
  /** A turn is over: this is what it changed, to be committed. */
  turned(delta: TurnDelta, at: number): void;
  /** The next generation is to be told `rouse.begin` when the turn is committed. */
  beginLater(): void;
  /** The first turn of the next generation threw what is not the body's affair. */
  nextFaulted(error: unknown): void;
  /** What it waits for, as committed. */
  requests(): readonly Request[];
  /** The committed record, a copy of its own; for replays. */
  readRecord(): InstanceRecord | undefined;
  /** All that is committed of it, as JSON. */
  persisted(): object;
}

export class InstanceProcess {
  readonly id: string;
  readonly workflow: WorkflowDefinition;
  readonly host: InstanceHost;
  /** Of the generation that runs. */
  execution: Execution;
  /** What a turn threw that is not the body's affair, until the host has taken it. */
  fault: unknown = null;

  constructor(id: string, workflow: WorkflowDefinition, host: InstanceHost, input: unknown) {
    this.id = id;
    this.workflow = workflow;
    this.host = host;
    this.execution = this.#generation(input);
  }

  /**
   * Rebuilds a process from its record, which passes to it.
   *
   * @throws NondeterminismError with the line at which the code diverged
   */
  static restore(record: InstanceRecord, workflow: WorkflowDefinition, host: InstanceHost): InstanceProcess {
    const process = new InstanceProcess(record.id, workflow, host, revive(record.input));
    try {
      process.execution.restore(record);
    } catch (error) {
      throw error instanceof NondeterminismError ? locateDivergence(error, workflow, host) : error;
    }
    return process;
  }

  begin(at: number): void {
    this.#turn(at, false, () => this.execution.begin(at));
  }

  settle(at: number, key: string, status: SettleStatus, carried: Carried): void {
    this.#turn(at, true, () => this.execution.settle(at, key, status, carried));
  }

  cancel(at: number, reason: string | null): void {
    this.#turn(at, true, () => this.execution.cancel(at, reason));
  }

  /** Whether this turn answers something from outside: then what it continues with may run in the same commit. */
  #turn(at: number, isWoken: boolean, run: () => void): void {
    try {
      run();
      this.#handOver(at);
    } catch (error) {
      this.fault = error;
      return;
    }
    this.#continue(at, isWoken);
  }

  #handOver(at: number): void {
    const delta = this.execution.takeDelta();
    if (!delta.isEmpty) this.host.turned(delta, at);
  }

  /** Only one generation begins in a turn: one that never waits must not keep everyone else from running. */
  #continue(at: number, isWoken: boolean): void {
    const { continuation, hasContinued, exposed } = this.execution;
    if (!hasContinued || continuation === null) return;
    const next = (): Execution => {
      const execution = this.#generation(unpack(continuation.input));
      if (continuation.keepExposed) execution.exposed = exposed;
      return execution;
    };
    this.execution = next();
    if (isWoken && !this.host.isOver) {
      try {
        this.execution.begin(at);
        this.#handOver(at);
        this.#continue(at, false);
        return;
      } catch (error) {
        // A fault of its own, and not of the turn before it.
        this.execution = next();
        this.host.nextFaulted(error);
        return;
      }
    }
    this.host.beginLater();
  }

  #generation(input: unknown): Execution {
    return new Execution({ instanceId: this.id, workflow: this.workflow, host: this.host, input });
  }
}

/** Replays once more, noting lines: a stack trace for each effect is too dear for every replay. */
function locateDivergence(error: NondeterminismError, workflow: WorkflowDefinition, host: InstanceHost): NondeterminismError {
  const record = host.readRecord();
  if (record === undefined) return error;
  try {
    dryReplay(record, workflow, host);
  } catch (located) {
    if (located instanceof NondeterminismError) return located;
  }
  return error;
}

/** Where a task made the first operation that it never ran, from the journal up to this turn. */
export function locateForgotten(execution: Execution, task: number, host: InstanceHost, uncommitted: readonly string[]): string | null {
  const record = foldOnto(host, uncommitted);
  if (record === undefined) return null;
  record.pending.clear();
  let where: string | null = null;
  const dry = new Execution({ instanceId: record.id, workflow: execution.workflow, host, input: revive(record.input) });
  dry.onForgotten = (node, operations) => {
    if (node.id === task) where ??= [...operations][0]?.where ?? null;
  };
  try {
    captured(() => dry.restore(record));
  } catch (error) {
    if (!(error instanceof NondeterminismError)) throw error;
  }
  return where;
}

/** The store may have some of these deltas already, and nobody may have been told yet: those are left out. */
function foldOnto(host: InstanceHost, deltas: readonly string[]): InstanceRecord | undefined {
  for (let first = 0; first < deltas.length; first++) {
    try {
      const record = host.readRecord();
      return deltas.slice(first).reduce((sum, delta) => applyDelta(host.id, sum, JSON.parse(delta)), record);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return undefined;
}

function dryReplay(record: InstanceRecord, workflow: WorkflowDefinition, host: InstanceHost): void {
  const dry = new Execution({ instanceId: record.id, workflow, host, input: revive(record.input) });
  captured(() => dry.restore(record));
}

function captured(run: () => void): void {
  const outer = { ...stepping };
  stepping.task = null;
  stepping.capture = true;
  try {
    run();
  } finally {
    stepping.capture = outer.capture;
    stepping.task = outer.task;
  }
}
