// Requests as they stand in the deltas of a record.

import { DecodeError } from './errors.js';
import type { Json, Request, RequestKind, RequestUpdate } from './record.js';

const kinds: ReadonlySet<unknown> = new Set<RequestKind>([
  'step',
  'activity',
  'receive',
  'receiveAny',
  'sleep',
  'timeout',
  'callback',
  'child',
]);

/** The details of a request as stored: only what differs from nothing, in few letters. */
export interface RequestDetails {
  k?: string;
  d?: number;
  a?: Json;
  r?: [string, string | 0][];
  o?: string;
  n?: number;
  w?: number | null;
  i?: number;
  s?: number;
}

/** Reads a request that was made at this time. */
export function toRequest(item: Json[], at: number): Request {
  const [task, pos, kind, name, seq] = item as [number, number, RequestKind, string, number];
  const details = (item[5] ?? {}) as RequestDetails;
  if (![task, pos, seq].every(isCount) || !kinds.has(kind) || typeof name !== 'string' || !areDetails(details))
    throw new DecodeError(`A stored request is none: ${JSON.stringify(item).slice(0, 200)}.`);
  return {
    task,
    pos,
    kind,
    name,
    seq,
    since: details.s ?? at,
    key: details.k ?? null,
    dueAt: details.d ?? null,
    args: details.a === undefined ? null : JSON.stringify(details.a),
    sources: details.r === undefined ? null : details.r.map(([event, key]) => ({ event, key: key === 0 ? null : key })),
    token: details.o ?? null,
    attempt: details.n ?? 0,
    retryAt: details.w ?? null,
    interrupted: details.i ?? 0,
  };
}

/** Whether what is stored of a request can be one: it becomes deadlines, addresses and attempts. */
export function areDetails({ k, d, r, o, n, w, i, s }: RequestDetails): boolean {
  return (
    [k, o].every((each) => each === undefined || typeof each === 'string') &&
    [d, s].every((each) => each === undefined || Number.isFinite(each)) &&
    [n, i].every((each) => each === undefined || isCount(each)) &&
    (w === undefined || w === null || Number.isFinite(w)) &&
    (r === undefined || (Array.isArray(r) && r.every(isSource)))
  );
}

function isSource(value: unknown): boolean {
  return Array.isArray(value) && typeof value[0] === 'string' && (value[1] === 0 || typeof value[1] === 'string');
}

export function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A request as it stands in a base: with its own time. */
export function fromRequest(request: Request): unknown[] {
  const { k, d, r, o, n, w, i, s } = { ...shapeDetails(request), s: request.since };
  const a = request.args === null ? undefined : JSON.parse(request.args);
  return [request.task, request.pos, request.kind, request.name, request.seq, { k, d, a, r, o, n, w, i, s }];
}

function shapeDetails(request: Request): RequestDetails {
  const details: RequestDetails = {};
  if (request.key !== null) details.k = request.key;
  if (request.dueAt !== null) details.d = request.dueAt;
  if (request.sources !== null) details.r = request.sources.map((source) => [source.event, source.key ?? 0]);
  if (request.token !== null) details.o = request.token;
  if (request.attempt > 0) details.n = request.attempt;
  if (request.retryAt !== null) details.w = request.retryAt;
  if (request.interrupted > 0) details.i = request.interrupted;
  return details;
}

/** A new request as it stands in a delta; its `since` is the delta's own time. */
export function requestText(request: Request): string {
  const head = `[${request.task},${request.pos},"${request.kind}",${JSON.stringify(request.name)},${request.seq}`;
  if (isStepKind(request.kind)) return request.args === null ? `${head}]` : `${head},{"a":${request.args}}]`;
  const details = JSON.stringify(shapeDetails(request));
  return details === '{}' ? `${head}]` : `${head},${details}]`;
}

/** Whether it is a step's: as a new request such a one has arguments or nothing to tell. */
export function isStepKind(kind: RequestKind): boolean {
  return kind === 'step' || kind === 'activity';
}

/** A change of a request as it stands in a delta. */
export function updateText(task: number, pos: number, update: RequestUpdate): string {
  return JSON.stringify([task, pos, { n: update.attempt, w: update.retryAt, i: update.interrupted }]);
}
