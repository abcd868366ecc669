// Runs the attempts of steps: the user's functions, their timeouts and their abort signals. What an attempt comes to
// is told once; what it says after it was aborted or timed out is dropped.

import { ByReference, type Carried } from '../runtime/carried.js';
import { decode, encode } from '../runtime/codec.js';
import { toMs } from '../runtime/duration.js';
import { type ErrorData, encodeError, toErrorData } from '../runtime/error-data.js';
import type { EffectOf } from '../runtime/operation.js';
import type { Timer, Timers } from '../runtime/ports.js';
import { type Request, requestKey } from '../runtime/record.js';
import { SmallMap } from '../runtime/small-map.js';
import type { StepContext } from '../runtime/step-options.js';
import { CancelledError, TimeoutError } from '../runtime/workflow-errors.js';

/** What an attempt came to: the value, or the error, that one as data as well. */
export type AttemptResult =
  | { readonly ok: true; readonly carried: Carried }
  | { readonly ok: false; readonly error: ErrorData; readonly carried: Carried };

export interface AttemptOptions {
  readonly owner: AttemptOwner;
  readonly key: string;
  readonly request: Request;
  readonly effect: EffectOf<'step' | 'activity'>;
  readonly done: (attempt: Attempt, result: AttemptResult) => void;
}

/** The instance that an attempt belongs to: it knows its own attempts, by the keys of their requests. */
export interface AttemptOwner {
  readonly id: string;
  /** Its values go by reference. */
  readonly isEphemeral: boolean;
  readonly generation: number;
  attempts: SmallMap<string, Attempt> | null;
}

export class StepRunner {
  readonly #clock: Timers;
  #first: Attempt | null = null;
  #size = 0;
  #whenIdle: (() => void)[] = [];

  constructor(clock: Timers) {
    this.#clock = clock;
  }

  /** Attempts under way. */
  get size(): number {
    return this.#size;
  }

  /** Starts an attempt; one of the same request that is under way goes on instead. One of an earlier generation is over. */
  start(options: AttemptOptions): void {
    const { owner, key, request } = options;
    owner.attempts ??= new SmallMap();
    const current = owner.attempts.get(key);
    if (current?.options.request.seq === request.seq) return;
    if (current !== undefined) this.abort(owner, current.options.request, 'no longer needed');
    const attempt = new Attempt(options, this);
    owner.attempts.set(key, attempt);
    attempt.after = this.#first;
    if (this.#first !== null) this.#first.before = attempt;
    this.#first = attempt;
    this.#size++;
    attempt.run(this.#clock);
  }

  /** Told by an attempt what it came to; dropped when nobody waits for it any more. */
  ended(attempt: Attempt, result: AttemptResult): void {
    const { owner, key, done } = attempt.options;
    if (owner.attempts?.get(key) !== attempt) return;
    this.#remove(attempt);
    done(attempt, result);
  }

  /** Tells an attempt through its signal that nobody waits for it any more, and drops its outcome. */
  abort(owner: AttemptOwner, request: Request, reason: string): void {
    const attempt = owner.attempts?.get(requestKey(request.task, request.pos));
    if (attempt?.options.request.seq !== request.seq) return;
    this.#remove(attempt);
    attempt.abort(new CancelledError(reason));
  }

  abortAll(reason: string): void {
    for (let attempt = this.#first; attempt !== null; attempt = this.#first) {
      this.#remove(attempt);
      attempt.abort(new CancelledError(reason));
    }
  }

  /** Resolves when no attempt is under way. */
  idle(): Promise<void> {
    if (this.#size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #remove(attempt: Attempt): void {
    const { owner, key } = attempt.options;
    owner.attempts?.delete(key);
    if (attempt.before === null) this.#first = attempt.after;
    else attempt.before.after = attempt.after;
    if (attempt.after !== null) attempt.after.before = attempt.before;
    this.#size--;
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#size > 0 || this.#whenIdle.length === 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}

/** One attempt, and the context that its function is given. The signal is made when it is first asked for: most never do. */
export class Attempt implements StepContext {
  readonly options: AttemptOptions;
  readonly #runner: StepRunner;
  readonly #generation: number;
  /** Its neighbours among all attempts under way. */
  before: Attempt | null = null;
  after: Attempt | null = null;
  #controller: AbortController | null = null;
  #abortedWith: Error | null = null;
  #timer: Timer | null = null;

  constructor(options: AttemptOptions, runner: StepRunner) {
    this.options = options;
    this.#runner = runner;
    this.#generation = options.owner.generation;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#abortedWith !== null) this.#controller.abort(this.#abortedWith);
    }
    return this.#controller.signal;
  }

  get attempt(): number {
    return this.options.request.attempt + 1;
  }

  get idempotencyKey(): string {
    const { owner, key } = this.options;
    // Behind the key: an id may hold whatever a separator is made of.
    return this.#generation === 0 ? `${owner.id}/${key}` : `${owner.id}/${key}~${this.#generation}`;
  }

  get instanceId(): string {
    return this.options.owner.id;
  }

  run(clock: Timers): void {
    const { effect, request } = this.options;
    const limit = effect.options?.timeout;
    if (limit !== undefined) this.#startTimer(clock, toMs(limit));
    try {
      const result = effect.run(this, request.args === null ? effect.given : decode(request.args));
      if (isThenable(result))
        result.then(
          (value) => this.#succeed(value),
          (error) => this.#fail(error),
        );
      else this.#succeed(result);
    } catch (error) {
      this.#fail(error);
    }
  }

  abort(reason: Error): void {
    this.#timer?.cancel();
    this.#abortedWith = reason;
    this.#controller?.abort(reason);
  }

  #succeed(value: unknown): void {
    this.#timer?.cancel();
    const { effect, owner } = this.options;
    let carried: Carried;
    try {
      carried = owner.isEphemeral ? new ByReference(value) : encode(value, `the result of ${effect.kind} "${effect.name}"`);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#runner.ended(this, { ok: true, carried });
  }

  #fail(error: unknown): void {
    this.#timer?.cancel();
    if (this.options.owner.isEphemeral) {
      this.#runner.ended(this, { ok: false, error: toErrorData(error), carried: new ByReference(error) });
      return;
    }
    const text = encodeError(error);
    this.#runner.ended(this, { ok: false, error: decode(text) as ErrorData, carried: text });
  }

  #startTimer(clock: Timers, ms: number): void {
    this.#timer = clock.setDelay(ms, () => {
      const { effect } = this.options;
      const error = new TimeoutError(`${effect.kind} "${effect.name}"`, ms);
      this.abort(error);
      this.#fail(error);
    });
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && 'then' in value && typeof value.then === 'function';
}
