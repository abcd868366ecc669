// The process behind an instance actor: its execution, and what it hands to its host after each turn. It knows
// nothing of actors, stores or other instances; the host does.

import { revive } from '../runtime/codec.js';
import { stepping } from '../runtime/context.js';
import type { WorkflowDefinition } from '../runtime/definitions.js';
import { Execution, type SettleStatus } from '../runtime/execution.js';
import type { ExecutionHost } from '../runtime/execution-host.js';
import { applyDelta, type InstanceRecord } from '../runtime/record.js';
import type { TurnDelta } from '../runtime/turn-delta.js';
import { NondeterminismError } from '../runtime/workflow-errors.js';

/** Who runs an instance: what its turns need at once, and what becomes of what they changed. */
export interface InstanceHost extends ExecutionHost {
  /** A turn is over: this is what it changed, to be committed. */
  turned(delta: TurnDelta, at: number): void;
  /** The committed record, a copy of its own; for replays. */
  readRecord(): InstanceRecord | undefined;
  /** All that is committed of it, as JSON. */
  persisted(): object;
}

export class InstanceProcess {
  readonly id: string;
  readonly workflow: WorkflowDefinition;
  readonly host: InstanceHost;
  readonly execution: Execution;
  /** What a turn threw that is not the body's affair, until the host has taken it. */
  fault: unknown = null;

  constructor(id: string, workflow: WorkflowDefinition, host: InstanceHost, input: unknown) {
    this.id = id;
    this.workflow = workflow;
    this.host = host;
    this.execution = new Execution({ instanceId: id, workflow, host, input });
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
    this.#turn(at, () => this.execution.begin(at));
  }

  settle(at: number, key: string, status: SettleStatus, text: string): void {
    this.#turn(at, () => this.execution.settle(at, key, status, text));
  }

  cancel(at: number, reason: string | null): void {
    this.#turn(at, () => this.execution.cancel(at, reason));
  }

  #turn(at: number, run: () => void): void {
    try {
      run();
      const delta = this.execution.takeDelta();
      if (!delta.isEmpty) this.host.turned(delta, at);
    } catch (error) {
      this.fault = error;
    }
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
  const record = uncommitted.reduce<InstanceRecord | undefined>(
    (sum, delta) => applyDelta(execution.instanceId, sum, JSON.parse(delta)),
    host.readRecord(),
  );
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
