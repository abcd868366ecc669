// How a step is tried: its context, its timeout and its retry policy.

import { type Duration, toMs } from './duration.js';
import type { ErrorData } from './error-data.js';
import { DefinitionError } from './errors.js';

/** What a step's function is given. */
export interface StepContext {
  /** Aborted when the attempt's timeout passes, and when the step is cancelled or no longer wanted: also when its outcome comes too late. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** The same at every attempt and after every crash; give it to the system you call. */
  readonly idempotencyKey: string;
  readonly instanceId: string;
}

export interface RetryPolicy {
  /** How often in all. Default 3. */
  attempts?: number | undefined;
  /** Before the second attempt. Default 1 second. */
  delay?: Duration | undefined;
  /** By which the delay grows with each attempt. Default 2. */
  factor?: number | undefined;
  /** Bound of the delay. Default 5 minutes, or `delay` where that is longer. */
  maxDelay?: Duration | undefined;
  /** Whether this error is worth another attempt. Default: all but NonRetryableError. */
  retryable?: ((error: { name: string; message: string; code?: string }) => boolean) | undefined;
}

export interface StepOptions {
  /** `false`: one attempt. */
  retry?: RetryPolicy | false | undefined;
  /** Bound of one attempt. */
  timeout?: Duration | undefined;
}

const DEFAULT_ATTEMPTS = 3;
const DEFAULT_DELAY_MS = 1_000;
const DEFAULT_FACTOR = 2;
const DEFAULT_MAX_DELAY_MS = 300_000;

/** Fails at the definition, not at the first failure in production. */
export function assertStepOptions(options: StepOptions | undefined, what: string): void {
  if (options === undefined) return;
  if (options === null || typeof options !== 'object') throw new DefinitionError(`The options of ${what} are not an object.`);
  if (options.timeout !== undefined) toMs(options.timeout, `the timeout of ${what}`);
  const retry = options.retry;
  if (retry === undefined || retry === false) return;
  if (retry === null || typeof retry !== 'object') throw new DefinitionError(`retry of ${what} is neither false nor a policy.`);
  if (retry.attempts !== undefined && !(Number.isInteger(retry.attempts) && retry.attempts >= 1) && retry.attempts !== Infinity) {
    throw new DefinitionError(`retry.attempts of ${what} is ${String(retry.attempts)}; it must be a whole number from 1, or Infinity.`);
  }
  if (retry.factor !== undefined && !(Number.isFinite(retry.factor) && retry.factor >= 1)) {
    throw new DefinitionError(`retry.factor of ${what} is ${String(retry.factor)}; it must be a number from 1.`);
  }
  if (retry.delay !== undefined) toMs(retry.delay, `retry.delay of ${what}`);
  if (retry.maxDelay !== undefined) toMs(retry.maxDelay, `retry.maxDelay of ${what}`);
}

/**
 * The delay before the next attempt after `failed` ones, or null when the step has failed for good.
 * `random` from 0 to 1 spreads it over the upper half of its length, so that many steps that failed together do not return together.
 */
export function nextDelayMs(options: StepOptions | undefined, failed: number, error: ErrorData, random: number): number | null {
  const retry = options?.retry;
  if (retry === false || error.code === 'NON_RETRYABLE' || error.code === 'UNSTORABLE_VALUE' || error.code === 'PAYLOAD_TOO_LARGE')
    return null;
  if (failed >= (retry?.attempts ?? DEFAULT_ATTEMPTS)) return null;
  if (!isRetryable(retry, error)) return null;
  const base = retry?.delay === undefined ? DEFAULT_DELAY_MS : toMs(retry.delay);
  const bound = retry?.maxDelay === undefined ? Math.max(DEFAULT_MAX_DELAY_MS, base) : toMs(retry.maxDelay);
  const delay = Math.min(bound, base * (retry?.factor ?? DEFAULT_FACTOR) ** (failed - 1));
  return Math.ceil(delay / 2 + (delay / 2) * random);
}

/** A predicate that throws decides nothing: the step is not tried again. */
function isRetryable(retry: RetryPolicy | undefined, error: ErrorData): boolean {
  try {
    return retry?.retryable?.(toRetryable(error)) !== false;
  } catch {
    return false;
  }
}

function toRetryable(error: ErrorData): { name: string; message: string; code?: string } {
  return error.code === undefined
    ? { name: error.name, message: error.message }
    : { name: error.name, message: error.message, code: error.code };
}
