// What must be so when the world is at rest: whoever has something to do has done it, and what is shown is what is
// committed.

import { toInfo } from '../../src/actors/info.js';
import type { InstanceInfo } from '../../src/index.js';
import { sourceAddress } from '../../src/runtime/addresses.js';
import type { InstanceRecord, Request } from '../../src/runtime/record.js';
import type { Asking } from './asking.js';
import { Broken } from './broken.js';
import { stepKey } from './history.js';
import type { World } from './world.js';

/** D5, D6: nobody is left asleep. `isLater`: so much time has passed that whatever paused is over. */
export function assertCalm(world: World, asking: Asking, { isLater }: { isLater: boolean }): void {
  world.assertAtRest();
  // After a failed write the runtime pauses.
  if (!isLater && world.current.disk.failed.size > 0) return;
  for (const record of world.history.active()) {
    const begins = record.pending.size === 0;
    if (begins) throw new Broken('D6', `instance ${record.id} has begun, and waits for nothing`);
    if (record.cancelAsked !== null) throw new Broken('D6', `instance ${record.id} is to be cancelled, and is not`);
    if (world.history.givenUp.has(record.id) && !world.history.cancelled.has(record.id))
      throw new Broken('D6', `the caller of instance ${record.id} waits no more, and it goes on`);
    for (const request of record.pending.values()) assertWaits(world, record, request);
  }
  for (const { id, life, isTold } of asking.waiters) {
    const hasEnded = (world.history.records.get(id)?.status ?? 'active') !== 'active';
    if (life === world.life && !isTold && hasEnded) throw new Broken('D6', `instance ${id} has ended, and who waits for it was not told`);
  }
}

function assertWaits(world: World, { id, generation }: InstanceRecord, request: Request): void {
  const what = `${request.kind} ${request.task}:${request.pos} of instance ${id}`;
  if (request.kind === 'step' || request.kind === 'activity') {
    const step = world.ledger.steps.get(stepKey(id, generation, request));
    const isOver = request.retryAt === null || (!world.current.wasSet && request.retryAt <= world.now);
    if (isOver && step?.underWay == null) throw new Broken('D6', `${what} is to run, and does not`);
    return;
  }
  if (request.dueAt !== null && request.dueAt <= world.now)
    throw new Broken('D5', `${what} was due at ${request.dueAt}, and sleeps at ${world.now}`);
  for (const source of request.sources ?? []) {
    const mailbox = world.history.mailboxes.get(sourceAddress(source, id));
    if ((mailbox?.events.size ?? 0) > 0) throw new Broken('D6', `${what} sleeps, and an event waits for it`);
  }
  if (request.kind !== 'child' || request.key === null) return;
  const child = world.history.records.get(request.key);
  const lives = child === undefined ? world.core.supervisor.world.slots.has(request.key) : child.status === 'active';
  if (!lives) throw new Broken('D6', `${what} waits for ${request.key}, which has ended`);
}

/** D3: what is shown of instances is what is committed. */
export async function look(world: World): Promise<void> {
  const { history, core } = world;
  const shown = new Set<string>();
  const list: InstanceInfo[] = [];
  for await (const info of core.list()) list.push(info);
  for (const info of list) {
    const record = history.records.get(info.id);
    if (record === undefined) continue;
    shown.add(info.id);
    const expected = JSON.stringify(toInfo(record));
    if (JSON.stringify(info) !== expected)
      throw new Broken('D3', `instance ${info.id} is shown as ${JSON.stringify(info)}, and is committed as ${expected}`);
  }
  for (const id of history.records.keys()) if (!shown.has(id)) throw new Broken('D3', `instance ${id} is committed, and is not listed`);
}

/** D7: when all has ended nothing is held. */
export function assertNothingHeld(world: World): void {
  const { history, core } = world;
  const health = core.health();
  const { childWaits, tokens, runner } = core.supervisor.world;
  let buffered = 0;
  for (const { events } of history.mailboxes.values()) buffered += events.size;
  const figures: readonly (readonly [string, unknown, unknown])[] = [
    ['resident instances', health.resident, 0],
    ['steps', health.stepsRunning, 0],
    ['steps in the runner', runner.size, 0],
    ['addresses', health.parkedAddresses, 0],
    ['commits on their way', health.pendingCommits, 0],
    ['events', health.bufferedEvents, buffered],
    ['instances', health.instances, history.records.size],
    ['waits for children', childWaits.size, 0],
    ['tokens', tokens.size, 0],
  ];
  for (const [what, held, expected] of figures)
    if (held !== expected) throw new Broken('D7', `${held} ${what} are held, and should be ${expected}`);
}
