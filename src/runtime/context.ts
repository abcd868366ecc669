// Which task is being stepped right now. Set by the interpreter for the synchronous moment in which a generator
// runs, null at all other times; it is how an operation knows that it is made or run inside a workflow.

import type { LogLevel } from './ports.js';
import type { SmallMap } from './small-map.js';

/** An operation that was made inside a task, until it is run. */
export interface MadeOperation {
  readonly kind: string;
  readonly label: string;
  /** Where it was made; only known in a dry replay with capture. */
  readonly where: string | null;
}

export interface TaskContext {
  readonly instanceId: string;
  /** Whether its values go by reference. */
  readonly isEphemeral: boolean;
  /** How the task is called in messages. */
  readonly title: string;
  /** Operations made by this task and not run yet. */
  readonly unrun: SmallMap<MadeOperation, true>;
  log(level: LogLevel, message: string, fields: object | undefined): void;
}

interface Stepping {
  task: TaskContext | null;
  /** Note where operations are made and run. Costs a stack trace each: only in dry replays. */
  capture: boolean;
}

export const stepping: Stepping = { task: null, capture: false };

const libraryFolder = new URL('..', import.meta.url).pathname;

/** The first line of the stack that is not rouse's own, as `file:line:column`. */
export function callerLocation(): string | null {
  const lines = (new Error().stack ?? '').split('\n').slice(1);
  const line = lines.find(
    (candidate) => /:\d+:\d+\)?$/.test(candidate) && !candidate.includes(libraryFolder) && !candidate.includes('node:internal'),
  );
  if (line === undefined) return null;
  return (/\(([^)]+)\)\s*$/.exec(line)?.[1] ?? line.trim().replace(/^at (async )?/, '')).replace('file://', '');
}
