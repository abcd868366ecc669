// The general form of a value: devalue's flattened list, in which every value stands once and refers to others by
// index, so that sharing and cycles survive. devalue writes it, and is given what it lacks: errors, objects with an
// own `__proto__`, and reading without running getters. It is read here, because devalue's own reader takes references
// out of range for undefined, recurses as deep as the input says, and makes an error within a cycle twice.
//
// Invariants:
//   L1. Only what `writeFlat` writes is read; anything else is a DecodeError. Nothing of the input names a class, a
//       property or a prototype to be used, other than by the tables of error classes.
//   L2. Reading does not recurse: all containers are made first, and filled afterwards.

import { stringify, unflatten } from 'devalue';
import { errorParts, makeError, setErrorTexts, setField, setHidden } from './error-class.js';
import { DecodeError } from './errors.js';
import { kindOf, setOwn } from './value-kind.js';

const undefinedRef = -1;
const holeRef = -2;
const numberRefs: ReadonlyMap<unknown, number> = new Map([
  [-3, Number.NaN],
  [-4, Number.POSITIVE_INFINITY],
  [-5, Number.NEGATIVE_INFINITY],
  [-6, -0],
]);
const sparseMark = -7;
const arrayLengthMax = 2 ** 32 - 1;

/** The text of a value that passed the survey. */
export function writeFlat(value: unknown): string {
  return stringify(value, reducers, { operations });
}

/** The value of a list that was written by `writeFlat` and parsed from JSON. */
export function readFlat(flat: unknown): unknown {
  if (typeof flat === 'number') return readConstant(flat);
  if (!Array.isArray(flat) || flat.length === 0) throw malformed('it is not a list');
  return new FlatReader(flat).read();
}

const reducers = { Error: reduceError, Record: reduceRecord };

/** An error as plain data; a list of keys and values for objects with an own `__proto__`. False for anything else. */
function reduceError(value: unknown): object | false {
  if (typeof value !== 'object' || value === null || kindOf(value) !== 'error') return false;
  const { className, name, message, stack, hidden, fields } = errorParts(value);
  return { class: className, name, message, ...(stack === null ? {} : { stack }), ...hidden, fields };
}

function reduceRecord(value: unknown): readonly unknown[] | false {
  if (typeof value !== 'object' || value === null || !Object.prototype.propertyIsEnumerable.call(value, '__proto__')) return false;
  return [Object.getPrototypeOf(value) === null ? 'null-object' : 'object', ...Object.entries(value).flat(1)];
}

const tags = {
  object: 'Object',
  'null-object': 'Object',
  array: 'Array',
  date: 'Date',
  map: 'Map',
  set: 'Set',
  bytes: 'Uint8Array',
  error: 'Error',
};

/** Classifies by prototype, where devalue would ask the value itself; a view is written without the rest of its buffer. */
const operations = {
  tagOf: (value: object): string => (value instanceof ArrayBuffer ? 'ArrayBuffer' : tags[kindOf(value) ?? 'object']),
  isThenable: (): boolean => false,
  shapeOf: (value: object): { kind: 'plain' | 'null-proto'; keys: string[] } => ({
    kind: Object.getPrototypeOf(value) === null ? 'null-proto' : 'plain',
    keys: Object.keys(value),
  }),
  viewInfo: (view: Uint8Array) => {
    const { buffer, byteOffset, byteLength, length } = new Uint8Array(view);
    return { buffer, byteOffset, byteLength, length, bufferByteLength: byteLength };
  },
};

function readConstant(ref: number): unknown {
  if (ref === undefinedRef) return undefined;
  const number = numberRefs.get(ref);
  if (number === undefined) throw malformed(`${ref} stands for no value`);
  return number;
}

function malformed(reason: string): DecodeError {
  return new DecodeError(`A stored value is not in the format that this version writes: ${reason}. Restore the store from a backup.`);
}

