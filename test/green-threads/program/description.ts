// Values and errors as words of a trace: what the rules say of them, and nothing that they leave open.

/** Whether this is what is thrown at the wait of a task that is cancelled. */
export function isCancellation(error: unknown): boolean {
  return nameOf(error) === 'CancelledError';
}

/** A value that a step gave. */
export function describeValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(describeValue).join(', ')}]`;
  if (value instanceof Error) return describeError(value);
  if (value === null || typeof value !== 'object') return String(value);
  return `{${Object.entries(value)
    .map(([key, each]) => `${key}: ${describeValue(each)}`)
    .join(', ')}}`;
}

/** An error: its name, its message when it is one of the program's own, and what it carries. */
export function describeError(error: unknown): string {
  const name = nameOf(error);
  if (name === 'Error') return (error as Error).message;
  const { errors, waits } = error as { errors?: unknown; waits?: unknown };
  if (Array.isArray(errors)) return `${name} ${describeValue(errors)}`;
  return Array.isArray(waits) ? `${name} (${waits.map(waitOf).join('; ')})` : name;
}

/** Of `task 2 (b3) waits for ...`: who waits, and for what, where the rules say its words. */
function waitOf(text: unknown): string {
  const [who, what] = String(text).split(' waits for ');
  const isSpecified = what !== undefined && /^(an item of|the end of (task|the body)) /.test(what);
  return isSpecified ? `${who}: ${what}` : String(who);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}
