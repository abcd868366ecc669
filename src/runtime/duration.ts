// Durations as people write them, in milliseconds.

import { InvalidDurationError } from './errors.js';
import { limits } from './limits.js';

/** Milliseconds, or a text such as '500 ms', '30s', '5 minutes', '1h 30m', '1.5 days' or '2 weeks'. */
export type Duration = number | string;

const textLengthMax = 100;
const units: readonly (readonly [ms: number, names: string])[] = [
  [1, 'ms msec msecs millisecond milliseconds'],
  [1_000, 's sec secs second seconds'],
  [60_000, 'm min mins minute minutes'],
  [3_600_000, 'h hr hrs hour hours'],
  [86_400_000, 'd day days'],
  [604_800_000, 'w wk wks week weeks'],
];
const msByUnit: ReadonlyMap<string, number> = new Map(units.flatMap(([ms, names]) => names.split(' ').map((name) => [name, ms] as const)));
const calendarUnits: ReadonlySet<string> = new Set('mo mon mons month months y yr yrs year years'.split(' '));

const readBefore = new Map<string, number>();

/**
 * The duration in whole milliseconds; fractions of one round up, so that nothing is early.
 *
 * @param what names the place in errors, such as `timeout of receive "approval"`.
 * @throws InvalidDurationError for anything else than a non-negative duration within the limit.
 */
export function toMs(duration: Duration, what?: string): number {
  if (typeof duration === 'number') return checked(duration, duration < 0 ? duration : Math.ceil(duration), what);
  if (typeof duration !== 'string') throw invalid(typeof duration, 'it is neither a number nor a text', what);
  const known = readBefore.get(duration);
  if (known !== undefined) return known;
  const ms = checked(duration, read(duration, what), what);
  // Emptied rather than evicted one by one: programs use a handful of texts, and only generated ones get here.
  if (readBefore.size >= limits.durationsCachedMax) readBefore.clear();
  readBefore.set(duration, ms);
  return ms;
}

function checked(duration: Duration, ms: number, what: string | undefined): number {
  if (!Number.isFinite(ms)) throw invalid(duration, 'it is not a finite number', what);
  if (ms < 0) throw invalid(duration, 'it is negative', what);
  if (ms > limits.durationMsMax) throw invalid(duration, `it is longer than the limit (durationMsMax) of ${limits.durationMsMax} ms`, what);
  // Without the sign of -0, which would be stored as another value.
  return ms + 0;
}

function read(text: string, what: string | undefined): number {
  if (text.length > textLengthMax) throw invalid(text, `it is longer than ${textLengthMax} characters`, what);
  const parts = [...text.trim().matchAll(/([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*/giy)];
  const length = parts.reduce((sum, [part]) => sum + part.length, 0);
  if (parts.length === 0 || length !== text.trim().length) throw invalid(text, reasonFor(text.trim()), what);
  let total = 0;
  let previousUnitMs = Number.POSITIVE_INFINITY;
  for (const [, amount, name = ''] of parts) {
    const unitMs = toUnitMs(text, name.toLowerCase(), what);
    if (unitMs >= previousUnitMs) throw invalid(text, 'its units do not go from the longest to the shortest, each once', what);
    previousUnitMs = unitMs;
    total += Number(amount) * unitMs;
  }
  // 16.1 * 1000 is 16100.000000000002: what multiplication alone added must not round up to another millisecond.
  return Math.ceil(total * (1 - 2 ** -50));
}

function toUnitMs(text: string, name: string, what: string | undefined): number {
  const ms = msByUnit.get(name);
  if (ms !== undefined) return ms;
  if (calendarUnits.has(name)) throw invalid(text, 'months and years differ in length, so say it in days or weeks', what);
  throw invalid(text, `"${name}" is no unit of time`, what);
}

function reasonFor(text: string): string {
  if (text === '') return 'it is empty';
  if (/^-\s*[0-9]/.test(text)) return 'it is negative';
  if (/^[0-9]+(?:\.[0-9]+)?$/.test(text)) return 'it has no unit';
  return 'it is not made of amounts and units';
}

function invalid(duration: Duration, reason: string, what: string | undefined): InvalidDurationError {
  return new InvalidDurationError(duration, what === undefined ? reason : `${reason} (${what})`);
}
