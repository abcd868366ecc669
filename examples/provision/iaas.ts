// A cloud that lends servers. Like a real one it takes its time, and is busy now and then: the first attempt of every
// third request is answered 503. A request that comes again gets the answer that the first one got.

import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Call, HttpError, type HttpService, idempotencyKey, type Reply, serve } from '../support/http.js';
import { Ledger } from './ledger.js';

const latencyMs = 250;
const ServerRequest = z.object({ model: z.string().min(1).max(64) });

interface Server {
  readonly ip: string;
  readonly model: string;
  state: 'in use' | 'released';
}

export function serveIaas(): Promise<HttpService> {
  const ledger = new Ledger('iaas');
  const servers = new Map<string, Server>();
  const answers = new Map<string, Promise<Reply>>();
  let requests = 0;

  /** Does a request once per key, however often and however simultaneously it arrives. */
  function once(call: Call, request: string, act: () => Reply): Promise<Reply> {
    const key = idempotencyKey(call);
    if (ledger.arrived(key, request)) {
      requests += 1;
      if (requests % 3 === 0) throw new HttpError(503, 'BUSY', 'The cloud is busy, please try again.');
    }
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = delay(latencyMs).then(() => {
      ledger.tookEffect(key);
      return act();
    });
    answers.set(key, answer);
    return answer;
  }

  function lend(model: string): Reply {
    const ip = `10.0.0.${10 + servers.size}`;
    servers.set(ip, { ip, model, state: 'in use' });
    return { status: 201, body: { ip } };
  }

  return serve({
    'POST /servers': (call) => {
      const asked = ServerRequest.safeParse(call.body);
      if (!asked.success) throw new HttpError(400, 'BAD_REQUEST', 'A server request is { model }.');
      return once(call, `POST /servers ${asked.data.model}`, () => lend(asked.data.model));
    },
    'DELETE /servers/:ip': (call) => {
      const server = servers.get(call.param('ip'));
      if (server === undefined) throw new HttpError(404, 'NO_SUCH_SERVER', `There is no server ${call.param('ip')}.`);
      return once(call, `DELETE /servers/${server.ip}`, () => {
        server.state = 'released';
        return { body: server };
      });
    },
    'GET /servers': () => ({ body: [...servers.values()] }),
    'GET /ledger': () => ({ body: ledger.lines() }),
  });
}
