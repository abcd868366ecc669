// What the benchmarks measure with: time, processor time and memory, and the middle of many figures.

/** What a stretch of work took. */
export interface Cost {
  readonly wallMs: number;
  /** Processor time of the whole process, its threads and the kernel's work for it included. */
  readonly cpuUs: number;
}

export interface Memory {
  readonly rssBytes: number;
  readonly heapBytes: number;
}

/** Runs something and says what it took. */
export async function measure(run: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await run();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuUs: user + system };
}

/** Keeps so many jobs under way until all are done: each begins when one before it has ended. */
export async function closedLoop(jobs: number, concurrency: number, run: (job: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < jobs) await run(next++);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, jobs) }, worker));
}

/** Memory after everything that can be collected has been. Needs `--expose-gc`. */
export async function settledMemory(): Promise<Memory> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('Memory is measured in a process with --expose-gc.');
  // What a collection finalizes is collected by the next one.
  for (let round = 0; round < 4; round += 1) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed };
}

/** The value that this share of the values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Of figures measured several times, the median of each. */
export function medians<F extends Readonly<Record<string, number>>>(turns: readonly F[]): F {
  const [first] = turns;
  if (first === undefined) throw new Error('There are no turns to take medians of.');
  const names = Object.keys(first);
  return Object.fromEntries(names.map((name) => [name, median(turns.map((turn) => turn[name] ?? Number.NaN))])) as F;
}

/** Stops a benchmark whose result is wrong: its figures would mean nothing. */
export function expectSame(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what}: expected ${String(expected)}, found ${String(found)}.`);
}

/** The numbers from 0 in an order that is mixed, and the same every time. */
export function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  let state = 0x2545f491;
  for (let left = count - 1; left > 0; left -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = Math.floor((state / 0x1_0000_0000) * (left + 1));
    [order[left], order[other]] = [order[other] ?? 0, order[left] ?? 0];
  }
  return order;
}
