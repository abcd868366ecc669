// The fast path of the codec: whether JSON.stringify alone writes a value without losing anything. Most payloads
// are plain JSON, and a walk plus one JSON.stringify costs a tenth of the general form.
//
// Plain is: null, booleans, strings, finite numbers other than -0, dense arrays and Object.prototype objects with
// data properties only, each object reached once, none with a `toJSON` that JSON.stringify would call. Everything else
// is left to the survey and the flat form.

import { limits } from './limits.js';

/** Answer of `plainJsonSize` for values that need the general form, or are to be refused by it. */
export const notPlain = -1;

// Annex B, but the only way to see an accessor on an array index without allocating a descriptor for each element.
const lookupGetter: (this: unknown, key: number) => unknown = Reflect.get(Object.prototype, '__lookupGetter__');

/** A lower bound of the length of `value` as JSON text when it is plain JSON, else `notPlain`. Runs no getters. */
export function plainJsonSize(value: object): number {
  return sizeOfObject(value, 1, new Encounters());
}

function sizeOfObject(value: object, level: number, encounters: Encounters): number {
  if (level > limits.payloadDepthMax || !encounters.isFirst(value)) return notPlain;
  if (Array.isArray(value)) return sizeOfArray(value, level, encounters);
  if (Object.getPrototypeOf(value) !== Object.prototype) return notPlain;
  if (Object.getOwnPropertySymbols(value).length > 0 || 'toJSON' in value) return notPlain;
  let size = 2;
  // for-in instead of Object.keys: it uses the engine's enumeration cache and allocates nothing. An inherited key
  // has no own descriptor and ends the fast path, and an accessor's descriptor has no value, which does the same.
  for (const key in value) {
    const descriptor = Object.getOwnPropertyDescriptor(value, key);
    if (descriptor === undefined) return notPlain;
    const part = sizeOf(descriptor.value, level, encounters);
    if (part === notPlain) return notPlain;
    size += key.length + 4 + part;
  }
  return size;
}

function sizeOfArray(array: readonly unknown[], level: number, encounters: Encounters): number {
  if (Object.getPrototypeOf(array) !== Array.prototype) return notPlain;
  if (Object.getOwnPropertySymbols(array).length > 0 || 'toJSON' in array) return notPlain;
  let size = 2;
  for (let index = 0; index < array.length; index += 1) {
    if (lookupGetter.call(array, index) !== undefined) return notPlain;
    const part = sizeOf(array[index], level, encounters);
    if (part === notPlain) return notPlain;
    size += part + 1;
  }
  // Last, when every element is known to exist: a longer list of keys means named properties, which JSON drops.
  return Object.keys(array).length === array.length ? size : notPlain;
}

function sizeOf(value: unknown, level: number, encounters: Encounters): number {
  switch (typeof value) {
    case 'string':
      return value.length + 2;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? 1 : notPlain;
    case 'boolean':
      return 4;
    case 'object':
      return value === null ? 4 : sizeOfObject(value, level + 1, encounters);
    default:
      return notPlain;
  }
}

/** The objects met so far. A few are compared one by one, which is cheaper than a Set of them. */
class Encounters {
  #few: object[] | null = [];
  #many: Set<object> | null = null;

  isFirst(value: object): boolean {
    if (this.#many !== null) return this.#many.size !== this.#many.add(value).size;
    const few = this.#few ?? [];
    if (few.includes(value)) return false;
    few.push(value);
    if (few.length > 16) {
      this.#many = new Set(few);
      this.#few = null;
    }
    return true;
  }
}
