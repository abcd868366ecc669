// Steps the tasks of one instance. It knows how tasks begin, wait, fail, are cancelled and end; what an effect means
// is its performer's affair.
//
// Invariants:
//   S1. Ready tasks run first come, first served, each until it waits; a run ends when all wait.
//   S2. A task ends after every task it spawned. When its body fails, those are cancelled first.
//   S3. An error of a spawned task is taken by a join of the same run, or fails the scope at the end of the run.
//   S4. A cancellation is thrown once, at a wait; an outcome from outside that was already on its way is given first,
//       what a task was handed by another one is taken back.

import { type MadeOperation, stepping } from './context.js';
import { describeFound } from './found.js';
import { limits } from './limits.js';
import { isOperation, type Operation } from './operation.js';
import type { LogLevel } from './ports.js';
import { SmallMap } from './small-map.js';
import { fail, type Outcome, succeed, TaskNode, type TaskOwner, unwind, type Wait } from './task-node.js';
import { passedThrough } from './task-path.js';
import { AuthoringError, CancelledError, DeadlockError, LimitError } from './workflow-errors.js';

/** Who gives effects their meaning. */
export interface Performer {
  readonly instanceId: string;
  /** Whether its values go by reference. */
  readonly isEphemeral: boolean;
  /** Answers an effect at once, or says what the task now waits for. */
  perform(task: TaskNode, yielded: unknown): Outcome | Wait;
  /** A task ends with operations that it made and nobody ran: the outcome it has instead. */
  forgotten(task: TaskNode, operations: ReadonlySet<MadeOperation>, outcome: Outcome): Outcome;
  /** The outcome that the whole instance is to end with, and what is to run before it does. */
  beforeEnd(outcome: Outcome): { readonly outcome: Outcome; readonly more: (() => Operation<unknown>) | null };
  /** Whether anything from outside could still wake a task. */
  hasOpenRequests(): boolean;
  /** A task was made, waits for something else, or has ended. */
  changed(task: TaskNode): void;
  log(task: TaskNode, level: LogLevel, message: string, fields: object | undefined): void;
}

/** Of a member of a group: the group, and where the workflow asked for it, when that is known. */
export interface Membership {
  readonly group: TaskOwner;
  readonly where: string | null;
}

const DEADLOCKS_MAX = 10;

export class Scheduler {
  readonly #performer: Performer;
  readonly root: TaskNode;
  readonly tasks = new SmallMap<number, TaskNode>();
  // Lists are made when they get their first task: while an instance sleeps it has none.
  #ready: TaskNode[] | null = null;
  /** Those who go on before all that are ready. */
  #next: TaskNode[] | null = null;
  #unjoined: TaskNode[] | null = null;
  #closed: TaskNode[] | null = null;
  #nextId = 0;
  #deadlocks = 0;

  constructor(performer: Performer, body: () => Operation<unknown>) {
    this.#performer = performer;
    this.root = this.#create(body, null, null, '');
  }

  /** Runs until every task waits or has ended. */
  run(): void {
    do this.#runReady();
    while (this.#failScopes() || this.#finishClosed() || this.#breakDeadlock());
  }

  /** Adds a task that is run when its spawner waits. */
  spawn(body: () => Operation<unknown>, scope: TaskNode | null, membership: Membership | null = null, name = ''): TaskNode {
    const task = this.#create(body, scope, membership, name);
    if (scope !== null) {
      scope.children ??= new Set();
      scope.children.add(task);
    }
    return task;
  }

  /** Ends a task's wait: it goes on with this outcome in its turn. */
  wake(task: TaskNode, outcome: Outcome): void {
    this.#resumeWith(task, outcome);
    this.#makeReady(task);
  }

  /** As `wake`, but before all that are ready. */
  wakeNext(task: TaskNode, outcome: Outcome): void {
    this.#resumeWith(task, outcome);
    this.#next ??= [];
    this.#next.push(task);
  }

  /** Wakes a task with what it waited for; should it be cancelled before it runs, that is taken back. */
  hand(task: TaskNode, value: unknown, takeBack: () => void): void {
    this.wake(task, succeed(value));
    task.takeBack = takeBack;
  }

  /** Why so many more tasks cannot be made; null when they can. */
  refuseMore(count: number): LimitError | null {
    if (this.tasks.size + count <= limits.tasksMax) return null;
    return new LimitError(
      'tasksMax',
      limits.tasksMax,
      `Instance "${this.#performer.instanceId}" has too many live tasks to spawn another`,
      'Join tasks before spawning more, or use children.',
    );
  }

  /** Throws CancelledError once at the wait of a task and of every task below it. */
  cancel(task: TaskNode, reason: string | null): void {
    if (task.state === 'ended' || task.cancelled) return;
    task.cancelled = true;
    this.#cancelChildren(task, reason);
    if (task.started) {
      this.#interrupt(task, new CancelledError(reason));
    } else {
      task.started = true;
      task.bodyOutcome = fail(new CancelledError(reason));
      this.#finish(task);
    }
  }

  /** Every task that has not ended, as `task: what it waits for`. */
  describeWaits(): string[] {
    return [...this.tasks.values()]
      .filter((task) => task.wait !== null || task.state === 'closing')
      .map((task) => `${task.title} waits for ${task.wait?.what ?? 'the end of its tasks'}`);
  }

  #create(body: () => Operation<unknown>, scope: TaskNode | null, membership: Membership | null, name: string): TaskNode {
    const task = new TaskNode({
      id: this.#nextId++,
      instanceId: this.#performer.instanceId,
      scope,
      group: membership?.group ?? null,
      where: membership?.where ?? null,
      name,
      body,
      home: this.#performer,
    });
    this.tasks.set(task.id, task);
    if (task.id !== 0) this.#performer.changed(task);
    this.#makeReady(task);
    return task;
  }

