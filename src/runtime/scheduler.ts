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
import { Fifo } from './fifo.js';
import { describeFound } from './found.js';
import { grown } from './grown.js';
import { limits } from './limits.js';
import type { Operation } from './operation.js';
import type { LogLevel } from './ports.js';
import { fail, noRare, type Outcome, succeed, TaskNode, type TaskOwner, type Wait } from './task-node.js';
import { passedThrough } from './task-path.js';
import { AuthoringError, CancelledError, DeadlockError, LimitError } from './workflow-errors.js';

/** Who gives effects their meaning. */
export interface Performer {
  readonly instanceId: string;
  /** Whether its values go by reference. */
  readonly isEphemeral: boolean;
  /** Whether a task may have to wait for what it asks: only there is it told of its cancellation. */
  mayWait(yielded: unknown): boolean;
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
  /** Tasks that live, the body not counted. */
  live = 0;
  // Lists are made when they get their first task: while an instance sleeps it has none.
  #ready: TaskNode[] | null = null;
  /** Those who go on before all that are ready. */
  #next: Fifo<TaskNode> | null = null;
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
    this.live++;
    task.above?.adopt(task);
    this.#performer.changed(task);
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
    this.#next ??= new Fifo();
    this.#next.add(task);
  }

  /** Wakes a task with what it waited for; should it be cancelled before it runs, that is taken back. */
  hand(task: TaskNode, value: unknown, takeBack: () => void): void {
    this.wake(task, succeed(value));
    task.ownRare.takeBack = takeBack;
  }

  /** Why so many more tasks cannot be made below this one; null when they can. */
  refuseMore(count: number, above: TaskNode): LimitError | null {
    const { instanceId } = this.#performer;
    if (above.depth >= limits.taskNestingMax) {
      const what = `${above.title} of instance "${instanceId}" is nested too deep to have tasks below it`;
      return new LimitError('taskNestingMax', limits.taskNestingMax, what, 'Spawn side by side, or use children.');
    }
    if (this.live + count <= limits.tasksMax) return null;
    const what = `Instance "${instanceId}" has too many live tasks to spawn another`;
    return new LimitError('tasksMax', limits.tasksMax, what, 'Join tasks before spawning more, or use children.');
  }

  /** Throws CancelledError once at the wait of a task and of every task below it. */
  cancel(task: TaskNode, reason: string | null): void {
    if (task.state === 'ended' || task.cancelled) return;
    task.cancelled = true;
    this.#cancelSpawned(task, reason);
    if (task.body === null) {
      this.#interrupt(task, new CancelledError(reason));
    } else {
      task.body = null;
      task.outcome = fail(new CancelledError(reason));
      this.#finish(task);
    }
  }

  /** Everyone who lives, in the order in which they were made. */
  tasks(): TaskNode[] {
    if (this.root.state === 'ended') return [];
    return [this.root, ...this.root.below()].sort((a, b) => a.id - b.id);
  }

  /** Every task that has not ended, as `task: what it waits for`. */
  describeWaits(): string[] {
    return this.tasks()
      .filter((task) => task.wait !== null || task.state === 'closing')
      .map((task) => `${task.title} waits for ${task.wait?.what ?? 'the end of its tasks'}`);
  }

  #create(body: () => Operation<unknown>, scope: TaskNode | null, membership: Membership | null, name: string): TaskNode {
    const task = new TaskNode({
      id: this.#nextId++,
      scope,
      group: membership?.group ?? null,
      where: membership?.where ?? null,
      name,
      body,
      home: this.#performer,
    });
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
    this.#ready = grown(this.#ready, task);
  }

  #close(task: TaskNode): void {
    this.#closed ??= [];
    this.#closed.push(task);
  }

  #runReady(): void {
    for (let at = 0; ; ) {
      const task = this.#next?.first ?? this.#ready?.[at];
      if (task === undefined) break;
      if (task === this.#next?.first) this.#next.removeFirst();
      else at++;
      if (task.state === 'ready') this.#step(task);
    }
    this.#next = null;
    this.#ready = null;
  }

  #step(task: TaskNode): void {
    let input = task.takeResume();
    for (;;) {
      let isDone: boolean;
      let value: unknown;
      stepping.task = task;
      try {
        // An iterator may be anybody's, and its getters may throw.
        const result: unknown = task.advance(input);
        if (result === null || typeof result !== 'object') throw noResult(result);
        isDone = (result as IteratorResult<unknown>).done === true;
        value = (result as IteratorResult<unknown>).value;
      } catch (error) {
        stepping.task = null;
        this.#bodyEnded(task, fail(error));
        return;
      }
      stepping.task = null;
      if (isDone) {
        this.#bodyEnded(task, succeed(value));
        return;
      }
      const answer = this.#answer(task, value);
      if (!isOutcome(answer)) {
        task.wait = answer;
        task.state = 'waiting';
        if (answer.isOutside !== true) this.#performer.changed(task);
        return;
      }
      input = answer;
    }
  }

  #answer(task: TaskNode, yielded: unknown): Outcome | Wait {
    const { interrupt } = task.rare;
    if (interrupt === null || !this.#performer.mayWait(yielded)) return this.#performer.perform(task, yielded);
    task.ownRare.interrupt = null;
    return fail(interrupt.error);
  }

  #bodyEnded(task: TaskNode, outcome: Outcome): void {
    task.iterator = null;
    task.outcome = outcome;
    if (!outcome.ok) this.#cancelSpawned(task, 'its scope failed');
    task.state = 'closing';
    if (!task.hasSpawned) this.#finish(task);
    else if (task.spawnedLive === 0) this.#close(task);
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
    task.endStatus = outcome.ok ? 'done' : isCancelled ? 'cancelled' : 'failed';
    task.outcome = outcome;
    task.state = 'ended';
    if (task === this.root) return;
    this.live--;
    task.above?.release(task);
    this.#performer.changed(task);
    if (task.endStatus === 'failed') passedThrough(outcome.value, task.title);
    if (task.scope?.state === 'closing' && task.scope.spawnedLive === 0) this.#close(task.scope);
    // A map that has failed takes no more slots of its pool; a task that is joined has left its own.
    if (task.group !== null) task.group.memberEnded(task);
    if (task.rare !== noRare) this.#tellWatchers(task);
    if (task.group === null) this.#tellEnders(task, outcome);
  }

  #outcomeOf(task: TaskNode): Outcome {
    const { scopeError } = task.rare;
    if (scopeError !== null) return fail(scopeError.error);
    const outcome = task.outcome ?? succeed(undefined);
    return outcome.ok && task.forgotten.size > 0 ? this.#performer.forgotten(task, task.forgotten, outcome) : outcome;
  }

  /** The body's last words: what was to run before the end runs as its continuation, and can not be cancelled. */
  #restart(task: TaskNode, more: () => Operation<unknown>): void {
    task.cancelled = true;
    task.ownRare.interrupt = null;
    task.ownRare.scopeError = null;
    task.body = more;
    this.wake(task, succeed(undefined));
  }

  #tellWatchers(task: TaskNode): void {
    const { watcher, observers } = task.rare;
    watcher?.taskEnded(task);
    for (const observer of observers ?? []) notify(task, observer);
    task.ownRare.observers = null;
  }

  #tellEnders(task: TaskNode, outcome: Outcome): void {
    let isJoined = false;
    for (const ender of task.takeEnders()) {
      if (ender.isJoin) isJoined = true;
      this.wake(ender.task, ender.isJoin ? outcome : succeed(undefined));
    }
    if (isJoined || task.endStatus !== 'failed') return;
    this.#unjoined ??= [];
    this.#unjoined.push(task);
  }

  /** S3: errors that no join took fail their scopes. */
  #failScopes(): boolean {
    const failed = this.#unjoined;
    if (failed === null) return false;
    this.#unjoined = null;
    for (const task of failed) {
      if (!task.isJoined && task.scope !== null) this.#failScope(task.scope, task.outcome?.value);
    }
    return true;
  }

  #failScope(scope: TaskNode, error: unknown): void {
    if (scope.rare.scopeError !== null) {
      scope.log('error', 'A second task of a failed scope failed as well.', { error });
      return;
    }
    scope.ownRare.scopeError = { error };
    const reason = 'a task of its scope failed';
    this.#cancelSpawned(scope, reason);
    if (!scope.cancelled && scope.state !== 'closing') {
      scope.cancelled = true;
      this.#interrupt(scope, new CancelledError(reason));
    }
  }

  #finishClosed(): boolean {
    const closed = this.#closed;
    if (closed === null) return false;
    this.#closed = null;
    for (const task of closed) if (task.state === 'closing' && task.spawnedLive === 0) this.#finish(task);
    return true;
  }

  /** Those too that are made while others are cancelled: a slot of a pool has come free for them. */
  #cancelSpawned(task: TaskNode, reason: string | null): void {
    while (task.spawnedLive > 0) {
      const living = task.spawnedNow().filter((spawned) => !spawned.cancelled);
      if (living.length === 0) return;
      for (const spawned of living) this.cancel(spawned, reason);
    }
  }

  /** Throws an error at a task's wait; at its next one, when it is not waiting now. */
  #interrupt(task: TaskNode, error: unknown): void {
    if (task.state === 'ready') {
      if (task.rare.takeBack === null) task.ownRare.interrupt = { error };
      else this.#takeBack(task, error);
      return;
    }
    if (task.state === 'waiting' && task.wait?.abandon(error) === true) this.wake(task, fail(error));
  }

  #takeBack(task: TaskNode, error: unknown): void {
    const { takeBack } = task.rare;
    task.ownRare.takeBack = null;
    task.resume = fail(error);
    takeBack?.();
  }

  /** When nothing from outside can wake anyone, the body is told who waits for what. */
  #breakDeadlock(): boolean {
    const root = this.root;
    if (root.state === 'ended' || this.#ready !== null || this.#performer.hasOpenRequests()) return false;
    const error = new DeadlockError(this.describeWaits());
    if (++this.#deadlocks > DEADLOCKS_MAX) {
      root.endStatus = 'failed';
      root.outcome = fail(error);
      root.state = 'ended';
    } else {
      if (root.state === 'closing') this.#failScope(root, error);
      else this.#interrupt(root, error);
      if (this.#ready === null && this.#next === null) this.#interruptLeaves(error);
    }
    return true;
  }

  /** The body cannot be told: it waits for tasks that were cancelled, and wait in their turn. Those are told. */
  #interruptLeaves(error: DeadlockError): void {
    for (const task of this.tasks()) if (task.wait !== null && task.wait.isGroup !== true) this.#interrupt(task, error);
  }
}

/** Tells one observer of a task's end; what it throws keeps nobody else from being told. */
export function notify(task: TaskNode, observer: (end: { status: 'done' | 'failed' | 'cancelled' }) => void): void {
  try {
    observer({ status: task.endStatus ?? 'done' });
  } catch (error) {
    task.log('error', `A function given to onDone of ${task.title} threw.`, { error });
  }
}

function isOutcome(answer: Outcome | Wait): answer is Outcome {
  return (answer as Partial<Outcome>).ok !== undefined;
}

function noResult(found: unknown): AuthoringError {
  return new AuthoringError(`An iterator gave ${describeFound(found)} in place of a result.`);
}
