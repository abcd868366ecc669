// Values: what is written as what, what comes back, and what is refused where (G11, C3).

import { isDeepStrictEqual } from 'node:util';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../src/runtime/codec.js';
import { PayloadTooLargeError, UnstorableValueError } from '../src/runtime/errors.js';
import { limits } from '../src/runtime/limits.js';
import { CancelledError, TimeoutError } from '../src/runtime/workflow-errors.js';

const what = 'payload of event "approval"';

function roundTrip(value: unknown): unknown {
  return decode(encode(value, what));
}

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

function nested(levels: number, innermost: unknown): unknown {
  let value = innermost;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

describe('plain JSON', () => {
  test.each<[unknown]>([
    [null],
    [true],
    [false],
    [0],
    [-1.5],
    [1e300],
    [5e-324],
    [''],
    ['text "quoted" \u2028 \ud800'],
    [[]],
    [{}],
    [[[], {}, null]],
    [{ a: 1, b: ['x', { c: null }], 'odd key': false }],
    [{ deeper: { $: 1 } }],
    [[{ $: -1 }]],
    [{ constructor: 1, prototype: 2, toString: 3, hasOwnProperty: 4 }],
  ])('%j is written as JSON.stringify writes it', (value) => {
    expect(encode(value, what)).toBe(JSON.stringify(value));
    expect(isDeepStrictEqual(roundTrip(value), value)).toBe(true);
  });

  test('an own __proto__ key stays data', () => {
    const value = JSON.parse('{"__proto__":{"polluted":true},"a":[{"__proto__":1}]}');

    expect(encode(value, what)).toBe(JSON.stringify(value));
    expect(isDeepStrictEqual(roundTrip(value), value)).toBe(true);
    expect('polluted' in {}).toBe(false);
  });

  test('an object with the key "$" at the root is not taken for the tag', () => {
    for (const value of [{ $: -1 }, { $: [1], a: 2 }, { $: undefined }]) expect(roundTrip(value)).toStrictEqual(value);
    expect(encode({ $: 1 }, what)).toBe('{"$":[{"$":1},1]}');
  });

  test('a key named toJSON that is data is kept, and an inherited or hidden method of that name is not called', () => {
    const hidden = Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'called', enumerable: false });

    expect(roundTrip({ toJSON: 1, a: 2 })).toStrictEqual({ toJSON: 1, a: 2 });
    expect(roundTrip(hidden)).toStrictEqual({ a: 1 });
  });

  test('an enumerable property added to Object.prototype does not become data', () => {
    Object.defineProperty(Object.prototype, 'added', { value: 1, enumerable: true, configurable: true, writable: true });
    try {
      expect(Object.hasOwn(roundTrip({ a: 1 }) as object, 'added')).toBe(false);
    } finally {
      Reflect.deleteProperty(Object.prototype, 'added');
    }
  });
});

