// Every fault that is shown, in the order of their numbers.

import { killed } from './f1-kill.js';
import { powerCut } from './f2-power-cut.js';
import { everyOperation } from './f3-every-operation.js';
import { truncation } from './f4-truncation.js';
import { bitFlips } from './f5-bit-flips.js';
import { failingCalls } from './f6-failing-calls.js';
import { failedSync } from './f7-failed-sync.js';
import { locked } from './f8-lock.js';
import { fuzzedFiles } from './f9-fuzzed-files.js';
import { simulation } from './f10-simulation.js';
import { openLoop } from './f11-open-loop.js';
import { soak } from './f12-soak.js';
import { clock } from './f14-clock.js';
import { poison } from './f15-poison.js';
import type { Fault } from './fault.js';

export const faults: readonly Fault[] = [
  killed,
  powerCut,
  everyOperation,
  truncation,
  bitFlips,
  failingCalls,
  failedSync,
  locked,
  fuzzedFiles,
  simulation,
  openLoop,
  soak,
  clock,
  poison,
];
