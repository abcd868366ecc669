// Who of the model's tasks runs when, and what becomes of those who fail or are cancelled.
//
// The rules, named as in the scheduler of rouse:
//   S1. Ready tasks run first come, first served, each until it waits. A run ends when all wait.
//   S2. A task ends after those it spawned; when it fails, they are cancelled first. Whoever has spawned ends when the
//       run is over, because an error of its tasks may still have to be its own.
//   S3. An error that no join took when the run is over fails the scope of its task.
//   S4. A cancellation is thrown once, where a task waits or next might. A value that was on its way comes first, but an
//       item or a permit on its way goes back.
//
// Where the rules leave an order open, it is: a task that ends tells its group, then its slot goes on, then its end is
// told to onDone, then to those who wait for it.

import type { Operation } from '../../../src/index.js';
import { isCancellation } from './description.js';
import { type Answer, bad, good, ModelTask, modelError, type Request, type Ticket } from './model-task.js';

/** So often is a deadlock told to a body that does nothing about it. */
const DEADLOCKS_MAX = 10;

export class ModelScheduler {
  readonly body: ModelTask;
  readonly living: ModelTask[] = [];
  readonly tickets: Ticket[] = [];
  /** Whether anything from outside can still answer someone. */
  hasOutside: () => boolean = () => false;
  #ready: ModelTask[] = [];
  /** They go before all that are ready. */
  #next: ModelTask[] = [];
  #failed: ModelTask[] = [];
  #closing: ModelTask[] = [];
  #nextId = 0;
  #deadlocks = 0;

  constructor(body: () => Operation<unknown>) {
    this.body = this.create(body, { scope: null, above: null, isMember: false });
    this.start(this.body);
  }

  create(body: () => Operation<unknown>, place: { scope: ModelTask | null; above: ModelTask | null; isMember: boolean }): ModelTask {
    const task = new ModelTask(this.#nextId++, body, place);
    if (task.scope !== null) {
      task.scope.tasks.add(task);
      task.scope.hasSpawned = true;
    }
    this.living.push(task);
    return task;
  }

  /** It begins when those before it have had their turn. */
  start(task: ModelTask): void {
    if (task.state === 'ready') this.#ready.push(task);
  }

  spawn(scope: ModelTask, body: () => Operation<unknown>): ModelTask {
    const task = this.create(body, { scope, above: scope, isMember: false });
    this.start(task);
    return task;
  }

  /** Something has changed: those who may go on because of it do. */
  settle(): void {
    for (;;) {
      const served = this.tickets.find((ticket) => this.#serve(ticket));
      if (served === undefined) return;
    }
  }

  /** Runs until everybody waits for the outside, or has ended. */
  run(): void {
    do {
      for (let task = this.#first(); task !== undefined; task = this.#first()) this.#step(task);
    } while (this.body.end === null && (this.#failScopes() || this.#endClosing() || this.#breakDeadlock()));
  }

  #first(): ModelTask | undefined {
    return this.#next.shift() ?? this.#ready.shift();
  }

  cancel(task: ModelTask): void {
    if (task.state === 'ended' || task.isCancelled) return;
    task.isCancelled = true;
    this.#cancelTasksOf(task);
    const error = modelError('CancelledError');
    if (task.iterator === null) this.#end(task, bad(error));
    else this.#interrupt(task, error);
  }

  /** Takes a request off the list. */
  drop(request: Request): void {
    const index = this.tickets.findIndex((ticket) => ticket.request === request);
    if (index >= 0) this.tickets.splice(index, 1);
  }

  /** Answers a ticket, when it can be answered. */
  #serve(ticket: Ticket): boolean {
    const answer = ticket.request.attempt(ticket.task);
    if (answer === null) return false;
    this.answer(ticket, answer);
    return true;
  }

  /** Takes a ticket off the list; its task goes on with this in its turn. */
  answer({ task, request }: Ticket, answer: Answer): void {
    this.drop(request);
    if (task !== null) this.#resume(task, request, answer);
    request.after?.();
  }

  #resume(task: ModelTask, request: Request, answer: Answer): void {
    task.ticket = null;
    task.state = 'ready';
    task.answer = answer;
    task.takeBack = answer.ok ? (request.takeBack?.bind(request) ?? null) : null;
    if (request.isUrgent === true) this.#next.push(task);
    else this.#ready.push(task);
  }

  #step(task: ModelTask): void {
    if (task.state !== 'ready') return;
    let answer = task.answer;
    task.takeBack = null;
    for (;;) {
      let asked: IteratorResult<unknown, unknown>;
      try {
        task.iterator ??= task.body()[Symbol.iterator]();
        asked = answer.ok ? task.iterator.next(answer.value) : resumeWith(task.iterator, answer.error);
      } catch (error) {
        this.#bodyEnded(task, bad(error));
        return;
      }
      if (asked.done === true) {
        this.#bodyEnded(task, good(asked.value));
        return;
      }
      const given = this.#ask(task, asked.value as Request);
      if (given === null) return;
      answer = given;
    }
  }

  /** The answer to a request; null when the task now waits for it. */
  #ask(task: ModelTask, request: Request): Answer | null {
    let given = request.isPrompt === true ? null : this.#pendingError(task);
    given ??= request.attempt(task);
    // It may just have cancelled a scope that it belongs to: then this is where it is told.
    if (request.isPrompt !== true) given = this.#pendingError(task) ?? given;
    if (given !== null) {
      request.after?.();
      this.settle();
      return given;
    }
    this.#wait(task, request);
    return null;
  }

