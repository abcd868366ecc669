// How a value that should not be there is called in messages.

/** `null`, `a promise`, `an array`, `a Set`, `an object`, `a number`. */
export function describeFound(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  if ('then' in value) return 'a promise (is it async?)';
  if (Symbol.asyncIterator in value) return 'an async generator';
  if (Array.isArray(value)) return 'an array';
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return tag === 'Object' ? 'an object' : `a ${tag}`;
}

/** A small value itself, else what it is: for messages about numbers and names that are not right. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 50 ? `${value.slice(0, 50)}…` : value);
  const isSmall = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
  return isSmall ? String(value) : describeFound(value);
}
