// Open loop: work arrives when it arrives, whether or not what came before it is done. A latency counts from the moment
// at which the work should have arrived, so a loop that stood still pays for all that it kept waiting.

export interface Arrivals {
  readonly perSecond: number;
  /** Arrivals end when so many are unserved: who is that far behind does not keep the pace. */
  readonly backlogMax: number;
  /** Asked at each turn of the clock: whether arrivals end now. */
  isOver(elapsedMs: number): boolean;
}

/** Starts each arrival when it is due, and resolves when all have been served. */
export async function openLoop(
  { perSecond, backlogMax, isOver }: Arrivals,
  serve: (arrival: number, dueAt: number) => Promise<void>,
): Promise<number> {
  const start = performance.now();
  let begun = 0;
  let served = 0;
  await new Promise<void>((resolve, reject) => {
    let isEnded = false;
    const onServed = (): void => {
      served += 1;
      if (isEnded && served === begun) resolve();
    };
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - start;
      while (begun < (elapsedMs * perSecond) / 1_000 && begun - served < backlogMax) {
        serve(begun, start + (begun * 1_000) / perSecond).then(onServed, reject);
        begun += 1;
      }
      if (begun - served < backlogMax && !isOver(elapsedMs)) return;
      clearInterval(timer);
      isEnded = true;
      if (served === begun) resolve();
    }, 1);
  });
  return begun;
}
