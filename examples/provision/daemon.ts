// The daemon: a runtime with its store in a directory, and an HTTP interface. Prints its address as one line of JSON.
// Kill it however you like; started again on the same directory it goes on where it was.
//   STORE=/tmp/store IAAS_URL=… DESK_URL=… RUNNER_URL=… DNS_PORT=… npx tsx examples/provision/daemon.ts
//
//   POST /orders                      { id, model, domain, approvalTimeout? }: starts an instance with this id
//   POST /approvals/:ip               { approved, by, reason? } and a header event-id: what the desk decided
//   GET  /instances[/:id[/result]]    how far they are; the result can be waited for: ?wait=<milliseconds>
//   GET  /healthz

import { z } from 'zod';
import { createRuntime, jsonStore } from '../../src/index.js';
import { askOk } from '../support/client.js';
import { HttpError, serve } from '../support/http.js';
import { instanceRoutes, statusOf } from '../support/instances.js';
import { announce, need } from '../support/processes.js';
import { approval, Order } from './order.js';
import { provision } from './workflow.js';

const runtime = await createRuntime({ workflows: [provision], events: [approval], store: jsonStore(need('STORE')) });

const service = await serve(
  {
    ...instanceRoutes(runtime),
    'POST /orders': async (call) => {
      const order = Order.safeParse(call.body);
      if (!order.success) throw new HttpError(400, 'VALIDATION', z.prettifyError(order.error));
      const { id } = await runtime.start(provision, order.data, { id: order.data.id });
      return { status: 202, body: { id } };
    },
    'POST /approvals/:ip': async (call) => {
      const id = call.headers['event-id'];
      if (typeof id !== 'string' || id === '') throw new HttpError(400, 'NO_EVENT_ID', 'The header event-id is missing.');
      const answer = call.body as { approved: boolean; by: string }; // publish checks it against the event's schema
      return { body: await runtime.publish(approval, call.param('ip'), answer, { id }) };
    },
  },
  { statusOf },
);

// The desk is told where the answers go, at every start anew: the port is another one each time.
await askOk(`PUT ${need('DESK_URL')}/webhook`, { body: { url: service.url } });

announce({ DAEMON_URL: service.url }, async () => {
  await service.close();
  await runtime.stop({ grace: '2s' });
});
