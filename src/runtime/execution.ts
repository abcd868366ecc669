// An execution: the generator of one instance, stepped by outcomes and checked against its journal. It is rebuilt by
// replay at any time; what it holds beyond the record is only the generator and who waits for what.
//
// Invariants:
//   E1. Outcomes apply one at a time, in journal order; after each, every ready task runs until all wait.
//   E2. In replay every effect answered at once, and every outcome, must meet the request that the record has for it.
//   E3. After replay the open requests are those of the record, no more and no fewer.
//   E4. What the generator is given was decoded from what is stored.

import { type Encoded, encode, revive } from './codec.js';
import { type MadeOperation, stepping } from './context.js';
import type { WorkflowDefinition } from './definitions.js';
import { divergence, isSame } from './divergence.js';
import { dueAt, notAnEffect, requestAddressKey, runCompensations, toOutcome } from './effect-meaning.js';
import { type ErrorData, encodeError, fromErrorData } from './error-data.js';
import type { ExecutionHost } from './execution-host.js';
import { answerInline, type InlineEffect, isInline } from './inline-effects.js';
import { limits } from './limits.js';
import { performLocal } from './local-effects.js';
import { type EffectBody, EffectRequest, type Operation } from './operation.js';
import type { LogLevel } from './ports.js';
import type { Primitive } from './primitive.js';
import { type Entry, type InstanceRecord, type Json, type Request, requestKey } from './record.js';
import { OpenRequest } from './requests.js';
import { type Performer, Scheduler } from './scheduler.js';
import { validateSync } from './schema.js';
import { SmallMap } from './small-map.js';
import { fail, type Outcome, succeed, type TaskNode, type Wait } from './task-node.js';
import { TurnDelta } from './turn-delta.js';
import { CancelledError, ForgottenYieldError, JournalFullError, type NondeterminismError } from './workflow-errors.js';

export type SettleStatus = 'ok' | 'error' | 'due';

const noCompensations: readonly (() => Operation<unknown>)[] = [];

export interface ExecutionOptions {
  readonly instanceId: string;
  readonly workflow: WorkflowDefinition;
  /** The decoded input; it passes to the generator. */
  readonly input: unknown;
  readonly host: ExecutionHost;
}

interface Replay {
  readonly entries: readonly Entry[];
  cursor: number;
}

export class Execution implements Performer {
  readonly instanceId: string;
  readonly workflow: WorkflowDefinition;
  readonly host: ExecutionHost;
  readonly scheduler: Scheduler;
  readonly open = new SmallMap<string, OpenRequest>();
  /** Pools, queues, semaphores and latches made so far: the number of the last one. */
  primitivesMade = 0;
  /** Those whose state this turn has changed. */
  changedPrimitives: Primitive[] = [];
  compensations: readonly (() => Operation<unknown>)[] = noCompensations;
  /** Told of operations that were made and never run; for dry replays. */
  onForgotten: ((task: TaskNode, operations: ReadonlySet<MadeOperation>) => void) | null = null;
  /** The time of the running turn. */
  at = 0;
  #delta: TurnDelta | null = null;
  #replay: Replay | null = null;
  #journalLength = 0;
  #refusals = 0;
  #isCancelRequested = false;
  #outputText: Encoded = 'null';

  constructor(options: ExecutionOptions) {
    this.instanceId = options.instanceId;
    this.workflow = options.workflow;
    this.host = options.host;
    this.scheduler = new Scheduler(this, () => options.workflow.body(options.input));
  }

  /** What the running turn has changed so far. */
  get delta(): TurnDelta {
    this.#delta ??= new TurnDelta();
    return this.#delta;
  }

  get hasEnded(): boolean {
    return this.scheduler.root.end !== null;
  }

  get isReplaying(): boolean {
    return this.#replay !== null;
  }

  /** The first turn. */
  begin(at: number): void {
    this.at = at;
    this.#run();
  }

  /** The turn that follows an outcome; false when the request is not open any more, and nothing happened. */
  settle(at: number, key: string, status: SettleStatus, text: Encoded): boolean {
    const request = this.open.get(key);
    if (request === undefined || this.hasEnded) return false;
    this.at = at;
    const { task, pos } = request.data;
    this.delta.entries.push(`[${task},${pos},"${status}",${text}]`);
    this.#journalLength++;
    this.#apply(request, status, JSON.parse(text));
    this.#run();
    return true;
  }

