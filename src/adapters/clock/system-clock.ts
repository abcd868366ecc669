// The real clock. Node's timers fire at once when they are set further than 24.8 days ahead: far deadlines are
// approached in hops. Timers are taken when this module loads, so that a test's fake timers do not stop the runtime.

import type { Clock } from '../../runtime/ports.js';

const { setTimeout, setImmediate, clearTimeout, performance } = globalThis;
const { now } = Date;
/** Node's timers stand still while the machine sleeps, and do not follow a clock that is set: look again after this long. */
const HOP_MAX_MS = 60_000;
/** The longest that Node's timers take. */
const DELAY_MAX_MS = 2 ** 31 - 1;

export function systemClock(): Clock {
  return {
    now,
    elapsed: () => performance.now(),
    setTimer(at, fire) {
      let timer: NodeJS.Timeout;
      const arm = (): void => {
        const left = at - now();
        timer = setTimeout(() => (now() < at ? arm() : fire()), Math.min(Math.max(left, 0), HOP_MAX_MS));
      };
      arm();
      return { cancel: () => clearTimeout(timer) };
    },
    setDelay(ms, fire) {
      const startedAt = performance.now();
      let timer: NodeJS.Timeout;
      const arm = (): void => {
        const left = ms - (performance.now() - startedAt);
        timer = setTimeout(() => (performance.now() - startedAt < ms ? arm() : fire()), Math.min(Math.max(left, 0), DELAY_MAX_MS));
      };
      arm();
      return { cancel: () => clearTimeout(timer) };
    },
    letOthersRun: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
