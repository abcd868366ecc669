// A daemon's loop that never ends: a tick at every full period, on time, however long the ticks or the pauses take.

import { EventEmitter } from 'node:events';
import { activity, continueAs, now, type Operation, sleepUntil, workflow } from '../../src/index.js';

export interface Rhythm {
  readonly dueAt: number;
  readonly everyMs: number;
}

export interface Tick {
  readonly dueAt: number;
  readonly startedAt: number;
  /** Ticks that would have been due before this one, while nobody was there. This one stands for them. */
  readonly missed: number;
}

const ticksPerGeneration = 5;

/** What is done at each tick: here, it is told to who listens. */
export const bell = new EventEmitter();
const tick = activity('tick', (due: Tick) => void bell.emit('tick', due));

/**
 * Ticks are skipped, not caught up with: after a pause there is one tick, which is told how many it stands for. The
 * next one is due on the same grid as all before: it is counted from when the last one was due, not from when it ran.
 */
export const ticker = workflow('ticker', function* ({ dueAt, everyMs }: Rhythm): Operation<never> {
  let due = dueAt;
  for (let ticks = 0; ticks < ticksPerGeneration; ticks += 1) {
    yield* sleepUntil(due);
    const startedAt = yield* now();
    const missed = Math.floor((startedAt - due) / everyMs);
    due += missed * everyMs;
    yield* tick({ dueAt: due, startedAt, missed });
    due += everyMs;
  }
  return yield* continueAs({ dueAt: due, everyMs }); // a new generation: the journal does not grow for ever
});
