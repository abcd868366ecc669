// Twelve orders, a daemon that is killed twice with SIGKILL, and nothing lost. Starts services.ts and daemon.ts as
// processes of their own, plays the story below, and then asks the world, not the daemon, whether it came true.
//   npm run demo              answers the approvals itself, through the desk's HTTP interface
//   npm run demo -- --by-hand leaves them to you: it prints the address of the desk's page

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { bold, createStory, until } from '../support/report.js';
import { onStage, type Stage } from '../support/stage.js';
import { type Case, type Evidence, report } from './verdict.js';
import { type Approval, World } from './world.js';

const Cases = z.array(
  z.object({
    order: z.looseObject({ id: z.string(), model: z.string(), domain: z.string() }),
    answer: z.object({ approved: z.boolean(), by: z.string(), reason: z.string().optional() }).optional(),
    outcome: z.enum(['live', 'rejected', 'expired', 'failed']),
  }),
);

const isByHand = process.argv.includes('--by-hand');
const totalMs = isByHand ? 24 * 3_600_000 : 30_000;
const say = createStory();

async function play({ directory, processes }: Stage): Promise<boolean> {
  const markers = join(directory, 'markers');
  await mkdir(markers);
  const world = await World.create(processes, { store: join(directory, 'store'), markers });
  const cases = Cases.parse(JSON.parse(await readFile(new URL('./orders.json', import.meta.url), 'utf8')));
  await world.startDaemon();
  say('four services and the daemon are up');
  await Promise.all(cases.map((each) => world.order(isByHand ? { ...each.order, approvalTimeout: '3 days' } : each.order)));
  say(`${cases.length} orders submitted; each now lends a machine, asks the desk, and sleeps`);

  const asleep = await killWhileAsleep(world);
  const approvals = await restartAndAwaitQuestions(world, cases);
  const deploying = isByHand ? await awaitPeople(world, approvals) : await answerAndKillWhileDeploying(world, cases, approvals);

  const results = await Promise.all(cases.map(({ order }) => world.result(order.id, 20_000)));
  say('every order has ended');
  const repeated = await repeatAnAnswer(world, cases);
  const evidence: Evidence = { cases, results, asleep, deploying, repeated, markers };
  return report(world, { ...evidence, isByHand });
}

/** The first kill: most sleep on approval, some still wait for their machine. Returns how many slept. */
async function killWhileAsleep(world: World): Promise<number> {
  const asleep = await until('three instances sleep on approval', async () => {
    const instances = await world.instances();
    const sleepers = instances.filter(({ waitingFor }) => waitingFor.some(({ name }) => name === 'approval'));
    return sleepers.length >= 3 ? sleepers : undefined;
  });
  await world.killDaemon();
  say(`${bold('kill -9')} while ${asleep.length} sleep on approval (${asleep.map(({ id }) => id).join(', ')})`);
  return asleep.length;
}

async function restartAndAwaitQuestions(world: World, cases: readonly Case[]): Promise<Approval[]> {
  const early = (await world.approvals()).flatMap(({ ip, order }) => {
    const answer = cases.find((each) => each.order.id === order)?.answer;
    return answer === undefined ? [] : [{ ip, order, answer }];
  })[0];
  if (!isByHand && early !== undefined) {
    await world.answer(early.ip, early.answer);
    say(`the desk decides on ${early.order} meanwhile, and keeps trying to tell a daemon that is dead`);
  }
  await world.startDaemon();
  say('the daemon is back, on the same store');
  const approvals = await until('every order is at the desk', async () => {
    const asked = await world.approvals();
    return asked.length === cases.length ? asked : undefined;
  });
  say(`all ${cases.length} questions are at the desk`);
  return approvals;
}

/** The second kill: deployments run. Returns how many did, counted by the job runner when the daemon was dead. */
async function answerAndKillWhileDeploying(world: World, cases: readonly Case[], approvals: readonly Approval[]): Promise<number> {
  for (const { order, answer } of cases) {
    const approval = approvals.find((each) => each.order === order.id);
    if (approval !== undefined && answer !== undefined) await world.answer(approval.ip, answer);
  }
  say('the desk has answered all but one');
  await until('three deployments run', async () => ((await world.runningJobs()) >= 3 ? true : undefined));
  await world.killDaemon();
  const deploying = await world.runningJobs();
  say(`${bold('kill -9')} while ${deploying} deployments run`);
  await world.startDaemon();
  say('the daemon is back; it asks again for what it did not hear the end of');
  return deploying;
}

async function awaitPeople(world: World, approvals: readonly Approval[]): Promise<number> {
  say(`your turn: ${bold(`${world.at('DESK_URL')}/`)} has ${approvals.length} questions`);
  await until(
    'everything is answered',
    async () => ((await world.approvals()).some(({ state }) => state === 'open') ? undefined : true),
    totalMs,
  );
  return 0;
}

/** The desk did not hear the daemon's thanks, say, and tells an answer once more. Returns what the daemon makes of it. */
async function repeatAnAnswer(world: World, cases: readonly Case[]): Promise<string> {
  const told = (await world.approvals()).find(({ telling }) => telling !== undefined);
  const answer = cases.find(({ order }) => order.id === told?.order)?.answer;
  return told === undefined ? 'no answer was told' : world.repeatAnswer(told, answer ?? { approved: true, by: 'desk' });
}

await onStage(play, totalMs);
