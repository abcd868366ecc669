// The process: something is wrong, and somebody has to see to it. It asks the people on duty one after the other, leaves
// them in peace while they work or have muted it, and comes back until it is told that all is well.

import { expose, type Operation, race, receive, sleep, waitForCallback, workflow } from '../../src/index.js';
import { Alert, muted, resolved, type Taken } from './alert.js';
import { page } from './pager.js';

export const handleAlert = workflow({ name: 'alert', input: Alert }, function* (alert) {
  const end = yield* race({ resolved: receive(resolved), unanswered: keepAsking(alert) });
  return end.key === 'resolved' ? { status: 'resolved' as const, by: end.value.by } : { status: 'unanswered' as const };
});

/** Asks, leaves whoever answered in peace, and asks again. Ends only when nobody answers any more. */
function* keepAsking(alert: Alert): Operation<void> {
  for (;;) {
    const peace = yield* askAround(alert);
    if (peace === 'nobody answers') return;
    yield* expose('inPeaceBecauseOf', peace.by);
    yield* sleep(peace.duration);
  }
}

/** Escalates on silence: each person of the rota has a while to answer, then it is the next one's turn. */
function* askAround(alert: Alert): Operation<{ by: string; duration: string } | 'nobody answers'> {
  for (const person of alert.rota) {
    const reply = yield* race({
      taken: waitForCallback<Taken>('page', (token, ctx) => page({ person, token, alert }, ctx)),
      muted: receive(muted),
      silence: sleep(alert.patience),
    });
    if (reply.key === 'taken') return { by: reply.value.by, duration: alert.repairTime };
    if (reply.key === 'muted') return { by: reply.value.by, duration: reply.value.duration };
  }
  return 'nobody answers';
}
