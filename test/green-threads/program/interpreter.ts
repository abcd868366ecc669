// Plays a program: carries out its steps on the given operations, and logs what came of each. It decides nothing by
// itself: whatever could go wrong between tasks is the affair of whoever serves the operations.

import type { Latch, Operation, Pool, Queue, Semaphore, Task } from '../../../src/index.js';
import { describeError, describeValue, isCancellation } from './description.js';
import type { Item, Operations } from './operations.js';
import type { Block, GroupStep, LatchStep, PlainStep, PoolStep, Program, QueueStep, SemaphoreStep, Step, TaskStep } from './program.js';

/** One run of a program, as far as it has come. */
export interface Run {
  readonly operations: Operations;
  /** `b3.0 got b1.2`, in the order in which it happened, over all tasks. */
  readonly trace: string[];
  readonly pools: Pool[];
  readonly queues: Queue<Item>[];
  readonly semaphores: Semaphore[];
  readonly latches: Latch<unknown>[];
  readonly tasks: Map<number, Task<unknown>>;
}

export function newRun(operations: Operations): Run {
  return { operations, trace: [], pools: [], queues: [], semaphores: [], latches: [], tasks: new Map() };
}

/** The whole program, as the body of an instance. */
export function* playProgram(run: Run, program: Program): Operation<string> {
  const { operations } = run;
  for (const { size } of program.pools) run.pools.push(yield* operations.createPool(size));
  for (const { capacity, order } of program.queues) {
    const options = order === 'priority' ? { order, priority: (item: Item) => item.rank } : { order };
    run.queues.push(yield* operations.createQueue(capacity ?? undefined, options));
  }
  for (const { permits } of program.semaphores) run.semaphores.push(yield* operations.createSemaphore(permits));
  for (let n = 0; n < program.latches; n++) run.latches.push(yield* operations.createLatch());
  return yield* playBlock(run, program.body);
}

/** What is left in the primitives, at any time. */
export function figuresOf(run: Run): string[] {
  return [
    ...run.pools.map((pool, index) => `pool ${index}: ${poolFigures(pool)}`),
    ...run.queues.map((queue, index) => `queue ${index}: ${queue.size}`),
    ...run.semaphores.map((semaphore, index) => `semaphore ${index}: ${semaphore.free} free`),
    ...run.latches.map((latch, index) => `latch ${index}: ${latch.isOpen ? 'open' : 'closed'}`),
  ];
}

function poolFigures(pool: Pool): string {
  return `${pool.running} of ${pool.size} run, ${pool.waiting} wait, ${pool.free} free`;
}

/** A function of the block's name, as a task's title shows it. */
function bodyOf(run: Run, block: Block): () => Operation<unknown> {
  return { [block.name]: () => playBlock(run, block) }[block.name] as () => Operation<unknown>;
}

function* playBlock(run: Run, block: Block): Operation<string> {
  run.trace.push(`${block.name} begins`);
  try {
    for (const [index, step] of block.steps.entries()) yield* playStep(run, block, step, `${block.name}.${index}`);
  } finally {
    for (const [index, step] of block.cleanup.entries()) yield* playStep(run, block, step, `${block.name}.f${index}`);
    run.trace.push(`${block.name} ends`);
  }
  return block.name;
}

function* playStep(run: Run, block: Block, step: Step, place: string): Operation<void> {
  try {
    run.trace.push(`${place} ${step.op} ${yield* perform(run, step, place)}`);
  } catch (error) {
    run.trace.push(`${place} ${step.op} threw ${describeError(error)}`);
    if (block.temper === 'strict' || (block.temper === 'tolerant' && isCancellation(error))) throw error;
  }
}

function perform(run: Run, step: Step, place: string): Operation<string> {
  if ('task' in step && !('pool' in step)) return performTask(run, step);
  if ('pool' in step) return performPool(run, step, place);
  if ('queue' in step) return performQueue(run, step, place);
  if ('semaphore' in step) return performSemaphore(run, step);
  if ('latch' in step) return performLatch(run, step, place);
  return 'keyed' in step || step.op === 'timeout' ? performGroup(run, step) : performPlain(run, step, place);
}

function* performPlain(run: Run, step: PlainStep, place: string): Operation<string> {
  switch (step.op) {
    case 'sleep':
      yield* run.operations.sleep(step.seconds * 1000);
      return 'over';
    case 'receive':
      return `got ${describeValue(yield* run.operations.receive())}`;
    case 'throw':
      throw new Error(`at ${place}`);
    case 'block':
      return `gave ${yield* playBlock(run, step.body)}`;
  }
}

