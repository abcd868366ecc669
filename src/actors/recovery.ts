// Recovery: the supervisor takes over what the store has. Instances stay asleep on disk; only where they are reached
// and when they are due comes into memory, and whoever has something to do is woken by it.

import { DEAD_LETTERS, parseAddress } from '../runtime/addresses.js';
import { type Head, LOOK_AT, type Wait, waitKinds } from '../runtime/head.js';
import { requestKey } from '../runtime/record.js';
import type { Finished } from './retention.js';
import { hasStepInFlight, type Slot } from './slot.js';
import type { Supervisor } from './supervisor.js';
import type { World } from './world.js';

export function recover(supervisor: Supervisor): void {
  const { world, consequences } = supervisor;
  const toLookAt = loadHeads(world);
  const unfinished: Slot[] = [];
  const interrupted: Slot[] = [];
  for (const id of toLookAt) {
    const slot = world.slots.get(id);
    if (slot === undefined || slot.isUnread) continue;
    if (!slot.isActive) world.retention.add({ id, endedAt: slot.endedAt ?? 0 });
    if (!slot.isActive || slot.stuck !== null) continue;
    if (slot.cancelAsked !== null || slot.requests.size === 0) unfinished.push(slot);
    if (hasStepInFlight(slot, world.now)) interrupted.push(slot);
  }
  loadMailboxes(supervisor);
  for (const address of world.mailboxes.meetings()) world.meetings.push(address);
  if (world.store.recovery.clean) for (const slot of interrupted) consequences.startSteps(slot);
  else consequences.countInterruptions(interrupted);
  for (const slot of unfinished) consequences.resume(slot, []);
  if (world.childWaits.size > 0) tellOfEnds(world);
}

/** Takes over the heads of all instances, and gives those that have to be looked at. */
function loadHeads(world: World): string[] {
  const { now } = world;
  const toLookAt: string[] = [];
  const finished: Finished[] = [];
  world.store.visitHeads((id, head) => {
    world.slots.addAsleep();
    if (typeof head === 'object' && !head.some((wait) => isStepDue(wait, now))) for (const wait of head) park(world, id, wait);
    else if (typeof head === 'object' || head === LOOK_AT) toLookAt.push(id);
    else finished.push({ id, endedAt: head });
  });
  finished.sort((a, b) => a.endedAt - b.endedAt);
  for (const each of finished) world.retention.add(each);
  return toLookAt;
}

function isStepDue([, , , dueAt, kind]: Wait, now: number): boolean {
  return kind === waitKinds.attempt && dueAt <= now;
}

/** Makes a wait of one that is asleep reachable. */
function park(world: World, id: string, [seq, task, pos, dueAt, kind, what]: Wait): void {
  const key = requestKey(task, pos);
  world.sawSeq(seq);
  if (dueAt !== 0) {
    const due = { kind: kind === waitKinds.attempt ? 'retry' : 'request', owner: id, key } as const;
    world.slots.keepDeadline(id, world.addDue({ dueAt, seq, task, pos }, due));
  }
  if (kind === waitKinds.event) {
    for (const [source, address] of (what as readonly string[]).entries())
      world.mailboxes.park({ address, owner: id, instanceId: id, requestKey: key, source, seq });
  } else if (kind === waitKinds.token) world.tokens.set(what as string, { owner: id, key });
  else if (kind === waitKinds.child) waitForChild(world, what as string, id, key);
}

function waitForChild(world: World, childId: string, owner: string, key: string): void {
  const waits = world.childWaits.get(childId);
  if (waits === undefined) world.childWaits.set(childId, [{ owner, key }]);
  else waits.push({ owner, key });
}

/** Children that somebody waits for and that live no more: they ended before, or were ephemeral. */
function tellOfEnds(world: World): void {
  const living = new Set<string>();
  world.store.visitHeads((id: string, head: Head) => {
    if ((typeof head === 'object' || head === LOOK_AT) && world.childWaits.has(id)) living.add(id);
  });
  const told = new Set(world.endedChildren);
  for (const childId of world.childWaits.keys()) if (!living.has(childId) && !told.has(childId)) world.endedChildren.push(childId);
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
    if (isDirect) router.keepMailbox(target, mailbox.address);
    else router.watchExpiry(mailbox.address);
    if (isDirect && mailbox.events.size > 0) clearOfEnded(supervisor, target);
  }
  ids.sort((a, b) => a.at - b.at);
  for (const { address, at } of ids) router.watchId(address, at);
}

/** The commit that was to drop the mail of an ended instance may never have been written. */
function clearOfEnded({ world, router }: Supervisor, instanceId: string): void {
  const slot = world.slots.get(instanceId);
  if (slot === undefined || !slot.isActive) world.inCommit(() => router.clearMailboxes(instanceId));
}
