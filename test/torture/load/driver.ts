// Arrivals that come when they come, whether or not what came before them was served: as from a Poisson process. A
// latency counts from the moment at which the arrival was due, so whoever stood still pays for all that waited.

import type { Duplex } from 'node:stream';
import { seededIds } from '../../../src/adapters/testing/seeded-ids.js';
import { ARRIVAL_BYTES, REPLY_BYTES } from './guest.js';

/** How long the last ones may take. */
const PATIENCE_MS = 60_000;

export interface DriveOptions {
  readonly perSecond: number;
  readonly seconds: number;
  readonly seed: number;
  /** Told each second how many have come, and how many of them were not served yet. */
  readonly onSecond: (arrivals: number, underWay: number) => void;
}

export interface Driven {
  readonly arrivals: number;
  /** Those that were refused. */
  readonly refused: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** How late the driver itself was to send. */
  readonly sendP99Ms: number;
}

/** Resolves when all that came was served or refused. */
export function drive(pipe: Duplex, options: DriveOptions): Promise<Driven> {
  const driver = new Driver(pipe, options);
  return driver.run();
}

class Driver {
  readonly #pipe: Duplex;
  readonly #options: DriveOptions;
  readonly #random: () => number;
  readonly #dueAt: number[] = [];
  readonly #latenciesMs: number[] = [];
  readonly #lateMs: number[] = [];
  #nextAt = 0;
  #endAt = 0;
  #refused = 0;
  #rest: Buffer = Buffer.alloc(0);
  #resolve: (driven: Driven) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #timers: NodeJS.Timeout[] = [];

  constructor(pipe: Duplex, options: DriveOptions) {
    this.#pipe = pipe;
    this.#options = options;
    this.#random = seededIds(options.seed).random;
  }

  run(): Promise<Driven> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#nextAt = performance.now();
      this.#endAt = this.#nextAt + this.#options.seconds * 1_000;
      this.#pipe.on('data', this.#onData);
      this.#pipe.once('close', this.#onClose);
      this.#timers = [setInterval(this.#send, 1), setInterval(() => this.#tell(), 1_000)];
    });
  }

  readonly #send = (): void => {
    const now = performance.now();
    const first = this.#dueAt.length;
    while (this.#nextAt <= now && this.#nextAt < this.#endAt) {
      this.#dueAt.push(this.#nextAt);
      this.#lateMs.push(now - this.#nextAt);
      this.#nextAt -= (Math.log(1 - this.#random()) / this.#options.perSecond) * 1_000;
    }
    const count = this.#dueAt.length - first;
    if (count > 0) {
      const data = Buffer.allocUnsafe(count * ARRIVAL_BYTES);
      for (let index = 0; index < count; index += 1) data.writeUInt32LE(first + index, index * ARRIVAL_BYTES);
      this.#pipe.write(data);
    }
    if (now < this.#endAt) return;
    clearInterval(this.#timers[0]);
    this.#timers.push(setTimeout(() => this.#fail(`were not served within ${PATIENCE_MS / 1_000} s`), PATIENCE_MS));
    this.#endWhenServed();
  };

  readonly #onData = (chunk: Buffer): void => {
    const now = performance.now();
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const whole = data.length - (data.length % REPLY_BYTES);
    for (let at = 0; at < whole; at += REPLY_BYTES) {
      if (data.readUInt32LE(at + 4) === 0) this.#refused += 1;
      this.#latenciesMs.push(now - (this.#dueAt[data.readUInt32LE(at)] ?? Number.NaN));
    }
    this.#rest = data.subarray(whole);
    if (now >= this.#endAt) this.#endWhenServed();
  };

  readonly #onClose = (): void => this.#fail('were not served when the process with the runtime ended');

  #tell(): void {
    this.#options.onSecond(this.#dueAt.length, this.#dueAt.length - this.#latenciesMs.length);
  }

  #endWhenServed(): void {
    if (this.#latenciesMs.length < this.#dueAt.length || this.#nextAt < this.#endAt) return;
    this.#letGo();
    const latencies = this.#latenciesMs.sort((a, b) => a - b);
    this.#resolve({
      arrivals: latencies.length,
      refused: this.#refused,
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
      maxMs: latencies.at(-1) ?? Number.NaN,
      sendP99Ms: percentile(
        this.#lateMs.sort((a, b) => a - b),
        0.99,
      ),
    });
  }

  #fail(what: string): void {
    this.#letGo();
    this.#reject(new Error(`${this.#dueAt.length - this.#latenciesMs.length} of ${this.#dueAt.length} arrivals ${what}.`));
  }

  #letGo(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#pipe.off('data', this.#onData);
    this.#pipe.off('close', this.#onClose);
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
