// What holds for every value that can be stored: it comes back equal, sharing included, and shares nothing with the
// value that was written (C3, G11).

import { isDeepStrictEqual } from 'node:util';
import { unflatten } from 'devalue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../src/runtime/codec.js';
import { graphs, storable } from './storable.js';

const what = 'a value';

describe('any value that can be stored', () => {
  test('comes back equal', () => {
    fc.assert(
      fc.property(storable, (value) => {
        expect(isDeepStrictEqual(decode(encode(value, what)), value)).toBe(true);
      }),
      { seed: 1, numRuns: 3_000 },
    );
  });

  test('comes back with the same shape, order and sharing, and shares nothing with what was written', () => {
    fc.assert(
      fc.property(fc.oneof(storable, graphs), (value) => {
        const copy = decode(encode(value, what));

        expect(differences(value, copy)).toEqual([]);
      }),
      { seed: 2, numRuns: 3_000 },
    );
  });

  test('is written the same again after it was read', () => {
    fc.assert(
      fc.property(fc.oneof(storable, graphs), (value) => {
        const text = encode(value, what);

        expect(encode(decode(text), what)).toBe(text);
      }),
      { seed: 3, numRuns: 2_000 },
    );
  });

  test('is written without changing it', () => {
    fc.assert(
      fc.property(graphs, (value) => {
        const text = encode(value, what);
        decode(text);

        expect(encode(value, what)).toBe(text);
      }),
      { seed: 4, numRuns: 500 },
    );
  });
});

test('any JSON is written as JSON.stringify writes it, unless "$" or -0 is in the way', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = encode(value, what);
      const isTagged = text.startsWith('{"$":');

      if (!isTagged) expect(text).toBe(JSON.stringify(value));
      else expect(Object.hasOwn(value as object, '$') || hasNegativeZero(value)).toBe(true);
    }),
    { seed: 5, numRuns: 2_000 },
  );
});

test('the flat form is what devalue reads, given how errors and records are revived', () => {
  const revivers = {
    Error: ({ message }: { message: string }) => new Error(message),
    Record: ([kind, ...rest]: unknown[]) => [kind, rest.length / 2],
  };

  fc.assert(
    fc.property(storable, (value) => {
      const stored: unknown = JSON.parse(encode([value, undefined], what));
      const read = unflatten((stored as { $: number | unknown[] }).$, revivers);

      expect(plainly(read)).toEqual(plainly(decode(encode([value, undefined], what))));
    }),
    { seed: 6, numRuns: 1_000 },
  );
});

/** The value as its text, with errors and records as the revivers above give them. */
function plainly(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => {
    if (member instanceof Error) return member.message;
    if (member instanceof Map) return { map: [...member] };
    if (member instanceof Set) return { set: [...member] };
    if (typeof member === 'bigint') return `${member}n`;
    if (typeof member === 'number' && !Number.isFinite(member)) return String(member);
    if (typeof member === 'object' && member !== null && Object.hasOwn(member, '__proto__')) {
      return [Object.getPrototypeOf(member) === null ? 'null-object' : 'object', Object.keys(member).length];
    }
    return member;
  });
}

function hasNegativeZero(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).some(hasNegativeZero);
  return Object.is(value, -0);
}

/** Where two values differ in kind, content, order or sharing, or share an object. */
function differences(left: unknown, right: unknown, path = '', pairs = new Map<object, unknown>()): string[] {
  if (typeof left !== 'object' || left === null) return Object.is(left, right) ? [] : [`${path} is another value`];
  if (pairs.has(left)) return pairs.get(left) === right ? [] : [`${path} is shared otherwise`];
  if ([...pairs.values()].includes(right)) return [`${path} is shared though it was not`];
  pairs.set(left, right);
  if (left === right || typeof right !== 'object' || right === null) return [`${path} is not a copy`];
  if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return [`${path} is of another class`];
  const [leftParts, rightParts] = [partsOf(left), partsOf(right)];
  if (leftParts.length !== rightParts.length) return [`${path} has ${rightParts.length} parts instead of ${leftParts.length}`];
  return leftParts.flatMap((part, index) => differences(part, rightParts[index], `${path}/${index}`, pairs));
}

function partsOf(value: object): readonly unknown[] {
  if (value instanceof Date) return [value.getTime()];
  if (value instanceof Uint8Array) return [value.byteOffset, ...value];
  if (value instanceof Map) return [...value].flat();
  if (value instanceof Set) return [...value];
  const own = Object.entries(value).flat();
  if (value instanceof Error) return [value.name, value.message, value.stack, value.cause, ...own];
  return Array.isArray(value) ? [value.length, ...own] : own;
}