  #resumeWith(task: TaskNode, outcome: Outcome): void {
    if (task.wait !== null && task.wait.isOutside !== true) this.#performer.changed(task);
    task.wait = null;
    task.state = 'ready';
    task.resume = outcome;
  }

  #makeReady(task: TaskNode): void {
    this.#ready ??= [];
    this.#ready.push(task);
  }

  #close(task: TaskNode): void {
    this.#closed ??= [];
    this.#closed.push(task);
  }

  #runReady(): void {
    for (let at = 0; ; ) {
      const task = this.#next?.shift() ?? this.#ready?.[at++];
      if (task === undefined) break;
      if (task.state === 'ready') this.#step(task);
    }
    this.#next = null;
    this.#ready = null;
  }

  #step(task: TaskNode): void {
    let input = task.takeResume();
    for (;;) {
      let result: { readonly done: boolean; readonly value: unknown };
      stepping.task = task;
      try {
        result = toStep(this.#advance(task, input));
      } catch (error) {
        stepping.task = null;
        this.#bodyEnded(task, fail(error));
        return;
      }
      stepping.task = null;
      if (result.done) {
        this.#bodyEnded(task, succeed(result.value));
        return;
      }
      const answer = this.#answer(task, result.value);
      if ('ok' in answer) {
        input = answer;
      } else {
        task.wait = answer;
        task.state = 'waiting';
        if (answer.isOutside !== true) this.#performer.changed(task);
        return;
      }
    }
  }

  #advance(task: TaskNode, input: Outcome): IteratorResult<unknown, unknown> {
    const iterator = task.iterator ?? this.#begin(task);
    if (input === unwind) return iterator.return?.() ?? { done: true, value: undefined };
    if (input.ok) return iterator.next(input.value);
    if (iterator.throw === undefined) throw input.value;
    return iterator.throw(input.value);
  }

  #begin(task: TaskNode): Iterator<unknown, unknown, unknown> {
    task.started = true;
    const operation = task.body?.();
    task.body = null;
    if (!isOperation(operation)) throw notAGenerator(operation, task);
    task.iterator = operation[Symbol.iterator]();
    return task.iterator;
  }

  #answer(task: TaskNode, yielded: unknown): Outcome | Wait {
    if (task.interrupt === null) return this.#performer.perform(task, yielded);
    const { error } = task.interrupt;
    task.interrupt = null;
    return fail(error);
  }

  #bodyEnded(task: TaskNode, outcome: Outcome): void {
    task.iterator = null;
    task.bodyOutcome = outcome;
    if (!outcome.ok) this.#cancelChildren(task, 'its scope failed');
    task.state = 'closing';
    if (task.children === null) this.#finish(task);
    else if (task.children.size === 0) this.#close(task);
    else this.#performer.changed(task);
  }

  /** The body and all that it spawned have ended. */
  #finish(task: TaskNode): void {
    let outcome = this.#outcomeOf(task);
    if (task === this.root) {
      const last = this.#performer.beforeEnd(outcome);
      if (last.more !== null) {
        this.#restart(task, last.more);
        return;
      }
      outcome = last.outcome;
    }
    const isCancelled = !outcome.ok && task.cancelled && outcome.value instanceof CancelledError;
    task.end = { status: outcome.ok ? 'done' : isCancelled ? 'cancelled' : 'failed', outcome };
    task.state = 'ended';
    this.tasks.delete(task.id);
    if (task.id !== 0) this.#performer.changed(task);
    if (task.end.status === 'failed' && task !== this.root) passedThrough(outcome.value, task.title);
    task.watcher?.taskEnded(task);
    this.#tellObservers(task);
    this.#tellScope(task);
    this.#tellOwner(task, task.end.status === 'failed');
  }

  #outcomeOf(task: TaskNode): Outcome {
    if (task.scopeError !== null) return fail(task.scopeError.error);
    const outcome = task.bodyOutcome ?? succeed(undefined);
    return outcome.ok && task.forgotten.size > 0 ? this.#performer.forgotten(task, task.forgotten, outcome) : outcome;
  }

  /** The body's last words: what was to run before the end runs as its continuation, and can not be cancelled. */
  #restart(task: TaskNode, more: () => Operation<unknown>): void {
    task.cancelled = true;
    task.interrupt = null;
    task.scopeError = null;
    task.body = more;
    this.wake(task, succeed(undefined));
  }

  #tellObservers(task: TaskNode): void {
    for (const observer of task.observers ?? []) notify(task, observer);
    task.observers = null;
  }

  #tellScope(task: TaskNode): void {
    const scope = task.scope;
    if (scope === null) return;
    scope.children?.delete(task);
    if (scope.state === 'closing' && scope.children?.size === 0) this.#close(scope);
  }

  #tellOwner(task: TaskNode, isFailed: boolean): void {
    for (const canceller of task.cancellers ?? []) this.wake(canceller, succeed(undefined));
    task.cancellers = null;
    if (task.group !== null) {
      task.group.memberEnded(task);
    } else if (task.joiners !== null && task.joiners.size > 0) {
      for (const joiner of task.joiners) this.wake(joiner, (task.end as { outcome: Outcome }).outcome);
      task.joiners = null;
    } else if (isFailed && task.scope !== null) {
      this.#unjoined ??= [];
      this.#unjoined.push(task);
    }
  }

  /** S3: errors that no join took fail their scopes. */
  #failScopes(): boolean {
    const failed = this.#unjoined;
    if (failed === null) return false;
    this.#unjoined = null;
    for (const task of failed) {
      if (task.isJoined || task.end === null || task.scope === null) continue;
      this.#failScope(task.scope, task.end.outcome.value);
    }
    return true;
  }

  #failScope(scope: TaskNode, error: unknown): void {
    if (scope.scopeError !== null) {
      scope.log('error', 'A second task of a failed scope failed as well.', { error });
      return;
    }
    scope.scopeError = { error };
    const reason = 'a task of its scope failed';
    this.#cancelChildren(scope, reason);
    if (!scope.cancelled && scope.state !== 'closing') {
      scope.cancelled = true;
      this.#interrupt(scope, new CancelledError(reason));
    }
  }

  #finishClosed(): boolean {
    const closed = this.#closed;
    if (closed === null) return false;
    this.#closed = null;
    for (const task of closed) if (task.state === 'closing' && task.children?.size === 0) this.#finish(task);
    return true;
  }

  #cancelChildren(task: TaskNode, reason: string | null): void {
    for (const child of [...(task.children ?? [])]) this.cancel(child, reason);
  }

  /** Throws an error at a task's wait; at its next one, when it is not waiting now. */
  #interrupt(task: TaskNode, error: unknown): void {
    if (task.state === 'ready') {
      if (task.takeBack === null) task.interrupt = { error };
      else this.#takeBack(task, error);
      return;
    }
    if (task.state === 'waiting' && task.wait?.abandon(error) === true) this.wake(task, fail(error));
  }

  #takeBack(task: TaskNode, error: unknown): void {
    const { takeBack } = task;
    task.takeBack = null;
    task.resume = fail(error);
    takeBack?.();
  }

  /** When nothing from outside can wake anyone, the body is told who waits for what. */
  #breakDeadlock(): boolean {
    const root = this.root;
    if (root.state === 'ended' || this.#ready !== null || this.#performer.hasOpenRequests()) return false;
    const error = new DeadlockError(this.describeWaits());
    if (++this.#deadlocks > DEADLOCKS_MAX) {
      root.end = { status: 'failed', outcome: fail(error) };
      root.state = 'ended';
    } else if (root.state === 'closing') {
      this.#failScope(root, error);
    } else {
      this.#interrupt(root, error);
    }
    return true;
  }
}

/** Tells one observer of a task's end; what it throws keeps nobody else from being told. */
export function notify(task: TaskNode, observer: (end: { status: 'done' | 'failed' | 'cancelled' }) => void): void {
  try {
    observer({ status: task.end?.status ?? 'done' });
  } catch (error) {
    task.log('error', `A function given to onDone of ${task.title} threw.`, { error });
  }
}

/** What an iterator gave, read once: it may be anybody's, and its getters may throw. */
function toStep(result: unknown): { readonly done: boolean; readonly value: unknown } {
  if (result === null || typeof result !== 'object')
    throw new AuthoringError(`An iterator gave ${describeFound(result)} in place of a result.`);
  const { done, value } = result as Partial<IteratorResult<unknown>>;
  return { done: done === true, value };
}

function notAGenerator(found: unknown, task: TaskNode): AuthoringError {
  return new AuthoringError(
    `The function of ${task.title} in instance "${task.instanceId}" gave ${describeFound(found)}, not a generator. ` +
      'Write function* () { ... }, and put I/O in step().',
  );
}