class FlatReader {
  readonly #entries: readonly unknown[];
  /** The value of each entry; containers are empty until they are filled. */
  readonly #values: unknown[] = [];
  /** What fills the containers. Records and errors come after the data that they are made from. */
  readonly #fills: (() => void)[] = [];
  readonly #recordFills: (() => void)[] = [];
  readonly #errorFills: (() => void)[] = [];

  constructor(entries: readonly unknown[]) {
    this.#entries = entries;
  }

  read(): unknown {
    for (const entry of this.#entries) this.#values.push(this.#begin(entry));
    for (const fill of this.#fills) fill();
    for (const fill of this.#recordFills) fill();
    for (const fill of this.#errorFills) fill();
    return this.#values[0];
  }

  #begin(entry: unknown): unknown {
    if (typeof entry === 'number' && !Number.isFinite(entry)) throw malformed('a number is too large');
    if (typeof entry !== 'object' || entry === null) return entry;
    if (!Array.isArray(entry)) return this.#beginObject(Object.entries(entry), {});
    const list: readonly unknown[] = entry;
    const [tag] = list;
    if (typeof tag === 'string') return this.#beginTagged(tag, list);
    return tag === sparseMark ? this.#beginSparse(list) : this.#beginArray(list);
  }

  #beginTagged(tag: string, entry: readonly unknown[]): unknown {
    switch (tag) {
      case 'Map':
        return this.#beginMap(entry);
      case 'Set':
        return this.#beginSet(entry);
      case 'null':
        return this.#beginObject(pairsOf(entry), Object.create(null));
    }
    if (entry.length !== 2) throw malformed(`${tag} has ${entry.length} parts`);
    switch (tag) {
      case 'Date':
        return readDate(entry[1]);
      case 'BigInt':
        return readBigInt(entry[1]);
      case 'ArrayBuffer':
        return readBytes(entry[1]);
      case 'Uint8Array':
        return readBytes(this.#taggedAt(entry[1], 'ArrayBuffer'));
      case 'Record':
        return this.#beginRecord(entry[1]);
      case 'Error':
        return this.#beginError(entry[1]);
      default:
        throw malformed(`there is no kind ${JSON.stringify(tag.slice(0, 40))}`);
    }
  }

  #beginObject(pairs: readonly (readonly [string, unknown])[], object: Record<string, unknown>): object {
    if (pairs.some(([key]) => key === '__proto__')) throw malformed('an object has the key __proto__');
    this.#fills.push(() => {
      for (const [key, ref] of pairs) setOwn(object, key, this.#valueAt(ref));
    });
    return object;
  }

  #beginArray(refs: readonly unknown[]): unknown[] {
    const array: unknown[] = new Array(refs.length);
    this.#fills.push(() => {
      for (const [index, ref] of refs.entries()) if (ref !== holeRef) array[index] = this.#valueAt(ref);
    });
    return array;
  }

  #beginSparse(entry: readonly unknown[]): unknown[] {
    const [, length, ...rest] = entry;
    if (!isIndex(length) || rest.length % 2 !== 0) throw malformed('a sparse array has no length');
    const array = sparseArray(length);
    let previous = -1;
    for (let at = 0; at < rest.length; at += 2) {
      const index = rest[at];
      if (!isIndex(index) || index <= previous || index >= length) throw malformed('a sparse array has a wrong index');
      previous = index;
      this.#fills.push(() => {
        array[index] = this.#valueAt(rest[at + 1]);
      });
    }
    return array;
  }

  #beginMap(entry: readonly unknown[]): Map<unknown, unknown> {
    if (entry.length % 2 !== 1) throw malformed('a Map has a key without a value');
    const map = new Map<unknown, unknown>();
    this.#fills.push(() => {
      for (let at = 1; at < entry.length; at += 2) map.set(this.#valueAt(entry[at]), this.#valueAt(entry[at + 1]));
    });
    return map;
  }

  #beginSet(entry: readonly unknown[]): Set<unknown> {
    const set = new Set<unknown>();
    this.#fills.push(() => {
      for (const ref of entry.slice(1)) set.add(this.#valueAt(ref));
    });
    return set;
  }

  #beginRecord(ref: unknown): object {
    const refs = this.#entryAt(ref);
    if (!Array.isArray(refs) || refs.length % 2 !== 1) throw malformed('a record is not a list of keys and values');
    const list: readonly unknown[] = refs;
    const record: Record<string, unknown> = this.#textAt(list[0]) === 'null-object' ? Object.create(null) : {};
    this.#recordFills.push(() => {
      for (let at = 1; at < list.length; at += 2) setOwn(record, this.#textAt(list[at]), this.#valueAt(list[at + 1]));
    });
    return record;
  }

  #beginError(ref: unknown): Error {
    const entry = this.#entryAt(ref);
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) throw malformed('an error is not an object');
    const parts = new Map<string, unknown>(Object.entries(entry));
    const error = makeError(this.#textAt(parts.get('class')));
    const stack = parts.has('stack') ? this.#textAt(parts.get('stack')) : null;
    const texts = { name: this.#textAt(parts.get('name')), message: this.#textAt(parts.get('message')), stack };
    this.#errorFills.push(() => {
      const fields = this.#valueAt(parts.get('fields'));
      if (typeof fields !== 'object' || fields === null) throw malformed('an error has no fields');
      setErrorTexts(error, texts);
      for (const key of ['cause', 'errors']) if (parts.has(key)) setHidden(error, key, this.#valueAt(parts.get(key)));
      for (const [key, value] of Object.entries(fields)) setField(error, key, value);
    });
    return error;
  }

  #valueAt(ref: unknown): unknown {
    if (ref === undefinedRef) return undefined;
    const number = numberRefs.get(ref);
    if (number !== undefined) return number;
    this.#entryAt(ref);
    return this.#values[ref as number];
  }

  #entryAt(ref: unknown): unknown {
    if (!isIndex(ref) || ref >= this.#entries.length) throw malformed('it refers to a value that is not there');
    return this.#entries[ref];
  }

  #textAt(ref: unknown): string {
    const text = this.#entryAt(ref);
    if (typeof text !== 'string') throw malformed('a text is something else');
    return text;
  }

  #taggedAt(ref: unknown, tag: string): unknown {
    const entry = this.#entryAt(ref);
    if (!Array.isArray(entry) || entry.length !== 2 || entry[0] !== tag) throw malformed(`${tag} is something else`);
    return entry[1];
  }
}

