// Values that can be stored, of all kinds, made at random.

import fc from 'fast-check';

const key = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
  { weight: 1, arbitrary: fc.constantFrom('$', '__proto__', 'constructor', 'toJSON', 'length', 'then', '0', '-1', '') },
);

const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, true, false, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0),
  fc.double(),
  fc.integer(),
  fc.bigInt(),
  fc.string({ unit: 'binary' }),
  // Halves of surrogate pairs as well: any string is data.
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 }).map((units) => String.fromCharCode(...units)),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 40 }),
);

/** Any value that can be stored; without shared references or cycles, which `graphs` has. */
export const storable: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.sparseArray(tie('value'), { maxNumElements: 4, maxLength: 60 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs)),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 3 }).map(withoutPrototype),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 }).map((pairs) => new Map(pairs)),
    fc.array(tie('value'), { maxLength: 4 }).map((members) => new Set(members)),
    fc.tuple(fc.constantFrom(Error, TypeError, RangeError, SyntaxError, URIError), fc.string(), tie('value'), tie('value')).map(toError),
  ),
})).value;

/** Containers that refer to each other at will: shared, in cycles, or alone. */
export const graphs: fc.Arbitrary<unknown> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('object', 'array', 'map', 'set', 'record', 'error', 'null-object'),
      edges: fc.array(fc.nat(), { maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((nodes) => {
    const made = nodes.map(({ kind }) => containers[kind]());
    for (const [index, { edges }] of nodes.entries()) {
      const container = made[index];
      for (const [position, edge] of edges.entries()) if (container !== undefined) put(container, position, made[edge % made.length]);
    }
    return made[0];
  });

type Kind = 'object' | 'array' | 'map' | 'set' | 'record' | 'error' | 'null-object';

const containers: Readonly<Record<Kind, () => object>> = {
  object: () => ({}),
  'null-object': () => Object.create(null),
  array: () => [],
  map: () => new Map(),
  set: () => new Set(),
  record: () => JSON.parse('{"__proto__":null}'),
  error: () => new RangeError('in a graph'),
};

function put(container: object, position: number, value: unknown): void {
  if (container instanceof Map) container.set(position % 2 === 0 ? position : value, value);
  else if (container instanceof Set) container.add(value);
  else if (Array.isArray(container)) container.push(value);
  else
    Object.defineProperty(container, position === 0 ? '__proto__' : `edge${position}`, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
}

function withoutPrototype(pairs: readonly (readonly [string, unknown])[]): object {
  const object = Object.create(null);
  for (const [name, value] of pairs) Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
  return object;
}

function toError([Class, message, cause, details]: [typeof Error, string, unknown, unknown]): Error {
  return Object.assign(new Class(message, { cause }), { code: 'E_TEST', details });
}
