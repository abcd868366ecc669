// An execution: the generator of one instance, stepped by outcomes and checked against its journal. It is rebuilt by
// replay at any time; what it holds beyond the record is only the generator and who waits for what. That of an
// ephemeral instance has no record: its values go by reference, and it is never rebuilt.
//
// Invariants:
//   E1. Outcomes apply one at a time, in journal order; after each, every ready task runs until all wait.
//   E3. After replay the open requests are those of the record, no more and no fewer.
//   E4. What the generator is given was decoded from what is stored.

import { ByReference, type Carried, textOfCarried } from './carried.js';
import { encode } from './codec.js';
import { type MadeOperation, stepping } from './context.js';
import type { WorkflowDefinition } from './definitions.js';
import { continuedByTask, dueAt, mayWait, notAnEffect, requestAddressKey, runCompensations, toOutcome } from './effect-meaning.js';
import { encodeError } from './error-data.js';
import type { ExecutionHost } from './execution-host.js';
import { answer, isInline } from './inline-effects.js';
import { finish, Journal, outcomeEntry } from './journal.js';
import { limits } from './limits.js';
import { performLocal } from './local-effects.js';
import { type EffectBody, EffectRequest, type Operation } from './operation.js';
import type { LogLevel } from './ports.js';
import { type InstanceRecord, type Json, type Request, requestKey } from './record.js';
import { OpenRequest } from './requests.js';
import { type Performer, Scheduler } from './scheduler.js';
import { validateSync } from './schema.js';
import { Sharing } from './sharing.js';
import { SmallMap } from './small-map.js';
import { fail, type Outcome, succeed, type TaskNode, unwind, type Wait } from './task-node.js';
import { type Continuation, TurnDelta } from './turn-delta.js';
import { CancelledError, ForgottenYieldError, JournalFullError, LimitError } from './workflow-errors.js';

export type SettleStatus = 'ok' | 'error' | 'due';

const noCompensations: readonly (() => Operation<unknown>)[] = [];

export interface ExecutionOptions {
  readonly instanceId: string;
  readonly workflow: WorkflowDefinition;
  /** The decoded input; it passes to the generator. */
  readonly input: unknown;
  readonly host: ExecutionHost;
}

export class Execution implements Performer {
  readonly instanceId: string;
  readonly workflow: WorkflowDefinition;
  readonly host: ExecutionHost;
  readonly scheduler: Scheduler;
  readonly open = new SmallMap<string, OpenRequest>();
  compensations: readonly (() => Operation<unknown>)[] = noCompensations;
  /** What it goes on with when this generation has ended, from `continueAs` on. */
  continuation: Continuation | null = null;
  /** What an ephemeral instance has exposed. */
  exposed: Map<string, unknown> | null = null;
  /** Told of operations that were made and never run; for dry replays. */
  onForgotten: ((task: TaskNode, operations: ReadonlySet<MadeOperation>) => void) | null = null;
  /** The time of the running turn. */
  at = 0;
  #delta: TurnDelta | null = null;
  #sharing: Sharing | null = null;
  /** None of an ephemeral instance. */
  readonly #journal: Journal | null;
  #refusals = 0;
  #localEffects = 0;
  #isCancelRequested = false;
  #untoldCancel: CancelledError | null = null;
  #output: Carried = 'null';

  constructor(options: ExecutionOptions) {
    this.instanceId = options.instanceId;
    this.workflow = options.workflow;
    this.host = options.host;
    this.#journal = options.host.isEphemeral ? null : new Journal(this);
    this.scheduler = new Scheduler(this, () => options.workflow.body(options.input));
  }

  /** What the running turn has changed so far. */
  get delta(): TurnDelta {
    this.#delta ??= new TurnDelta();
    return this.#delta;
  }

  /** Made when there is something to tell: most instances have a body and no more. */
  get sharing(): Sharing {
    this.#sharing ??= new Sharing();
    return this.#sharing;
  }

  get hasEnded(): boolean {
    return this.scheduler.root.state === 'ended';
  }

  /** This generation has ended, and another one is to follow. */
  get hasContinued(): boolean {
    return this.hasEnded && this.continuation !== null;
  }

  get isReplaying(): boolean {
    return this.#journal?.isReplaying === true;
  }

  get isEphemeral(): boolean {
    return this.#journal === null;
  }

