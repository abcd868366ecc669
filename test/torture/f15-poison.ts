// F15, poison: instances that cannot be replayed, read or run any more, alone among thousands that can.

import type { Fault, FaultOptions, FaultOutcome } from './fault.js';
import { inFolder } from './folder.js';
import { standInACrowd } from './poison/crowd.js';
import { dieOfAStep } from './poison/deaths.js';
import { openWithOneThatDoesNotFold } from './poison/unfoldable.js';

export const poison: Fault = {
  id: 'F15',
  title: 'poison instances',
  must: 'restart intensity, then stuck; the supervisor and all others live; retry() goes on when it is put right',
  run: (options) => inFolder('f15', (folder) => run(folder, options)),
};

async function run(folder: string, options: FaultOptions): Promise<FaultOutcome> {
  const crowd = await standInACrowd(folder, options);
  const deaths = await dieOfAStep(folder, options);
  return { figures: [...crowd, ...deaths, ...(await openWithOneThatDoesNotFold(folder))] };
}