describe('other values', () => {
  test('undefined is the shortest tagged text', () => {
    expect(encode(undefined, what)).toBe('{"$":-1}');
    expect(decode('{"$":-1}')).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['-0', -0],
    ['a BigInt', 12345678901234567890n],
    ['a negative BigInt', -1n],
    ['a date', new Date(0)],
    ['the earliest date', new Date(-8.64e15)],
    [
      'a Map',
      new Map<unknown, unknown>([
        ['a', new Map()],
        [{ key: 1 }, Number.NaN],
        [-1n, undefined],
      ]),
    ],
    ['a Set', new Set([1, '1', new Set(), null])],
    ['bytes', new Uint8Array([0, 1, 255])],
    ['no bytes', new Uint8Array(0)],
    ['undefined members', { a: undefined, b: [undefined, -0] }],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 })],
    ['an object without prototype but with __proto__', Object.assign(Object.create(null), JSON.parse('{"__proto__":{"a":1},"$":2}'))],
    ['__proto__ beside other values', { mixed: JSON.parse('{"__proto__":[1]}'), at: new Date(1) }],
    // biome-ignore lint/suspicious/noSparseArray: holes are what is tested
    ['an array with a hole', [1, , 3]],
    ['an array with many holes', Object.assign([], { 1000000: 'far' })],
    ['an array of holes', new Array(3)],
  ])('%s comes back equal', (_, value) => {
    expect(isDeepStrictEqual(roundTrip(value), value)).toBe(true);
    expect(isDeepStrictEqual(roundTrip({ within: [value] }), { within: [value] })).toBe(true);
  });

  test('an invalid date comes back as one', () => {
    const copy = roundTrip([new Date(Number.NaN)]) as [Date];

    expect(copy[0]).toBeInstanceOf(Date);
    expect(copy[0].getTime()).toBeNaN();
  });

  test('shared references are shared again, and cycles are cycles', () => {
    const shared = { n: 1 };
    const value: Record<string, unknown> = { left: shared, right: [shared], map: new Map([[shared, shared]]) };
    value.self = value;

    const copy = roundTrip(value) as { left: object; right: object[]; map: Map<object, object>; self: unknown };

    expect(copy.left).not.toBe(shared);
    expect(copy.right[0]).toBe(copy.left);
    expect(copy.map.get(copy.left)).toBe(copy.left);
    expect(copy.self).toBe(copy);
  });

  test('equal objects that are not shared stay apart', () => {
    const copy = roundTrip({ a: [1], b: [1], c: undefined }) as { a: unknown; b: unknown };

    expect(copy.a).not.toBe(copy.b);
  });

  test('a Buffer becomes a Uint8Array of only the bytes in view', () => {
    const pool = Buffer.from('secret-visible-secret');
    const view = pool.subarray(7, 14);

    const copy = roundTrip({ view }) as { view: Uint8Array };

    expect(Object.getPrototypeOf(copy.view)).toBe(Uint8Array.prototype);
    expect(Buffer.from(copy.view).toString()).toBe('visible');
    expect(copy.view.buffer.byteLength).toBe(7);
  });

  test('values of another realm come back as values of this one', () => {
    const value: unknown = runInNewContext(
      '({ map: new Map([[1, new Date(5)]]), list: [new Set([2n])], bytes: new Uint8Array([7]), error: new TypeError("no") })',
    );

    const copy = roundTrip(value) as { error: unknown };

    expect(copy).toMatchObject({ map: new Map([[1, new Date(5)]]), list: [new Set([2n])], bytes: new Uint8Array([7]) });
    expect(copy.error).toBeInstanceOf(TypeError);
  });
});

describe('errors within values', () => {
  test('keep class, name, message, stack, code, cause and own data', () => {
    const error = Object.assign(new TypeError('bad', { cause: new Map([['why', 1n]]) }), { code: 'E_BAD', details: { at: new Date(3) } });

    const { error: copy } = roundTrip({ error }) as { error: typeof error };

    expect(copy).toBeInstanceOf(TypeError);
    expect(copy).not.toBe(error);
    expect(copy.stack).toBe(error.stack);
    expect(copy.cause).toStrictEqual(new Map([['why', 1n]]));
    expect(isDeepStrictEqual(copy, error)).toBe(true);
    expect(Object.keys(copy)).toEqual(['code', 'details']);
  });

  test('of a class of our own are of that class again', () => {
    const copies = roundTrip([new TimeoutError('receive "approval"', 5), new CancelledError('no longer wanted')]) as Error[];

    expect(copies[0]).toBeInstanceOf(TimeoutError);
    expect(copies[0]).toMatchObject({ name: 'TimeoutError', code: 'TIMEOUT', what: 'receive "approval"', ms: 5 });
    expect(copies[1]).toBeInstanceOf(CancelledError);
    expect(copies[1]).toMatchObject({ code: 'CANCELLED', reason: 'no longer wanted' });
  });

  test("of an author's class are of its built-in ancestor, with the name and fields they had", () => {
    class OutOfRange extends RangeError {
      override name = 'OutOfRange';
      readonly max = 3;
    }

    const copy = roundTrip(new OutOfRange('4')) as Error;

    expect(Object.getPrototypeOf(copy)).toBe(RangeError.prototype);
    expect(copy).toMatchObject({ name: 'OutOfRange', message: '4', max: 3 });
  });

  test('may be shared and in cycles', () => {
    const error: Error & { self?: unknown } = new Error('round');
    error.self = error;
    error.cause = [error];

    const copy = roundTrip({ first: error, second: error }) as { first: typeof error; second: unknown };

    expect(copy.first.self).toBe(copy.first);
    expect(copy.first.cause).toEqual([copy.first]);
    expect(copy.second).toBe(copy.first);
  });

  test('keep the errors of an AggregateError, and an own __proto__ field', () => {
    const error = Object.assign(new AggregateError([new RangeError('one')], 'many'), { info: JSON.parse('{"__proto__":1}') });

    const copy = roundTrip(error) as typeof error;

    expect(copy).toBeInstanceOf(AggregateError);
    expect(copy.errors[0]).toBeInstanceOf(RangeError);
    expect(Object.keys(copy)).toEqual(['info']);
    expect(Object.entries(copy.info)).toEqual([['__proto__', 1]]);
  });
});

