// What people are shown of an instance: from its committed record, or, of an ephemeral one, as it is now.

import { unpack } from '../runtime/carried.js';
import { revive } from '../runtime/codec.js';
import { type ErrorData, toErrorData } from '../runtime/error-data.js';
import type { InstanceRecord, PrimitiveState, Request, TaskState } from '../runtime/record.js';
import { toldOfTask } from '../runtime/sharing.js';
import type { InstanceInfo, PrimitiveInfo, Status, TaskInfo } from './public.js';
import { isRunning, type Slot } from './slot.js';
import { toWaitInfo } from './workflow-actor.js';

export function toInfo(record: InstanceRecord): InstanceInfo {
  const error = record.stuck ?? record.error;
  const exposed = new Map([...record.exposed].map(([name, value]) => [name, revive(value)]));
  const requests = [...record.pending.values()];
  return {
    id: record.id,
    workflow: record.workflow,
    version: record.version,
    status: record.status === 'active' && record.stuck !== null ? 'stuck' : toStatus(record.status, requests),
    waitingFor: requests.sort(bySeq).map(toWaitInfo),
    startedAt: record.startedAt,
    endedAt: record.endedAt,
    error: error === null ? null : (revive(error) as ErrorData),
    exposed: Object.fromEntries(exposed),
    generation: record.generation,
    tasks: toTasks(record.tasks, requests),
    primitives: toPrimitives(record.primitives),
  };
}

export function toEphemeralInfo(slot: Slot): InstanceInfo {
  const execution = slot.resident?.process.execution;
  const requests = [...slot.requests.values()].map((entry) => entry.request);
  const hasFailed = slot.end !== null && slot.end.status !== 'completed';
  const tasks = new Map<number, TaskState>();
  for (const task of execution?.scheduler.tasks() ?? []) {
    const told = toldOfTask(task);
    if (told !== null) tasks.set(task.id, told);
  }
  return {
    id: slot.id,
    workflow: slot.workflow,
    version: slot.version,
    status: toStatus(slot.status, requests),
    waitingFor: requests.sort(bySeq).map(toWaitInfo),
    startedAt: slot.startedAt,
    endedAt: slot.endedAt,
    error: hasFailed && slot.end !== null ? toErrorData(unpack(slot.end.carried)) : null,
    exposed: Object.fromEntries(execution?.exposed ?? slot.exposed ?? []),
    generation: slot.generation,
    tasks: toTasks(tasks, requests),
    primitives: toPrimitives(execution?.sharing.primitives() ?? []),
  };
}

function bySeq(a: Request, b: Request): number {
  return a.seq - b.seq;
}

function toStatus(status: InstanceRecord['status'], requests: readonly Request[]): Status {
  if (status !== 'active') return status;
  const runs = requests.length === 0 || requests.some(isRunning);
  return runs ? 'running' : 'sleeping';
}

function toTasks(tasks: ReadonlyMap<number, TaskState>, requests: readonly Request[]): TaskInfo[] {
  const outside = new Map(requests.map((request) => [request.task, `${request.kind} "${request.name}"`]));
  const inOrder = [...tasks].sort(([a], [b]) => a - b);
  return inOrder.map(([id, [parent, name, waitsFor]]) => ({
    id: String(id),
    name,
    parent: id === 0 ? null : String(parent),
    waitsFor: waitsFor === 0 ? (outside.get(id) ?? null) : waitsFor,
  }));
}

function toPrimitives(primitives: Iterable<[number, PrimitiveState]>): PrimitiveInfo[] {
  return [...primitives].sort(([a], [b]) => a - b).map(([id, state]) => ({ ...state, id: String(id) }));
}
