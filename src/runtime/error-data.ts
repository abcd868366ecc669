// Errors as data (G9): what a step, a task or a workflow threw, in the form in which it is stored, shown, and thrown
// again. A live throw takes the same way through data as a replayed one, so code in a `catch` sees the same error both
// times.
//
// Invariants:
//   X1. Whatever was thrown, `toErrorData` and `encodeError` answer. They never throw, and run no own getter but `stack`
//       and those that the engine runs to format it.
//   X2. Error data is bounded, storable, and shares nothing with what was thrown.
//   X3. What `toErrorData` gave comes out of `toErrorData(fromErrorData(data))` unchanged, so an error may pass through
//       any number of instances.

import { decode, type Encoded, encode } from './codec.js';
import { classNameFor, errorParts, isBuiltInName, makeError, setErrorTexts, setField, setHidden, textOf } from './error-class.js';
import { DecodeError } from './errors.js';
import { limits } from './limits.js';
import { constructorName, isError, kindOf, ownValue, setOwn } from './value-kind.js';

/** An error as plain data. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  /** The error's own fields other than the above, as far as they can be stored. */
  readonly data?: unknown;
  readonly cause?: ErrorData;
}

const errorDataKeys: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'code', 'data', 'cause']);

type Fields = Readonly<Record<string, unknown>>;

/** What an error consists of, before it is made storable. */
interface ThrownParts {
  readonly name: string;
  readonly message: string;
  readonly stack: string | null;
  readonly code: string | null;
  readonly cause: unknown;
  readonly fields: Fields;
}

/**
 * What was thrown, as data.
 *
 * An error whose class gave it no name of its own is named after its class, as consoles do. Of something else than an
 * error, an object that has a message, or is a plain object, gives its fields as an error does; any other value stands
 * under `data.thrown`. Texts and causes beyond the limits are cut, fields that cannot be stored are left out.
 */
export function toErrorData(thrown: unknown): ErrorData {
  try {
    return describeThrown(thrown, []);
  } catch {
    return { name: 'Error', message: 'Something was thrown that cannot be read.' };
  }
}

/**
 * An error of that data, to be thrown: with its name, message, stack, code, fields and cause, and an instance of its
 * class where that is one of JavaScript's own or of rouse's. It shares nothing with the data.
 *
 * @throws DecodeError when it is not error data.
 */
export function fromErrorData(data: ErrorData): Error {
  return reviveError(data, 1);
}

/** The text of what was thrown as error data; `decode` gives the error data back. Fields too large to store are left out. */
export function encodeError(thrown: unknown): Encoded {
  const data = toErrorData(thrown);
  try {
    return encode(data, 'the error');
  } catch {
    // What is left is bounded by limits.ts to less than a payload may have.
    return encode(withoutFields(data), 'the error');
  }
}

function describeThrown(thrown: unknown, above: readonly unknown[]): ErrorData {
  const parts = partsOf(thrown);
  if (parts === null) return { name: 'Error', message: clip(describeValue(thrown)), ...dataOf({ thrown }) };
  const { name, message, stack, code, cause, fields } = parts;
  const path = [...above, thrown];
  const hasCause = cause !== undefined && cause !== null && !path.includes(cause) && path.length < limits.errorCausesMax;
  return {
    name: clip(name, limits.nameLengthMax) || 'Error',
    message: clip(message),
    ...(stack === null ? {} : { stack: clip(stack) }),
    ...(code === null ? {} : { code: clip(code, limits.nameLengthMax) }),
    ...dataOf(fields),
    ...(hasCause ? { cause: describeThrown(cause, path) } : {}),
  };
}

/** Takes apart what is an error, looks like one, or is a plain object; null for anything else. */
function partsOf(thrown: unknown): ThrownParts | null {
  if (typeof thrown !== 'object' || thrown === null) return null;
  const recorded = readErrorData(thrown);
  if (recorded !== null) {
    const { name, message, stack = null, code = null, data, cause } = recorded;
    return { name, message, stack, code, cause, fields: toFields(data) };
  }
  const { name, message, stack, hidden, fields } = errorParts(thrown);
  const code = textOf(thrown, 'code');
  const parts = { name, message, stack, code, cause: hidden.cause ?? fields.cause, fields: remaining({ ...fields, ...hidden }, code) };
  if (isError(thrown)) return { ...parts, name: errorName(thrown, name) };
  if (message !== '') return parts;
  return isPlain(thrown) ? { ...parts, message: describeValue(thrown) } : null;
}