describe('a value that cannot be stored is refused with its full path:', () => {
  class Order {}
  class Entries extends Map {}
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();

  test.each<[string, unknown, string, string]>([
    ['a function', { items: [1, { fn: () => 1 }] }, '.items[1].fn', 'a function'],
    ['a class', { Order }, '.Order', 'a function'],
    ['a symbol', [Symbol('s')], '[0]', 'a symbol'],
    ['a symbol key', { a: { [Symbol('s')]: 1 } }, '.a', 'an object with the key Symbol(s)'],
    ['a promise', { 'odd key': Promise.resolve() }, '["odd key"]', 'a promise'],
    ['a generator', { g: (function* () {})() }, '.g', 'a generator (did you forget yield*?)'],
    ['a generator at the root', (function* () {})(), '', 'a generator (did you forget yield*?)'],
    ['an async generator', [(async function* () {})()], '[0]', 'an async generator'],
    ['an operation', { op: { *[Symbol.iterator]() {} } }, '.op', 'an iterable object (did you forget yield*?)'],
    ['an instance of a class', [[new Order()]], '[0][0]', 'an instance of class Order'],
    ['an instance of a subclass of Map', new Entries(), '', 'an instance of class Entries, which is iterable (did you forget yield*?)'],
    ['a regular expression', { r: /x/ }, '.r', 'an instance of class RegExp'],
    ['a boxed number', [Object(1)], '[0]', 'an instance of class Number'],
    ['a WeakMap', [new WeakMap()], '[0]', 'an instance of class WeakMap'],
    ['another typed array', [new Float64Array(1)], '[0]', 'an instance of class Float64Array, which is iterable (did you forget yield*?)'],
    ['an object with another prototype', { o: Object.create({ a: 1 }) }, '.o', 'an object with a prototype of its own'],
    ['a value of a Map', new Map([['k"', { f() {} }]]), '.get("k\\"").f', 'a function'],
    ['a value of a Map under an object', new Map([[{}, () => 1]]), '.values()[0]', 'a function'],
    ['a key of a Map', new Map([[{ f() {} }, 1]]), '.keys()[0].f', 'a function'],
    ['a member of a Set', new Set([1, () => 1]), '.values()[1]', 'a function'],
    ['a field of an error', [Object.assign(new Error('e'), { retry: () => 1 })], '[0].retry', 'a function'],
    ['the cause of an error', new Error('e', { cause: { f() {} } }), '.cause.f', 'a function'],
    ['a named property of an array', 'x'.match(/x/), '.index', 'a named property of an array'],
    ['a property of a Map', Object.assign(new Map(), { size2: 1 }), '.size2', 'a property of a Map'],
    ['a property of a Date', [Object.assign(new Date(0), { zone: 'x' })], '[0].zone', 'a property of a Date'],
    ['an object that only pretends to be a Map', [Object.create(Map.prototype)], '[0]', 'an object that cannot be read'],
    ['an object that only pretends to be a Date', [Object.create(Date.prototype)], '[0]', 'an object that cannot be read'],
    ['a revoked Proxy', { deep: [revoked.proxy] }, '.deep[0]', 'an object that cannot be read'],
  ])('%s', (_, value, path, found) => {
    const error = errorOf(() => encode(value, what)) as UnstorableValueError;

    expect(error).toBeInstanceOf(UnstorableValueError);
    expect(error.path).toBe(`${what}${path}`);
    expect(error.found).toContain(found);
    expect(error.message).toContain(`${what}${path} is ${found}`);
  });

  test.each([
    ['getter', 'of an object', (get: () => void) => Object.defineProperty({}, 'a', { get, enumerable: true }), '.x.a'],
    ['setter', 'of an object', (set: () => void) => Object.defineProperty({}, 'a', { set, enumerable: true }), '.x.a'],
    ['getter', 'of an array', (get: () => void) => Object.defineProperty([0], 0, { get, enumerable: true }), '.x[0]'],
    ['getter', 'of an error', (get: () => void) => Object.defineProperty(new Error('e'), 'a', { get, enumerable: true }), '.x.a'],
    ['getter', 'named toJSON', (get: () => void) => Object.defineProperty({}, 'toJSON', { get, enumerable: true }), '.x.toJSON'],
  ])('a %s %s, which is not run', (found, _, make, path) => {
    let runs = 0;
    const value = make(() => {
      runs += 1;
    });

    expect(errorOf(() => encode({ x: value }, what))).toMatchObject({ path: `${what}${path}`, found: `a ${found}` });
    expect(runs).toBe(0);
  });
});

