// Errors as data: whatever is thrown becomes data, and becomes an error again that code in a `catch` can tell (G9).

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../src/runtime/codec.js';
import { makeError } from '../src/runtime/error-class.js';
import { type ErrorData, encodeError, fromErrorData, toErrorData } from '../src/runtime/error-data.js';
import { DecodeError, RouseError } from '../src/runtime/errors.js';
import { limits } from '../src/runtime/limits.js';
import {
  CancelledError,
  CompensationError,
  DeadlockError,
  NonRetryableError,
  TimeoutError,
  WorkflowFailedError,
} from '../src/runtime/workflow-errors.js';
import { storable } from './storable.js';

/** As a step's error reaches the workflow, live and in replay. */
function passOn(thrown: unknown): Error & Record<string, unknown> {
  return fromErrorData(decode(encodeError(thrown)) as ErrorData) as Error & Record<string, unknown>;
}

describe('an error', () => {
  test('keeps name, message, stack, code, cause and its other fields', () => {
    const error = Object.assign(new RangeError('too many', { cause: new TypeError('not a number') }), {
      code: 'E_MANY',
      count: 3n,
      at: new Date(5),
    });

    expect(toErrorData(error)).toEqual({
      name: 'RangeError',
      message: 'too many',
      stack: error.stack,
      code: 'E_MANY',
      data: { count: 3n, at: new Date(5) },
      cause: { name: 'TypeError', message: 'not a number', stack: (error.cause as Error).stack },
    });
    expect(passOn(error)).toBeInstanceOf(RangeError);
    expect(passOn(error)).toMatchObject({
      name: 'RangeError',
      message: 'too many',
      stack: error.stack,
      code: 'E_MANY',
      count: 3n,
      at: new Date(5),
    });
    expect(passOn(error).cause).toBeInstanceOf(TypeError);
    expect(isDeepStrictEqual(passOn(error), error)).toBe(true);
  });

  test('without fields of its own has no data', () => {
    expect(Object.keys(toErrorData(new Error('plain')))).toEqual(['name', 'message', 'stack']);
  });

  test.each([Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError])('of the class %o is one again', (Class) => {
    const copy = passOn(new Class('no'));

    expect(Object.getPrototypeOf(copy)).toBe(Class.prototype);
    expect(Object.prototype.toString.call(copy)).toBe('[object Error]');
    expect(Object.keys(copy)).toEqual([]);
  });

  test('that stands for several keeps them', () => {
    const copy = passOn(new AggregateError([new TypeError('one'), 'two'], 'both')) as unknown as AggregateError;

    expect(copy).toBeInstanceOf(AggregateError);
    expect(copy.errors[0]).toBeInstanceOf(TypeError);
    expect(copy.errors[1]).toBe('two');
    expect(Object.keys(copy)).toEqual([]);
  });

  test("of an author's class is named after its class, unless it has a name", () => {
    class CardDeclined extends Error {
      readonly status = 402;
    }
    class Renamed extends Error {
      override readonly name = 'PaymentError';
    }

    expect(passOn(new CardDeclined('no'))).toMatchObject({ name: 'CardDeclined', message: 'no', status: 402 });
    expect(passOn(new Renamed('no')).name).toBe('PaymentError');
    expect(passOn(Object.assign(new TypeError('no'), { name: 'Own' })).name).toBe('Own');
    expect(passOn(new Error('no')).name).toBe('Error');
  });

  test('of the platform keeps its name', () => {
    const aborted = passOn(AbortSignal.abort().reason);

    expect(aborted).toMatchObject({ name: 'AbortError', message: 'This operation was aborted' });
    expect(Object.hasOwn(aborted, 'code')).toBe(false);
  });

  test('with a code that is not a text keeps it as a field', () => {
    const error = Object.assign(new Error('exit'), { code: 7 });

    expect(toErrorData(error)).toMatchObject({ data: { code: 7 } });
    expect(passOn(error).code).toBe(7);
  });

  test('with a code inherited from its class keeps it', () => {
    class Coded extends Error {
      get code(): string {
        return 'E_CODED';
      }
    }

    expect(toErrorData(new Coded('x')).code).toBe('E_CODED');
    expect(passOn(new Coded('x')).code).toBe('E_CODED');
  });

  test('leaves out the fields that cannot be stored, and keeps the others', () => {
    const error = Object.assign(new Error('request failed'), { status: 503, request: { send: () => 1 }, response: new Response() });

    expect(toErrorData(error).data).toEqual({ status: 503 });
    expect(toErrorData(Object.assign(new Error('x'), { send: () => 1 }))).not.toHaveProperty('data');
  });

  test('has no reference in common with its data, nor the data with the error made of it', () => {
    const details = { list: [1] };
    const data = toErrorData(Object.assign(new Error('x'), { details }));
    const copy = fromErrorData(data) as Error & { details: { list: number[] } };

    details.list.push(2);
    copy.details.list.push(3);

    expect(data.data).toEqual({ details: { list: [1] } });
  });

  test('is made without touching how the process takes stacks', () => {
    const before = Error.stackTraceLimit;

    expect(passOn({ message: 'no stack' }).stack).toBeUndefined();
    expect(Error.stackTraceLimit).toBe(before);
    expect(before).toBeGreaterThan(0);
  });

  test('keeps an own __proto__ as data', () => {
    const error = Object.defineProperty(new Error('x'), '__proto__', { value: { polluted: 1 }, enumerable: true });

    const copy = passOn(error);

    expect(Object.entries(copy)).toEqual([['__proto__', { polluted: 1 }]]);
    expect(Object.getPrototypeOf(copy)).toBe(Error.prototype);
  });
});

