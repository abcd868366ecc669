// The approval desk: it is asked questions over HTTP, shows them to people as a page with two buttons each, and tells
// the daemon what they answered. Telling goes on until it succeeds: the daemon may be down, and may have heard it and
// died before it could say so. Every telling carries the same event id, so that hearing it twice does no harm.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { ask } from '../support/client.js';
import { type Call, type Handler, HttpError, type HttpService, idempotencyKey, serve } from '../support/http.js';
import { Ledger } from './ledger.js';

const tellingsMax = 200;
const delayMs = { first: 50, max: 1_000 };

const Question = z.object({ ip: z.ipv4(), order: z.string(), model: z.string(), domain: z.string() });
const Answer = z.object({ approved: z.boolean(), by: z.string().min(1).max(64), reason: z.string().max(200).optional() });
const Webhook = z.object({ url: z.url({ protocol: /^http$/, hostname: /^127\.0\.0\.1$/ }) });

/** A question and what became of it, as `GET /approvals` shows it. */
export interface Approval extends z.infer<typeof Question> {
  state: 'open' | 'answered' | 'withdrawn';
  answer?: z.infer<typeof Answer>;
  /** How the daemon was told, and what it said at last. */
  telling?: { readonly eventId: string; attempts: number; outcome: string };
}

export async function serveDesk(): Promise<HttpService> {
  const ledger = new Ledger('desk');
  const approvals = new Map<string, Approval>();
  const teller = new Teller();

  const service = await serve({
    ...pageRoutes(),
    'PUT /webhook': (call) => {
      teller.url = parse(Webhook, call, '{ url }').url;
      return { body: { url: teller.url } };
    },
    'GET /approvals': () => ({ body: [...approvals.values()] }),
    'POST /approvals': (call) => {
      const question = parse(Question, call, '{ ip, order, model, domain }');
      if (ledger.arrived(idempotencyKey(call), `ask about ${question.order}`)) {
        approvals.set(question.ip, { ...question, state: 'open' });
        ledger.tookEffect(idempotencyKey(call));
      }
      return { status: 202, body: { ip: question.ip } };
    },
    'DELETE /approvals/:ip': (call) => {
      const approval = find(approvals, call);
      if (ledger.arrived(idempotencyKey(call), `withdraw ${approval.order}`)) {
        approval.state = 'withdrawn';
        ledger.tookEffect(idempotencyKey(call));
      }
      return { body: approval };
    },
    'POST /approvals/:ip': (call) => {
      const approval = find(approvals, call);
      const answer = parse(Answer, call, '{ approved, by, reason? }');
      if (approval.state === 'withdrawn') throw new HttpError(410, 'WITHDRAWN', `${approval.order} does not wait for an answer any more.`);
      if (approval.answer !== undefined && approval.answer.approved !== answer.approved) {
        throw new HttpError(409, 'ANSWERED', `${approval.order} was answered by ${approval.answer.by}.`);
      }
      if (approval.answer === undefined) {
        Object.assign(approval, { state: 'answered', answer });
        void teller.tell(approval, answer);
      }
      return { status: 202, body: approval };
    },
    'GET /ledger': () => ({ body: ledger.lines() }),
  });
  return {
    url: service.url,
    close: async () => {
      teller.stop();
      await service.close();
    },
  };
}

/** Tells the daemon the answers. */
class Teller {
  /** Where the daemon is at present; it says so itself whenever it starts. */
  url: string | undefined;
  readonly #stopping = new AbortController();

  async tell(approval: Approval, answer: z.infer<typeof Answer>): Promise<void> {
    const telling = { eventId: randomUUID(), attempts: 0, outcome: 'under way' };
    approval.telling = telling;
    for (let waitMs = delayMs.first; telling.attempts < tellingsMax; waitMs = Math.min(waitMs * 2, delayMs.max)) {
      telling.attempts += 1;
      const heard = await this.#tellOnce(approval.ip, answer, telling.eventId);
      if (heard !== undefined) {
        telling.outcome = heard;
        return;
      }
      if (this.#stopping.signal.aborted) return;
      await delay(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
    }
    telling.outcome = 'given up';
  }

  /** What the daemon said; undefined when it said nothing, or that it could not. */
  async #tellOnce(ip: string, answer: z.infer<typeof Answer>, eventId: string): Promise<string | undefined> {
    try {
      const heard = await ask(`POST ${this.url}/approvals/${ip}`, {
        body: answer,
        headers: { 'event-id': eventId },
        signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(5_000)]),
      });
      if (heard.status >= 500) return undefined;
      return heard.status < 300 ? z.object({ status: z.string() }).parse(heard.body).status : `refused (${heard.status})`;
    } catch {
      return undefined;
    }
  }

  stop(): void {
    this.#stopping.abort();
  }
}

function pageRoutes(): Record<string, Handler> {
  const policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
  const file = (name: string, type: string): Handler => {
    const body = readFileSync(new URL(`./desk/${name}`, import.meta.url), 'utf8');
    return () => ({ headers: { 'content-type': `${type}; charset=utf-8`, 'content-security-policy': policy }, body });
  };
  return {
    'GET /': file('page.html', 'text/html'),
    'GET /page.css': file('page.css', 'text/css'),
    'GET /page.js': file('page.js', 'text/javascript'),
  };
}

function find(approvals: ReadonlyMap<string, Approval>, call: Call): Approval {
  const approval = approvals.get(call.param('ip'));
  if (approval === undefined) throw new HttpError(404, 'NO_SUCH_APPROVAL', `Nobody asked about ${call.param('ip')}.`);
  return approval;
}

function parse<T>(schema: z.ZodType<T>, call: Call, shape: string): T {
  const parsed = schema.safeParse(call.body);
  if (!parsed.success) throw new HttpError(400, 'BAD_REQUEST', `The body must be ${shape}.`);
  return parsed.data;
}
