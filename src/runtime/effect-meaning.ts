// The parts of an execution that need none of its state: what an effect's request is, and what its outcome means.

import { ByReference } from './carried.js';
import { revive } from './codec.js';
import { type ErrorData, fromErrorData } from './error-data.js';
import type { SettleStatus } from './execution.js';
import { describeFound } from './found.js';
import { type EffectBody, effectOperation, type Operation } from './operation.js';
import type { Json } from './record.js';
import { fail, type Outcome, succeed, type TaskNode } from './task-node.js';
import { AuthoringError, CompensationError, TimeoutError } from './workflow-errors.js';

export function* runCompensations(stack: (() => Operation<unknown>)[], cause: unknown): Operation<never> {
  const failures: { name: string; message: string }[] = [];
  for (let undo = stack.pop(); undo !== undefined; undo = stack.pop()) {
    try {
      // In a task of its own: what it spawns and what fails there is its affair.
      yield* effectOperation({ kind: 'all', name: 'compensation', operations: [undo()], keys: null });
    } catch (error) {
      failures.push(error instanceof Error ? { name: error.name, message: error.message } : { name: 'Error', message: String(error) });
    }
  }
  throw failures.length === 0 ? cause : new CompensationError(failures, { cause });
}

export function toOutcome(body: EffectBody, status: SettleStatus, stored: Json | ByReference): Outcome {
  if (status === 'error') return fail(stored instanceof ByReference ? stored.value : fromErrorData(revive(stored) as ErrorData));
  if (status === 'ok') {
    const value = stored instanceof ByReference ? stored.value : body.kind === 'receiveAny' ? reviveReceived(stored) : revive(stored);
    return succeed(body.finish === undefined ? value : body.finish(value));
  }
  if (body.kind === 'sleep') return succeed(undefined);
  if (body.kind === 'timeout')
    return body.orElse === null
      ? fail(new TimeoutError(body.name === 'timeout' ? 'timeout()' : `timeout "${body.name}"`, body.ms))
      : succeed(body.orElse.value);
  return fail(new TimeoutError(`${body.kind} "${body.name}"`, 'timeoutMs' in body ? (body.timeoutMs ?? 0) : 0));
}

/** Stored as which source and its payload, each payload encoded by itself. */
function reviveReceived(stored: Json): [number, unknown] {
  const [index, payload] = stored as [number, Json];
  return [index, revive(payload)];
}

/** Whether a task may have to wait for an effect: those that begin something or are answered at once never make it wait. */
export function mayWait(body: EffectBody): boolean {
  switch (body.kind) {
    case 'create':
    case 'spawn':
    case 'compensate':
    case 'instanceId':
    case 'now':
    case 'random':
    case 'uuid':
    case 'expose':
    case 'send':
    case 'publish':
    case 'startChild':
      return false;
    case 'operate':
      return body.mayWait;
    default:
      return true;
  }
}

export function dueAt(body: EffectBody, at: number): number | null {
  switch (body.kind) {
    case 'sleep':
      return body.until ?? at + (body.ms ?? 0);
    case 'timeout':
      return at + body.ms;
    case 'receive':
    case 'receiveAny':
    case 'callback':
      return body.timeoutMs === null ? null : at + body.timeoutMs;
    default:
      return null;
  }
}

/** What an effect is about besides its name: part of what replay compares. */
export function requestAddressKey(body: EffectBody): string | null {
  switch (body.kind) {
    case 'receive':
      return body.sources[0]?.key ?? null;
    case 'receiveAny':
      return body.sources.some((source) => source.key !== null) ? body.sources.map((source) => source.key ?? '').join(' | ') : null;
    case 'publish':
      return body.key;
    case 'send':
      return body.instanceId;
    case 'child':
      return body.childId;
    default:
      return null;
  }
}

export function notAnEffect(yielded: unknown, task: TaskNode, instanceId: string): AuthoringError {
  const who = `${task.title} of instance "${instanceId}"`;
  if (yielded === undefined) return new AuthoringError(`A bare yield in ${who}. Write yield* and an operation behind it.`);
  if (yielded instanceof Promise || (yielded !== null && typeof yielded === 'object' && 'then' in yielded)) {
    return new AuthoringError(`${who} yielded a promise. Put the I/O in a step: yield* step('name', async () => ...).`);
  }
  if (yielded !== null && typeof yielded === 'object' && Symbol.iterator in yielded) {
    return new AuthoringError(`${who} yielded an operation with yield. Write yield* in place of yield.`);
  }
  return new AuthoringError(`${who} yielded ${describeFound(yielded)}, not an operation. Write yield* and an operation behind it.`);
}

export function continuedByTask(task: TaskNode): AuthoringError {
  return new AuthoringError(
    `continueAs() was called in ${task.title} of instance "${task.instanceId}". Only the body of a workflow can continue: ` +
      'let the task return, and continue where it is joined.',
  );
}