describe('limits', () => {
  test.each([
    ['plain', null],
    ['other', undefined],
  ])('a %s value may be nested as deep as the limit and no deeper', (_, innermost) => {
    const deepest = nested(limits.payloadDepthMax, innermost);

    expect(roundTrip(deepest)).toEqual(deepest);
    expect(errorOf(() => encode([deepest], what))).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      what,
      size: limits.payloadDepthMax + 1,
      limit: limits.payloadDepthMax,
    });
  });

  test('a value nested far too deep is refused without exhausting the stack', () => {
    const error = errorOf(() => encode(nested(1_000_000, 1), what));

    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect((error as Error).message).toContain('levels');
  });

  test('text up to the limit is written, and one character more is refused', () => {
    const longest = 'x'.repeat(limits.payloadBytesMax - 2);

    expect(encode(longest, what)).toHaveLength(limits.payloadBytesMax);
    expect(errorOf(() => encode(`${longest}x`, what))).toMatchObject({ size: limits.payloadBytesMax + 1, limit: limits.payloadBytesMax });
  });

  test.each<[string, () => unknown]>([
    ['a string', () => 'x'.repeat(limits.payloadBytesMax * 2)],
    ['a string that grows by escapes', () => '\u0000'.repeat(limits.payloadBytesMax / 2)],
    ['plain strings', () => Array.from({ length: 100 }, () => 'x'.repeat(limits.payloadBytesMax / 10))],
    ['keys', () => ({ ['k'.repeat(limits.payloadBytesMax)]: undefined })],
    ['bytes', () => new Uint8Array(limits.payloadBytesMax)],
    ['a BigInt', () => 1n << 40_000_000n],
    ['many elements', () => Array.from({ length: limits.payloadBytesMax }, () => undefined)],
    ['an error', () => new Error('x'.repeat(limits.payloadBytesMax))],
  ])('%s beyond the limit is refused', (_, make) => {
    const error = errorOf(() => encode(make(), what));

    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect((error as PayloadTooLargeError).size).toBeGreaterThan(limits.payloadBytesMax);
  });
});
