// Schemas of any library: what they make of a value, at once or after a while.

import type { StandardSchemaV1 as Specified } from '@standard-schema/spec';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { DefinitionError, SchemaAsyncError, ValidationError } from '../src/runtime/errors.js';
import { assertSchema, type StandardSchemaV1, validate, validateSync } from '../src/runtime/schema.js';

const what = 'input of workflow "provision"';
const order = z.object({ model: z.string(), count: z.number().default(1), at: z.string().transform((text) => new Date(text)) });
const eventual = z.string().refine(async (text) => text !== 'taken', 'is taken');

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe.each([
  ['validateSync', validateSync],
  ['validate', validate],
])('%s', (_, check) => {
  test('gives what the schema made of the value', () => {
    expect(check(order, { model: 'm', at: '2020-01-01' }, what)).toEqual({ model: 'm', count: 1, at: new Date('2020-01-01') });
  });

  test('gives the value itself without a schema', () => {
    const value = {};

    expect(check(undefined, value, what)).toBe(value);
  });

  test('says what does not fit and where', () => {
    const error = errorOf(() => check(z.object({ items: z.array(z.object({ n: z.number() })) }), { items: [{ n: 1 }, { n: 'x' }] }, what));

    expect(error).toBeInstanceOf(ValidationError);
    expect((error as ValidationError).message).toMatch(/^input of workflow "provision" does not fit its schema: items\.1\.n: /);
    expect(error).toMatchObject({ what, issues: [{ path: ['items', 1, 'n'] }] });
  });

  test('lets an error of the schema itself pass', () => {
    const broken = schemaOf(() => {
      throw new RangeError('broken');
    });

    expect(() => check(broken, 1, what)).toThrow(RangeError);
  });

  test('takes a schema whose path has segments that are objects, and one that gives undefined', () => {
    const failing = schemaOf(() => ({ issues: [{ message: 'no', path: [{ key: 'a' }, 0] }] }));

    expect(errorOf(() => check(failing, 1, what))).toMatchObject({ message: expect.stringContaining('a.0: no') });
    expect(
      check(
        schemaOf(() => ({ value: undefined })),
        1,
        what,
      ),
    ).toBeUndefined();
  });
});

describe('a schema that needs to wait', () => {
  test('is refused where nobody can wait, and its own failure is not lost on the process', async () => {
    const failing = schemaOf(() => Promise.reject(new Error('later')));

    expect(errorOf(() => validateSync(eventual, 'free', what))).toBeInstanceOf(SchemaAsyncError);
    expect(errorOf(() => validateSync(failing, 'free', what))).toMatchObject({ what });
  });

  test('is waited for outside', async () => {
    await expect(validate(eventual, 'free', what)).resolves.toBe('free');
    await expect(validate(eventual, 'taken', what)).rejects.toThrow(ValidationError);
    await expect(validate(eventual, 'taken', what)).rejects.toThrow('is taken');
  });
});

describe('something given as a schema', () => {
  test('is one when it follows the specification, be it an object or a function', () => {
    const callable = Object.assign(() => true, { '~standard': schemaOf(() => ({ value: 1 }))['~standard'] });

    for (const schema of [order, eventual, callable]) expect(() => assertSchema(schema, what)).not.toThrow();
  });

  test.each([null, undefined, {}, () => true, 'string', { '~standard': null }, { '~standard': { version: 1 } }, { parse: () => 1 }])(
    'is told at once when it does not (%#)',
    (schema) => {
      expect(() => assertSchema(schema, what)).toThrow(DefinitionError);
      expect(() => assertSchema(schema, what)).toThrow(what);
    },
  );
});

test('our interface and the one of the specification stand for each other', () => {
  expectTypeOf<Specified<string, Date>>().toExtend<StandardSchemaV1<string, Date>>();
  expectTypeOf<StandardSchemaV1<string, Date>>().toExtend<Specified<string, Date>>();
  expectTypeOf<StandardSchemaV1<string, Date>>().not.toExtend<StandardSchemaV1<string, number>>();
  expectTypeOf(inferred(order)).toEqualTypeOf<{ input: z.input<typeof order>; output: z.output<typeof order> }>();
});

function inferred<Input, Output>(_: StandardSchemaV1<Input, Output>): { input: Input; output: Output } {
  return {} as { input: Input; output: Output };
}

function schemaOf(check: StandardSchemaV1['~standard']['validate']): StandardSchemaV1 {
  return { '~standard': { version: 1, vendor: 'test', validate: check } };
}
