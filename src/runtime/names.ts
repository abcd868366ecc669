// What may name a definition, an instance or an address. Names are written by authors; ids and keys come from outside
// and may be any text at all, `__proto__` and `../..` included: they are only ever compared, never used as a path or a
// property (G14). What is refused is what cannot be shown or stored faithfully.

import { DefinitionError, InvalidIdError } from './errors.js';
import { limits } from './limits.js';

/**
 * Checks the name of a definition.
 *
 * @param what names it, such as `the name of a workflow`.
 * @throws DefinitionError when it is no text, empty, too long, or has characters that cannot be shown.
 */
export function assertName(name: unknown, what: string): asserts name is string {
  const flaw = flawOf(name, limits.nameLengthMax, 'nameLengthMax');
  if (flaw !== null) throw new DefinitionError(`${what} is not well-formed: ${flaw}. Give a short text, such as "approval".`);
}

/** @throws InvalidIdError when it cannot be the id of an instance. */
export function assertInstanceId(id: unknown): asserts id is string {
  assertIdentifier(id, 'the id of an instance', flawOf(id, limits.idLengthMax, 'idLengthMax'));
}

/**
 * Checks an event's key, or an event id that a caller supplied.
 *
 * @param what names it, such as `the key of event "approval"`.
 * @throws InvalidIdError when it is no text, empty, too long, or has control characters or half a character.
 */
export function assertKey(key: unknown, what: string): asserts key is string {
  assertIdentifier(key, what, flawOf(key, limits.keyLengthMax, 'keyLengthMax'));
}

function assertIdentifier(id: unknown, what: string, flaw: string | null): void {
  // An object is named by its type only: turning it into a text could run its code, or fail.
  if (flaw !== null) throw new InvalidIdError(Object(id) === id ? typeof id : id, what, flaw);
}

function flawOf(text: unknown, lengthMax: number, limitName: string): string | null {
  if (typeof text !== 'string') return `it is ${text === null ? 'null' : `of type ${typeof text}`}, not a text`;
  if (text === '') return 'it is empty';
  if (text.length > lengthMax) return `it has ${text.length} characters; the limit (${limitName}) is ${lengthMax}`;
  if (hasControlCharacter(text)) return 'it has a control character';
  return /\p{Surrogate}/u.test(text) ? 'it has half of a surrogate pair' : null;
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit === 0x7f) return true;
  }
  return false;
}
