// Reaching a person: a message to their phone, which can answer it by the token that comes with it.

import type { StepContext } from '../../src/index.js';
import { askOk } from '../support/client.js';
import { need } from '../support/processes.js';
import type { Alert } from './alert.js';

const attemptsMax = 3;
const attemptMs = 5_000;

export async function page(message: { person: string; token: string; alert: Alert }, ctx: StepContext): Promise<void> {
  const { person, token, alert } = message;
  try {
    await askOk(`POST ${need('PHONES_URL')}/pages`, {
      body: { person, token, alert: alert.id, summary: alert.summary },
      headers: { 'idempotency-key': ctx.idempotencyKey },
      signal: AbortSignal.any([ctx.signal, AbortSignal.timeout(attemptMs)]),
    });
  } catch (error) {
    // A phone that cannot be reached is a person who does not answer: the next one's turn comes by itself.
    if (ctx.attempt < attemptsMax) throw error;
    console.error(`${person} cannot be paged about ${alert.id}:`, error);
  }
}
