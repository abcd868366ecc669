// Recovery: the supervisor takes over what the store has. Instances stay asleep on disk; only their heads, waits and
// deadlines come into memory, and whoever has something to do is woken by it.

import { DEAD_LETTERS, parseAddress } from '../runtime/addresses.js';
import { revive } from '../runtime/codec.js';
import type { ErrorData } from '../runtime/error-data.js';
import type { InstanceRecord } from '../runtime/record.js';
import { isStep, Slot } from './slot.js';
import type { Supervisor } from './supervisor.js';

export function recover(supervisor: Supervisor): void {
  const { world, consequences } = supervisor;
  const unfinished: Slot[] = [];
  const interrupted: Slot[] = [];
  for (const record of world.store.instances()) {
    const slot = takeOver(supervisor, record);
    if (!slot.isActive || slot.stuck !== null) continue;
    if (record.cancelAsked !== null || record.pending.size === 0) unfinished.push(slot);
    if (hasStepInFlight(record, world.now)) interrupted.push(slot);
  }
  loadMailboxes(supervisor);
  for (const address of world.mailboxes.meetings()) world.meetings.push(address);
  if (world.store.recovery.clean) for (const slot of interrupted) consequences.startSteps(slot);
  else consequences.countInterruptions(interrupted);
  for (const slot of unfinished) consequences.resume(slot, []);
  for (const childId of world.childWaits.keys()) if (world.slots.get(childId)?.isActive !== true) world.endedChildren.push(childId);
}

function takeOver(supervisor: Supervisor, record: InstanceRecord): Slot {
  const { world, instances } = supervisor;
  const slot = new Slot(record);
  slot.status = record.status;
  slot.stuck = record.stuck === null ? null : (revive(record.stuck) as ErrorData);
  slot.endedAt = record.endedAt;
  world.slots.set(slot.id, slot);
  for (const request of record.pending.values()) {
    world.sawSeq(request.seq);
    instances.requests.add(slot, request);
  }
  if (!slot.isActive) world.watchRetention(slot);
  return slot;
}

/** Also one whose pause before the next attempt is over: whether it had been started nobody knows. */
function hasStepInFlight(record: InstanceRecord, now: number): boolean {
  for (const request of record.pending.values()) if (isStep(request) && (request.retryAt ?? 0) <= now) return true;
  return false;
}

function loadMailboxes(supervisor: Supervisor): void {
  const { world, router } = supervisor;
  const ids: { address: string; at: number }[] = [];
  for (const mailbox of world.store.mailboxes()) {
    for (const seq of mailbox.events.keys()) world.sawSeq(seq);
    world.mailboxes.load(mailbox);
    for (const at of mailbox.seen.values()) ids.push({ address: mailbox.address, at });
    if (mailbox.address === DEAD_LETTERS) continue;
    const { isDirect, target } = parseAddress(mailbox.address);
    if (!isDirect) {
      router.watchExpiry(mailbox.address);
      continue;
    }
    const slot = world.slots.get(target);
    if (slot === undefined) continue;
    slot.mailboxes ??= new Set();
    slot.mailboxes.add(mailbox.address);
  }
  ids.sort((a, b) => a.at - b.at);
  for (const { address, at } of ids) router.watchId(address, at);
}
