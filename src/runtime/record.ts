// The record of an instance: everything that is stored of it, as plain data. A record is the fold of the deltas
// that its commits carried, and is itself written as one delta (its base), so there is one format and one reader.
//
// A delta is JSON, with short keys because every turn writes one:
//   t    when the turn ran, in milliseconds
//   n    the beginning: [workflow, version, input, depth, parent id or 0], followed, where they are not 0, by
//        [generation, the parent's generation, when this generation began]
//   i    the input of the first generation, in the base of a later one only
//   j    journal entries added: [task, pos, status, value] for the outcome of a pending request, whose description
//        is then taken from that request; followed by [kind, name, key, at] where there is no such request
//   p    requests made: [task, pos, kind, name, seq, details]
//   x    requests given up without an outcome: [task, pos]
//   u    requests changed (attempts, interruptions): [task, pos, details]
//   e    values exposed, by name
//   g    tasks and what they share, as far as it changed, by id: t [parent, name, wait or 0], p their state
//   y    the end of a generation: [input of the next, 1 when it keeps what is exposed]
//   z    the end: [status, output or error]
//   s    stuck: the error, or 0 when it is so no more
//   c    a cancellation asked for by another instance, not applied yet: [reason or null]
//   k    callback tokens whose wait is over, in a base only: a delta that closes such a wait says so by itself
//   d    1: the row is removed
//
// Invariants:
//   R1. An outcome settles exactly one pending request, and takes its place in the journal.
//   R2. Folding a record's base gives the record.

import { DecodeError } from './errors.js';
import { areDetails, fromRequest, isCount, type RequestDetails, toRequest } from './request-text.js';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type RequestKind = 'step' | 'activity' | 'receive' | 'receiveAny' | 'sleep' | 'timeout' | 'callback' | 'child';

/** An address that a receive listens on: an event type, and a key or, without one, the instance itself. */
export interface EventSource {
  readonly event: string;
  readonly key: string | null;
}

/** What a task waits for, until its outcome is in the journal. */
export interface Request {
  readonly task: number;
  readonly pos: number;
  readonly kind: RequestKind;
  readonly name: string;
  /** Over all instances, the order in which requests were made: who has slept longest. */
  readonly seq: number;
  readonly since: number;
  readonly key: string | null;
  readonly dueAt: number | null;
  /** Encoded arguments of an activity. */
  readonly args: string | null;
  /** Where a receive listens. */
  readonly sources: readonly EventSource[] | null;
  /** What a callback is answered by. */
  readonly token: string | null;
  /** Attempts of a step that have failed, when the next one is due, and the crashes it was in flight at. */
  readonly attempt: number;
  readonly retryAt: number | null;
  readonly interrupted: number;
}

/** The parts of a request that a later commit may change. */
export type RequestUpdate = Partial<Pick<Request, 'attempt' | 'retryAt' | 'interrupted'>>;

export type EntryStatus = 'ok' | 'error' | 'due' | 'inline' | 'refused' | 'cancel';

/** One recorded outcome. `inline` and `refused` were answered within the turn that asked; `cancel` is the whole instance's. */
export interface Entry {
  readonly task: number;
  readonly pos: number;
  readonly status: EntryStatus;
  readonly value: Json;
  readonly kind: string;
  readonly name: string;
  readonly key: string | null;
  readonly at: number;
}

/** A task: the one it belongs to, the name of its function, and the task or primitive that it waits for. */
export type TaskState = readonly [parent: number, name: string, waitsFor: string | 0];

/** Changes of tasks and primitives; without a state they are gone. */
export interface SharedDelta {
  readonly t: [id: number, state?: TaskState][];
  readonly p: [id: number, state?: PrimitiveState][];
}

/** A pool, queue, semaphore or latch as plain data. */
export type PrimitiveState =
  | { readonly kind: 'pool'; readonly size: number; readonly running: number; readonly waiting: number }
  | {
      readonly kind: 'queue';
      readonly order: 'fifo' | 'lifo' | 'priority';
      /** Null without one. */
      readonly capacity: number | null;
      readonly size: number;
      readonly getters: number;
      readonly putters: number;
      readonly isClosed: boolean;
    }
  | { readonly kind: 'semaphore'; readonly permits: number; readonly free: number; readonly waiting: number }
  | { readonly kind: 'latch'; readonly waiting: number };

export type RecordStatus = 'active' | 'completed' | 'failed' | 'cancelled';

export interface InstanceRecord {
  readonly id: string;
  workflow: string;
  version: number;
  input: Json;
  /** Of the first generation. */
  firstInput: Json;
  /** How many instances called this one, one through the other. */
  depth: number;
  parent: string | null;
  /** How often it has continued with a new journal, and the parent had when it called. */
  generation: number;
  parentGeneration: number;
  startedAt: number;
  /** When this generation began. */
  begunAt: number;
  endedAt: number | null;
  status: RecordStatus;
  output: Json;
  /** Encoded error data, while it failed or was cancelled. */
  error: Json;
  /** Encoded error data, while it is stuck. */
  stuck: Json;
  /** A cancellation that was asked for and is not in the journal yet. */
  cancelAsked: { readonly reason: string | null } | null;
  exposed: Map<string, Json>;
  journal: Entry[];
  /** Callback tokens whose wait is over. */
  tokens: Set<string>;
  pending: Map<string, Request>;
  tasks: Map<number, TaskState>;
  primitives: Map<number, PrimitiveState>;
}

