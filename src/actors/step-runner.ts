// Runs the attempts of steps: the user's functions, their timeouts and their abort signals. What an attempt comes to
// is told once; what it says after it was aborted or timed out is dropped.

import { decode, encode } from '../runtime/codec.js';
import { toMs } from '../runtime/duration.js';
import { type ErrorData, encodeError } from '../runtime/error-data.js';
import type { EffectOf } from '../runtime/operation.js';
import type { Clock, Timer } from '../runtime/ports.js';
import type { Request } from '../runtime/record.js';
import type { StepContext } from '../runtime/step-options.js';
import { CancelledError, TimeoutError } from '../runtime/workflow-errors.js';

/** What an attempt came to: the encoded value, or the error as data. */
export type AttemptResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly error: ErrorData; readonly text: string };

export interface AttemptOptions {
  readonly instanceId: string;
  readonly key: string;
  readonly request: Request;
  readonly effect: EffectOf<'step' | 'activity'>;
  readonly done: (result: AttemptResult) => void;
}

export class StepRunner {
  readonly #clock: Clock;
  readonly #attempts = new Map<string, Attempt>();
  #whenIdle: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Attempts under way. */
  get size(): number {
    return this.#attempts.size;
  }

  isRunning(instanceId: string, key: string): boolean {
    return this.#attempts.has(attemptId(instanceId, key));
  }

  /** Starts an attempt; one of the same request that is under way goes on instead. */
  start(options: AttemptOptions): void {
    const id = attemptId(options.instanceId, options.key);
    if (this.#attempts.has(id)) return;
    const attempt = new Attempt(options, (result) => {
      if (this.#attempts.get(id) !== attempt) return;
      this.#remove(id);
      options.done(result);
    });
    this.#attempts.set(id, attempt);
    attempt.run(this.#clock);
  }

  /** Tells an attempt through its signal that nobody waits for it any more, and drops its outcome. */
  abort(instanceId: string, key: string, reason: string): void {
    const id = attemptId(instanceId, key);
    const attempt = this.#attempts.get(id);
    if (attempt === undefined) return;
    this.#remove(id);
    attempt.abort(new CancelledError(reason));
  }

  abortAll(reason: string): void {
    const attempts = [...this.#attempts.values()];
    this.#attempts.clear();
    for (const attempt of attempts) attempt.abort(new CancelledError(reason));
    this.#tellIdle();
  }

  /** Resolves when no attempt is under way. */
  idle(): Promise<void> {
    if (this.#attempts.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #remove(id: string): void {
    this.#attempts.delete(id);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#attempts.size > 0 || this.#whenIdle.length === 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}

function attemptId(instanceId: string, key: string): string {
  return `${key} ${instanceId}`;
}

/** One attempt, and the context that its function is given. The signal is made when it is first asked for: most never do. */
class Attempt implements StepContext {
  readonly #options: AttemptOptions;
  readonly #done: (result: AttemptResult) => void;
  #controller: AbortController | null = null;
  #abortedWith: Error | null = null;
  #timer: Timer | null = null;

  constructor(options: AttemptOptions, done: (result: AttemptResult) => void) {
    this.#options = options;
    this.#done = done;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#abortedWith !== null) this.#controller.abort(this.#abortedWith);
    }
    return this.#controller.signal;
  }

  get attempt(): number {
    return this.#options.request.attempt + 1;
  }

  get idempotencyKey(): string {
    return `${this.#options.instanceId}/${this.#options.key}`;
  }

  get instanceId(): string {
    return this.#options.instanceId;
  }

  run(clock: Clock): void {
    const { effect, request } = this.#options;
    const limit = effect.options?.timeout;
    if (limit !== undefined) this.#startTimer(clock, toMs(limit));
    try {
      const result = effect.run(this, request.args === null ? undefined : decode(request.args));
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
    const { effect } = this.#options;
    let text: string;
    try {
      text = encode(effect.finish === undefined ? value : effect.finish(value), `the result of ${effect.kind} "${effect.name}"`);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#done({ ok: true, text });
  }

  #fail(error: unknown): void {
    this.#timer?.cancel();
    const text = encodeError(error);
    this.#done({ ok: false, error: decode(text) as ErrorData, text });
  }

  #startTimer(clock: Clock, ms: number): void {
    this.#timer = clock.setDelay(ms, () => {
      const { effect } = this.#options;
      const error = new TimeoutError(`${effect.kind} "${effect.name}"`, ms);
      this.abort(error);
      this.#fail(error);
    });
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && 'then' in value && typeof value.then === 'function';
}
