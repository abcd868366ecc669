// Schemas of any library that follows the Standard Schema specification. The interface is written out here, as the
// specification invites, so that the published types need no package of somebody else.

import { DefinitionError, SchemaAsyncError, ValidationError } from './errors.js';

/** A schema: zod, valibot, arktype and others make them. `Input` is what is passed, `Output` what it becomes. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * Checks that something given as a schema is one, when it is given rather than at the first value.
 *
 * @throws DefinitionError when it does not follow the Standard Schema specification.
 */
export function assertSchema(schema: unknown, what: string): asserts schema is StandardSchemaV1 {
  const isObject = (typeof schema === 'object' && schema !== null) || typeof schema === 'function';
  const standard: unknown = isObject && '~standard' in schema ? schema['~standard'] : undefined;
  const isSchema = typeof standard === 'object' && standard !== null && 'validate' in standard && typeof standard.validate === 'function';
  if (!isSchema)
    throw new DefinitionError(
      `The schema of ${what} is none: pass one that follows Standard Schema, such as one of zod, valibot or arktype.`,
    );
}

/**
 * What the schema makes of a value, at once; the value itself without a schema.
 *
 * @param what names the value in errors, such as `input of workflow "provision"`.
 * @throws ValidationError when the value does not fit.
 * @throws SchemaAsyncError when the schema needs to wait.
 */
export function validateSync(schema: StandardSchemaV1 | undefined, value: unknown, what: string): unknown {
  if (schema === undefined) return value;
  const result = schema['~standard'].validate(value);
  if (!isThenable(result)) return outputOf(result, what);
  // Nobody waits for it; its failure must not end the process.
  Promise.resolve(result).catch(() => undefined);
  throw new SchemaAsyncError(what);
}

/**
 * As `validateSync`, for callers that can wait: answers with a promise only when the schema does.
 *
 * @throws ValidationError when the value does not fit.
 */
export function validate(schema: StandardSchemaV1 | undefined, value: unknown, what: string): Promise<unknown> | unknown {
  if (schema === undefined) return value;
  const result = schema['~standard'].validate(value);
  return isThenable(result) ? Promise.resolve(result).then((settled) => outputOf(settled, what)) : outputOf(result, what);
}

function outputOf(result: SchemaResult<unknown>, what: string): unknown {
  if (result.issues !== undefined && result.issues !== null) throw new ValidationError(what, result.issues);
  return (result as { readonly value: unknown }).value;
}

function isThenable(result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>): result is Promise<SchemaResult<unknown>> {
  return 'then' in result && typeof result.then === 'function';
}