/** What most records have none of: they share one that takes nothing, and get their own when it is needed. */
const noMap = new Map<never, never>();
const noSet = new Set<never>();
Object.defineProperty(noMap, 'set', { value: refuse });
Object.defineProperty(noSet, 'add', { value: refuse });

function refuse(): never {
  throw new TypeError('What records without tasks, values or tokens share takes nothing.');
}

export type InstanceDelta = { [key: string]: Json };

// Most requests are those of bodies: their keys are made once.
const ROOT_KEYS_MAX = 1_024;
const rootKeys: string[] = [];

/** The name of a request within its instance. */
export function requestKey(task: number, pos: number): string {
  if (task > 0 || pos >= ROOT_KEYS_MAX) return `${task}:${pos}`;
  rootKeys[pos] ??= `0:${pos}`;
  return rootKeys[pos];
}

/**
 * Applies a delta to a record, in place; without a record the delta must be a beginning.
 * Returns undefined when the delta removes the row.
 */
export function applyDelta(id: string, record: InstanceRecord | undefined, delta: InstanceDelta): InstanceRecord | undefined {
  if (delta.d === 1) return undefined;
  const at = toTime(delta.t, id);
  const target = record ?? beginRecord(id, delta.n as Json[], at);
  if (delta.i !== undefined) target.firstInput = delta.i;
  for (const entry of list(delta.j)) applyEntry(target, entry as Json[], at);
  for (const item of list(delta.p)) {
    const request = toRequest(item as Json[], at);
    target.pending.set(requestKey(request.task, request.pos), request);
  }
  for (const item of list(delta.x)) dropRequest(target, item as Json[]);
  for (const item of list(delta.u)) updateRequest(target, item as Json[]);
  for (const token of list(delta.k)) noteToken(target, token as string);
  if (delta.e !== undefined) applyExposed(target, delta.e as { [name: string]: Json });
  if (delta.g !== undefined) applyShared(target, delta.g as unknown as SharedDelta);
  if (delta.c !== undefined) target.cancelAsked = { reason: (delta.c as (string | null)[])[0] ?? null };
  if (delta.s !== undefined) target.stuck = delta.s === 0 ? null : delta.s;
  if (delta.y !== undefined) applyContinuation(target, delta.y as Json[], at);
  if (delta.z !== undefined) applyEnd(target, delta.z as Json[], at);
  return target;
}

/** The record that these deltas add up to, or undefined when the last of them removed it. */
export function foldInstance(id: string, deltas: Iterable<InstanceDelta>): InstanceRecord | undefined {
  let record: InstanceRecord | undefined;
  for (const delta of deltas) record = applyDelta(id, record, delta);
  return record;
}

/** The whole record as the text of one delta. */
export function toBaseDelta(record: InstanceRecord): string {
  return JSON.stringify({
    t: record.startedAt,
    n: [record.workflow, record.version, record.input, record.depth, record.parent ?? 0, ...generationOf(record)],
    ...(record.pending.size > 0 && { p: [...record.pending.values()].map(fromRequest) }),
    ...(record.stuck !== null && { s: record.stuck }),
    ...(record.cancelAsked !== null && { c: [record.cancelAsked.reason] }),
    ...(record.generation > 0 && { i: record.firstInput }),
    ...(record.journal.length > 0 && { j: record.journal.map(fromEntry) }),
    ...(record.tokens.size > 0 && { k: [...record.tokens] }),
    ...(record.tasks.size + record.primitives.size > 0 && { g: { t: [...record.tasks], p: [...record.primitives] } }),
    ...(record.exposed.size > 0 && { e: Object.fromEntries(record.exposed) }),
    ...(record.endedAt !== null && { z: [record.status, record.status === 'completed' ? record.output : record.error, record.endedAt] }),
  });
}

function generationOf({ generation, parentGeneration, begunAt }: InstanceRecord): number[] {
  return generation + parentGeneration === 0 ? [] : [generation, parentGeneration, begunAt];
}

function beginRecord(id: string, begin: Json[] | undefined, at: number): InstanceRecord {
  if (begin === undefined) throw new DecodeError(`The first delta of instance "${id}" does not begin it.`);
  const [workflow, version, input, depth, parent, generation = 0, parentGeneration = 0, begunAt = at] = begin;
  const isRight =
    typeof workflow === 'string' &&
    [version, depth, generation, parentGeneration].every(isCount) &&
    [at, begunAt].every(Number.isFinite) &&
    (parent === 0 || typeof parent === 'string');
  if (!isRight) throw new DecodeError(`The beginning of instance "${id}" is none: ${JSON.stringify(begin).slice(0, 200)}.`);
  return {
    id,
    workflow: workflow as string,
    version: version as number,
    input: input ?? null,
    firstInput: input ?? null,
    depth: depth as number,
    parent: parent === 0 ? null : (parent as string),
    generation: generation as number,
    parentGeneration: parentGeneration as number,
    startedAt: at,
    begunAt: begunAt as number,
    endedAt: null,
    status: 'active',
    output: null,
    error: null,
    stuck: null,
    cancelAsked: null,
    exposed: noMap,
    journal: [],
    tokens: noSet,
    pending: new Map(),
    tasks: noMap,
    primitives: noMap,
  };
}

