// Lets others run while much is read: whoever goes through a whole store does it in the process that also serves.

import { limits } from '../../../../runtime/limits.js';

/** Captured here: tests replace timers, and this must not wait for theirs. */
const runLater = setImmediate;

export class Pace {
  readonly #signal: AbortSignal | undefined;
  #work = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Notes that so many bytes were looked into. When that is a slice's worth, the result is to be awaited: others run. */
  step(bytes: number): Promise<void> | undefined {
    this.#work += limits.storeFoldWork + bytes / limits.storeFoldBytes;
    return this.#work < limits.storeSliceWork ? undefined : this.rest();
  }

  /**
   * Lets others run.
   *
   * @throws the signal's reason
   */
  async rest(): Promise<void> {
    this.#work = 0;
    await new Promise((resolve) => {
      runLater(resolve);
    });
    this.#signal?.throwIfAborted();
  }
}
