// What single values from a disk must be.

import { revive } from '../../../../runtime/codec.js';

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A time: any number that is one. Whole it need not be. */
export function isTime(value: unknown): value is number {
  return Number.isFinite(value);
}

/** A text that is not empty. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Whether a stored value can be given back to a workflow. */
export function isData(json: unknown): boolean {
  return readData(json) !== undefined;
}

export function isErrorData(json: unknown): boolean {
  const error = readData(json)?.value;
  if (typeof error !== 'object' || error === null) return false;
  const { name, message } = error as { name?: unknown; message?: unknown };
  return typeof name === 'string' && typeof message === 'string';
}

function readData(json: unknown): { value: unknown } | undefined {
  try {
    return { value: revive(json) };
  } catch {
    return undefined;
  }
}
