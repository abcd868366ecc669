// A workflow as an XState actor by itself, and what is done to it.

import { type AnyActorRef, createActor, SimulatedClock, waitFor } from 'xstate';
import { type AnyEvent, event, fromWorkflow, type Workflow } from '../../src/index.js';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
export const word = event<string>('word');

/** Starts an actor of a workflow that takes no input. */
export function begin<O>(tested: Workflow<void, O>, clock = new SimulatedClock()) {
  const actor = createActor(fromWorkflow(tested), { id: 'a', input: undefined, clock });
  actor.subscribe({ error: () => {} });
  return { actor: actor.start(), clock };
}

/** Waits until the actor waits for something of this kind. */
export async function asleepIn(actor: AnyActorRef, kind: string) {
  await waitFor(actor, ({ instance }) => instance?.waitingFor[0]?.kind === kind);
}

/** What a file, or a browser's storage, would give back. */
export function throughJson<T>(snapshot: T): T {
  return JSON.parse(JSON.stringify(snapshot)) as T;
}

/** The message that tells an actor of an event. */
export function told(text: string, key?: string, type: AnyEvent = word) {
  return { type: 'rouse.event', event: type, payload: text, ...(key !== undefined && { key }) } as const;
}