function pairsOf(entry: readonly unknown[]): [string, unknown][] {
  if (entry.length % 2 !== 1) throw malformed('an object has a key without a value');
  const pairs: [string, unknown][] = [];
  for (let at = 1; at < entry.length; at += 2) {
    const key = entry[at];
    if (typeof key !== 'string') throw malformed('a key is not a text');
    pairs.push([key, entry[at + 1]]);
  }
  return pairs;
}

function readDate(iso: unknown): Date {
  const date = new Date(typeof iso === 'string' ? iso : '');
  const isValid = !Number.isNaN(date.getTime());
  if (isValid ? date.toISOString() !== iso : iso !== '') throw malformed('a date cannot be read');
  return date;
}

function readBigInt(digits: unknown): bigint {
  if (typeof digits !== 'string' || !/^-?[0-9]+$/.test(digits)) throw malformed('a BigInt cannot be read');
  return BigInt(digits);
}

/** devalue knows which base64 the platform has. */
function readBytes(base64: unknown): Uint8Array {
  const isBase64 = typeof base64 === 'string' && base64.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(base64);
  if (!isBase64) throw malformed('bytes cannot be read');
  return new Uint8Array(unflatten([['ArrayBuffer', base64]]));
}

/** An array that does not allocate the length which the input claims: touching the last index makes it a dictionary. */
function sparseArray(length: number): unknown[] {
  const array: unknown[] = [];
  array[arrayLengthMax - 1] = undefined;
  delete array[arrayLengthMax - 1];
  array.length = length;
  return array;
}

function isIndex(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= arrayLengthMax;
}
