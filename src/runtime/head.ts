// The head of an instance: all that a store tells of it when it opens. Whoever is asleep stays on disk; its head says
// where it listens and when it is due, and that is all that comes into memory. A head is JSON, and made of the record.

import { sourceAddress } from './addresses.js';
import type { InstanceRecord, Request } from './record.js';
import { isStepKind } from './request-text.js';

/**
 * When it ended; or what it waits for, asleep; or 0: it has to be looked at when the store opens (it is stuck, a
 * cancellation was asked for, its first turn is to come, or a step was in flight).
 */
export type Head = number | readonly Wait[];

export const LOOK_AT = 0;

/** A request that can be answered from outside. Without a deadline `dueAt` is 0. */
export type Wait = readonly [seq: number, task: number, pos: number, dueAt: number, kind: WaitKind, what?: readonly string[] | string];

/** What may answer: nothing but its deadline; an event at one of these addresses; a token; the end of a child; or, of a step, its next attempt. */
export const waitKinds = { deadline: 0, event: 1, token: 2, child: 3, attempt: 4 } as const;
export type WaitKind = (typeof waitKinds)[keyof typeof waitKinds];

export function toHead(record: InstanceRecord): Head {
  if (record.endedAt !== null) return record.endedAt;
  if (record.stuck !== null || record.cancelAsked !== null || record.pending.size === 0) return LOOK_AT;
  const waits: Wait[] = [];
  for (const request of record.pending.values()) {
    if (isStepKind(request.kind) && request.retryAt === null) return LOOK_AT;
    waits.push(toWait(request, record.id));
  }
  return waits;
}

function toWait(request: Request, instanceId: string): Wait {
  const { seq, task, pos, sources, token, kind, key } = request;
  const dueAt = request.dueAt ?? 0;
  if (isStepKind(kind)) return [seq, task, pos, request.retryAt ?? 0, waitKinds.attempt];
  if (sources !== null) return [seq, task, pos, dueAt, waitKinds.event, sources.map((source) => sourceAddress(source, instanceId))];
  if (token !== null) return [seq, task, pos, dueAt, waitKinds.token, token];
  if (kind === 'child' && key !== null) return [seq, task, pos, dueAt, waitKinds.child, key];
  return [seq, task, pos, dueAt, waitKinds.deadline];
}

/** Whether parsed JSON is a head: what is in it becomes addresses and deadlines. */
export function isHead(value: unknown): value is Head {
  if (typeof value === 'number') return Number.isFinite(value);
  return Array.isArray(value) && value.length > 0 && value.every(isWait);
}

function isWait(value: unknown): value is Wait {
  if (!Array.isArray(value) || value.length > 6) return false;
  for (let index = 0; index < 5; index++) if (!Number.isFinite(value[index])) return false;
  switch (value[4]) {
    case waitKinds.event:
      return Array.isArray(value[5]) && value[5].every((each) => typeof each === 'string');
    case waitKinds.token:
    case waitKinds.child:
      return typeof value[5] === 'string';
    default:
      return value[5] === undefined && (value[4] === waitKinds.deadline || value[4] === waitKinds.attempt);
  }
}