  /** The turn that follows a cancellation; false when it was cancelled before. */
  cancel(at: number, reason: string | null): boolean {
    if (this.#isCancelRequested || this.hasEnded) return false;
    this.at = at;
    this.delta.entries.push(`[0,-1,"cancel",${JSON.stringify(reason)},"cancel","cancel"]`);
    this.#journalLength++;
    this.#applyCancel(reason);
    this.#run();
    return true;
  }

  /** What the turns since the last call changed. */
  takeDelta(): TurnDelta {
    const delta = this.delta;
    this.#delta = null;
    return delta;
  }

  /**
   * Rebuilds the execution from its record. The record's values pass to the generator: give it a copy of its own.
   *
   * @throws NondeterminismError
   */
  restore(record: InstanceRecord): void {
    this.#replay = { entries: record.journal, cursor: 0 };
    this.at = record.startedAt;
    this.scheduler.run();
    for (let entry = this.#nextEntry(); entry !== undefined; entry = this.#nextEntry()) this.#replayEntry(entry);
    this.#adoptPending(record);
    this.#journalLength = record.journal.length;
    this.#replay = null;
    this.#delta = null;
  }

  // --- what the scheduler asks (Performer)

  perform(task: TaskNode, yielded: unknown): Outcome | Wait {
    if (!(yielded instanceof EffectRequest)) return this.#refuse(notAnEffect(yielded, task, this.instanceId));
    const { body } = yielded;
    const where = yielded.where ?? task.where;
    const pos = task.pos++;
    if ((this.#replay?.cursor ?? this.#journalLength) >= limits.journalEntriesMax)
      return this.#refuse(new JournalFullError(this.instanceId, limits.journalEntriesMax));
    if (body.kind === 'instanceId') return succeed(this.instanceId);
    if (isInline(body)) return this.#performInline(task, pos, body, where);
    return performLocal(this, task, pos, yielded) ?? this.openRequest(task, pos, body, where);
  }

  forgotten(task: TaskNode, operations: ReadonlySet<MadeOperation>, outcome: Outcome): Outcome {
    this.onForgotten?.(task, operations);
    const first = [...operations][0];
    if (first === undefined) return outcome;
    const where = first.where ?? (stepping.capture ? null : this.host.locateForgotten(this, task.id));
    const error = new ForgottenYieldError(first.kind, first.label, task.title, where);
    if (this.host.strict) return fail(error);
    if (!this.isReplaying) this.host.logForgotten(error, { workflow: this.workflow.name, instanceId: this.instanceId });
    return outcome;
  }

  /** An output that cannot be given is an error of the body, and undone as one. */
  beforeEnd(given: Outcome): { outcome: Outcome; more: (() => Operation<unknown>) | null } {
    const outcome = given.ok ? this.#encodeOutput(given.value) : given;
    const stack = [...this.compensations];
    this.compensations = noCompensations;
    if (outcome.ok || stack.length === 0) return { outcome, more: null };
    return { outcome, more: () => runCompensations(stack, outcome.value) };
  }

  hasOpenRequests(): boolean {
    return this.open.size > 0;
  }

  log(task: TaskNode, level: LogLevel, message: string, fields: object | undefined): void {
    if (this.isReplaying) return;
    this.host.log(level, message, { ...fields, instanceId: this.instanceId, workflow: this.workflow.name, task: task.id });
  }

  /** A body that goes on asking for what it is refused would never come to a wait: then its turn is a fault. */
  #refuse(error: Error): Outcome {
    if (++this.#refusals > limits.refusalsMax) throw error;
    return fail(error);
  }

  // --- requests

  /** Opens a request to the outside for a task. In replay, takes the one that the record has, when it is still open. */
  openRequest(task: TaskNode, pos: number, body: EffectBody, where: string | null): OpenRequest {
    const key = requestKey(task.id, pos);
    const request = new OpenRequest(this, task, body, { data: this.#toRequest(task.id, pos, body), where });
    this.open.set(key, request);
    if (this.#replay === null) this.delta.add(request.data);
    return request;
  }

  /** Takes a request back without an outcome. */
  dropRequest(request: OpenRequest): void {
    this.open.delete(request.key);
    this.delta.drop(request.data);
    if (this.#replay === null && request.body.kind === 'child' && request.body.owned) this.host.cancelChild(request.body.childId);
  }

  #toRequest(task: number, pos: number, body: EffectBody): Request {
    return {
      task,
      pos,
      kind: body.kind as Request['kind'],
      name: body.name,
      seq: this.#replay === null ? this.host.nextSeq() : 0,
      since: this.at,
      key: requestAddressKey(body),
      dueAt: dueAt(body, this.at),
      args: body.kind === 'activity' ? body.args : null,
      sources: 'sources' in body ? body.sources : null,
      token: body.kind === 'callback' && this.#replay === null ? this.host.token() : null,
      attempt: 0,
      retryAt: null,
      interrupted: 0,
    };
  }

  #performInline(task: TaskNode, pos: number, body: InlineEffect, where: string | null): Outcome {
    if (this.#replay !== null) return this.#replayInline(this.#replay, task, pos, body, where);
    const { outcome, text } = answerInline(this, body);
    const status = outcome.ok ? 'inline' : 'refused';
    const key = requestAddressKey(body);
    this.delta.entries.push(`[${task.id},${pos},"${status}",${text},"${body.kind}",${JSON.stringify(body.name)},${JSON.stringify(key)}]`);
    this.#journalLength++;
    return outcome.ok ? succeed(body.finish === undefined ? outcome.value : body.finish(outcome.value)) : outcome;
  }

  #run(): void {
    this.#refusals = 0;
    this.scheduler.run();
    const end = this.scheduler.root.end;
    if (end !== null && this.#replay === null && this.delta.end === null) this.#recordEnd(end.outcome);
  }

  #recordEnd(outcome: Outcome): void {
    for (const request of [...this.open.values()]) this.dropRequest(request);
    if (outcome.ok) {
      this.delta.end = { status: 'completed', text: this.#outputText };
      return;
    }
    const isCancelled = this.#isCancelRequested && outcome.value instanceof CancelledError;
    this.delta.end = { status: isCancelled ? 'cancelled' : 'failed', text: encodeError(outcome.value) };
  }

  #encodeOutput(output: unknown): Outcome {
    if (this.#replay !== null) return succeed(output);
    try {
      const what = `the output of workflow "${this.workflow.name}"`;
      this.#outputText = encode(validateSync(this.workflow.output, output, what), what);
      return succeed(output);
    } catch (error) {
      return fail(error);
    }
  }

  /** Takes ownership of the value. */
  #apply(request: OpenRequest, status: SettleStatus, value: Json): void {
    this.open.delete(request.key);
    request.settled(toOutcome(request.body, status, value));
  }

  #applyCancel(reason: string | null): void {
    this.#isCancelRequested = true;
    this.scheduler.cancel(this.scheduler.root, reason);
  }

  // --- replay

  #nextEntry(): Entry | undefined {
    const replay = this.#replay;
    return replay?.entries[replay.cursor++];
  }

  #replayEntry(entry: Entry): void {
    this.at = entry.at;
    if (entry.status === 'cancel') {
      this.#applyCancel(entry.value as string | null);
    } else {
      const request = this.open.get(requestKey(entry.task, entry.pos));
      if (request === undefined || !request.matches(entry)) throw this.#diverged((this.#replay?.cursor ?? 0) - 1, entry);
      this.#apply(request, entry.status as SettleStatus, entry.value);
    }
    this.scheduler.run();
  }

  #replayInline(replay: Replay, task: TaskNode, pos: number, body: EffectBody, where: string | null): Outcome {
    const entry = replay.entries[replay.cursor];
    const asked = { kind: body.kind, name: body.name, key: requestAddressKey(body), task: task.id, pos };
    const matches = entry !== undefined && entry.task === asked.task && entry.pos === pos && isSame(entry, asked);
    if (!matches) {
      throw divergence({ instanceId: this.instanceId, position: replay.cursor, recorded: entry ?? null, asked, where, hasEnded: false });
    }
    replay.cursor++;
    if (entry.status === 'refused') return fail(fromErrorData(revive(entry.value) as ErrorData));
    const value = revive(entry.value);
    return succeed(body.finish === undefined ? value : body.finish(value));
  }

  /** E3. */
  #adoptPending(record: InstanceRecord): void {
    const position = record.journal.length;
    for (const [key, recorded] of record.pending) {
      const request = this.open.get(key);
      if (request === undefined || !request.matches(recorded)) throw this.#diverged(position, recorded);
      request.data = recorded;
    }
    for (const [key, request] of this.open) {
      if (!record.pending.has(key)) throw this.#diverged(position, request.data);
    }
    if (this.hasEnded) throw this.#diverged(position, null);
  }

  /** What the code asks in place of what the record has: at the same position, else in the same task, else anywhere. */
  #diverged(position: number, recorded: Entry | Request | null): NondeterminismError {
    const requests = [...this.open.values()];
    const there = recorded === null ? undefined : this.open.get(requestKey(recorded.task, recorded.pos));
    const asked = there ?? requests.find((request) => request.data.task === recorded?.task) ?? requests[0];
    const isNew = recorded !== null && there?.data === recorded;
    return divergence({
      instanceId: this.instanceId,
      position,
      recorded: isNew ? null : recorded,
      asked: asked === undefined ? null : asked.data,
      where: asked?.where ?? null,
      hasEnded: this.hasEnded,
    });
  }
}
