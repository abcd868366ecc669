// Names, ids and keys: what is refused, and that anything else passes as it is (G14).

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DefinitionError, InvalidIdError } from '../src/runtime/errors.js';
import { limits } from '../src/runtime/limits.js';
import { assertInstanceId, assertKey, assertName } from '../src/runtime/names.js';

const checks = [
  {
    kind: 'name',
    check: (text: unknown) => assertName(text, 'the name of a workflow'),
    lengthMax: limits.nameLengthMax,
    Refusal: DefinitionError,
  },
  { kind: 'instance id', check: (text: unknown) => assertInstanceId(text), lengthMax: limits.idLengthMax, Refusal: InvalidIdError },
  {
    kind: 'key',
    check: (text: unknown) => assertKey(text, 'the key of event "e"'),
    lengthMax: limits.keyLengthMax,
    Refusal: InvalidIdError,
  },
];

const outsideTexts = [
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '..\\..\\boot.ini',
  '%2e%2e%2f',
  'a/b',
  ' ',
  '10.0.0.7',
  'Ünïcode 日本 🚀',
  '$',
  '<script>',
  '\u0085',
  'a"b',
];

describe.each(checks)('a $kind', ({ check, lengthMax, Refusal }) => {
  test.each(outsideTexts)('may be %j', (text) => {
    expect(() => check(text)).not.toThrow();
  });

  test('may be as long as the limit and no longer', () => {
    expect(() => check('x'.repeat(lengthMax))).not.toThrow();
    expect(() => check('x'.repeat(lengthMax + 1))).toThrow(Refusal);
    expect(() => check('x'.repeat(lengthMax + 1))).toThrow(`it has ${lengthMax + 1} characters; the limit (`);
  });

  test.each([
    ['empty', '', 'it is empty'],
    ['with NUL', 'a\u0000b', 'control character'],
    ['with a line break', 'a\nb', 'control character'],
    ['with an escape', '\u001b[31m', 'control character'],
    ['with DEL', 'a\u007f', 'control character'],
    ['with a high surrogate alone', 'a\ud83d', 'surrogate pair'],
    ['with a low surrogate alone', '\ude80a', 'surrogate pair'],
    ['with surrogates the wrong way round', '\ude80\ud83d', 'surrogate pair'],
  ])('is refused %s', (_, text, reason) => {
    expect(() => check(text)).toThrow(Refusal);
    expect(() => check(text)).toThrow(reason);
  });

  test.each([
    [undefined, 'of type undefined'],
    [null, 'it is null'],
    [7, 'of type number'],
    [Symbol('id'), 'of type symbol'],
    [{ toString: () => 'x' }, 'of type object'],
    [Object.create(null), 'of type object'],
    [['x'], 'of type object'],
    [() => 'x', 'of type function'],
  ])('is refused when it is no text (%#)', (value, reason) => {
    expect(() => check(value)).toThrow(Refusal);
    expect(() => check(value)).toThrow(reason);
  });

  test('is refused exactly when it is empty, too long, or has a character that cannot be kept', () => {
    const units = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 0x80 })), { maxLength: 6 });

    fc.assert(
      fc.property(units, (codes) => {
        const text = String.fromCharCode(...codes);
        const isKept = text !== '' && codes.every((code) => code >= 0x20 && code !== 0x7f) && Buffer.from(text).toString() === text;

        if (isKept) expect(() => check(text)).not.toThrow();
        else expect(() => check(text)).toThrow(Refusal);
      }),
      { seed: 1, numRuns: 1_000 },
    );
  });
});

test('an error names what the text was to be', () => {
  expect(() => assertName('', 'the name of a workflow')).toThrow(/^the name of a workflow is not well-formed: it is empty/i);
  expect(() => assertInstanceId('a\n')).toThrow('"a\\n" cannot be the id of an instance: it has a control character.');
  expect(() => assertKey(7, 'the key of event "approval"')).toThrow('7 cannot be the key of event "approval": it is of type number');
});
