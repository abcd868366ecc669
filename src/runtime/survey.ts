// Whether a value can be stored, and where exactly it cannot (G11). The survey runs before the flat form is written:
// it refuses what would be lost or would run somebody's code, and bounds depth before anything recurses.

import { errorParts } from './error-class.js';
import { PayloadTooLargeError, RouseError, UnstorableValueError } from './errors.js';
import { limits } from './limits.js';
import { describeForeign, kindOf } from './value-kind.js';

/** One step from a container to a member: a property, an index, or an entry of a Map or Set. */
type PathPart = string | number | { readonly via: 'get' | 'keys' | 'values'; readonly key: unknown };

/**
 * Checks that everything within a value can be stored.
 *
 * @throws UnstorableValueError naming the full path of the first part that cannot.
 * @throws PayloadTooLargeError when it is nested too deep, or certain to be too large.
 */
export function assertStorable(value: unknown, what: string): void {
  new Survey(what).run(value);
}

class Survey {
  readonly #what: string;
  readonly #path: PathPart[] = [];
  /** Objects, and strings long enough to matter: the flat form writes each of them once. */
  readonly #seen = new Set<unknown>();
  /** A lower bound of the text's length. */
  #size = 0;

  constructor(what: string) {
    this.#what = what;
  }

  run(value: unknown): void {
    try {
      this.#visit(value);
    } catch (error) {
      if (error instanceof RouseError) throw error;
      // A Proxy's trap threw, or an object only pretends to be a Map or Date. The path still says which.
      this.#refuse(`an object that cannot be read (${error instanceof Error ? error.message : 'it threw'})`);
    }
    if (this.#size > limits.payloadBytesMax) throw new PayloadTooLargeError(this.#what, this.#size, limits.payloadBytesMax);
  }

  #visit(value: unknown): void {
    this.#size += 2;
    switch (typeof value) {
      case 'string':
        if (value.length > 32) this.#countOnce(value);
        break;
      case 'bigint':
        // Hexadecimal: linear in its length, where decimal digits are not.
        this.#size += value.toString(16).length;
        break;
      case 'function':
        this.#refuse('a function');
        break;
      case 'symbol':
        this.#refuse('a symbol');
        break;
      case 'object':
        if (value !== null && !this.#seen.has(value)) this.#visitObject(value);
    }
  }

  #countOnce(text: string): void {
    if (this.#seen.has(text)) return;
    this.#seen.add(text);
    this.#size += text.length;
  }

  #visitObject(value: object): void {
    if (this.#path.length >= limits.payloadDepthMax) {
      throw new PayloadTooLargeError(this.#what, this.#path.length + 1, limits.payloadDepthMax, 'levels');
    }
    const kind = kindOf(value) ?? this.#refuse(describeForeign(value));
    this.#seen.add(value);
    switch (kind) {
      case 'object':
      case 'null-object':
        this.#visitProperties(value);
        break;
      case 'array':
        this.#visitArray(value as readonly unknown[]);
        break;
      case 'error':
        this.#visitError(value);
        break;
      case 'bytes':
        this.#visitBytes(value as Uint8Array);
        break;
      case 'map':
        this.#visitMap(value as ReadonlyMap<unknown, unknown>);
        break;
      case 'set':
        this.#visitSet(value as ReadonlySet<unknown>);
        break;
      case 'date':
        Date.prototype.getTime.call(value);
        this.#refuseProperties(value, 'a property of a Date');
    }
  }

  #visitProperties(object: object): void {
    this.#refuseSymbolKeys(object);
    for (const key of Object.keys(object)) this.#visitProperty(object, key, key);
  }

  #visitProperty(object: object, key: string, part: PathPart): void {
    this.#size += 2;
    if (key.length > 32) this.#size += key.length;
    const descriptor = Object.getOwnPropertyDescriptor(object, key);
    if (descriptor?.get !== undefined) this.#refuseAt(part, 'a getter');
    if (descriptor?.set !== undefined) this.#refuseAt(part, 'a setter');
    this.#visitAt(part, descriptor?.value);
  }

  #visitArray(array: readonly unknown[]): void {
    this.#refuseSymbolKeys(array);
    for (const key of Object.keys(array)) {
      const index = Number(key);
      if (String(index >>> 0) !== key || index >= array.length) this.#refuseAt(key, 'a named property of an array');
      this.#visitProperty(array, key, index);
    }
  }

  #visitMap(map: ReadonlyMap<unknown, unknown>): void {
    this.#refuseProperties(map, 'a property of a Map');
    let position = 0;
    for (const [key, value] of map) {
      const isNamed = typeof key !== 'object' || key === null;
      this.#visitAt({ via: 'keys', key: position }, key);
      this.#visitAt(isNamed ? { via: 'get', key } : { via: 'values', key: position }, value);
      position += 1;
    }
  }

  #visitSet(set: ReadonlySet<unknown>): void {
    this.#refuseProperties(set, 'a property of a Set');
    let position = 0;
    for (const value of set) {
      this.#visitAt({ via: 'values', key: position }, value);
      position += 1;
    }
  }

  #visitBytes(bytes: Uint8Array): void {
    this.#size += Math.ceil(bytes.byteLength / 3) * 4;
  }

  #visitError(error: object): void {
    const { message, stack, hidden, fields, accessors } = errorParts(error);
    this.#countOnce(message);
    this.#countOnce(stack ?? '');
    for (const key of accessors) this.#visitProperty(error, key, key);
    for (const [key, value] of Object.entries(hidden)) this.#visitAt(key, value);
    for (const key of Object.keys(fields)) this.#visitProperty(fields, key, key);
  }

  #visitAt(part: PathPart, value: unknown): void {
    this.#path.push(part);
    this.#visit(value);
    this.#path.pop();
  }

  #refuseSymbolKeys(object: object): void {
    for (const symbol of Object.getOwnPropertySymbols(object)) {
      if (symbol === Symbol.iterator) this.#refuse('an iterable object (did you forget yield*?)');
      if (Object.prototype.propertyIsEnumerable.call(object, symbol)) this.#refuse(`an object with the key ${String(symbol)}`);
    }
  }

  #refuseProperties(object: object, found: string): void {
    const [key] = Object.keys(object);
    if (key !== undefined) this.#refuseAt(key, found);
  }

  #refuseAt(part: PathPart, found: string): never {
    this.#path.push(part);
    this.#refuse(found);
  }

  #refuse(found: string): never {
    throw new UnstorableValueError(`${this.#what}${this.#path.map(formatPart).join('')}`, found);
  }
}

function formatPart(part: PathPart): string {
  if (typeof part === 'number') return `[${part}]`;
  if (typeof part === 'string')
    return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(part) && part.length <= 60 ? `.${part}` : `[${quote(part)}]`;
  if (part.via === 'get') return `.get(${typeof part.key === 'string' ? quote(part.key) : String(part.key)})`;
  return `.${part.via}()[${String(part.key)}]`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
