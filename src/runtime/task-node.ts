// One task of an instance as the scheduler sees it, and what it waits for.

import type { MadeOperation, TaskContext } from './context.js';
import { describeFound } from './found.js';
import { isOperation, type Operation } from './operation.js';
import type { LogLevel } from './ports.js';
import { SmallMap } from './small-map.js';
import type { TaskEnd } from './tasks.js';
import { AuthoringError } from './workflow-errors.js';

/** What a task is resumed with, or ended with: a value, or an error to throw. */
export interface Outcome {
  readonly ok: boolean;
  readonly value: unknown;
}

export function succeed(value: unknown): Outcome {
  return { ok: true, value };
}

/** To be resumed as if its `yield*` were a `return`: `finally` blocks run, and nothing else. */
export const unwind: Outcome = { ok: true, value: Symbol('unwind') };

export function fail(error: unknown): Outcome {
  return { ok: false, value: error };
}

/** What a suspended task waits for. */
export interface Wait {
  /** For messages: `receive "approval"`, `the end of task 3`. */
  readonly what: string;
  /** It is a request to the outside, which the record has by itself. */
  readonly isOutside?: boolean;
  /** It waits for tasks of its own, which may wait in their turn. */
  readonly isGroup?: boolean;
  /**
   * Gives the wait up without a trace, because this error is to be thrown at it. Returns true when the task can go on
   * at once; otherwise the wait itself resumes the task with the error, when what belongs to it has ended.
   */
  abandon(error: unknown): boolean;
}

/** The execution, as far as a task knows it. */
export interface TaskHome {
  readonly instanceId: string;
  readonly isEphemeral: boolean;
  log(task: TaskNode, level: LogLevel, message: string, fields: object | undefined): void;
}

/** Whoever takes a task's end: the group it is a member of. */
export interface TaskOwner {
  /** The task that waits for the group. */
  readonly parent: TaskNode;
  memberEnded(task: TaskNode): void;
}

/** Whoever else is to know that a task has ended: the pool that it ran in. */
export interface TaskWatcher {
  taskEnded(task: TaskNode): void;
}

export type TaskState = 'ready' | 'waiting' | 'closing' | 'ended';

const nobody: readonly EndWait[] = [];
const nothing: Outcome = { ok: true, value: undefined };

const noOperations: ReadonlySet<MadeOperation> = new Set();

/** Waiting for a task's end: to join it, or because one has cancelled it. */
export class EndWait implements Wait {
  readonly task: TaskNode;
  readonly isJoin: boolean;
  readonly #target: TaskNode;

  constructor(target: TaskNode, task: TaskNode, isJoin: boolean) {
    this.#target = target;
    this.task = task;
    this.isJoin = isJoin;
    target.addEnder(this);
  }

  get what(): string {
    return `the end of ${this.#target.title}`;
  }

  abandon(): boolean {
    this.#target.removeEnder(this);
    return true;
  }
}

/** What most tasks never have. */
class TaskRare {
  /** Takes back what it is to be resumed with, while it has not been. */
  takeBack: (() => void) | null = null;
  /** The pool in which it runs. */
  watcher: TaskWatcher | null = null;
  observers: ((end: TaskEnd) => void)[] | null = null;
  /** An error to be thrown at the next wait, because it came while the task was not waiting. */
  interrupt: { readonly error: unknown } | null = null;
  /** The error of a child that nobody joined. */
  scopeError: { readonly error: unknown } | null = null;
}

/** Of those who have none of it. */
export const noRare: Readonly<TaskRare> = Object.freeze(new TaskRare());

export class TaskNode implements TaskContext {
  readonly id: number;
  /** The task that spawned it, which ends only after it. */
  readonly scope: TaskNode | null;
  readonly group: TaskOwner | null;
  /** Of a group's member: the line that asked for the group. */
  readonly where: string | null;
  /** Of its function, where that has one. */
  readonly name: string;
  readonly #home: TaskHome;
  /** Until it has begun. */
  body: (() => Operation<unknown>) | null;
  iterator: Iterator<unknown, unknown, unknown> | null = null;
  state: TaskState = 'ready';
  /** How the next step resumes it. */
  resume: Outcome = nothing;
  wait: Wait | null = null;
  /** Effects asked so far: the position of the next one. */
  pos = 0;
  // The tasks below it that live, spawned ones and members of its groups, as a list through their neighbours.
  #firstBelow: TaskNode | null = null;
  #lastBelow: TaskNode | null = null;
  #before: TaskNode | null = null;
  #after: TaskNode | null = null;
  hasSpawned = false;
  /** Tasks that it spawned and that live. */
  spawnedLive = 0;
  #enders: EndWait | Set<EndWait> | null = null;
  /** A join took its end after it came. */
  isJoined = false;
  cancelled = false;
  /** It is among those that have changed in this turn. */
  isChanged = false;
  /** Of its body; from its end on, its own. */
  outcome: Outcome | null = null;
  /** How it ended; null while it lives. */
  endStatus: TaskEnd['status'] | null = null;
  /** How many tasks it is below. */
  readonly depth: number;
  #rare: TaskRare | null = null;
  #unrun: SmallMap<MadeOperation, true> | null = null;

