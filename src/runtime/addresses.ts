// Addresses: where an event goes. An address is one string, so that a map can be keyed by it; names hold no line
// break, so what stands before the first one is the event type.

import type { EventSource } from './record.js';

/** Where dead letters lie. */
export const DEAD_LETTERS = '!dead';

/** The address of events of a type sent to one instance. */
export function directAddress(event: string, instanceId: string): string {
  return flat(`@${event}\n${instanceId}`);
}

/** The address of events of a type published under a key. */
export function keyedAddress(event: string, key: string): string {
  return flat(`#${event}\n${key}`);
}

/** Addresses are kept as keys: one string in place of the pieces it was put together from. */
function flat(text: string): string {
  text.charCodeAt(text.length - 1);
  return text;
}

/** Where a receive of this instance listens. */
export function sourceAddress(source: EventSource, instanceId: string): string {
  return source.key === null ? directAddress(source.event, instanceId) : keyedAddress(source.event, source.key);
}

export interface AddressParts {
  readonly isDirect: boolean;
  readonly event: string;
  /** The instance id of a direct address, the key of the other. */
  readonly target: string;
}

export function parseAddress(address: string): AddressParts {
  const at = address.indexOf('\n');
  return { isDirect: address.startsWith('@'), event: address.slice(1, at), target: address.slice(at + 1) };
}

/** For messages. */
export function describeAddress(address: string): string {
  const { isDirect, event, target } = parseAddress(address);
  return isDirect ? `event "${event}" of instance "${target}"` : `event "${event}" with key "${target}"`;
}
