// The world as the programs of a scenario see it: what they may touch besides the effects of rouse.

import type { StepContext } from '../../src/index.js';
import type { Rule } from './broken.js';
import type { Behaviour, Program } from './scenario.js';

export interface Outside {
  readonly programs: readonly Program[];
  /** Notes that a generator of this instance begins to run, in place of all earlier ones; gives its number. */
  begin(instanceId: string): number;
  /** Told at each act: an older generator of the instance must not run any more. */
  assertNewest(instanceId: string, number: number): void;
  /** A step runs. */
  attempt(label: string, how: Behaviour, context: StepContext): unknown;
  /** A callback's token leaves the process. */
  submitted(label: string, token: string): void;
  /** An ephemeral instance was given an event. */
  gaveToEphemeral(label: string): void;
  /** Whether the code of this instance has been changed under it. */
  isChanged(instanceId: string, label: string): boolean;
  broken(rule: Rule, text: string): never;
}
