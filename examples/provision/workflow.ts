// The process: lend a machine, ask a person, deploy, point the domain at it.

import { compensate, receive, timeout, workflow } from '../../src/index.js';
import { askDesk, execJob, pointDns, releaseServer, requestServer, withdrawQuestion } from './activities.js';
import { approval, Order } from './order.js';

export const provision = workflow({ name: 'provision', input: Order }, function* (order) {
  const ip = yield* requestServer({ model: order.model });
  yield* compensate(() => releaseServer({ ip })); // should what follows fail, the machine goes back

  yield* askDesk({ ip, order: order.id, model: order.model, domain: order.domain });
  const answer = yield* timeout(order.approvalTimeout, receive(approval, { key: ip }), { orElse: 'no answer' });
  if (answer === 'no answer') {
    yield* withdrawQuestion({ ip });
    yield* releaseServer({ ip });
    return { status: 'expired' as const };
  }
  if (!answer.approved) {
    yield* releaseServer({ ip });
    return { status: 'rejected' as const, reason: answer.reason };
  }

  yield* execJob({ job: 'deploy', ip, domain: order.domain });
  yield* pointDns({ domain: order.domain, ip });
  return { status: 'live' as const, ip };
});