  /** The first turn. */
  begin(at: number): void {
    this.at = at;
    this.#runTurn();
  }

  /** The turn that follows an outcome; false when the request is not open any more, and nothing happened. */
  settle(at: number, key: string, status: SettleStatus, carried: Carried): boolean {
    const request = this.open.get(key);
    if (request === undefined || this.hasEnded) return false;
    this.at = at;
    this.#journal?.add(outcomeEntry(request.data, status, textOfCarried(carried)));
    this.#apply(request, status, carried instanceof ByReference ? carried : JSON.parse(carried));
    this.#runTurn();
    return true;
  }

  /** The turn that follows a cancellation; false when it was cancelled before. */
  cancel(at: number, reason: string | null): boolean {
    if (this.#isCancelRequested || this.hasEnded) return false;
    this.at = at;
    this.#journal?.add(`[0,-1,"cancel",${JSON.stringify(reason)},"cancel","cancel"]`);
    this.#applyCancel(reason);
    this.#runTurn();
    return true;
  }

  /** What the turns since the last call changed. */
  takeDelta(): TurnDelta {
    const { delta } = this;
    this.#delta = null;
    if (this.isEphemeral) this.#sharing?.noteUse();
    else if (this.#sharing !== null) delta.shared = this.#sharing.takeChanges();
    return delta;
  }

  /**
   * Rebuilds the execution from its record. The record's values pass to the generator: give it a copy of its own.
   *
   * @throws NondeterminismError
   */
  restore(record: InstanceRecord): void {
    const journal = this.#journal;
    if (journal === null) throw new TypeError('An ephemeral instance has no record.');
    journal.begin(record);
    this.at = record.begunAt;
    this.#runReady();
    for (let entry = journal.next(); entry !== undefined; entry = journal.next()) {
      this.at = entry.at;
      if (entry.status === 'cancel') {
        this.#applyCancel(entry.value as string | null);
      } else {
        const request = this.open.get(requestKey(entry.task, entry.pos));
        if (request === undefined || !request.matches(entry)) throw journal.diverged(entry);
        this.#apply(request, entry.status as SettleStatus, entry.value);
      }
      this.#runReady();
    }
    this.#adoptPending(record, journal);
    journal.end();
    this.#sharing?.takeChanges();
    this.#delta = null;
  }

  // --- what the scheduler asks (Performer)

  mayWait(yielded: unknown): boolean {
    return !(yielded instanceof EffectRequest) || mayWait(yielded.body);
  }

  perform(task: TaskNode, yielded: unknown): Outcome | Wait {
    if (!(yielded instanceof EffectRequest)) return this.#refuse(notAnEffect(yielded, task, this.instanceId));
    const { body } = yielded;
    const where = yielded.where ?? task.where;
    const pos = task.pos++;
    if (this.#journal?.isFull === true && body.kind !== 'continueAs')
      return this.#refuse(new JournalFullError(this.instanceId, limits.journalEntriesMax));
    if (++this.#localEffects > limits.localEffectsMax) return this.#refuse(this.#endlessTurn());
    if (body.kind === 'instanceId') return succeed(this.instanceId);
    const local = performLocal(this, task, pos, yielded);
    if (local !== null) return local;
    if (!isInline(body)) return this.openRequest(task, pos, body, where);
    if (body.kind === 'continueAs' && task !== this.scheduler.root) return fail(continuedByTask(task));
    return this.#journal === null ? finish(this, body, answer(this, body)) : this.#journal.answer(task, pos, body, where);
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
    // Where a `finally` has returned something else, that is what the body gives, as in JavaScript.
    if (given.value !== unwind.value) this.continuation = null;
    const isUntold = this.#untoldCancel !== null || this.scheduler.root.rare.interrupt !== null;
    const last = this.continuation !== null && isUntold ? fail(this.#untoldCancel ?? new CancelledError()) : given;
    const outcome = last.ok && this.continuation === null ? this.#checkOutput(last.value) : last;
    const stack = [...this.compensations];
    this.compensations = noCompensations;
    if (!outcome.ok) this.continuation = null;
    if (outcome.ok || stack.length === 0) return { outcome, more: null };
    return { outcome, more: () => runCompensations(stack, outcome.value) };
  }

  hasOpenRequests(): boolean {
    return this.open.size > 0;
  }

  /** A body that waits for the outside is told by its requests. */
  changed(task: TaskNode): void {
    if (!this.isEphemeral) this.sharing.changedTask(task);
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
    const request = new OpenRequest(this, task, body, { data: this.#toRequest(task.id, pos, body), where });
    this.open.set(request.key, request);
    if (!this.isReplaying) this.delta.add(request.data);
    return request;
  }

  /** Takes a request back without an outcome. */
  dropRequest(request: OpenRequest): void {
    this.open.delete(request.key);
    this.delta.drop(request.data);
    if (!this.isReplaying && request.body.kind === 'child' && request.body.owned) this.host.cancelChild(request.body.childId);
  }

  #toRequest(task: number, pos: number, body: EffectBody): Request {
    const { isReplaying } = this;
    return {
      task,
      pos,
      kind: body.kind as Request['kind'],
      name: body.name,
      seq: isReplaying ? 0 : this.host.nextSeq(),
      since: this.at,
      key: requestAddressKey(body),
      dueAt: dueAt(body, this.at),
      args: body.kind === 'activity' ? body.args : null,
      sources: 'sources' in body ? body.sources : null,
      token: body.kind === 'callback' && !isReplaying ? this.host.token() : null,
      attempt: 0,
      retryAt: null,
      interrupted: 0,
    };
  }

  #runReady(): void {
    this.#refusals = 0;
    this.#localEffects = 0;
    this.scheduler.run();
  }

  #runTurn(): void {
    this.#runReady();
    const { root } = this.scheduler;
    if (root.state === 'ended' && root.outcome !== null && this.delta.end === null) this.#recordEnd(root.outcome);
  }

  #recordEnd(outcome: Outcome): void {
    for (const request of [...this.open.values()]) this.dropRequest(request);
    if (outcome.ok) {
      this.delta.continuation = this.continuation;
      if (this.continuation === null) this.delta.end = { status: 'completed', carried: this.#output };
      return;
    }
    const isCancelled = this.#isCancelRequested && outcome.value instanceof CancelledError;
    const carried = this.isEphemeral ? new ByReference(outcome.value) : encodeError(outcome.value);
    this.delta.end = { status: isCancelled ? 'cancelled' : 'failed', carried };
  }

  #checkOutput(output: unknown): Outcome {
    if (this.isReplaying) return this.#journal?.refusedOutput() ?? succeed(output);
    try {
      this.#output = this.checked(this.workflow.output, output, 'output');
      return succeed(output);
    } catch (error) {
      return this.#journal === null || this.compensations.length === 0 ? fail(error) : this.#journal.refuseOutput(error);
    }
  }

  /**
   * What the workflow's schema makes of its own value.
   *
   * @throws ValidationError, UnstorableValueError, PayloadTooLargeError
   */
  checked(schema: WorkflowDefinition['input'], value: unknown, role: 'input' | 'output'): Carried {
    const what = `the ${role} of workflow "${this.workflow.name}"`;
    const valid = validateSync(schema, value, what);
    return this.isEphemeral ? new ByReference(valid) : encode(valid, what);
  }

  /** Takes ownership of the value. */
  #apply(request: OpenRequest, status: SettleStatus, stored: Json | ByReference): void {
    this.open.delete(request.key);
    request.settled(toOutcome(request.body, status, stored));
  }

  #applyCancel(reason: string | null): void {
    this.#isCancelRequested = true;
    // A body that only waits for its tasks cannot be told; it must not go on as if nothing had been asked.
    if (this.scheduler.root.state === 'closing') this.#untoldCancel = new CancelledError(reason);
    this.scheduler.cancel(this.scheduler.root, reason);
  }

  #endlessTurn(): LimitError {
    return new LimitError(
      'localEffectsMax',
      limits.localEffectsMax,
      `Instance "${this.instanceId}" asks for more and more without ever waiting for anything outside`,
      'Let its loop sleep, receive or run a step.',
    );
  }

  /** E3. */
  #adoptPending(record: InstanceRecord, journal: Journal): void {
    for (const [key, recorded] of record.pending) {
      const request = this.open.get(key);
      if (request === undefined || !request.matches(recorded)) throw journal.diverged(recorded);
      request.data = recorded;
    }
    for (const [key, request] of this.open) {
      if (!record.pending.has(key)) throw journal.diverged(request.data);
    }
    if (this.hasEnded) throw journal.diverged(null);
  }
}
