// Arms and disarms the open requests of instances: what makes a sleeping request reachable, by event, deadline,
// token or child. An armed request can be found from outside; a disarmed one cannot (its instance is stuck or gone).

import { sourceAddress } from '../runtime/addresses.js';
import type { Deadline } from '../runtime/deadlines.js';
import { type Request, requestKey } from '../runtime/record.js';
import { isRunning, isStep, type Slot, type SlotRequest } from './slot.js';
import type { Due, World } from './world.js';

export class Requests {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Adds an open request of a slot. */
  add(slot: Slot, request: Request): void {
    this.adopt(slot, request, null);
  }

  /** Removes a request that was answered or given up. */
  remove(slot: Slot, key: string): void {
    const entry = slot.requests.get(key);
    if (entry === undefined) return;
    this.disarm(slot, entry);
    if (isRunning(entry.request)) slot.runningSteps--;
    slot.requests.delete(key);
  }

  /** Puts back what was removed, disarmed: its instance is stuck. */
  keep(slot: Slot, key: string, entry: SlotRequest): void {
    slot.requests.set(key, entry);
    if (isRunning(entry.request)) slot.runningSteps++;
  }

  removeAll(slot: Slot): void {
    for (const entry of slot.requests.values()) this.disarm(slot, entry);
    slot.requests.clear();
    slot.runningSteps = 0;
  }

  /** Changes what is known of a request's attempts, and when the next is due. */
  update(slot: Slot, key: string, request: Request): void {
    const entry = slot.requests.get(key);
    if (entry === undefined) return;
    this.disarm(slot, entry);
    slot.runningSteps += Number(isRunning(request)) - Number(isRunning(entry.request));
    entry.request = request;
    if (slot.stuck === null) this.arm(slot, entry);
  }

  /** Adds a request as its record has it, of an instance that was asleep: what referred to its id has the slot now. */
  adopt(slot: Slot, request: Request, deadline: Deadline<Due> | null): void {
    const entry: SlotRequest = { request, receivers: null, deadline };
    slot.requests.set(requestKey(request.task, request.pos), entry);
    if (isRunning(request)) slot.runningSteps++;
    if (slot.stuck === null) this.arm(slot, entry);
  }

  /** The instance falls asleep: whoever referred to its slot has its id now. */
  letGo(slot: Slot, { request, receivers, deadline }: SlotRequest): void {
    for (const receiver of receivers ?? []) receiver.owner = slot.id;
    if (deadline !== null && 'owner' in deadline.what) deadline.what.owner = slot.id;
    const answer = request.token === null ? undefined : this.#world.tokens.get(request.token);
    if (answer !== undefined) answer.owner = slot.id;
    if (request.kind !== 'child' || request.key === null) return;
    for (const wait of this.#world.childWaits.get(request.key) ?? []) if (wait.owner === slot) wait.owner = slot.id;
  }

  arm(slot: Slot, entry: SlotRequest): void {
    const { request } = entry;
    const key = requestKey(request.task, request.pos);
    if (request.sources !== null) this.#park(slot, entry, key);
    const dueAt = isStep(request) ? request.retryAt : request.dueAt;
    if (entry.deadline !== null && 'owner' in entry.deadline.what) entry.deadline.what.owner = slot;
    else if (dueAt !== null) {
      const kind = isStep(request) ? 'retry' : 'request';
      const at = { dueAt, seq: request.seq, task: request.task, pos: request.pos };
      entry.deadline = this.#world.addDue(at, { kind, owner: slot, key });
    }
    if (request.token !== null) this.#world.tokens.set(request.token, { owner: slot, key });
    if (request.kind === 'child' && request.key !== null) this.#waitForChild(slot, key, request.key);
  }

  disarm(slot: Slot, entry: SlotRequest): void {
    const { request } = entry;
    for (const receiver of entry.receivers ?? []) this.#world.mailboxes.unpark(receiver);
    entry.receivers = null;
    if (entry.deadline !== null) this.#world.cancelDue(entry.deadline);
    entry.deadline = null;
    if (request.token !== null) this.#world.tokens.delete(request.token);
    if (request.kind === 'child' && request.key !== null) this.#forgetChild(slot, requestKey(request.task, request.pos), request.key);
  }

  #park(slot: Slot, entry: SlotRequest, key: string): void {
    const { mailboxes } = this.#world;
    entry.receivers = (entry.request.sources ?? []).map((source, index) => {
      const address = sourceAddress(source, slot.id);
      const place = { address, instanceId: slot.id, source: index, seq: entry.request.seq };
      const parked = mailboxes.receiver(place);
      if (parked !== undefined) {
        parked.owner = slot;
        return parked;
      }
      const receiver = { ...place, owner: slot, requestKey: key };
      mailboxes.park(receiver);
      if (mailboxes.firstEvent(address, { durable: true }) !== undefined) this.#world.meetings.push(address);
      return receiver;
    });
  }

  #waitForChild(slot: Slot, key: string, childId: string): void {
    const waits = this.#world.childWaits.get(childId);
    const wait = waits?.find(({ owner, key: known }) => owner === slot.id && known === key);
    if (wait !== undefined) {
      wait.owner = slot;
      return;
    }
    if (waits === undefined) this.#world.childWaits.set(childId, [{ owner: slot, key }]);
    else waits.push({ owner: slot, key });
    const child = this.#world.slots.get(childId);
    // One that is nowhere was ephemeral, and ended with an earlier process.
    if (child === undefined || (!child.isActive && child.uncommitted === 0)) this.#world.endedChildren.push(childId);
  }

  #forgetChild(slot: Slot, key: string, childId: string): void {
    const rest = this.#world.childWaits.get(childId)?.filter((wait) => wait.owner !== slot || wait.key !== key);
    if (rest === undefined || rest.length === 0) this.#world.childWaits.delete(childId);
    else this.#world.childWaits.set(childId, rest);
  }
}
