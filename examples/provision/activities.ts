// The process's side effects: what it asks of the systems around it. Each request carries the activity's idempotency
// key, the same at every attempt and after every crash, so that a system can tell a repetition from a new request.

import { z } from 'zod';
import { activity, NonRetryableError, type StepContext } from '../../src/index.js';
import { ask } from '../support/client.js';
import { need } from '../support/processes.js';
import { updateAddress } from './dns-message.js';

const patient = { retry: { attempts: 8, delay: '200ms', maxDelay: '2s' }, timeout: '10s' };

export const requestServer = activity(
  'requestServer',
  async (server: { model: string }, ctx) => {
    const lent = await request(ctx, `POST ${need('IAAS_URL')}/servers`, server);
    return z.object({ ip: z.ipv4() }).parse(lent).ip;
  },
  patient,
);

export const releaseServer = activity(
  'releaseServer',
  async ({ ip }: { ip: string }, ctx) => {
    await request(ctx, `DELETE ${need('IAAS_URL')}/servers/${ip}`);
  },
  patient,
);

export const askDesk = activity(
  'askDesk',
  async (question: { ip: string; order: string; model: string; domain: string }, ctx) => {
    await request(ctx, `POST ${need('DESK_URL')}/approvals`, question);
  },
  patient,
);

export const withdrawQuestion = activity(
  'withdrawQuestion',
  async ({ ip }: { ip: string }, ctx) => {
    await request(ctx, `DELETE ${need('DESK_URL')}/approvals/${ip}`);
  },
  patient,
);

export const execJob = activity(
  'execJob',
  async (job: { job: 'deploy'; ip: string; domain: string }, ctx) => {
    await request(ctx, `POST ${need('RUNNER_URL')}/jobs`, job);
  },
  patient,
);

export const pointDns = activity(
  'pointDns',
  async ({ domain, ip }: { domain: string; ip: string }, ctx) => {
    await updateAddress(Number(need('DNS_PORT')), { name: domain, ip, key: ctx.idempotencyKey, signal: ctx.signal });
  },
  { ...patient, timeout: '1s' }, // UDP: what got lost is sent again soon
);

/** A refusal (4xx) would be the same the next time, so it is final; anything else is worth another attempt. */
async function request(ctx: StepContext, what: string, body?: unknown): Promise<unknown> {
  const answer = await ask(what, { body, headers: { 'idempotency-key': ctx.idempotencyKey }, signal: ctx.signal });
  if (answer.status < 300) return answer.body;
  const { message } = z.object({ message: z.string() }).parse(answer.body);
  throw answer.status < 500 ? new NonRetryableError(message) : new Error(message);
}
