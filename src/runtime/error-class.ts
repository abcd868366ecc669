// Which class a stored error had, and errors made from a class name and stored text. JavaScript's own classes and
// rouse's come back as themselves, so that `instanceof` works the same live and in replay; any other class is code
// that a record cannot carry, and comes back as its nearest ancestor of these, under its own name.

import * as baseErrors from './errors.js';
import * as instanceErrors from './instance-errors.js';
import * as storeErrors from './store-errors.js';
import { ancestors, isError, nativeName, ownValue } from './value-kind.js';
import * as workflowErrors from './workflow-errors.js';

const builtIns = [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError];
const ours = [baseErrors, workflowErrors, instanceErrors, storeErrors]
  .flatMap((classes) => Object.values(classes))
  .filter((thing) => thing.prototype instanceof baseErrors.RouseError);

const prototypesByName = new Map<string, object>([...builtIns, ...ours].map(({ name, prototype }) => [name, prototype]));
const namesByPrototype = new Map<object, string>([...prototypesByName].map(([name, prototype]) => [prototype, name]));

/** What an error consists of. Own getters are not run; inherited ones are, guarded, since classes define `name` so. */
export interface ErrorParts {
  readonly className: string;
  readonly name: string;
  readonly message: string;
  readonly stack: string | null;
  /** `cause` and `errors`, which JavaScript keeps out of enumeration. */
  readonly hidden: Readonly<Record<string, unknown>>;
  /** The own enumerable data. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The names of own enumerable getters and setters. */
  readonly accessors: readonly string[];
}

/** Takes an error, or an object that looks like one, apart. */
export function errorParts(error: object): ErrorParts {
  const hidden: Record<string, unknown> = {};
  for (const key of ['cause', 'errors']) {
    const descriptor = Object.getOwnPropertyDescriptor(error, key);
    if (descriptor?.enumerable === false && 'value' in descriptor) hidden[key] = descriptor.value;
  }
  // Only enumerable keys are looked at: to describe `stack` would format it, which may run inherited getters and throw.
  const fields: [string, unknown][] = [];
  const accessors: string[] = [];
  for (const key of Object.keys(error)) {
    const descriptor = Object.getOwnPropertyDescriptor(error, key);
    if (descriptor !== undefined && 'value' in descriptor) fields.push([key, descriptor.value]);
    else accessors.push(key);
  }
  return {
    className: classNameOf(error),
    name: textOf(error, 'name') ?? 'Error',
    message: textOf(error, 'message') ?? '',
    stack: textOf(error, 'stack'),
    hidden,
    fields: Object.fromEntries(fields),
    accessors,
  };
}

/** An error of that class, or a plain Error when the class is not one of those that come back as themselves. */
export function makeError(className: string): Error {
  const error = withoutStack(() => new Error());
  const prototype = prototypesByName.get(className);
  // Made as an Error and moved under its class, not constructed: the constructors build messages out of their
  // arguments, and Object.create() alone would lack what makes an object an error to the engine.
  if (prototype !== undefined) Object.setPrototypeOf(error, prototype);
  return error;
}

/** Gives an error its recorded texts. They are not enumerable, as on an error that was thrown. */
export function setErrorTexts(
  error: Error,
  texts: { readonly name: string; readonly message: string; readonly stack: string | null },
): void {
  setHidden(error, 'message', texts.message);
  if (error.name !== texts.name) setHidden(error, 'name', texts.name);
  // Without a recorded stack there is none: the one that `new Error()` took leads here, and differs at each replay.
  setHidden(error, 'stack', texts.stack ?? undefined);
}

/** Sets an own property that enumeration leaves out. */
export function setHidden(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable: false, configurable: true });
}

/** Sets an own enumerable property, whatever the class has under that key. */
export function setField(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable: true, configurable: true });
}

/**
 * The class for an error of which only name and code were recorded. An error of somebody else's class that is also
 * named TimeoutError must not become ours, so our classes want their code too: it begins with the class's name.
 */
export function classNameFor(name: string, code: string | undefined): string {
  const prototype = prototypesByName.get(name);
  if (prototype === undefined) return 'Error';
  if (!(prototype instanceof baseErrors.RouseError)) return name;
  const prefix = name
    .replace(/Error$/, '')
    .replace(/(?<=.)[A-Z]/g, '_$&')
    .toUpperCase();
  return code?.startsWith(prefix) === true ? name : 'Error';
}

/** Whether the name is that of a class of JavaScript's own. */
export function isBuiltInName(name: string): boolean {
  return builtIns.some((builtIn) => builtIn.name === name);
}

/** A text of an error, or null. An own getter is not run, but for `stack`, which some engines define as one. */
export function textOf(error: object, key: 'name' | 'message' | 'stack' | 'code'): string | null {
  const isOwn = Object.hasOwn(error, key);
  try {
    const value: unknown = isOwn && key !== 'stack' ? ownValue(error, key) : Reflect.get(error, key);
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}

/**
 * Nobody wants the stack of an error that is made from stored text, and to take and then replace it is most of the
 * cost. Reflect.set, since an embedder may have frozen Error.
 */
function withoutStack(make: () => Error): Error {
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    return make();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit);
  }
}

function classNameOf(error: object): string {
  if (!isError(error)) return 'Error';
  for (const prototype of ancestors(error)) {
    const name = namesByPrototype.get(prototype) ?? nativeName(prototype);
    if (name !== null && prototypesByName.has(name)) return name;
  }
  return 'Error';
}
