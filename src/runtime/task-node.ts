// One task of an instance as the scheduler sees it, and what it waits for.

import type { MadeOperation, TaskContext } from './context.js';
import type { Operation } from './operation.js';
import type { LogLevel } from './ports.js';
import { SmallMap } from './small-map.js';
import type { TaskEnd } from './tasks.js';

/** What a task is resumed with, or ended with: a value, or an error to throw. */
export interface Outcome {
  readonly ok: boolean;
  readonly value: unknown;
}

export function succeed(value: unknown): Outcome {
  return { ok: true, value };
}

/** To be resumed as if its `yield*` were a `return`: `finally` blocks run, and nothing else. */
export const unwind: Outcome = { ok: true, value: undefined };

export function fail(error: unknown): Outcome {
  return { ok: false, value: error };
}

/** What a suspended task waits for. */
export interface Wait {
  /** For messages: `receive "approval"`, `the end of task 3`. */
  readonly what: string;
  /** It is a request to the outside, which the record has by itself. */
  readonly isOutside?: boolean;
  /**
   * Gives the wait up without a trace, because this error is to be thrown at it. Returns true when the task can go on
   * at once; otherwise the wait itself resumes the task with the error, when what belongs to it has ended.
   */
  abandon(error: unknown): boolean;
}

/** The execution, as far as a task knows it. */
export interface TaskHome {
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

const nothing: Outcome = { ok: true, value: undefined };

const noOperations: ReadonlySet<MadeOperation> = new Set();

export class TaskNode implements TaskContext {
  readonly id: number;
  readonly instanceId: string;
  /** The task that spawned it, which ends only after it. */
  readonly scope: TaskNode | null;
  readonly group: TaskOwner | null;
  /** Of a group's member: the line that asked for the group. */
  readonly where: string | null;
  /** Of its function, where that has one. */
  readonly name: string;
  readonly #home: TaskHome;
  body: (() => Operation<unknown>) | null;
  iterator: Iterator<unknown, unknown, unknown> | null = null;
  state: TaskState = 'ready';
  started = false;
  /** How the next step resumes it. */
  resume: Outcome = nothing;
  /** Takes back what it is to be resumed with, while it has not been. */
  takeBack: (() => void) | null = null;
  wait: Wait | null = null;
  /** Effects asked so far: the position of the next one. */
  pos = 0;
  children: Set<TaskNode> | null = null;
  joiners: Set<TaskNode> | null = null;
  /** Those who have cancelled it and wait for its end. */
  cancellers: Set<TaskNode> | null = null;
  watcher: TaskWatcher | null = null;
  /** A join took its end after it came. */
  isJoined = false;
  observers: ((end: TaskEnd) => void)[] | null = null;
  cancelled = false;
  /** An error to be thrown at the next wait, because it came while the task was not waiting. */
  interrupt: { readonly error: unknown } | null = null;
  /** The error of a child that nobody joined. */
  scopeError: { readonly error: unknown } | null = null;
  bodyOutcome: Outcome | null = null;
  /** How it ended; null while it lives. */
  end: (TaskEnd & { readonly outcome: Outcome }) | null = null;
  #unrun: SmallMap<MadeOperation, true> | null = null;

  constructor(options: {
    id: number;
    instanceId: string;
    scope: TaskNode | null;
    group: TaskOwner | null;
    where: string | null;
    name: string;
    body: () => Operation<unknown>;
    home: TaskHome;
  }) {
    this.id = options.id;
    this.instanceId = options.instanceId;
    this.scope = options.scope;
    this.group = options.group;
    this.where = options.where;
    this.name = options.name;
    this.body = options.body;
    this.#home = options.home;
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

  /** Gives what it is to be resumed with, and keeps nothing of it. */
  takeResume(): Outcome {
    const { resume } = this;
    this.resume = nothing;
    this.takeBack = null;
    return resume;
  }

  log(level: LogLevel, message: string, fields: object | undefined): void {
    this.#home.log(this, level, message, fields);
  }
}