describe('an error of our own', () => {
  test.each([
    new CancelledError('no longer wanted'),
    new TimeoutError('receive "approval"', 5_000),
    new NonRetryableError('card stolen', { cause: new Error('bank') }),
    new DeadlockError(['a waits for b']),
    new CompensationError([{ name: 'Error', message: 'undo' }], { cause: new Error('first') }),
  ])('is of its class again: %s', (error) => {
    const copy = passOn(error);

    expect(copy).toBeInstanceOf(RouseError);
    expect(isDeepStrictEqual(copy, error)).toBe(true);
  });

  test('that carries error data in a field carries it on', () => {
    const inner = toErrorData(Object.assign(new TypeError('inner', { cause: new Error('innermost') }), { status: 1 }));

    const copy = passOn(new WorkflowFailedError('i1', 'provision', inner));

    expect(copy).toBeInstanceOf(WorkflowFailedError);
    expect(copy.error).toEqual(inner);
  });

  test('is not mistaken for one of somebody else with the same name', () => {
    const foreign = Object.assign(new Error('theirs'), { name: 'TimeoutError' });
    const foreignWithCode = Object.assign(new Error('theirs'), { name: 'TimeoutError', code: 'ETIMEDOUT' });

    expect(passOn(foreign)).not.toBeInstanceOf(TimeoutError);
    expect(passOn(foreign).name).toBe('TimeoutError');
    expect(passOn(foreignWithCode)).not.toBeInstanceOf(TimeoutError);
  });

  const declared = ['errors', 'workflow-errors', 'instance-errors', 'store-errors'].flatMap((file) => {
    const text = readFileSync(new URL(`../src/runtime/${file}.ts`, import.meta.url), 'utf8');
    return [...text.matchAll(/export class (\w+) extends RouseError \{\s+readonly code(?:: string)? = '(\w+)'/g)].map(
      ([, name = '', code = '']) => ({ name, code }),
    );
  });

  test.each(declared)('of the class $name is known by its name and code', ({ name, code }) => {
    const copy = fromErrorData({ name, message: 'm', code });

    expect(copy).toBeInstanceOf(RouseError);
    expect(copy.constructor.name).toBe(name);
    expect(toErrorData(copy)).toEqual({ name, message: 'm', code });
  });

  test('is found in the files that declare them', () => {
    expect(declared.length).toBeGreaterThan(25);
    expect(makeError('RouseError')).not.toBeInstanceOf(RouseError);
  });
});

describe('something else than an error', () => {
  test.each<[string, unknown, ErrorData]>([
    ['a text', 'no money', { name: 'Error', message: 'no money', data: { thrown: 'no money' } }],
    ['a number', 404, { name: 'Error', message: '404', data: { thrown: 404 } }],
    ['undefined', undefined, { name: 'Error', message: 'undefined', data: { thrown: undefined } }],
    ['null', null, { name: 'Error', message: 'null', data: { thrown: null } }],
    ['a function', () => 1, { name: 'Error', message: 'A function was thrown.' }],
    ['a symbol', Symbol('s'), { name: 'Error', message: 'Symbol(s)' }],
    [
      'an object',
      { status: 402 },
      { name: 'Error', message: 'A value that is not an error was thrown: {"status":402}', data: { status: 402 } },
    ],
    ['an object like an error', { message: 'no', code: 'E', n: 1 }, { name: 'Error', message: 'no', code: 'E', data: { n: 1 } }],
    ['error data', { name: 'X', message: 'm', data: { n: 1 } }, { name: 'X', message: 'm', data: { n: 1 } }],
    ['a list', [1], { name: 'Error', message: 'A value that is not an error was thrown: [1]', data: { thrown: [1] } }],
    ['a promise', Promise.resolve(), { name: 'Error', message: 'A value that is not an error was thrown.' }],
  ])('is data: %s', (_, thrown, data) => {
    expect(toErrorData(thrown)).toStrictEqual(data);
    expect(toErrorData(passOn(thrown))).toStrictEqual(data);
  });

  test('gives its fields to the error that is thrown instead', () => {
    expect(passOn({ status: 402 })).toMatchObject({ status: 402 });
    expect(passOn('no money')).toMatchObject({ thrown: 'no money' });
  });
});

describe('what was thrown cannot do harm', () => {
  test('by getters: own ones are not run, inherited ones may throw', () => {
    let runs = 0;
    const counted = { get: () => (runs += 1), enumerable: true };
    const error = Object.defineProperties(new Error('x'), { code: counted, cause: counted, other: counted });
    const failing = {
      get: () => {
        throw new Error('getter');
      },
    };
    class Throwing extends Error {
      override get name(): string {
        throw new Error('name');
      }
    }

    expect(Object.keys(toErrorData(error))).toEqual(['name', 'message', 'stack']);
    expect(toErrorData(Object.defineProperties(new Error('x'), { name: failing, message: failing }))).toMatchObject({
      name: 'Error',
      message: '',
    });
    expect(toErrorData(Object.defineProperties({}, { name: counted, message: counted }))).toMatchObject({ name: 'Error' });
    expect(toErrorData(new Throwing('x'))).toMatchObject({ name: 'Throwing', message: 'x' });
    expect(runs).toBe(0);
  });

  test('by being unreadable', () => {
    const { proxy, revoke } = Proxy.revocable(new Error('x'), {});
    revoke();

    expect(toErrorData(proxy)).toEqual({ name: 'Error', message: 'Something was thrown that cannot be read.' });
    expect(decode(encodeError(proxy))).toMatchObject({ name: 'Error' });
  });

  test('by a chain of causes without end', () => {
    const round = new Error('round');
    round.cause = new Error('and round', { cause: round });
    let long = new Error('0');
    for (let level = 1; level < 100_000; level += 1) long = new Error(String(level), { cause: long });

    expect(toErrorData(round)).toMatchObject({ message: 'round', cause: { message: 'and round' } });
    expect(toErrorData(round).cause).not.toHaveProperty('cause');
    expect(causesOf(toErrorData(long))).toBe(limits.errorCausesMax);
    expect(toErrorData(passOn(long))).toEqual(toErrorData(long));
  });

  test('by its size: texts are cut, and fields too large are left out', () => {
    let error = new Error('\u0000'.repeat(1_000_000));
    error.name = '\u0001'.repeat(1_000);
    for (let level = 0; level < 20; level += 1)
      error = Object.assign(new Error('\u0000'.repeat(1_000_000), { cause: error }), { code: '\u0002'.repeat(5_000) });
    const heavy = Object.assign(error, { dump: 'x'.repeat(700_000), more: 'y'.repeat(700_000) });

    const data = decode(encodeError(heavy)) as ErrorData;

    expect(data.message).toHaveLength(limits.errorTextLengthMax);
    expect(data).not.toHaveProperty('data');
    expect(causesOf(data)).toBe(limits.errorCausesMax);
  });

  test('by a stored form that is not error data', () => {
    for (const stored of [
      null,
      'x',
      [],
      {},
      { name: 'E' },
      { name: 1, message: 'm' },
      { name: 'E', message: 'm', stack: 1 },
      { name: 'E', message: 'm', cause: 'c' },
    ]) {
      expect(() => fromErrorData(stored as unknown as ErrorData)).toThrow(DecodeError);
    }
  });
});

test('anything thrown becomes data that can be stored, and stays the same however often it is passed on', () => {
  const thrown = fc.oneof(
    storable,
    fc.tuple(fc.string(), fc.dictionary(fc.string(), storable, { maxKeys: 4 }), storable).map(([message, fields, cause]) => {
      const error = new Error(message, { cause });
      for (const [key, value] of Object.entries(fields)) Object.defineProperty(error, key, { value, enumerable: true, configurable: true });
      return error;
    }),
  );

  fc.assert(
    fc.property(thrown, (value) => {
      const data = toErrorData(value);

      expect(isDeepStrictEqual(decode(encodeError(value)), data)).toBe(true);
      expect(isDeepStrictEqual(decode(encode(data, 'it')), data)).toBe(true);
      expect(isDeepStrictEqual(toErrorData(fromErrorData(data)), data)).toBe(true);
    }),
    { seed: 1, numRuns: 800 },
  );
});

function causesOf(data: ErrorData): number {
  return data.cause === undefined ? 1 : 1 + causesOf(data.cause);
}
