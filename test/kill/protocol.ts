// What the test and the process that it kills say to each other.

import type { Route } from './workflows.js';

/** What the process is to open. */
export interface Opening {
  /** The store's directory. */
  readonly store: string;
  /** The file outside the store in which every attempt of a step is noted. */
  readonly attempts: string;
  /** Which process of the trial this is, from 0. */
  readonly process: number;
  readonly logBytesMin: number;
  readonly logBytesMax: number;
  /** Where it kills itself. */
  readonly death: Death | null;
  /** How many instances stay in memory: with 0 every sleeper leaves it at once, and is brought back by its event. */
  readonly maxResident: number;
}

/** A place among the calls that make, rename or remove a file: before one of them, when so many were made. */
export interface Death {
  readonly names: number;
  /** They count from the beginning; else from when the store is open, so that they are those of a checkpoint. */
  readonly inOpening: boolean;
}

export type Request =
  | { readonly kind: 'start'; readonly id: string; readonly route: Route }
  | { readonly kind: 'order'; readonly id: string; readonly to: string; readonly padding: number }
  | { readonly kind: 'parcel'; readonly id: string; readonly key: string; readonly padding: number }
  | { readonly kind: 'complete'; readonly token: string; readonly payload: string }
  | { readonly kind: 'cancel'; readonly id: string }
  | { readonly kind: 'retry'; readonly id: string }
  | { readonly kind: 'result'; readonly id: string }
  | { readonly kind: 'history'; readonly id: string }
  | { readonly kind: 'collect'; readonly key: string }
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'stop' };

/** What a request came to: its value, or the code of the error that it was refused with. */
export type Reply = { readonly value: unknown } | { readonly code: string; readonly message: string };

/** What was replied; a refusal or no reply is an error. */
export function toValue(reply: Reply | null, request: Request): unknown {
  if (reply !== null && 'value' in reply) return reply.value;
  throw new Error(`The request ${JSON.stringify(request)} came to ${JSON.stringify(reply)}.`);
}

export type ToChild =
  | { readonly kind: 'open'; readonly opening: Opening }
  | { readonly kind: 'request'; readonly number: number; readonly request: Request };

export interface Opened {
  readonly recoveryMs: number;
  /** Bytes of the log's unsynced tail that recovery cut off. */
  readonly cutBytes: number;
}

export type FromChild =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'opened'; readonly opened: Opened }
  /** A checkpoint begins. */
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'reply'; readonly number: number; readonly reply: Reply }
  /** A callback was submitted: somebody is to answer it. */
  | { readonly kind: 'token'; readonly label: string; readonly token: string }
  /** A step was in flight at so many kills that its instance is stuck: somebody is to retry it. */
  | { readonly kind: 'interrupted'; readonly id: string }
  /** Something is wrong: the runtime said so, or the clock. */
  | { readonly kind: 'complaint'; readonly text: string };

/** How an instance ended. */
export type Ending =
  | { readonly status: 'completed'; readonly output: readonly string[] }
  | { readonly status: 'failed'; readonly error: string; readonly message: string };
