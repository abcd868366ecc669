// The world outside of the workflows, as their steps see it.

import { setTimeout as pause } from 'node:timers/promises';
import type { StepContext } from '../../src/index.js';
import { AttemptFile } from './attempts.js';
import type { FromChild, Opening } from './protocol.js';

export interface Work {
  readonly instance: string;
  readonly stage: number;
  readonly name: string;
  /** How long it takes. */
  readonly ms?: number;
  /** How many attempts fail before one succeeds. */
  readonly failures?: number;
}

let file: AttemptFile | null = null;

/** To be called before any step runs. */
export function openOutside({ attempts, process }: Opening): void {
  file = new AttemptFile(attempts, process);
}

/** Does a piece of work, with its side effect first. */
export async function work(piece: Work, context: StepContext): Promise<string> {
  const { failures = 0, ms = 0 } = piece;
  const fails = context.attempt <= failures;
  const value = note(piece, context, fails);
  if (ms > 0) await pause(ms);
  if (fails) throw new Error(`${piece.name} does not succeed at attempt ${context.attempt}`);
  return value;
}

/** Hands the token of a callback to whoever is to answer it; resolves when it has left this process. */
export async function submit(piece: Work, token: string, context: StepContext): Promise<void> {
  note(piece, context, false);
  await tell({ kind: 'token', label: `${piece.instance} ${piece.stage}`, token });
}

/** Looks at the clock where a deadline has fired. A replay looks again, later: that does no harm. */
export function checkDeadline(dueAt: number): void {
  const early = dueAt - Date.now();
  if (early > 0) void tell({ kind: 'complaint', text: `A deadline fired ${early} ms early.` });
}

/** Resolves when the message is out of reach of a kill. */
export function tell(message: FromChild): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) throw new Error('This program is to be started by the kill test.');
    process.send(message, undefined, undefined, (error) => (error === null ? resolve() : reject(error)));
  });
}

function note({ instance, stage, name }: Work, { idempotencyKey, attempt }: StepContext, fails: boolean): string {
  if (file === null) throw new Error('The file of attempts is not open.');
  return file.note({ instance, stage, name, key: idempotencyKey, attempt, fails });
}
