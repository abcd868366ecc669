// Programs that rouse once played otherwise than the rules say. They were found at random, and are kept in their
// smallest form so that they are played every time.

import { type Block, type Program, type Step, type Temper, withNames } from './program.js';

const cancel = { op: 'cancel', task: 0 } as const;
const second = { op: 'sleep', seconds: 1 } as const;
const latched = block({ op: 'wait', latch: 0 });

/** The body of each, by what was wrong. */
const bodies: Readonly<Record<string, readonly Step[]>> = {
  'a spawn that waits for its slot returns before the body of its task runs': [
    { op: 'poolSpawn', pool: 0, task: 0, body: block(second) },
    { op: 'poolSpawn', pool: 0, task: 1, body: block({ op: 'lookAtPool', pool: 0 }) },
    { op: 'lookAtPool', pool: 0 },
  ],
  'of those who wait for the end of a task, one to join it and one who cancelled it, the first to come goes on first': [
    { op: 'spawn', task: 0, body: latched },
    { op: 'spawn', task: 1, body: block({ op: 'join', task: 0 }) },
    second,
    cancel,
  ],
  'a map that is given up leaves the line for slots': [
    {
      op: 'spawn',
      task: 0,
      body: block({ op: 'timeout', seconds: 2, orElse: true, body: block({ op: 'map', pool: 0, bodies: [latched, latched] }) }),
    },
    second,
    { op: 'resize', pool: 0, size: 0 },
    { op: 'join', task: 0 },
    { op: 'waitAll', pool: 0 },
  ],
  'a map that failed takes no more items': [{ op: 'map', pool: 0, bodies: [temperate('strict', { op: 'throw' }), latched, latched] }],
  'a permit is released by a task that is cancelled when its wait is over': [
    { op: 'spawn', task: 0, body: block({ op: 'use', semaphore: 0, body: latched }) },
    second,
    { op: 'open', latch: 0 },
    cancel,
    { op: 'acquire', semaphore: 0 },
  ],
  'a permit that was released once too often does not come back twice': [
    { op: 'acquire', semaphore: 0 },
    { op: 'spawn', task: 0, body: block({ op: 'acquire', semaphore: 0 }) },
    second,
    { op: 'release', semaphore: 0 },
    { op: 'release', semaphore: 0 },
    cancel,
    { op: 'lookAtSemaphore', semaphore: 0 },
  ],
  'two items that come back are in the order in which they were put': [
    { op: 'spawn', task: 0, body: block({ op: 'all', keyed: false, bodies: [block(get()), block(get())] }) },
    second,
    { op: 'put', queue: 0, rank: 0 },
    { op: 'put', queue: 0, rank: 0 },
    cancel,
    get(),
    get(),
  ],
};

/** Each with its name. */
export const found: readonly (readonly [string, Program])[] = Object.entries(bodies).map(([name, steps]) => [name, programOf(steps)]);

function programOf(steps: readonly Step[]): Program {
  return withNames({
    pools: [{ size: 1 }],
    queues: [{ capacity: 0, order: 'fifo' }],
    semaphores: [{ permits: 1 }],
    latches: 1,
    body: block(...steps),
    events: [],
    cancelAt: null,
    isPassivated: false,
  });
}

function get(): Step {
  return { op: 'get', queue: 0 };
}

function block(...steps: readonly Step[]): Block {
  return temperate('tolerant', ...steps);
}

function temperate(temper: Temper, ...steps: readonly Step[]): Block {
  return { name: '', temper, steps, cleanup: [] };
}
