// Whether the story came true: asked of the world outside (the name server, the machines' markers, the cloud, the
// services' ledgers), and printed as a table and a line for each thing checked.

import { Resolver } from 'node:dns/promises';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Checks, printTable } from '../support/report.js';
import type { Approval, Ended, Instance, LedgerLine, World } from './world.js';

export interface Case {
  readonly order: { readonly id: string; readonly model: string; readonly domain: string };
  readonly answer?: { readonly approved: boolean; readonly by: string; readonly reason?: string | undefined } | undefined;
  readonly outcome: 'live' | 'rejected' | 'expired' | 'failed';
}

export interface Evidence {
  readonly cases: readonly Case[];
  /** In the order of the cases. */
  readonly results: readonly Ended[];
  /** How many slept on approval at the first kill, and how many deployments ran at the second. */
  readonly asleep: number;
  readonly deploying: number;
  /** What the daemon said to an answer that it had already. */
  readonly repeated: string;
  readonly markers: string;
}

/** What is known of one order in the end. */
interface Row {
  readonly id: string;
  readonly model: string;
  readonly domain: string;
  readonly ip: string;
  readonly kills: number;
  readonly by: string;
  readonly outcome: string;
  readonly why: string;
  readonly expected: string;
}

/** Prints the verdict. Returns whether everything held. */
export async function report(world: World, evidence: Evidence & { readonly isByHand: boolean }): Promise<boolean> {
  const rows = toRows(evidence, await world.approvals(), { instances: await world.instances(), killedAt: world.killedAt });
  const isLive = (row: Row) => row.outcome === 'live';
  const servers = await world.servers();
  const ledger = await world.ledger();
  const repeats = ledger.filter((line) => line.arrived > 1);
  printTable(
    rows.map(({ id, model, domain, ip, kills, by, outcome, why }) => ({
      order: id,
      model,
      domain,
      address: ip,
      'kills survived': kills,
      'decided by': by,
      outcome,
      why,
    })),
  );

  const checks = new Checks();
  if (!evidence.isByHand) {
    checks.claim(`${rows.length} orders ended as they should`, wrongOutcomes(rows));
    checks.claim(
      `the daemon died twice: ${evidence.asleep} slept on approval the first time, ${evidence.deploying} deployments ran the second`,
      [
        ...(world.killedAt.length === 2 ? [] : [`it was killed ${world.killedAt.length} times`]),
        ...(evidence.asleep >= 3 ? [] : ['fewer than three slept']),
        ...(evidence.deploying >= 1 ? [] : ['no deployment ran']),
      ],
    );
  }
  checks.claim('real DNS queries find each live domain at its address, and no other', await wrongNames(world.at('DNS_PORT'), rows));
  checks.claim('each live machine was deployed once, and no other', await wrongMarkers(evidence.markers, rows.filter(isLive)));
  checks.claim(
    `${servers.filter(({ state }) => state === 'released').length} machines were given back, ${rows.filter(isLive).length} are in use, none is forgotten`,
    wrongServers(servers, rows),
  );
  checks.claim(
    `${ledger.length} requests reached the services, and each took effect exactly once`,
    ledger.filter((line) => line.effects !== 1).map(toProblem),
  );
  checks.claim(
    `${repeats.length} of them arrived more than once (${describeRepeats(repeats)})`,
    repeats.length > 0 ? [] : ['none did, so this proves nothing'],
  );
  checks.claim(
    `an answer told twice was taken once (the daemon says: ${evidence.repeated})`,
    evidence.repeated === 'duplicate' ? [] : ['it should say: duplicate'],
  );
  const codes = await world.stop();
  checks.claim(
    'the daemon and the services stop gracefully on SIGTERM',
    codes.every((code) => code === 0) ? [] : [`exit codes ${codes.join(', ')}`],
  );
  return checks.allHold;
}

function toRows(
  evidence: Evidence,
  approvals: readonly Approval[],
  history: { instances: readonly Instance[]; killedAt: readonly number[] },
): Row[] {
  return evidence.cases.map(({ order, outcome: expected }, at) => {
    const approval = approvals.find((each) => each.order === order.id);
    const instance = history.instances.find((each) => each.id === order.id);
    const livedAt = (time: number) =>
      instance !== undefined && instance.startedAt <= time && time <= (instance.endedAt ?? Number.POSITIVE_INFINITY);
    return {
      ...order,
      ip: approval?.ip ?? '?',
      kills: history.killedAt.filter(livedAt).length,
      by: approval?.answer?.by ?? 'nobody',
      ...toOutcome(evidence.results[at]),
      expected,
    };
  });
}

function toOutcome(ended: Ended | undefined): { outcome: string; why: string } {
  if (ended?.status === 'completed') return { outcome: ended.result.status, why: ended.result.reason ?? '' };
  if (ended?.status === 'failed') return { outcome: 'failed', why: ended.error.message };
  return { outcome: 'pending', why: '' };
}

function wrongOutcomes(rows: readonly Row[]): string[] {
  return rows.filter((row) => row.outcome !== row.expected).map((row) => `${row.id} is ${row.outcome}, not ${row.expected}`);
}

async function wrongNames(port: string, rows: readonly Row[]): Promise<string[]> {
  const resolver = new Resolver({ timeout: 1_000, tries: 3 });
  resolver.setServers([`127.0.0.1:${port}`]);
  const found = await Promise.all(
    rows.map(({ domain }) => resolver.resolve4(domain).catch((error: NodeJS.ErrnoException) => [String(error.code)])),
  );
  return rows.flatMap((row, at) => {
    const expected = row.outcome === 'live' ? row.ip : 'ENOTFOUND';
    const actual = found[at]?.join(', ');
    return actual === expected ? [] : [`${row.domain} is at ${actual}, not ${expected}`];
  });
}

/** A deployment leaves one line in its machine's marker file: the domain. */
async function wrongMarkers(directory: string, live: readonly Row[]): Promise<string[]> {
  const expected = new Map(live.map(({ ip, domain }) => [`${ip}.deployed`, `${domain}\n`]));
  const problems = [...expected.keys()];
  for (const name of await readdir(directory)) {
    if ((await readFile(join(directory, name), 'utf8')) === expected.get(name)) problems.splice(problems.indexOf(name), 1);
    else problems.push(`${name}: not as it should be`);
  }
  return problems;
}

function wrongServers(servers: readonly { ip: string; state: string }[], rows: readonly Row[]): string[] {
  const expected = new Map(rows.map(({ ip, outcome }) => [ip, outcome === 'live' ? 'in use' : 'released']));
  const wrong = servers
    .filter(({ ip, state }) => expected.get(ip) !== state)
    .map(({ ip, state }) => `${ip} is ${state}, not ${expected.get(ip)}`);
  return servers.length === rows.length ? wrong : [...wrong, `${servers.length} machines were lent for ${rows.length} orders`];
}

function describeRepeats(repeats: readonly LedgerLine[]): string {
  const services = [...new Set(repeats.map(({ service }) => service))];
  return services.map((service) => `${service}: ${repeats.filter((line) => line.service === service).length}`).join(', ');
}

function toProblem(line: LedgerLine): string {
  return `${line.service}: ${line.request} arrived ${line.arrived} times and took effect ${line.effects} times`;
}
