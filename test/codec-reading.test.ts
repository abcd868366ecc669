// Reading stored values: what is damaged, forged or hostile is a DecodeError, and changes nothing else (G14, L1, L2).

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode, revive } from '../src/runtime/codec.js';
import { DecodeError, PayloadTooLargeError } from '../src/runtime/errors.js';
import { storable } from './storable.js';

const what = 'a value';

test.each([
  ['no JSON', ''],
  ['half of it', '{"a":'],
  ['two values', '1 2'],
  ['a tag beside other keys', '{"$":-1,"a":1}'],
  ['a tag without a list', '{"$":{}}'],
  ['an empty list', '{"$":[]}'],
  ['a constant that is none', '{"$":-2}'],
  ['a reference out of range', '{"$":[[1]]}'],
  ['a negative reference', '{"$":[[-8],1]}'],
  ['a reference that is no whole number', '{"$":[[0.5]]}'],
  ['a reference that is a name', '{"$":[["length"]]}'],
  ['a reference that is an object', '{"$":[{"a":{}}]}'],
  ['a kind that is not written', '{"$":[["RegExp","(a+)+$"]]}'],
  ['a kind that is inherited', '{"$":[["constructor",0]]}'],
  ['a boxed value', '{"$":[["Object",1],1]}'],
  ['a date that is none', '{"$":[["Date","yesterday"]]}'],
  ['a date that is a number', '{"$":[["Date",0]]}'],
  ['a BigInt that is none', '{"$":[["BigInt","0x10"]]}'],
  ['a BigInt that is a boolean', '{"$":[["BigInt",true]]}'],
  ['a Map without its last value', '{"$":[["Map",1],1]}'],
  ['bytes of a length', '{"$":[["Uint8Array",1],100000000]}'],
  ['bytes that are no base64', '{"$":[["Uint8Array",1],["ArrayBuffer","?"]]}'],
  ['a view beyond its bytes', '{"$":[["Uint8Array",1,0,9],["ArrayBuffer","AAAA"]]}'],
  ['a sparse array without a length', '{"$":[[-7,-1]]}'],
  ['a sparse array with an index too many', '{"$":[[-7,1,1,1],1]}'],
  ['an own __proto__ in an object', '{"$":[{"__proto__":1},{"polluted":2},1]}'],
  ['an own __proto__ in an object without prototype', '{"$":[["null","__proto__",1],1]}'],
  ['a record that is no list', '{"$":[["Record",1],{"a":0}]}'],
  ['a record whose key is an object', '{"$":[["Record",1],[2,3,3],"object",{}]}'],
  ['an error that is a list', '{"$":[["Error",1],[]]}'],
  ['an error without a name', '{"$":[["Error",1],{"class":2,"message":2,"fields":3},"Error",{}]}'],
  ['an error whose class is itself', '{"$":[["Error",0]]}'],
  ['an error with a number for fields', '{"$":[["Error",1],{"class":2,"name":2,"message":2,"fields":3},"Error",3]}'],
  ['a number too large', '{"$":[1e999]}'],
])('%s is a DecodeError', (_, text) => {
  expect(() => decode(text)).toThrow(DecodeError);
});

test('what is read back cannot give a name of a class that is not an error of the tables', () => {
  const flat = (name: string) => `{"$":[["Error",1],{"class":2,"name":2,"message":2,"fields":3},"${name}",{}]}`;

  for (const name of ['__proto__', 'constructor', 'Function', 'RouseError']) {
    expect(Object.getPrototypeOf(decode(flat(name)))).toBe(Error.prototype);
  }
});

test('a list nested a hundred thousand deep is read without exhausting the stack', () => {
  const entries = Array.from({ length: 100_000 }, (_, index) => (index === 99_999 ? [] : [index + 1]));

  expect(decode(JSON.stringify({ $: entries }))).toBeInstanceOf(Array);
});

test('a sparse array does not allocate the length it claims', () => {
  const before = process.memoryUsage().heapUsed;

  expect(decode('{"$":[[-7,33000000]]}')).toHaveLength(33_000_000);
  expect(decode('{"$":[[-7,4294967295]]}')).toHaveLength(4_294_967_295);

  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000);
});

