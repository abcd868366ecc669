// The alert daemon: a runtime with its store in a directory, and an HTTP interface. Prints its address as one line of JSON.
//   STORE=/tmp/alerts PHONES_URL=… npx tsx examples/alert/daemon.ts
//
//   POST /alerts                      { id, summary, rota, patience, repairTime }: starts an instance with this id
//   POST /alerts/:id/muted            { by, duration }: not now
//   POST /alerts/:id/resolved         { by }: all is well
//   POST /pages/:token                { by }: a person answers a page
//   GET  /instances[/:id[/result]]    how far they are; the result can be waited for: ?wait=<milliseconds>

import { z } from 'zod';
import { createRuntime, type EventType, jsonStore } from '../../src/index.js';
import { type Call, HttpError, serve } from '../support/http.js';
import { instanceRoutes, statusOf } from '../support/instances.js';
import { announce, need } from '../support/processes.js';
import { Alert, muted, resolved, Taken } from './alert.js';
import { handleAlert } from './workflow.js';

const runtime = await createRuntime({ workflows: [handleAlert], events: [muted, resolved], store: jsonStore(need('STORE')) });

const service = await serve(
  {
    ...instanceRoutes(runtime),
    'POST /alerts': async (call) => {
      const alert = parse(Alert, call);
      await runtime.start(handleAlert, alert, { id: alert.id });
      return { status: 202, body: { id: alert.id } };
    },
    'POST /alerts/:id/muted': async (call) => ({ body: await tell(muted, call) }),
    'POST /alerts/:id/resolved': async (call) => ({ body: await tell(resolved, call) }),
    'POST /pages/:token': async (call) => {
      await runtime.complete(call.param('token'), parse(Taken, call));
      return { body: { status: 'delivered' } };
    },
  },
  { statusOf },
);

/** The body is whatever was sent: the event's schema decides whether it will do. */
function tell<Raw>(event: EventType<Raw, unknown>, call: Call) {
  return runtime.send(call.param('id'), event, call.body as never);
}

function parse<T>(schema: z.ZodType<T>, call: Call): T {
  const parsed = schema.safeParse(call.body);
  if (!parsed.success) throw new HttpError(400, 'VALIDATION', z.prettifyError(parsed.error));
  return parsed.data;
}

announce({ DAEMON_URL: service.url }, async () => {
  await service.close();
  await runtime.stop({ grace: '2s' });
});
