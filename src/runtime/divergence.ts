// A replay that meets something else than its record: what is recorded, what is asked, and where.

import type { Entry, Request } from './record.js';
import { NondeterminismError } from './workflow-errors.js';

/** What an effect is, for comparing: two that agree in these are taken to be the same. */
export interface EffectIdentity {
  readonly kind: string;
  readonly name: string;
  readonly key: string | null;
}

interface Placed extends EffectIdentity {
  readonly task: number;
  readonly pos: number;
}

export function isSame(a: EffectIdentity, b: EffectIdentity): boolean {
  return a.kind === b.kind && a.name === b.name && a.key === b.key;
}

export function divergence(found: {
  instanceId: string;
  position: number;
  recorded: Entry | Request | null;
  asked: Placed | null;
  where: string | null;
  hasEnded: boolean;
}): NondeterminismError {
  const { instanceId, position, recorded, asked } = found;
  // The same effect at another place: an effect that is not recorded stands before it now, or no more.
  const withPlace = recorded !== null && asked !== null && describe(recorded, false) === describe(asked, false);
  return new NondeterminismError({
    instanceId,
    position,
    recorded: recorded === null ? 'nothing more' : describe(recorded, withPlace),
    requested: asked === null ? (found.hasEnded ? 'nothing: the body has ended' : 'nothing') : describe(asked, withPlace),
    where: found.where ?? (found.hasEnded ? 'no line: the code ended' : 'no line is known'),
  });
}

/** For messages. */
function describe(effect: Placed, withPlace: boolean): string {
  const key = effect.key === null ? '' : ` with key "${effect.key}"`;
  const task = effect.task === 0 ? 'the body' : `task ${effect.task}`;
  return `${effect.kind} "${effect.name}"${key} in ${withPlace ? `${task} as effect ${effect.pos + 1}` : task}`;
}
