// How late the event loop is: what a timer of a millisecond sees. An idle loop shows a little more than that
// millisecond; whatever keeps the loop from turning stands above it.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

export interface Lag {
  readonly p99Ms: number;
  readonly maxMs: number;
}

export class LoopLag {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: 1 });

  /** Goes on measuring. */
  go(): void {
    this.#histogram.enable();
  }

  /** Pauses: what happens now is not measured. */
  rest(): void {
    this.#histogram.disable();
  }

  /** What was seen since the last call. */
  take(): Lag {
    this.#histogram.disable();
    const lag = { p99Ms: this.#histogram.percentile(99) / 1e6, maxMs: this.#histogram.max / 1e6 };
    this.#histogram.reset();
    return lag;
  }
}

/** What a loop shows that has nothing to do: the floor of all these figures. */
export async function idleLag(): Promise<Lag> {
  const lag = new LoopLag();
  lag.go();
  await pause(1_000);
  return lag.take();
}