  constructor(options: {
    id: number;
    scope: TaskNode | null;
    group: TaskOwner | null;
    where: string | null;
    name: string;
    body: () => Operation<unknown>;
    home: TaskHome;
  }) {
    this.id = options.id;
    this.scope = options.scope;
    this.group = options.group;
    this.where = options.where;
    this.name = options.name;
    this.body = options.body;
    this.#home = options.home;
    this.depth = (this.above?.depth ?? -1) + 1;
  }

  /** What most tasks never have, to be read. */
  get rare(): Readonly<TaskRare> {
    return this.#rare ?? noRare;
  }

  /** What most tasks never have, to be changed. */
  get ownRare(): TaskRare {
    this.#rare ??= new TaskRare();
    return this.#rare;
  }

  get instanceId(): string {
    return this.#home.instanceId;
  }

  get title(): string {
    if (this.id === 0) return 'the body';
    return this.name === '' ? `task ${this.id}` : `task ${this.id} (${this.name})`;
  }

  /** The task that ends only after it: the one that spawned it, or waits for its group. */
  get above(): TaskNode | null {
    return this.scope ?? this.group?.parent ?? null;
  }

  get isEphemeral(): boolean {
    return this.#home.isEphemeral;
  }

  get unrun(): SmallMap<MadeOperation, true> {
    this.#unrun ??= new SmallMap();
    return this.#unrun;
  }

  /** The operations made and not run, without making room for them. */
  get forgotten(): ReadonlySet<MadeOperation> {
    return this.#unrun === null || this.#unrun.size === 0 ? noOperations : new Set(this.#unrun.keys());
  }

  /** Begins its iterator, or resumes it. Throws what the iterator throws. */
  advance(input: Outcome): unknown {
    const iterator = this.iterator ?? this.#begin();
    if (input === unwind) return iterator.return?.(input.value) ?? { done: true, value: input.value };
    if (input.ok) return iterator.next(input.value);
    if (iterator.throw === undefined) throw input.value;
    return iterator.throw(input.value);
  }

  #begin(): Iterator<unknown, unknown, unknown> {
    const { body } = this;
    this.body = null;
    const operation = body?.();
    if (!isOperation(operation)) throw notAGenerator(operation, this);
    this.iterator = operation[Symbol.iterator]();
    return this.iterator;
  }

  /** Gives what it is to be resumed with, and keeps nothing of it. */
  takeResume(): Outcome {
    const { resume } = this;
    this.resume = nothing;
    if (this.#rare !== null) this.#rare.takeBack = null;
    return resume;
  }

  /** Puts a task that was made below it among those that live. */
  adopt(task: TaskNode): void {
    task.#before = this.#lastBelow;
    if (this.#lastBelow === null) this.#firstBelow = task;
    else this.#lastBelow.#after = task;
    this.#lastBelow = task;
    if (task.scope !== this) return;
    this.hasSpawned = true;
    this.spawnedLive++;
  }

  /** Takes out a task that has ended. */
  release(task: TaskNode): void {
    if (task.#before === null) this.#firstBelow = task.#after;
    else task.#before.#after = task.#after;
    if (task.#after === null) this.#lastBelow = task.#before;
    else task.#after.#before = task.#before;
    task.#before = null;
    task.#after = null;
    if (task.scope === this) this.spawnedLive--;
  }

  /** Everyone who lives below it, the first made first at each level. */
  *below(): IterableIterator<TaskNode> {
    for (let task = this.#firstBelow; task !== null; task = task.#after) {
      yield task;
      yield* task.below();
    }
  }

  /** The tasks that it spawned and that live, as they are now. */
  spawnedNow(): TaskNode[] {
    const spawned: TaskNode[] = [];
    for (let task = this.#firstBelow; task !== null; task = task.#after) if (task.scope === this) spawned.push(task);
    return spawned;
  }

  /** Notes that somebody waits for its end. Most tasks have one such wait or none. */
  addEnder(wait: EndWait): void {
    if (this.#enders === null) this.#enders = wait;
    else if (this.#enders instanceof Set) this.#enders.add(wait);
    else this.#enders = new Set([this.#enders, wait]);
  }

  removeEnder(wait: EndWait): void {
    if (this.#enders instanceof Set) this.#enders.delete(wait);
    else if (this.#enders === wait) this.#enders = null;
  }

  /** Takes those who wait for its end, in the order in which they came. */
  takeEnders(): Iterable<EndWait> {
    const enders = this.#enders;
    this.#enders = null;
    if (enders === null) return nobody;
    return enders instanceof Set ? enders : [enders];
  }

  log(level: LogLevel, message: string, fields: object | undefined): void {
    this.#home.log(this, level, message, fields);
  }
}

function notAGenerator(found: unknown, task: TaskNode): AuthoringError {
  return new AuthoringError(
    `The function of ${task.title} in instance "${task.instanceId}" gave ${describeFound(found)}, not a generator. ` +
      'Write function* () { ... }, and put I/O in step().',
  );
}
