// A program: what some tasks do with some primitives, as plain data. It can be drawn at random, shrunk, listed, played
// as a rouse workflow and played by the model.
//
// Tasks and primitives are named by small numbers. A number that names nothing yet is skipped when it is reached, so
// that every program means something, shrunk ones included.

/** What somebody does in a row. */
export interface Block {
  /** `b3`: its place in the program, the first part of every line that it logs. */
  readonly name: string;
  readonly temper: Temper;
  readonly steps: readonly Step[];
  /** Runs however the steps end, as `finally` does. */
  readonly cleanup: readonly Step[];
}

/**
 * What errors do to a block: a `strict` one is left by all of them, a `tolerant` one logs them and goes on but is left
 * by a cancellation, and a `stubborn` one goes on in spite of that.
 */
export type Temper = 'tolerant' | 'strict' | 'stubborn';

export type Step = TaskStep | PoolStep | QueueStep | SemaphoreStep | LatchStep | GroupStep | PlainStep;

export type TaskStep =
  | { readonly op: 'spawn'; readonly task: number; readonly body: Block }
  | { readonly op: 'spawnAfter'; readonly task: number; readonly seconds: number; readonly body: Block }
  | { readonly op: 'join' | 'cancel' | 'onDone'; readonly task: number };

export type PoolStep =
  | { readonly op: 'poolSpawn'; readonly pool: number; readonly task: number; readonly body: Block }
  | { readonly op: 'map'; readonly pool: number; readonly bodies: readonly Block[] }
  | { readonly op: 'resize'; readonly pool: number; readonly size: number }
  | { readonly op: 'waitAll' | 'lookAtPool'; readonly pool: number };

export type QueueStep =
  | { readonly op: 'put' | 'tryPut'; readonly queue: number; readonly rank: number }
  | { readonly op: 'get' | 'tryGet' | 'close' | 'lookAtQueue'; readonly queue: number };

export type SemaphoreStep =
  | { readonly op: 'acquire' | 'tryAcquire' | 'release' | 'lookAtSemaphore'; readonly semaphore: number }
  | { readonly op: 'use'; readonly semaphore: number; readonly body: Block };

export type LatchStep = { readonly op: 'wait' | 'open' | 'fail' | 'reset' | 'lookAtLatch'; readonly latch: number };

export type GroupStep =
  | { readonly op: 'timeout'; readonly seconds: number; readonly orElse: boolean; readonly body: Block }
  | { readonly op: 'all' | 'race' | 'any' | 'allSettled'; readonly keyed: boolean; readonly bodies: readonly Block[] };

export type PlainStep =
  | { readonly op: 'sleep'; readonly seconds: number }
  | { readonly op: 'receive' | 'throw' }
  | { readonly op: 'block'; readonly body: Block };

export type QueueOrder = 'fifo' | 'lifo' | 'priority';

export interface Program {
  readonly pools: readonly { readonly size: number }[];
  /** `null` for a queue without a capacity. */
  readonly queues: readonly { readonly capacity: number | null; readonly order: QueueOrder }[];
  readonly semaphores: readonly { readonly permits: number }[];
  /** How many. */
  readonly latches: number;
  readonly body: Block;
  /** When events are sent to the instance, in seconds and a half after its start: never when a deadline is due. */
  readonly events: readonly number[];
  /** When the instance is cancelled, in seconds and three quarters; null when it is not. */
  readonly cancelAt: number | null;
  /** Whether the instance leaves memory at every wait, and is replayed at each wake. */
  readonly isPassivated: boolean;
}

/** The blocks that belong to a step, in order. */
export function blocksOf(step: Step): readonly Block[] {
  if ('bodies' in step) return step.bodies;
  return 'body' in step ? [step.body] : [];
}

/** The program with every block named by its place. */
export function withNames(program: Program): Program {
  let count = 0;
  const rename = (block: Block): Block => {
    const name = `b${count++}`;
    return { ...block, name, steps: block.steps.map(renameIn), cleanup: block.cleanup.map(renameIn) };
  };
  const renameIn = (step: Step): Step => {
    if ('bodies' in step) return { ...step, bodies: step.bodies.map(rename) };
    return 'body' in step ? { ...step, body: rename(step.body) } : step;
  };
  return { ...program, body: rename(program.body) };
}

/** All steps of a block and of the blocks in it. */
export function stepsOf(block: Block): Step[] {
  const own = [...block.steps, ...block.cleanup];
  return [...own, ...own.flatMap(blocksOf).flatMap(stepsOf)];
}

/** What the outside does, and when since the start. */
export function outsideOf({ events, cancelAt }: Program): { readonly at: number; readonly what: string }[] {
  const outside = events.map((at, index) => ({ at: at * 1000 + 500, what: `event ${index}` }));
  if (cancelAt !== null) outside.push({ at: cancelAt * 1000 + 750, what: 'cancel' });
  return outside.toSorted((a, b) => a.at - b.at);
}
