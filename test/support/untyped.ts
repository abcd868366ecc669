// Bodies that the types refuse, as a user without types, or with a cast, would write them.

import type { Operation } from '../../src/index.js';

/** Passes any function off as a workflow's or a task's body. */
export function untyped<O = unknown>(body: (...args: never[]) => unknown): () => Operation<O> {
  return body as unknown as () => Operation<O>;
}
