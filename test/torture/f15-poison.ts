// F15, poison: instances that cannot be replayed, read or run any more, alone among thousands that can.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';
import { standInACrowd } from './poison/crowd.js';
import { dieOfAStep } from './poison/deaths.js';
import { openWithOneThatDoesNotFold } from './poison/unfoldable.js';

export const poison: Fault = {
  id: 'F15',
  title: 'poison instances',
  must: 'restart intensity, then stuck; the supervisor and all others live; retry() goes on when it is put right',
  run,
};

async function run(options: FaultOptions): Promise<FaultOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'rouse-f15-'));
  try {
    const crowd = await standInACrowd(folder, options);
    const deaths = await dieOfAStep(folder, options);
    return { figures: [...crowd, ...deaths, ...(await openWithOneThatDoesNotFold(folder))] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
