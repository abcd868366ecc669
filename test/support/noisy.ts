// A wait that tells how it was given up.

import { CancelledError, event, type Operation, receive } from '../../src/index.js';

export const word = event<string>('word');

/** What was noted, in order; to be emptied before each test. */
export const trail: string[] = [];

/** Waits for a word under a key of its own. */
export function* noisy(who: string): Operation<string> {
  try {
    return yield* receive(word, { key: who });
  } catch (error) {
    trail.push(`${who}: ${error instanceof CancelledError ? error.reason : String(error)}`);
    throw error;
  }
}
