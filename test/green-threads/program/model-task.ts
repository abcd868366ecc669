// The model's tasks, as plain as can be: who runs next, who belongs to whom, what a wait is.
//
// There is one idea in it. A wait is a ticket that says when its task may go on; tickets are in one list, in the order
// in which they came; and whenever anything has changed, the list is gone through from its beginning for the first that
// may go on, until there is none. So whoever came first is served first, and whoever leaves takes a ticket out of a
// list and has left no trace: there is nothing else to clean up.

import type { Operation } from '../../../src/index.js';

/** What a task is given: a value, or an error that is thrown at its wait. */
export type Answer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

/** What a model's operation yields. */
export interface Request {
  /** For a deadlock: what it waits for. */
  readonly what: string;
  /** The answer, and the change that goes with it; null while there is none. */
  attempt(task: ModelTask | null): Answer | null;
  /** What comes after whoever asked is on the way. */
  after?(): void;
  /** Takes the change back: the task was cancelled before it went on. Without it the answer stands. */
  takeBack?(): void;
  /** It never waits, and nothing is thrown at it. */
  readonly isPrompt?: boolean;
  /** Once, before it begins to wait. */
  begin?(task: ModelTask): void;
  /** It does not wait any longer, because of this error. Gives true when the ticket stays, to be answered later. */
  leave?(error: unknown): boolean;
  /** Goes on before all others that are ready: it waited for a group. */
  readonly isUrgent?: boolean;
}

export interface Ticket {
  /** Whose wait it is; null of a map that waits for a slot. */
  readonly task: ModelTask | null;
  readonly request: Request;
}

export interface End {
  readonly status: 'done' | 'failed' | 'cancelled';
  readonly answer: Answer;
}

type Body = () => Operation<unknown>;

export class ModelTask {
  readonly id: number;
  readonly body: Body;
  /** Whoever spawned it, and ends only after it. */
  readonly scope: ModelTask | null;
  /** The task above it: its scope, or whoever waits for the group that it is a member of. */
  readonly above: ModelTask | null;
  readonly isMember: boolean;
  state: 'ready' | 'waiting' | 'closing' | 'ended' = 'ready';
  iterator: Iterator<unknown, unknown, unknown> | null = null;
  /** The answer that it goes on with, and how to take it back. */
  answer: Answer = good(undefined);
  takeBack: (() => void) | null = null;
  ticket: Ticket | null = null;
  readonly tasks = new Set<ModelTask>();
  hasSpawned = false;
  isCancelled = false;
  /** To be thrown at its next wait: it came when a value was on its way. */
  pendingError: { readonly error: unknown } | null = null;
  /** The error of a task of its scope that nobody joined. */
  scopeError: { readonly error: unknown } | null = null;
  bodyAnswer: Answer = good(undefined);
  isJoined = false;
  end: End | null = null;
  /** What gives way to others before anybody is told of its end. */
  readonly whenOver: ((end: End) => void)[] = [];
  readonly observers: ((end: End) => void)[] = [];

  constructor(id: number, body: Body, place: { scope: ModelTask | null; above: ModelTask | null; isMember: boolean }) {
    this.id = id;
    this.body = body;
    this.scope = place.scope;
    this.above = place.above;
    this.isMember = place.isMember;
  }

  get title(): string {
    if (this.id === 0) return 'the body';
    return this.body.name === '' ? `task ${this.id}` : `task ${this.id} (${this.body.name})`;
  }
}

export function good(value: unknown): Answer {
  return { ok: true, value };
}

export function bad(error: unknown): Answer {
  return { ok: false, error };
}

/** An error of the library: in a trace only its name is seen. */
export function modelError(name: string, details: object = {}): Error {
  return Object.assign(new Error(name), { name }, details);
}

/** An operation of the model that asks one thing. */
export function asking<T>(request: Request): Operation<T> {
  const operation = {
    *[Symbol.iterator](): Generator<Request, unknown, unknown> {
      return yield request;
    },
  };
  return operation as unknown as Operation<T>;
}

/** An operation that is answered at once. */
export function doing<T>(action: (task: ModelTask) => Answer): Operation<T> {
  return asking<T>({ what: 'nothing', isPrompt: true, attempt: (task) => (task === null ? null : action(task)) });
}
