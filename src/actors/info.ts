// What people are shown of an instance, from its committed record.

import { revive } from '../runtime/codec.js';
import type { ErrorData } from '../runtime/error-data.js';
import type { InstanceRecord, Json } from '../runtime/record.js';
import type { InstanceInfo, Status } from './public.js';
import { isStep } from './slot.js';
import { toWaitInfo } from './workflow-actor.js';

export function toInfo(record: InstanceRecord): InstanceInfo {
  const error = record.stuck ?? record.error;
  const exposed = new Map([...record.exposed].map(([name, value]) => [name, revive(value)]));
  return {
    id: record.id,
    workflow: record.workflow,
    version: record.version,
    status: toStatus(record),
    waitingFor: [...record.pending.values()].sort((a, b) => a.seq - b.seq).map(toWaitInfo),
    startedAt: record.startedAt,
    endedAt: record.endedAt,
    error: error === null ? null : (revive(error) as ErrorData),
    exposed: Object.fromEntries(exposed),
  };
}

function toStatus(record: InstanceRecord): Status {
  if (record.status !== 'active') return record.status;
  if (record.stuck !== null) return 'stuck';
  const requests = [...record.pending.values()];
  const isRunning = requests.length === 0 || requests.some((request) => isStep(request) && request.retryAt === null);
  return isRunning ? 'running' : 'sleeping';
}

/** Whether two stored values are the same, whatever the order of their keys. */
export function sameJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index] ?? null));
  }
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key] ?? null, b[key] ?? null));
}
