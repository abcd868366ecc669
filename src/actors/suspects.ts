// Steps that were in flight at several crashes: one of them may be what ends the process, and all begin again
// together at the next start. From then on they begin one after the other, in the opposite order after each crash: whoever
// does not end the process is past it after two of them, and only who does goes on to be counted.

import { limits } from '../runtime/limits.js';
import type { Request } from '../runtime/record.js';
import { isInFlight, type Slot } from './slot.js';

/** How long each waits before it begins again; who is not there begins at once. */
export function pausesOfSuspects(slots: readonly Slot[], now: number): ReadonlyMap<Request, number> {
  const suspects = slots
    .flatMap((slot) => [...slot.requests.values()].map(({ request }) => request))
    .filter((request) => isInFlight(request, now) && request.interrupted >= limits.suspectCrashes)
    .sort((a, b) => a.seq - b.seq);
  const crashes = suspects.reduce((most, { interrupted }) => Math.max(most, interrupted), 0);
  if (crashes % 2 === 0) suspects.reverse();
  const spacingMs = Math.min(limits.suspectSpacingMs, limits.suspectsMs / Math.max(1, suspects.length));
  return new Map(suspects.map((request, rank) => [request, Math.ceil(rank * spacingMs)]));
}
