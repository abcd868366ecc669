// F14, the clock: it is set forward and back by a day, while the runtime works and while it does not run.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTheVirtualClock } from './clock/jumps.js';
import { liveWithAClockThatJumps } from './clock/lives.js';
import { rememberForATime } from './clock/remembering.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';

export const clock: Fault = {
  id: 'F14',
  title: 'a clock that jumps by a day, forward and back',
  must: 'deadlines fire once, never early; steps and their attempts take the time they take',
  run,
};

async function run(options: FaultOptions): Promise<FaultOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'rouse-f14-'));
  try {
    const virtual = [...(await rememberForATime(options.seed)), ...(await setTheVirtualClock(options))];
    return { figures: [...(await liveWithAClockThatJumps(folder, options)), ...virtual] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
