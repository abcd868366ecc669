// Seeds that have found something, and what. Each is run by the tests: what was found once is not to come back.

export interface FoundBySeed {
  readonly seed: number;
  readonly found: string;
}

export const seedsThatFound: readonly FoundBySeed[] = [];