/** The name of the error, or of its class when it only inherited the name "Error". */
function errorName(error: object, name: string): string {
  if (name !== 'Error' || Object.hasOwn(error, 'name')) return name;
  const className = constructorName(Object.getPrototypeOf(error));
  return className === null || isBuiltInName(className) ? name : className;
}

/** The fields that have no place of their own in error data. */
function remaining(fields: Fields, code: string | null): Fields {
  const { name: _name, message: _message, stack: _stack, cause: _cause, ...others } = fields;
  if (code === null) return others;
  const { code: _code, ...rest } = others;
  return rest;
}

/** A copy of the fields that can be stored, as error data has it. */
function dataOf(fields: Fields): { readonly data?: unknown } {
  if (Object.keys(fields).length === 0) return {};
  try {
    return { data: copy(fields) };
  } catch {
    const kept: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(fields)) keepStorable(kept, key, value);
    return Object.keys(kept).length === 0 ? {} : { data: kept };
  }
}

function keepStorable(kept: Record<string, unknown>, key: string, value: unknown): void {
  try {
    setOwn(kept, key, copy(value));
  } catch {
    // A field that cannot be stored is left out: the error itself matters more.
  }
}

function copy(value: unknown): unknown {
  return decode(encode(value, 'a field of the error'));
}

function withoutFields(data: ErrorData): ErrorData {
  const { data: _data, cause, ...rest } = data;
  return cause === undefined ? rest : { ...rest, cause: withoutFields(cause) };
}

function reviveError(stored: unknown, level: number): Error {
  const recorded = readErrorData(stored);
  if (recorded === null) throw new DecodeError('A stored error does not have the shape of one. Restore the store from a backup.');
  const { name, message, stack = null, code, data, cause } = recorded;
  const error = makeError(classNameFor(name, code));
  setErrorTexts(error, { name, message, stack });
  const { data: fields = {} } = dataOf(remaining(toFields(data), code ?? null));
  for (const [key, value] of Object.entries(toFields(fields))) {
    if (key === 'errors' && error instanceof AggregateError) setHidden(error, key, value);
    else setField(error, key, value);
  }
  if (code !== undefined) setField(error, 'code', code);
  if (cause !== undefined && level < limits.errorCausesMax) setHidden(error, 'cause', reviveError(cause, level + 1));
  return error;
}

/** The value when it has the shape of error data and nothing else, read without running getters; else null. */
function readErrorData(value: unknown): ErrorData | null {
  if (!isPlain(value) || !Object.keys(value).every((key) => errorDataKeys.has(key))) return null;
  const [name, message, stack, code] = ['name', 'message', 'stack', 'code'].map((key) => ownValue(value, key));
  if (typeof name !== 'string' || typeof message !== 'string' || !isOptionalText(stack) || !isOptionalText(code)) return null;
  const cause = ownValue(value, 'cause');
  const data = ownValue(value, 'data');
  return {
    name,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(code === undefined ? {} : { code }),
    ...(data === undefined ? {} : { data }),
    // Whether the cause has the shape too is seen when it is read in turn.
    ...(cause === undefined ? {} : { cause: cause as ErrorData }),
  };
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function toFields(data: unknown): Fields {
  if (isPlain(data)) return data;
  return data === undefined ? {} : { data };
}

function isPlain(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null) return false;
  const kind = kindOf(value);
  return kind === 'object' || kind === 'null-object';
}

function describeValue(value: unknown): string {
  if (typeof value === 'function') return 'A function was thrown.';
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return `A value that is not an error was thrown: ${clip(encode(value, 'it'), 200)}`;
  } catch {
    return 'A value that is not an error was thrown.';
  }
}

function clip(text: string, lengthMax: number = limits.errorTextLengthMax): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text;
}