function applyShared(record: InstanceRecord, { t, p }: SharedDelta): void {
  if (record.tasks === noMap) record.tasks = new Map();
  if (record.primitives === noMap) record.primitives = new Map();
  for (const [id, state] of t) {
    if (state === undefined) record.tasks.delete(id);
    else record.tasks.set(id, state);
  }
  for (const [id, state] of p) {
    if (state === undefined) record.primitives.delete(id);
    else record.primitives.set(id, state);
  }
}

/** The next generation begins with nothing but its input, and what is exposed where that is kept. */
function applyContinuation(record: InstanceRecord, [input, keepsExposed]: Json[], at: number): void {
  record.input = input ?? null;
  record.generation++;
  record.begunAt = at;
  record.journal = [];
  record.tokens.clear();
  // A cancellation that was asked for and not applied yet is for the next generation.
  if (keepsExposed !== 1) record.exposed.clear();
  clearWaits(record);
}

function clearWaits(record: InstanceRecord): void {
  record.pending.clear();
  record.tasks.clear();
  record.primitives.clear();
}

function applyEntry(record: InstanceRecord, item: Json[], at: number): void {
  const [task, pos, status, value, kind, name, key, entryAt] = item as [
    number,
    number,
    EntryStatus,
    Json,
    string?,
    string?,
    (string | null)?,
    number?,
  ];
  if (kind !== undefined) {
    if (status === 'cancel') record.cancelAsked = null;
    record.journal.push({ task, pos, status, value, kind, name: name ?? '', key: key ?? null, at: entryAt ?? at });
    return;
  }
  const id = requestKey(task, pos);
  const request = record.pending.get(id);
  if (request === undefined) throw new DecodeError(`Instance "${record.id}" has an outcome for request ${id}, which it did not make.`);
  closeRequest(record, request, id);
  record.journal.push({ task, pos, status, value: value ?? null, kind: request.kind, name: request.name, key: request.key, at });
}

function fromEntry(entry: Entry): unknown[] {
  return [entry.task, entry.pos, entry.status, entry.value, entry.kind, entry.name, entry.key, entry.at];
}

function applyEnd(record: InstanceRecord, item: Json[], at: number): void {
  const [status, value, endedAt] = item as [RecordStatus, Json, number?];
  record.status = status;
  record.stuck = null;
  record.endedAt = endedAt === undefined ? at : toTime(endedAt, record.id);
  if (status === 'completed') record.output = value ?? null;
  else record.error = value ?? null;
  for (const [id, request] of record.pending) closeRequest(record, request, id);
  clearWaits(record);
}

/** A time becomes a deadline or an age: what is none must not. */
function toTime(value: unknown, id: string): number {
  if (Number.isFinite(value)) return value as number;
  throw new DecodeError(`Instance "${id}" has something else where a time should be.`);
}

function updateRequest(record: InstanceRecord, item: Json[]): void {
  const [task, pos, details] = item as [number, number, RequestDetails & Json];
  const id = requestKey(task, pos);
  const request = record.pending.get(id);
  if (request === undefined) throw new DecodeError(`Instance "${record.id}" has a change of request ${id}, which it did not make.`);
  if (!areDetails(details)) throw new DecodeError(`Instance "${record.id}" has a change of request ${id} that is none.`);
  record.pending.set(id, {
    ...request,
    attempt: details.n ?? request.attempt,
    retryAt: details.w === undefined ? request.retryAt : details.w,
    interrupted: details.i ?? request.interrupted,
  });
}

function dropRequest(record: InstanceRecord, item: Json[]): void {
  const [task, pos] = item as [number, number];
  const id = requestKey(task, pos);
  const request = record.pending.get(id);
  if (request === undefined) throw new DecodeError(`Instance "${record.id}" gave up request ${id}, which it did not make.`);
  closeRequest(record, request, id);
}

function closeRequest(record: InstanceRecord, request: Request, id: string): void {
  record.pending.delete(id);
  if (request.token !== null) noteToken(record, request.token);
}

function noteToken(record: InstanceRecord, token: string): void {
  if (record.tokens === noSet) record.tokens = new Set();
  record.tokens.add(token);
}

function applyExposed(record: InstanceRecord, exposed: { [name: string]: Json }): void {
  if (record.exposed === noMap) record.exposed = new Map();
  for (const [name, value] of Object.entries(exposed)) record.exposed.set(name, value);
}

function list(value: Json | undefined): Json[] {
  return value === undefined ? [] : (value as Json[]);
}