function* performTask(run: Run, step: TaskStep): Operation<string> {
  if (step.op === 'spawn' || step.op === 'spawnAfter') {
    const body = bodyOf(run, step.body);
    const { operations } = run;
    const spawning = step.op === 'spawn' ? operations.spawn(body) : operations.spawnAfter(step.seconds * 1000, body);
    run.tasks.set(step.task, yield* spawning);
    return `t${step.task}`;
  }
  const task = run.tasks.get(step.task);
  if (task === undefined) return 'nobody';
  if (step.op === 'join') return `gave ${describeValue(yield* task.join())}`;
  if (step.op === 'cancel') yield* task.cancel('by a task');
  else task.onDone(({ status }) => run.trace.push(`t${step.task} was seen ${status}`));
  return `t${step.task}`;
}

function* performPool(run: Run, step: PoolStep, place: string): Operation<string> {
  const pool = run.pools[step.pool];
  if (pool === undefined) return 'nothing';
  switch (step.op) {
    case 'poolSpawn':
      run.tasks.set(step.task, yield* pool.spawn(bodyOf(run, step.body)));
      return `t${step.task}`;
    case 'map':
      return `gave ${describeValue(yield* pool.map(pulled(run, step.bodies, place), (block) => playBlock(run, block)))}`;
    case 'resize':
      yield* pool.resize(step.size);
      return String(step.size);
    case 'waitAll':
      yield* pool.waitAll();
      return 'over';
    case 'lookAtPool':
      return poolFigures(pool);
  }
}

/** An iterable that tells when it is pulled and when it is closed. */
function* pulled(run: Run, blocks: readonly Block[], place: string): Generator<Block> {
  try {
    for (const block of blocks) {
      run.trace.push(`${place} pulls ${block.name}`);
      yield block;
    }
  } finally {
    run.trace.push(`${place} is closed`);
  }
}

function* performQueue(run: Run, step: QueueStep, place: string): Operation<string> {
  const queue = run.queues[step.queue];
  if (queue === undefined) return 'nothing';
  switch (step.op) {
    case 'put':
      run.trace.push(`${place} offers ${place} to ${step.queue}`);
      yield* queue.put({ label: place, rank: step.rank });
      return `${place} to ${step.queue}`;
    case 'tryPut':
      return `${place} to ${step.queue}: ${yield* queue.tryPut({ label: place, rank: step.rank })}`;
    case 'get':
      return `${(yield* queue.get()).label} from ${step.queue}`;
    case 'tryGet':
      return `${(yield* queue.tryGet())?.item.label ?? 'nothing'} from ${step.queue}`;
    case 'close':
      yield* queue.close();
      return String(step.queue);
    case 'lookAtQueue':
      return `${step.queue}: ${queue.size}`;
  }
}

function* performSemaphore(run: Run, step: SemaphoreStep): Operation<string> {
  const semaphore = run.semaphores[step.semaphore];
  if (semaphore === undefined) return 'nothing';
  switch (step.op) {
    case 'acquire':
      yield* semaphore.acquire();
      return `${step.semaphore}`;
    case 'tryAcquire':
      return `${step.semaphore}: ${yield* semaphore.tryAcquire()}`;
    case 'release':
      yield* semaphore.release();
      return `${step.semaphore}`;
    case 'use':
      return `${step.semaphore} gave ${describeValue(yield* semaphore.use(playBlock(run, step.body)))}`;
    case 'lookAtSemaphore':
      return `${step.semaphore}: ${semaphore.free}`;
  }
}

function* performLatch(run: Run, step: LatchStep, place: string): Operation<string> {
  const latch = run.latches[step.latch];
  if (latch === undefined) return 'nothing';
  switch (step.op) {
    case 'wait':
      return `gave ${describeValue(yield* latch.wait())}`;
    case 'open':
      yield* latch.open(place);
      return 'done';
    case 'fail':
      yield* latch.fail(new Error(`failed at ${place}`));
      return 'done';
    case 'reset':
      yield* latch.reset();
      return 'done';
    case 'lookAtLatch':
      return latch.isOpen ? 'open' : 'closed';
  }
}

function* performGroup(run: Run, step: GroupStep): Operation<string> {
  const { operations } = run;
  if (step.op === 'timeout') {
    const options = step.orElse ? { orElse: 'late' } : undefined;
    return `gave ${describeValue(yield* operations.timeout(step.seconds * 1000, playBlock(run, step.body), options))}`;
  }
  const members = step.bodies.map((body) => playBlock(run, body));
  const given = step.keyed ? Object.fromEntries(members.map((member, index) => [`k${index}`, member])) : members;
  return `gave ${describeValue(yield* operations[step.op](given))}`;
}
