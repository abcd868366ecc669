// F14, the clock: it is set forward and back by a day, while the runtime works and while it does not run.

import { setTheVirtualClock } from './clock/jumps.js';
import { liveWithAClockThatJumps } from './clock/lives.js';
import { rememberForATime } from './clock/remembering.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';
import { inFolder } from './folder.js';

export const clock: Fault = {
  id: 'F14',
  title: 'a clock that jumps by a day, forward and back',
  must: 'deadlines fire once, never early; steps and their attempts take the time they take',
  run: (options) => inFolder('f14', (folder) => run(folder, options)),
};

async function run(folder: string, options: FaultOptions): Promise<FaultOutcome> {
  const virtual = [...(await rememberForATime(options.seed)), ...(await setTheVirtualClock(options))];
  return { figures: [...(await liveWithAClockThatJumps(folder, options)), ...virtual] };
}
