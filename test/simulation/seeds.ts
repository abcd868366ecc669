// Seeds that have found something, and what. Each is run by the tests: what was found once is not to come back. What a
// seed means changes with what generate.ts makes of it: whoever changes that looks for new ones.

export interface FoundBySeed {
  readonly seed: number;
  readonly found: string;
}

export const seedsThatFound: readonly FoundBySeed[] = [
  { seed: 213, found: 'after a failed sync the next process trusted pages that were not on disk (D8)' },
  { seed: 1401, found: 'a cancellation noted for a child that was cancelled already stayed in its record (D6)' },
  { seed: 3143, found: 'interruptions whose commit could not be written were never counted (D4)' },
  { seed: 103_913, found: 'a cancellation on its way to the disk was forgotten when its instance was resumed (D6)' },
  { seed: 109_676, found: 'the same at a recovery, which resumes one instance after the other (D6)' },
  { seed: 303_413, found: 'after a failed write an attempt began before the end of the last one was on disk (D4)' },
];
