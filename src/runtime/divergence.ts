// The message of a replay that meets something else than its record: what is recorded, what is asked, and where.

import type { Entry, Request } from './record.js';
import { NondeterminismError } from './workflow-errors.js';

export function divergence(
  instanceId: string,
  position: number,
  recorded: Entry | Request | null,
  asked: string,
  where: string | null,
): NondeterminismError {
  return new NondeterminismError({ instanceId, position, recorded: describeRecorded(recorded), requested: asked, where });
}

function describeRecorded(recorded: Entry | Request | null): string {
  if (recorded === null) return 'nothing more';
  const key = recorded.key === null ? '' : ` with key "${recorded.key}"`;
  return `${recorded.kind} "${recorded.name}"${key} in ${recorded.task === 0 ? 'the body' : `task ${recorded.task}`}`;
}
