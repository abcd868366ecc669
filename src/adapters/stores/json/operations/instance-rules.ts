// What must hold of every record of an instance that the runtime writes, whatever its workflow does. Used on what comes
// from a disk: nothing is taken for granted but that the deltas could be folded.
//
// Not rules, though they look like some: that the instance of `parent` is there (its retention may be over, it may be
// ephemeral), that the child of a request is (it may be ephemeral), that times go up (clocks are set back), that an
// active instance waits for something (it may not have had its first turn).

import type { InstanceRecord, Request } from '../../../../runtime/record.js';
import { isCount, isData, isErrorData, isText, isTime } from './value-rules.js';

const statuses: ReadonlySet<unknown> = new Set(['active', 'completed', 'failed', 'cancelled']);
const entryStatuses: ReadonlySet<unknown> = new Set(['ok', 'error', 'due', 'inline', 'refused', 'cancel']);
const primitiveKinds: ReadonlySet<unknown> = new Set(['pool', 'queue', 'semaphore', 'latch']);

/** Says in words which rules a record breaks. */
export function* faultsOfInstance(record: InstanceRecord): Generator<string> {
  yield* faultsOfHead(record);
  yield* faultsOfEnd(record);
  yield* faultsOfJournal(record);
  for (const request of record.pending.values()) yield* faultsOfRequest(record, request);
  yield* faultsOfTasks(record);
  for (const [name, value] of record.exposed) if (!isData(value)) yield `the exposed value ${JSON.stringify(name)} cannot be read`;
  for (const token of record.tokens) if (!isText(token)) yield 'a callback token is no text';
}

function* faultsOfHead(record: InstanceRecord): Generator<string> {
  if (!isText(record.workflow)) yield 'it has no workflow';
  if (!isCount(record.version) || record.version === 0) yield 'the version of its workflow is no number from 1';
  if (!isCount(record.depth) || !isCount(record.generation) || !isCount(record.parentGeneration))
    yield 'its depth or a generation is no count';
  if (record.parent !== null && !isText(record.parent)) yield 'its parent is no instance id';
  if ((record.parent === null) !== (record.depth === 0)) yield 'its depth and its parent contradict each other';
  if (!isTime(record.startedAt) || !isTime(record.begunAt)) yield 'it did not begin at a time';
  if (!isData(record.input) || !isData(record.firstInput)) yield 'its input cannot be read';
  const reason = record.cancelAsked?.reason;
  if (record.cancelAsked !== null && reason !== null && typeof reason !== 'string') yield 'the reason of its cancellation is no text';
}

function* faultsOfEnd(record: InstanceRecord): Generator<string> {
  if (!statuses.has(record.status)) {
    yield 'it has a status that there is not';
    return;
  }
  if (record.stuck !== null && !isErrorData(record.stuck)) yield 'what it is stuck at is no error';
  if (record.status === 'active') {
    if (record.endedAt !== null) yield 'it is active and has ended';
    return;
  }
  if (!isTime(record.endedAt)) yield 'it did not end at a time';
  if (record.pending.size + record.tasks.size + record.primitives.size > 0) yield 'it has ended and still waits';
  if (record.stuck !== null) yield 'it has ended and is stuck';
  if (record.status === 'completed' ? !isData(record.output) : !isErrorData(record.error)) yield 'how it ended cannot be read';
}

function* faultsOfJournal(record: InstanceRecord): Generator<string> {
  const places = new Set<string>();
  for (const [index, entry] of record.journal.entries()) {
    const fault = faultOfEntry(entry);
    if (fault !== null) yield `entry ${index} of its journal ${fault}`;
    if (entry.pos < 0) continue;
    const place = `${entry.task}:${entry.pos}`;
    if (places.has(place)) yield `its journal has the outcome of ${place} twice`;
    if (record.pending.has(place)) yield `it waits for ${place}, of which its journal has the outcome`;
    places.add(place);
  }
}

function faultOfEntry({ task, pos, status, value, kind, name, key, at }: InstanceRecord['journal'][number]): string | null {
  if (!isCount(task) || !(isCount(pos) || pos === -1)) return 'has no place';
  if (!entryStatuses.has(status)) return 'has a status that there is not';
  if (!isText(kind) || typeof name !== 'string' || (key !== null && typeof key !== 'string'))
    return 'does not say what it is the outcome of';
  if (!isTime(at)) return 'happened at no time';
  return isValueOf(status, kind, value) ? null : 'has a value that cannot be read';
}

function isValueOf(status: string, kind: string, value: unknown): boolean {
  if (status === 'error' || status === 'refused') return isErrorData(value);
  if (status === 'cancel') return value === null || typeof value === 'string';
  if (status === 'ok' && kind === 'receiveAny') return Array.isArray(value) && value.length === 2 && isCount(value[0]) && isData(value[1]);
  return isData(value);
}

function* faultsOfRequest(record: InstanceRecord, request: Request): Generator<string> {
  const what = `what it waits for at ${request.task}:${request.pos}`;
  if (request.dueAt === null && (request.kind === 'sleep' || request.kind === 'timeout')) yield `${what} has no deadline`;
  if (request.args !== null && !isData(JSON.parse(request.args))) yield `${what} has arguments that cannot be read`;
  if ((request.kind === 'receive' || request.kind === 'receiveAny') && !hasSources(request)) yield `${what} listens nowhere`;
  if (request.kind === 'callback' && !isTokenOf(record, request.token)) yield `${what} has the token of another instance`;
}

function hasSources({ sources }: { sources: readonly { event: unknown; key: unknown }[] | null }): boolean {
  if (sources === null || sources.length === 0) return false;
  return sources.every(({ event, key }) => isText(event) && (key === null || typeof key === 'string'));
}

/** A token names its instance and, but for the first, its generation. */
function isTokenOf({ id, generation }: InstanceRecord, token: string | null): boolean {
  if (token === null) return false;
  const dot = token.indexOf('.');
  const isOfGeneration = token.slice(0, dot).endsWith(`~${generation}`) || generation === 0;
  return dot > 0 && isOfGeneration && token.slice(dot + 1) === encodeURIComponent(id);
}

function* faultsOfTasks(record: InstanceRecord): Generator<string> {
  for (const [id, state] of record.tasks) {
    const [parent, name, waitsFor] = Array.isArray(state) ? state : [];
    const isRight = isCount(id) && isCount(parent) && typeof name === 'string' && (waitsFor === 0 || typeof waitsFor === 'string');
    if (!isRight) yield `its task ${String(id)} is none`;
  }
  for (const [id, state] of record.primitives) {
    if (!isCount(id) || !primitiveKinds.has(state?.kind)) yield `what it shares as ${String(id)} is nothing that there is`;
  }
}