  #wait(task: ModelTask, request: Request): void {
    task.state = 'waiting';
    task.ticket = { task, request };
    this.tickets.push(task.ticket);
    request.begin?.(task);
    this.settle();
  }

  #pendingError(task: ModelTask): Answer | null {
    const pending = task.pendingError;
    task.pendingError = null;
    return pending === null ? null : bad(pending.error);
  }

  #bodyEnded(task: ModelTask, answer: Answer): void {
    task.bodyAnswer = answer;
    task.state = 'closing';
    if (!answer.ok) this.#cancelTasksOf(task);
    if (!task.hasSpawned) this.#end(task, answer);
    else if (task.tasks.size === 0) this.#closing.push(task);
  }

  #end(task: ModelTask, given: Answer): void {
    const answer = task.scopeError === null ? given : bad(task.scopeError.error);
    const wasCancelled = !answer.ok && task.isCancelled && isCancellation(answer.error);
    const end = { status: answer.ok ? 'done' : wasCancelled ? 'cancelled' : 'failed', answer } as const;
    task.state = 'ended';
    for (const tell of task.whenOver) tell(end);
    this.settle();
    task.end = end;
    this.living.splice(this.living.indexOf(task), 1);
    const { scope } = task;
    scope?.tasks.delete(task);
    if (scope?.state === 'closing' && scope.tasks.size === 0) this.#closing.push(scope);
    for (const tell of task.observers) tell(end);
    this.settle();
    if (end.status === 'failed' && !task.isJoined && !task.isMember) this.#failed.push(task);
  }

  /** Also those for which a slot has come free while others were cancelled. */
  #cancelTasksOf(task: ModelTask): void {
    const next = (): ModelTask | undefined => [...task.tasks].find(({ isCancelled }) => !isCancelled);
    for (let each = next(); each !== undefined; each = next()) this.cancel(each);
  }

  /** Throws an error where a task waits; at its next wait when it does not, and what it was given stands. */
  #interrupt(task: ModelTask, error: unknown): void {
    if (task.state === 'ready') {
      this.#interruptReady(task, error);
      return;
    }
    const { ticket } = task;
    if (task.state !== 'waiting' || ticket === null) return;
    const stays = ticket.request.leave?.(error) === true;
    if (!stays) this.drop(ticket.request);
    this.settle();
    if (!stays) this.#resume(task, ticket.request, bad(error));
  }

  #interruptReady(task: ModelTask, error: unknown): void {
    const { takeBack } = task;
    if (takeBack === null) {
      task.pendingError = { error };
      return;
    }
    task.takeBack = null;
    task.answer = bad(error);
    takeBack();
    this.settle();
  }

  #failScopes(): boolean {
    const failed = this.#failed.splice(0);
    for (const task of failed) {
      if (task.isJoined || task.scope === null || task.end === null || task.end.answer.ok) continue;
      this.#failScope(task.scope, task.end.answer.error);
    }
    return failed.length > 0;
  }

  #failScope(scope: ModelTask, error: unknown): void {
    if (scope.scopeError !== null) return;
    scope.scopeError = { error };
    this.#cancelTasksOf(scope);
    if (scope.isCancelled || scope.state === 'closing') return;
    scope.isCancelled = true;
    this.#interrupt(scope, modelError('CancelledError'));
  }

  #endClosing(): boolean {
    const closing = this.#closing.splice(0);
    for (const task of closing) if (task.state === 'closing' && task.tasks.size === 0) this.#end(task, task.bodyAnswer);
    return closing.length > 0;
  }

  #breakDeadlock(): boolean {
    if (this.#ready.length > 0) return true;
    if (this.hasOutside()) return false;
    const waits = this.living.map((task) => `${task.title} waits for ${task.ticket?.request.what ?? 'the end of its tasks'}`);
    const error = modelError('DeadlockError', { waits });
    this.#deadlocks++;
    if (this.#deadlocks > DEADLOCKS_MAX) this.body.end = { status: 'failed', answer: bad(error) };
    else this.#tellDeadlock(error);
    return this.body.end === null;
  }

  /** The body is told; when it cannot be, because all it waits for is cancelled already, all who wait by themselves are. */
  #tellDeadlock(error: Error): void {
    if (this.body.state === 'closing') this.#failScope(this.body, error);
    else this.#interrupt(this.body, error);
    if (this.#ready.length + this.#next.length > 0) return;
    for (const task of [...this.living]) if (task.ticket !== null && task.ticket.request.isUrgent !== true) this.#interrupt(task, error);
  }
}

function resumeWith(iterator: Iterator<unknown, unknown, unknown>, error: unknown): IteratorResult<unknown, unknown> {
  if (iterator.throw === undefined) throw error;
  return iterator.throw(error);
}
