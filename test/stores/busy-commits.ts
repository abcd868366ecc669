// Commits without end, of which each changes several instances and a mailbox: an order comes, one goes on, one ends, and
// one is forgotten. From a store that has so many of them one sees how many there were.

import type { Change, Commit, OpenStore } from '../../src/runtime/ports.js';
import { approve, begin, commit, complete, onMailbox, remove } from './store-harness.js';

/** Orders that a store has at a time. */
const ordersKept = 600;

export function busyCommit(number: number): Commit {
  const changes: Change[] = [begin(orderAt(number), { number }), bell(number)];
  if (number > 10) changes.push(approve(orderAt(number - 10)));
  if (number > 20) changes.push(complete(orderAt(number - 20)));
  if (number > ordersKept) changes.push(remove(begin(orderAt(number - ordersKept))));
  return commit(...changes);
}

/**
 * The number of the last commit that a store has.
 *
 * @throws when it does not have exactly what it must after that one
 */
export function lastBusyCommit(store: OpenStore): number {
  const numbers = [...store.instanceIds()].map((id) => Number(id.slice('order-'.length))).sort((a, b) => a - b);
  const last = numbers.at(-1) ?? 0;
  const first = Math.max(1, last - ordersKept + 1);
  if (numbers.length !== last - first + 1 || (numbers[0] ?? 1) !== first)
    throw new Error(`Orders ${first} to ${last} should be there, and ${numbers.length} are.`);
  for (const number of numbers) {
    const record = store.readInstance(orderAt(number));
    const status = number <= last - 20 ? 'completed' : 'active';
    if (record?.status !== status || record.exposed.size > 0 !== number <= last - 10)
      throw new Error(`Order ${number} of ${last} is ${record?.status} with ${record?.exposed.size}.`);
  }
  const bells = store.readMailbox(addressAt(last))?.events ?? new Map();
  if (last > 0 && !bells.has(last)) throw new Error(`The bell of commit ${last} is missing.`);
  return last;
}

function orderAt(number: number): string {
  return `order-${number}`;
}

function addressAt(number: number): string {
  return `#bell\n${number % 7}`;
}

/** The next one at an address takes the one before away. */
function bell(number: number): Change {
  const before = number > 7 ? { x: [number - 7] } : {};
  return onMailbox(addressAt(number), { p: [[number, 1_000, { number }, 0, 9_000_000, 0]], ...before });
}
