// Latches: a door that tasks wait at until it is opened with a value, or fails with an error.

import { effectOperation, type Operation } from './operation.js';
import { Primitive } from './primitive.js';
import type { PrimitiveState } from './record.js';
import { fail, type Outcome, succeed, type TaskNode, type Wait } from './task-node.js';
import { WaitingLine } from './waiting-line.js';
import { AuthoringError } from './workflow-errors.js';

/** A value, or an error, that any number of tasks wait for. */
export interface Latch<T> {
  /** Whether waiting returns, or throws, at once: it was opened or has failed. */
  readonly isOpen: boolean;
  /**
   * Waits until the latch is open and gives its value; at once when it is open already.
   *
   * @throws the error that it failed with
   */
  wait(): Operation<T>;
  /**
   * Opens it: all who wait go on, in the order in which they came.
   *
   * @throws AuthoringError when it is open, or has failed; its value stays what it was
   */
  open(value: T): Operation<void>;
  /** Throws this very error in all who wait, and in all who come later. */
  fail(error: unknown): Operation<void>;
  /** Closes it, so that it can be opened anew. */
  reset(): Operation<void>;
}

/**
 * Makes a latch, closed.
 *
 * @example
 * const ready = yield* createLatch<string>();
 * yield* spawn(function* () { yield* ready.open(yield* requestServer({ model })); });
 * const ip = yield* ready.wait();
 */
export function createLatch<T = void>(): Operation<Latch<T>> {
  return effectOperation<Latch<T>>({ kind: 'create', name: 'latch', make: (owner) => new LatchState<T>(owner) });
}

class LatchState<T> extends Primitive implements Latch<T> {
  readonly kind = 'latch';
  readonly #line = new WaitingLine();
  #outcome: Outcome | null = null;

  get isOpen(): boolean {
    return this.#outcome !== null;
  }

  wait(): Operation<T> {
    return this.operation('wait', (task) => this.#outcome ?? this.#wait(task));
  }

  open(value: T): Operation<void> {
    return this.instant('open', () => this.#settle('open', succeed(value)));
  }

  fail(error: unknown): Operation<void> {
    return this.instant('fail', () => this.#settle('fail', fail(error)));
  }

  reset(): Operation<void> {
    return this.instant('reset', () => {
      this.#outcome = null;
      this.changed();
      return succeed(undefined);
    });
  }

  state(): PrimitiveState | null {
    return this.#line.size === 0 ? null : { kind: 'latch', waiting: this.#line.size };
  }

  #wait(task: TaskNode): Wait {
    return this.waitAt(this.#line, this.#line.join(task, null), `the opening of ${this.title}`);
  }

  #settle(name: 'open' | 'fail', outcome: Outcome): Outcome {
    if (this.#outcome !== null) return fail(this.#settledTwice(name, this.#outcome));
    this.#outcome = outcome;
    this.wakeAll(this.#line, () => outcome);
    this.changed();
    return succeed(undefined);
  }

  #settledTwice(name: string, before: Outcome): AuthoringError {
    return new AuthoringError(
      `${name}() of ${this.title} in instance "${this.owner.instanceId}": it ${before.ok ? 'is open' : 'has failed'} already, ` +
        'and keeps what it has. Call reset() first to use it again.',
    );
  }
}
