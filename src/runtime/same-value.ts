// Whether two storable values are the same, whatever the order of an object's keys.

import { isError, kindOf } from './value-kind.js';

/** Compares decoded values: JSON, Date, Map and Set (in order), BigInt, Error, Uint8Array; cycles that match are the same. */
export function isSameValue(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

function compare(a: unknown, b: unknown, known: Map<object, object>): boolean {
  if (Object.is(a, b)) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (known.get(a) === b) return true;
  known.set(a, b);
  const kind = kindOf(a);
  if (kind !== kindOf(b)) return false;
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof Uint8Array && b instanceof Uint8Array) return a.length === b.length && a.every((byte, index) => byte === b[index]);
  if ((a instanceof Map && b instanceof Map) || (a instanceof Set && b instanceof Set)) return compareLists([...a], [...b], known);
  if (Array.isArray(a) && Array.isArray(b)) return compareLists(a, b, known);
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  if (isError(a) && (left.name !== right.name || left.message !== right.message)) return false;
  return compareFields(left, right, known);
}

function compareLists(a: readonly unknown[], b: readonly unknown[], known: Map<object, object>): boolean {
  return a.length === b.length && a.every((item, index) => compare(item, b[index], known));
}

function compareFields(a: Record<string, unknown>, b: Record<string, unknown>, known: Map<object, object>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && compare(a[key], b[key], known));
}
