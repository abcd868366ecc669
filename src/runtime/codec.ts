// Values as JSON text, the only form in which anything is stored or passed on (C3, G11). What is plain JSON is written
// as just that; everything else as `{"$": <list>}`, the flat form. A plain object with a key "$" of its own at the root
// takes the flat form too, so the tag is never in doubt.

import { DecodeError, PayloadTooLargeError } from './errors.js';
import { readFlat, writeFlat } from './flat-codec.js';
import { limits } from './limits.js';
import { notPlain, plainJsonSize } from './plain-json.js';
import { assertStorable } from './survey.js';

/** JSON text of one value. */
export type Encoded = string;

const encodedUndefined: Encoded = '{"$":-1}';

/**
 * Writes a value as text. What is read back equals it, shared references and cycles included, and shares nothing with
 * it. Own getters are never run.
 *
 * @param what names the value in errors, such as `payload of event "approval"`.
 * @throws UnstorableValueError naming the path of a part that cannot be stored, such as a function.
 * @throws PayloadTooLargeError when the text is too long, or the value nested too deep.
 */
export function encode(value: unknown, what: string): Encoded {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'undefined':
      return encodedUndefined;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? String(value) : encodeFlat(value, what);
    case 'string':
      return bounded(value.length > limits.payloadBytesMax ? value : JSON.stringify(value), what);
    case 'object':
      return bounded(encodeObject(value, what), what);
    default:
      return bounded(encodeFlat(value, what), what);
  }
}

/**
 * Reads a value back from its text.
 *
 * @throws DecodeError when the text is not in the format that this version writes.
 */
export function decode(text: Encoded): unknown {
  return revive(parse(text));
}

/**
 * Reads a value back from JSON that was parsed already, as part of a larger document. The structure becomes the
 * caller's: plain values are returned as they are, not copied.
 *
 * @throws DecodeError when it is not in the format that this version writes.
 */
export function revive(json: unknown): unknown {
  if (json === undefined) throw new DecodeError('A stored value is missing. Restore the store from a backup.');
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, '$')) return json;
  if (Object.keys(json).length > 1)
    throw new DecodeError('A stored value has the tag "$" and other keys. Restore the store from a backup.');
  return readFlat((json as { readonly $: unknown }).$);
}

function parse(text: Encoded): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the parser's error as cause: it quotes the text, which may hold secrets.
    throw new DecodeError('A stored value is not JSON. Restore the store from a backup.');
  }
}

function encodeObject(value: object, what: string): Encoded {
  const size = sizeIfPlain(value);
  if (size > limits.payloadBytesMax) throw new PayloadTooLargeError(what, size, limits.payloadBytesMax);
  return size === notPlain ? encodeFlat(value, what) : JSON.stringify(value);
}

function sizeIfPlain(value: object): number {
  try {
    return Object.hasOwn(value, '$') ? notPlain : plainJsonSize(value);
  } catch {
    // A Proxy's trap threw. The survey will meet it again, and knows the path.
    return notPlain;
  }
}

function encodeFlat(value: unknown, what: string): Encoded {
  assertStorable(value, what);
  return `{"$":${writeFlat(value)}}`;
}

function bounded(text: Encoded, what: string): Encoded {
  if (text.length > limits.payloadBytesMax) throw new PayloadTooLargeError(what, text.length, limits.payloadBytesMax);
  return text;
}
