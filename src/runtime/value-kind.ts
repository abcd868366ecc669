// What an object is, as far as storing it goes: by its prototype, never by what it says about itself, so that no code
// of its owner runs. Objects of another realm (a vm context, a test runner's sandbox) count as their kind.

/** The kinds of objects that can be stored (G11). */
export type ValueKind = 'object' | 'null-object' | 'array' | 'date' | 'map' | 'set' | 'bytes' | 'error';

const kindsByPrototype = new Map<object, ValueKind>([
  [Object.prototype, 'object'],
  [Array.prototype, 'array'],
  [Date.prototype, 'date'],
  [Map.prototype, 'map'],
  [Set.prototype, 'set'],
  [Uint8Array.prototype, 'bytes'],
]);
const kindsByNativeName = new Map<string, ValueKind>([
  ['Object', 'object'],
  ['Array', 'array'],
  ['Date', 'date'],
  ['Map', 'map'],
  ['Set', 'set'],
  ['Uint8Array', 'bytes'],
]);
const generatorPrototype: object = Object.getPrototypeOf(Object.getPrototypeOf((function* () {})()));
const asyncGeneratorPrototype: object = Object.getPrototypeOf(Object.getPrototypeOf((async function* () {})()));

/** The kind of an object that can be stored, or null when it is something else, such as an instance of a class. */
export function kindOf(value: object): ValueKind | null {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === null) return 'null-object';
  const kind = kindOfPrototype(prototype);
  if (kind !== null) return (kind === 'array') === Array.isArray(value) ? kind : null;
  return isError(value) ? 'error' : null;
}

/** Whether an object is an error of any class and any realm. */
export function isError(value: object): boolean {
  return ancestors(value).some((prototype) => prototype === Error.prototype || nativeName(prototype) === 'Error');
}

/** The prototypes of an object, the nearest first. */
export function ancestors(value: object): readonly object[] {
  const found: object[] = [];
  for (let prototype: object | null = Object.getPrototypeOf(value); prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    found.push(prototype);
  }
  return found;
}

/** What an object that cannot be stored is, in words for a message. */
export function describeForeign(value: object): string {
  const prototypes = ancestors(value);
  if (prototypes.includes(generatorPrototype)) return 'a generator (did you forget yield*?)';
  if (prototypes.includes(asyncGeneratorPrototype)) return 'an async generator';
  if (prototypes.includes(Promise.prototype)) return 'a promise';
  const [prototype] = prototypes;
  const name = prototype === undefined ? null : constructorName(prototype);
  const described = name === null || name === '' ? 'an object with a prototype of its own' : `an instance of class ${name}`;
  return typeof Reflect.get(value, Symbol.iterator) === 'function' ? `${described}, which is iterable (did you forget yield*?)` : described;
}

/** The name of the built-in whose prototype this is, in whatever realm, or null. */
export function nativeName(prototype: object): string | null {
  const maker = ownValue(prototype, 'constructor');
  if (typeof maker !== 'function' || ownValue(maker, 'prototype') !== prototype) return null;
  const name = constructorName(prototype);
  return Function.prototype.toString.call(maker) === `function ${name}() { [native code] }` ? name : null;
}

/** The name of the class whose prototype this is, read without running its code, or null. */
export function constructorName(prototype: object): string | null {
  const maker = ownValue(prototype, 'constructor');
  const name = typeof maker === 'function' ? ownValue(maker, 'name') : null;
  return typeof name === 'string' ? name : null;
}

/** The value of an own data property; undefined for accessors, which are not run. */
export function ownValue(object: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value;
}

/** Sets an own property as a literal does, whatever the prototype has under that key: `__proto__` is data. */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key in target) Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  else target[key] = value;
}

function kindOfPrototype(prototype: object): ValueKind | null {
  const kind = kindsByPrototype.get(prototype);
  if (kind !== undefined) return kind;
  const native = nativeName(prototype);
  if (native !== null) return kindsByNativeName.get(native) ?? null;
  return isBufferPrototype(prototype) ? 'bytes' : null;
}

/** Node's Buffer is a Uint8Array with other methods, and decodes as a Uint8Array. */
function isBufferPrototype(prototype: object): boolean {
  if (constructorName(prototype) !== 'Buffer') return false;
  const parent: object | null = Object.getPrototypeOf(prototype);
  return parent !== null && (parent === Uint8Array.prototype || nativeName(parent) === 'Uint8Array');
}
