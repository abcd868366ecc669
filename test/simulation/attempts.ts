// Steps as the world runs them: each attempt is compared with what is committed when it begins (D4).

import { NonRetryableError, type StepContext } from '../../src/index.js';
import type { Request } from '../../src/runtime/record.js';
import { Broken } from './broken.js';
import { stepKey } from './history.js';
import type { Behaviour } from './scenario.js';
import type { World } from './world.js';

interface Attempt {
  readonly label: string;
  readonly how: Behaviour;
  readonly context: StepContext;
}

export function attempt(world: World, { label, how, context }: Attempt): unknown {
  world.trace.add(`  attempt ${context.attempt} of ${label}`);
  if (!label.includes('@')) assertMayRun(world, label, context);
  const { life, current } = world;
  const step = world.ledger.begin(label, context, life);
  const { underWay } = step;
  const over = (): boolean => {
    if (step.underWay !== underWay) return false;
    step.underWay = null;
    return true;
  };
  const drop = (): void => {
    over();
    // What it came to is not wanted: should it be wanted after all, since a write has failed, it runs again.
    if (step.ended?.attempt === context.attempt) step.ended = null;
  };
  context.signal.addEventListener('abort', drop, { once: true });
  const end = (): string => {
    if (over()) step.ended = { life, attempt: context.attempt };
    if (context.attempt <= (how.fails ?? 0))
      throw how.isFatal === true ? new NonRetryableError(`${label} is hopeless`) : new Error(`${label} failed`);
    const value = world.ledger.newValue(label);
    step.returned.add(value);
    return value;
  };
  if (how.takes === 'no time') return end();
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      try {
        resolve(end());
      } catch (error) {
        reject(error as Error);
      }
    };
    const soon = (): void => current.happenings.add(`end of ${label}`, settle);
    if (how.takes === 'a turn') soon();
    else if (typeof how.takes === 'number') current.clock.setDelay(how.takes, soon);
  });
}

/** Its request is on disk, and no outcome of it is; and the attempts and crashes before it were counted. */
function assertMayRun(world: World, label: string, { instanceId, idempotencyKey, attempt: number }: StepContext): void {
  const record = world.history.records.get(instanceId);
  let request: Request | undefined;
  for (const pending of record?.pending.values() ?? [])
    if (stepKey(instanceId, record?.generation ?? 0, pending) === idempotencyKey) request = pending;
  if (request === undefined) throw new Broken('D4', `step ${label} runs, and its request is not on disk, or its outcome is`);
  if (number !== request.attempt + 1)
    throw new Broken('D4', `step ${label} runs for the ${number}. time, after ${request.attempt} attempts on disk`);
  const interrupted = world.current.interrupted.get(idempotencyKey);
  world.current.interrupted.delete(idempotencyKey);
  if (interrupted !== undefined && interrupted !== request.interrupted)
    throw new Broken('D4', `step ${label} runs with ${request.interrupted} interruptions on disk, and has had ${interrupted}`);
}
