// What a fault of the torture run is: something that happens to stores and machines, done for real, and what rouse must
// show for it. The same module runs short in the test suite and long behind `npm run torture`.

export type Scale = 'short' | 'long';

export interface FaultOptions {
  readonly scale: Scale;
  /** What it does at random comes from here: the same seed does the same again. */
  readonly seed: number;
  /** Says how far it is, for whoever watches. */
  readonly progress: (text: string) => void;
}

export interface FaultOutcome {
  /** What was done and found, each with its number: "1,000 kills", "0 acknowledged events lost". */
  readonly figures: readonly string[];
  /** Why it could not be run here. */
  readonly skipped?: string;
}

export interface Fault {
  /** As in "F1". */
  readonly id: string;
  readonly title: string;
  /** What must be seen for it to pass. */
  readonly must: string;
  /** @throws when a promise was broken: what, with which seed, and how to see it again. */
  readonly run: (options: FaultOptions) => Promise<FaultOutcome>;
}
