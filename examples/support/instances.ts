// A runtime's instances over HTTP: the list of them, one of them, and its result, which can be waited for.

import { type Runtime, WorkflowFailedError } from '../../src/index.js';
import { type Call, type Handler, HttpError, type Reply } from './http.js';

const waitMsMax = 60_000;

/** Which HTTP status an error of the runtime has, by its stable code. What is not here is the service's own fault. */
const statuses = new Map<unknown, number>([
  ['VALIDATION', 400],
  ['INVALID_ID', 400],
  ['UNSTORABLE_VALUE', 400],
  ['PAYLOAD_TOO_LARGE', 413],
  ['INSTANCE_NOT_FOUND', 404],
  ['TOKEN_UNKNOWN', 404],
  ['INSTANCE_CONFLICT', 409],
  ['INSTANCE_ENDED', 409],
  ['TOKEN_USED', 409],
  ['MAILBOX_FULL', 429],
  ['STORE_FULL', 503],
  ['STORE_WRITE', 503],
  ['STORE_FAILED', 503],
  ['RUNTIME_STOPPED', 503],
]);

export function statusOf(error: Error & { readonly code?: unknown }): number | undefined {
  return statuses.get(error.code);
}

export function instanceRoutes(runtime: Runtime): Record<string, Handler> {
  return {
    'GET /healthz': () => {
      const health = runtime.health();
      return { status: health.ready ? 200 : 503, body: health };
    },
    'GET /instances': async () => {
      const instances = [];
      for await (const info of runtime.list()) instances.push(info);
      return { body: instances };
    },
    'GET /instances/:id': async (call) => ({ body: await runtime.instance(call.param('id')).info() }),
    'GET /instances/:id/result': (call) => awaitResult(runtime, call),
  };
}

/** Answers as soon as the instance has ended; 202 when that takes longer than the milliseconds of `?wait=`. */
async function awaitResult(runtime: Runtime, call: Call): Promise<Reply> {
  const waitMs = Number(call.query.get('wait') ?? 0);
  if (!(waitMs >= 0 && waitMs <= waitMsMax)) throw new HttpError(400, 'BAD_WAIT', `wait must be 0 to ${waitMsMax} milliseconds.`);
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(waitMs)]);
  try {
    return { body: { status: 'completed', result: await runtime.instance(call.param('id')).result({ signal }) } };
  } catch (error) {
    if (error instanceof WorkflowFailedError) return { body: { status: 'failed', error: error.error } };
    if (signal.aborted) return { status: 202, body: { status: 'pending' } };
    throw error;
  }
}
