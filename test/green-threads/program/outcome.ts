// What came of a program: all that is compared between rouse, the model, and every replay.

import { figuresOf, type Run } from './interpreter.js';

/** The trace, what is left in the primitives, and how the instance ended; a line each. */
export type Outcome = readonly string[];

export function outcomeOf(run: Run, status: string, result: string): Outcome {
  return [...run.trace, ...figuresOf(run), `${status} ${result}`.trim()];
}

/** Two outcomes as a person reads them: what they have in common, and what is different from there on. */
export function differenceOf(found: Outcome, expected: Outcome): string {
  const common = found.findIndex((line, index) => line !== expected[index]);
  const at = common < 0 ? found.length : common;
  const after = (outcome: Outcome): string[] => outcome.slice(at, at + 12).map((line) => `    ${line}`);
  return [...found.slice(0, at), '  what came of it:', ...after(found), '  what the rules say:', ...after(expected)].join('\n');
}

/** The error of an instance, in the words that it keeps when it becomes data. */
export function describeFailure({ name, message }: { readonly name: string; readonly message: string }): string {
  return name === 'Error' ? message : name;
}
