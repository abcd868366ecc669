// What people are shown of an instance, from its committed record.

import { revive } from '../runtime/codec.js';
import type { ErrorData } from '../runtime/error-data.js';
import type { InstanceRecord } from '../runtime/record.js';
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
