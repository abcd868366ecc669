// Durations as people write them.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Duration, toMs } from '../src/runtime/duration.js';
import { InvalidDurationError } from '../src/runtime/errors.js';
import { limits } from '../src/runtime/limits.js';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const week = 7 * day;

describe('a duration in milliseconds', () => {
  test.each([
    [0, 0],
    [-0, 0],
    [1, 1],
    [1.2, 2],
    [1e-9, 1],
    [limits.durationMsMax, limits.durationMsMax],
  ])('%d is %d', (duration, ms) => {
    expect(toMs(duration)).toBe(ms);
  });

  test.each([
    [-1, /-1 is not a duration: it is negative/],
    [-0.5, /it is negative/],
    [Number.NaN, /NaN is not a duration: it is not a finite number/],
    [Number.POSITIVE_INFINITY, /it is not a finite number/],
    [limits.durationMsMax + 1, /longer than the limit \(durationMsMax\)/],
  ])('%d is refused', (duration, message) => {
    expect(() => toMs(duration)).toThrow(InvalidDurationError);
    expect(() => toMs(duration)).toThrow(message);
  });
});

describe('a duration in words', () => {
  test.each([
    ['0s', 0],
    ['500 ms', 500],
    ['500ms', 500],
    ['1 millisecond', 1],
    ['30s', 30 * second],
    ['30 sec', 30 * second],
    ['1 second', second],
    ['90 seconds', 90 * second],
    ['5m', 5 * minute],
    ['5 MIN', 5 * minute],
    ['5 minutes', 5 * minute],
    ['2h', 2 * hour],
    ['2 Hrs', 2 * hour],
    ['3d', 3 * day],
    ['3 days', 3 * day],
    ['1 day', day],
    ['2w', 2 * week],
    ['2 weeks', 2 * week],
    ['1h 30m', 90 * minute],
    ['1h30m', 90 * minute],
    ['1w 2 days 3h4m 5s6ms', week + 2 * day + 3 * hour + 4 * minute + 5 * second + 6],
    ['  10  s  ', 10 * second],
    ['1.5h', 90 * minute],
    ['0.25 days', 6 * hour],
    ['16.1 s', 16_100],
    ['32.7s', 32_700],
    ['1.1 m', 66 * second],
    ['0.1 ms', 1],
    ['1000.1 days', 86_408_640_000],
  ])('"%s" is %d ms', (duration, ms) => {
    expect(toMs(duration)).toBe(ms);
    expect(toMs(duration)).toBe(ms);
  });

  test.each([
    ['', 'it is empty'],
    ['   ', 'it is empty'],
    ['30', 'it has no unit'],
    ['1.5', 'it has no unit'],
    ['-5s', 'it is negative'],
    ['s', 'not made of amounts and units'],
    ['5 s later', 'not made of amounts and units'],
    ['soon', 'not made of amounts and units'],
    ['1,5h', 'not made of amounts and units'],
    ['.5h', 'not made of amounts and units'],
    ['1e3 s', '"e" is no unit of time'],
    ['PT5M', 'not made of amounts and units'],
    ['5 s 3', 'not made of amounts and units'],
    ['1h -5m', 'not made of amounts and units'],
    ['5 parsecs', '"parsecs" is no unit of time'],
    ['3 constructor', '"constructor" is no unit of time'],
    ['1 month', 'months and years differ in length'],
    ['6 mo', 'months and years differ in length'],
    ['1 year', 'months and years differ in length'],
    ['2 Y', 'months and years differ in length'],
    ['30m 1h', 'from the longest to the shortest, each once'],
    ['1h 2h', 'from the longest to the shortest, each once'],
    ['101 years', 'months and years differ in length'],
    ['36601 days', 'longer than the limit (durationMsMax)'],
    ['9'.repeat(90).concat('s'), 'longer than the limit (durationMsMax)'],
    ['1s'.repeat(100), 'longer than 100 characters'],
  ])('"%s" is refused: %s', (duration, reason) => {
    expect(() => toMs(duration)).toThrow(InvalidDurationError);
    expect(() => toMs(duration)).toThrow(reason);
    expect(() => toMs(duration)).toThrow(reason);
  });
});

test.each([null, undefined, true, 5n, {}, Object.create(null), [], () => '5s', new Date(0), Symbol('5s')])(
  'anything else than a number or a text is refused (%#)',
  (duration) => {
    expect(() => toMs(duration as unknown as Duration)).toThrow(InvalidDurationError);
  },
);

test('an error says where the duration stands, and how to write one', () => {
  expect(() => toMs('3 fortnights', 'timeout of receive "approval"')).toThrow(
    /^"3 fortnights" is not a duration: .*timeout of receive "approval"/,
  );
  expect(() => toMs('3 fortnights')).toThrow(/'30s', '5 minutes' or '3 days'/);
});

test('more different texts than are remembered are read all the same', () => {
  for (let round = 0; round < 2; round += 1) {
    for (let n = 0; n <= limits.durationsCachedMax; n += 1) expect(toMs(`${n} s`)).toBe(n * second);
  }
});

test('whole amounts of any units add up exactly', () => {
  const amount = fc.option(fc.nat({ max: 500 }));

  fc.assert(
    fc.property(amount, amount, amount, amount, (days, hours, seconds, ms) => {
      const text = [
        [days, 'days'],
        [hours, 'h'],
        [seconds, 'seconds'],
        [ms, 'ms'],
      ].flatMap(([n, unit]) => (n === null ? [] : [`${n} ${unit}`]));
      fc.pre(text.length > 0);

      expect(toMs(text.join(' '))).toBe((days ?? 0) * day + (hours ?? 0) * hour + (seconds ?? 0) * second + (ms ?? 0));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('any text is read or refused as a duration, whatever it holds', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[0-9. smhdw-]{0,12}$/)), (text) => {
      try {
        const ms = toMs(text);

        expect(Number.isSafeInteger(ms) && ms >= 0).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidDurationError);
      }
    }),
    { seed: 2, numRuns: 2_000 },
  );
});