test('an error does not show the text, which may hold secrets', () => {
  expect(() => decode('{"password":"hunter2"')).toThrow(/^A stored value is not JSON\. Restore/);
  expect(() => decode('{"password":"hunter2"')).not.toThrow(/hunter2/);
});

test('JSON that was parsed already is revived, and plain values are handed over as they are', () => {
  const document = { input: { a: 1 }, at: JSON.parse(encode(new Date(7), what)) as unknown };

  expect(revive(document.input)).toBe(document.input);
  expect(revive(document.at)).toStrictEqual(new Date(7));
  expect(revive(null)).toBeNull();
  expect(() => revive(undefined)).toThrow(DecodeError);
});

describe('of inputs made at random', () => {
  const tags = ['Date', 'BigInt', 'Map', 'Set', 'null', 'Uint8Array', 'ArrayBuffer', 'Record', 'Error', 'RegExp', 'Object', 'URL'];
  const names = ['__proto__', 'constructor', 'prototype', 'class', 'name', 'message', 'stack', 'cause', 'errors', 'fields', 'length', '$'];
  const atom = fc.oneof(
    fc.integer({ min: -9, max: 12 }),
    fc.constantFrom<unknown>(
      0.5,
      2 ** 32,
      -(2 ** 53),
      null,
      true,
      '',
      'AAAA',
      '17',
      'Error',
      'TypeError',
      'CancelledError',
      'null-object',
      'object',
    ),
    fc.constantFrom(...tags, ...names),
  );
  const record = fc
    .array(fc.tuple(fc.constantFrom(...names), atom), { maxLength: 6 })
    .map((pairs) => JSON.parse(`{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`) as unknown);
  const entry = fc.oneof(
    atom,
    record,
    fc.array(fc.oneof({ weight: 5, arbitrary: atom }, record), { maxLength: 6 }),
    fc.tuple(fc.constantFrom(...tags), fc.integer({ min: 0, max: 8 })),
    fc.tuple(fc.constant(-7), fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 8 })),
  );
  const list = fc.array(entry, { minLength: 1, maxLength: 9 });

  /** Reads it; whatever comes of it must be a value that could have been stored, or a DecodeError. */
  function readHostile(text: string): 'read' | 'refused' {
    const before = fingerprint();
    let value: unknown;
    try {
      value = decode(text);
    } catch (error) {
      expect(error).toBeInstanceOf(DecodeError);
      return 'refused';
    } finally {
      expect(fingerprint()).toEqual(before);
    }
    try {
      expect(encode(decode(encode(value, what)), what)).toBe(encode(value, what));
    } catch (error) {
      expect(error).toBeInstanceOf(PayloadTooLargeError);
    }
    return 'read';
  }

  test('a list of plausible entries is read or refused', () => {
    const outcomes = { read: 0, refused: 0 };

    fc.assert(
      fc.property(list, (entries) => {
        outcomes[readHostile(JSON.stringify({ $: entries }))] += 1;
      }),
      { seed: 1, numRuns: 6_000 },
    );

    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(100);
  });

  test('a stored value with a few characters changed is read or refused', () => {
    const edit = fc.record({
      at: fc.nat(),
      text: fc.constantFrom('', '"', '-', '0', '9', '1', '[', ']', '{', ',', '__proto__', 'e', '\\'),
    });

    fc.assert(
      fc.property(storable, fc.array(edit, { minLength: 1, maxLength: 4 }), (value, edits) => {
        let text = encode(value, what);
        for (const { at, text: inserted } of edits) {
          const position = at % text.length;
          text = text.slice(0, position) + inserted + text.slice(position + 1);
        }

        readHostile(text);
      }),
      { seed: 2, numRuns: 4_000 },
    );
  });

  /** What a polluted prototype would show. */
  function fingerprint(): unknown {
    return [Object.prototype, Array.prototype, Error.prototype, Map.prototype, Function.prototype].map((prototype) =>
      Reflect.ownKeys(prototype).map(String),
    );
  }
});
