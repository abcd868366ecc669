// The model: a world in which a program is played to learn what has to come of it. It is written from the rules of the
// green threads and from nothing else, has no journal and no replay, and keeps time by counting.
//
// What is outside of tasks answers one thing at a time, and all tasks run until they wait before the next:
//   C5. Deadlines in the order of their times, those of the same time in the order in which they were asked.
//   G4. Events to the receivers in the order in which both came.

import type { Operation } from '../../../src/index.js';
import { newRun, playProgram, type Run } from './interpreter.js';
import { groupOperations } from './model-group.js';
import { ModelHandle } from './model-handle.js';
import { ModelPool } from './model-pool.js';
import { ModelLatch, ModelQueue, ModelSemaphore } from './model-primitives.js';
import { ModelScheduler } from './model-scheduler.js';
import { type Answer, asking, doing, good, type Request } from './model-task.js';
import { ModelTime } from './model-time.js';
import type { Operations } from './operations.js';
import { describeFailure, type Outcome, outcomeOf } from './outcome.js';
import { outsideOf, type Program } from './program.js';

/**
 * What has to come of a program; null where the rules leave it open: when somebody asks for an event that has come
 * already at the very moment at which a deadline is due.
 */
export function predict(program: Program): Outcome | null {
  return new Model(program).play();
}

class Model {
  readonly #program: Program;
  readonly #scheduler: ModelScheduler;
  readonly #time: ModelTime;
  readonly #run: Run;
  #events: string[] = [];
  #receivers: Receive[] = [];
  #isCancelled = false;
  #isOpen = false;

  constructor(program: Program) {
    this.#program = program;
    this.#scheduler = new ModelScheduler(() => playProgram(this.#run, program));
    this.#time = new ModelTime(this.#scheduler);
    this.#run = newRun(this.#operations());
    this.#scheduler.hasOutside = () => this.#time.isPending || this.#receivers.length > 0;
  }

  play(): Outcome | null {
    this.#turn();
    for (const { at, what } of outsideOf(this.#program)) {
      while (this.#time.fireNext(at)) this.#turn();
      if (this.#hasEnded) break;
      if (what === 'cancel') this.#cancel();
      else this.#events.push(what);
      this.#turn();
    }
    while (this.#time.fireNext(Number.POSITIVE_INFINITY)) this.#turn();
    return this.#isOpen ? null : this.#outcome();
  }

  get #hasEnded(): boolean {
    return this.#scheduler.body.end !== null;
  }

  /** All tasks run; then events meet receivers, one at a time. */
  #turn(): void {
    this.#scheduler.run();
    while (!this.#hasEnded && this.#events.length > 0 && this.#receivers.length > 0) {
      this.#isOpen ||= this.#time.isDue;
      this.#receivers.shift()?.deliver(this.#events.shift() ?? '');
      this.#scheduler.settle();
      this.#scheduler.run();
    }
    if (this.#hasEnded) this.#time.stop();
  }

  #cancel(): void {
    this.#isCancelled = true;
    this.#scheduler.cancel(this.#scheduler.body);
  }

  #outcome(): Outcome {
    const { end } = this.#scheduler.body;
    if (end === null) return outcomeOf(this.#run, 'sleeping', '');
    if (end.answer.ok) return outcomeOf(this.#run, 'completed', String(end.answer.value));
    const error = describeFailure(end.answer.error as Error);
    return outcomeOf(this.#run, this.#isCancelled && error === 'CancelledError' ? 'cancelled' : 'failed', error);
  }

  #operations(): Operations {
    const scheduler = this.#scheduler;
    const time = this.#time;
    let primitives = 0;
    const made = <T>(primitive: (id: number) => T): Operation<T> => doing(() => good(primitive(++primitives)));
    return {
      sleep: (ms) => time.sleep(ms),
      receive: () => asking(new Receive(this.#receivers)),
      spawn: (body) => doing((task) => good(new ModelHandle(scheduler, scheduler.spawn(task, body)))),
      spawnAfter: (ms, body) => doing((task) => good(new ModelHandle(scheduler, scheduler.spawn(task, delayed(time.sleep(ms), body))))),
      ...groupOperations(scheduler, time),
      createPool: (size) => made(() => new ModelPool(scheduler, size)),
      createQueue: (capacity = Number.POSITIVE_INFINITY, { order }) => made((id) => new ModelQueue(scheduler, { id, capacity, order })),
      createSemaphore: (permits) => made(() => new ModelSemaphore(permits)),
      createLatch: () => made(() => new ModelLatch()),
    };
  }
}

/** A task of that name that waits first. */
function delayed(wait: Operation<void>, body: () => Operation<unknown>): () => Operation<unknown> {
  return Object.defineProperty(
    function* () {
      yield* wait;
      return yield* body();
    },
    'name',
    { value: body.name },
  );
}

/** Waits for an event. */
class Receive implements Request {
  readonly what = 'an event';
  readonly #receivers: Receive[];
  #event: string | null = null;

  constructor(receivers: Receive[]) {
    this.#receivers = receivers;
  }

  attempt(): Answer | null {
    return this.#event === null ? null : good(this.#event);
  }

  begin(): void {
    this.#receivers.push(this);
  }

  leave(): boolean {
    this.#receivers.splice(this.#receivers.indexOf(this), 1);
    return false;
  }

  deliver(event: string): void {
    this.#event = event;
  }
}
