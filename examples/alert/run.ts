// Five alerts in a few seconds. Starts daemon.ts as a process of its own, plays the phones of three people on duty and
// the monitoring, kills the daemon while an alert is muted, and checks who was asked, in which order, and how it ended.
//   npx tsx examples/alert/run.ts

import { join } from 'node:path';
import { z } from 'zod';
import { ask, askOk } from '../support/client.js';
import { idempotencyKey, serve } from '../support/http.js';
import { need, type Running } from '../support/processes.js';
import { bold, Checks, createStory, printTable, until } from '../support/report.js';
import { onStage, type Stage } from '../support/stage.js';

const Page = z.object({ person: z.string(), token: z.string(), alert: z.string() });
type Page = z.infer<typeof Page>;
const Info = z.object({ exposed: z.object({ inPeaceBecauseOf: z.string().optional() }) });
const Ended = z.object({ status: z.literal('completed'), result: z.object({ status: z.string(), by: z.string().optional() }) });

/** Who should have been paged, in this order, and how it should end. */
const expected = [
  { alert: 'flapping', paged: 'Ada, Ada', end: 'resolved by monitoring' },
  { alert: 'disk-full', paged: 'Ada', end: 'resolved by Ada' },
  { alert: 'site-down', paged: 'Ada, Ben, Cyd', end: 'resolved by Cyd' },
  { alert: 'forgotten', paged: 'Ada, Ben, Cyd', end: 'unanswered' },
  { alert: 'healed', paged: 'Ada', end: 'resolved by monitoring' },
];

const say = createStory();
const pages: Page[] = [];
const seen = new Set<string>();

/** The phones: they ring once for each message, and some of their owners answer. */
const phones = await serve({
  'POST /pages': (call) => {
    const page = Page.parse(call.body);
    if (!seen.has(idempotencyKey(call))) {
      seen.add(idempotencyKey(call));
      pages.push(page);
    }
    return { status: 202, body: {} };
  },
});

const paged = (alert: string) => pages.filter((page) => page.alert === alert);
const rings = (alert: string, times: number) =>
  until(`${alert} has been paged ${times} times`, async () => (paged(alert).length >= times ? paged(alert)[times - 1] : undefined));

async function play({ directory, processes }: Stage): Promise<boolean> {
  const start = () => processes.start(new URL('./daemon.ts', import.meta.url), { STORE: join(directory, 'store'), PHONES_URL: phones.url });
  let daemon = await start();
  say('the alert daemon is up');

  await raise(daemon, 'flapping', '10s');
  await rings('flapping', 1);
  await askOk(`POST ${url(daemon)}/alerts/flapping/muted`, { body: { by: 'Ada', duration: '1500 ms' } });
  await until('the alert is muted', () => inPeaceBecauseOf(daemon, 'flapping'));
  await daemon.end('SIGKILL');
  say(`flapping: Ada is paged and mutes it; then ${bold('kill -9')}`);
  daemon = await start();
  await rings('flapping', 2);
  await resolve(daemon, 'flapping', 'monitoring');
  say('flapping: comes back when the mute is over, though the daemon was dead meanwhile');

  await Promise.all([goOn(daemon, 'disk-full', 1), goOn(daemon, 'site-down', 3), raise(daemon, 'forgotten', '300 ms'), heal(daemon)]);
  const late = await ask(`POST ${url(daemon)}/pages/${encodeURIComponent(paged('healed')[0]?.token ?? '')}`, { body: { by: 'Ada' } });
  const actual = await Promise.all(expected.map(async ({ alert }) => ({ alert, paged: names(alert), end: await end(daemon, alert) })));
  say('every alert has ended');

  printTable(actual);
  const checks = new Checks();
  for (const [at, each] of expected.entries()) {
    const isAsExpected = actual[at]?.paged === each.paged && actual[at]?.end === each.end;
    checks.claim(`${each.alert}: pages ${each.paged}, and is ${each.end}`, isAsExpected ? [] : [JSON.stringify(actual[at])]);
  }
  checks.claim(`an answer that comes too late is refused (${late.status})`, late.status === 409 ? [] : [JSON.stringify(late.body)]);
  const code = await daemon.end('SIGTERM');
  checks.claim('the daemon stops gracefully on SIGTERM', code === 0 ? [] : [`exit code ${code}`]);
  return checks.allHold;
}

/** Raised, answered by the person who is paged as the n-th, and put right by that person. */
async function goOn(daemon: Running, id: string, times: number): Promise<void> {
  await raise(daemon, id, times === 1 ? '10s' : '300 ms');
  const page = await rings(id, times);
  await askOk(`POST ${url(daemon)}/pages/${encodeURIComponent(page.token)}`, { body: { by: page.person } });
  await resolve(daemon, id, page.person);
  say(`${id}: ${page.person} answers, and puts it right`);
}

async function heal(daemon: Running): Promise<void> {
  await raise(daemon, 'healed', '10s');
  await rings('healed', 1);
  await resolve(daemon, 'healed', 'monitoring');
  say('healed: all is well again before anybody answers');
}

async function raise(daemon: Running, id: string, patience: string): Promise<void> {
  const alert = { id, summary: `${id}!`, rota: ['Ada', 'Ben', 'Cyd'], patience, repairTime: '10s' };
  await askOk(`POST ${url(daemon)}/alerts`, { body: alert });
}

async function resolve(daemon: Running, id: string, by: string): Promise<void> {
  await askOk(`POST ${url(daemon)}/alerts/${id}/resolved`, { body: { by } });
}

async function inPeaceBecauseOf(daemon: Running, id: string): Promise<string | undefined> {
  return Info.parse(await askOk(`GET ${url(daemon)}/instances/${id}`)).exposed.inPeaceBecauseOf;
}

async function end(daemon: Running, id: string): Promise<string> {
  const { result } = Ended.parse(await askOk(`GET ${url(daemon)}/instances/${id}/result?wait=10000`));
  return result.by === undefined ? result.status : `${result.status} by ${result.by}`;
}

const url = (daemon: Running) => need('DAEMON_URL', daemon.ready);
const names = (alert: string) =>
  paged(alert)
    .map(({ person }) => person)
    .join(', ');

await onStage(play, 30_000);
