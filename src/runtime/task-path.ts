// The way of an error up through tasks, told in its stack: below the frames of the function that threw it stand the
// tasks that it ended, the innermost first.

import { limits } from './limits.js';

/** Notes in an error that it ended this task. What is no error, or cannot be changed, stays as it is. */
export function passedThrough(error: unknown, title: string): void {
  if (!(error instanceof Error) || Object.isFrozen(error)) return;
  const line = `\n    in ${title}`;
  try {
    const { stack } = error;
    // An error that several joins throw comes by several ways; each task is named once.
    if (typeof stack !== 'string' || stack.length > limits.errorTextLengthMax || stack.includes(`${line}\n`) || stack.endsWith(line))
      return;
    error.stack = stack + line;
  } catch {
    // One whose stack throws says what it said.
  }
}
