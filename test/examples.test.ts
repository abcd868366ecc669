// Every example is a program: it is run as its reader would run it, and must say that its own check held.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ask } from '../examples/support/client.js';
import { Processes, type Running } from '../examples/support/processes.js';

const examples = fileURLToPath(new URL('../examples/', import.meta.url));
const numbered = readdirSync(examples).filter((name) => /^\d\d-.*\.ts$/.test(name));
const coroutines = ['tcp-echo', 'udp', 'crawler', 'ticks'].map((folder) => `${folder}/run.ts`);
const exampleMs = 30_000;

let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'rouse-examples-'));
});

afterEach(async () => {
  await rm(scratch, { recursive: true, force: true });
});

/** Runs an example with a temporary directory of its own, and collects what it prints. */
async function run(name: string): Promise<{ code: number | null; printed: string; errors: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(examples, name)], {
    env: { ...process.env, TMPDIR: scratch, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: exampleMs, // one that hangs is not left behind
    killSignal: 'SIGKILL',
  });
  const printed: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => printed.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const [code] = await once(child, 'close');
  return { code, printed: Buffer.concat(printed).toString(), errors: Buffer.concat(errors).toString() };
}

/** What an example left in its temporary directory; tsx keeps its cache there too. */
async function leftovers(): Promise<string[]> {
  return (await readdir(scratch)).filter((name) => !name.startsWith('tsx-'));
}

describe.each([...numbered, ...coroutines])('%s', (name) => {
  test('runs, holds its own checks, and leaves nothing behind', { timeout: exampleMs }, async () => {
    const { code, printed, errors } = await run(name);

    expect(errors).toBe('');
    expect(printed).toMatch(/^(✓ .+\n)+$/);
    expect(code).toBe(0);
    expect(await leftovers()).toEqual([]);
  });

  test('names the one command that runs it', () => {
    expect(readFileSync(join(examples, name), 'utf8')).toContain(`\n//   npx tsx examples/${name}\n`);
  });
});

describe.each(['provision/demo.ts', 'alert/run.ts'])('%s', (name) => {
  test('survives its kills, holds all its checks, and leaves nothing behind', { timeout: exampleMs + 5_000 }, async () => {
    const { code, printed, errors } = await run(name);

    expect(errors).toBe('');
    expect(printed).toContain('kill -9');
    expect(printed).toMatch(/^ {2}✓ /m);
    expect(printed).not.toContain('✗');
    expect(code).toBe(0);
    expect(await leftovers()).toEqual([]);
  });
});

describe('the provisioning daemon', () => {
  const order = { id: 'order-1', model: 'web-small', domain: 'shop.example.test' };
  const answer = { approved: true, by: 'Ada' };
  let processes: Processes;
  let daemon: Running;
  let services: Running;

  beforeEach(async () => {
    processes = new Processes();
    services = await processes.start(new URL('../examples/provision/services.ts', import.meta.url), { MARKERS: scratch });
    daemon = await processes.start(new URL('../examples/provision/daemon.ts', import.meta.url), {
      ...services.ready,
      STORE: join(scratch, 'store'),
    });
  }, exampleMs);

  afterEach(() => processes.killAll());

  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    ask(`POST ${daemon.ready.DAEMON_URL}${path}`, { body, headers });

  test('answers bad input with 4xx and a code, and starts nothing', { timeout: exampleMs }, async () => {
    const answers = [
      await post('/orders', { id: 'order-1' }),
      await post('/orders', { ...order, domain: '../../etc' }),
      await post('/orders', { ...order, approvalTimeout: 'soon' }),
      await post('/orders', { ...order, padding: 'x'.repeat(70_000) }),
      await post('/orders', order, { 'content-type': 'text/plain' }),
      await post('/approvals/10.0.0.7', answer),
      await post('/approvals/10.0.0.7', { approved: 'yes' }, { 'event-id': 'e1' }),
      await ask(`GET ${daemon.ready.DAEMON_URL}/instances/order-1`),
      await ask(`GET ${daemon.ready.DAEMON_URL}/nowhere`),
    ];

    expect(answers.map(({ status, body }) => [status, (body as { code: unknown }).code])).toEqual([
      [400, 'VALIDATION'],
      [400, 'VALIDATION'],
      [400, 'VALIDATION'],
      [413, 'BODY_TOO_LARGE'],
      [415, 'NOT_JSON'],
      [400, 'NO_EVENT_ID'],
      [400, 'VALIDATION'],
      [404, 'INSTANCE_NOT_FOUND'],
      [404, 'NO_SUCH_ROUTE'],
    ]);
    expect((await ask(`GET ${daemon.ready.DAEMON_URL}/instances`)).body).toEqual([]);
  });

  test('takes the same order twice as one, and another under its id as a conflict', { timeout: exampleMs }, async () => {
    const first = await post('/orders', order);
    const again = await post('/orders', order);
    const other = await post('/orders', { ...order, model: 'web-large' });

    expect([first.status, again.status]).toEqual([202, 202]);
    expect([other.status, other.body]).toMatchObject([409, { code: 'INSTANCE_CONFLICT' }]);
    expect((await ask(`GET ${daemon.ready.DAEMON_URL}/instances`)).body).toHaveLength(1);
  });

  test('stops on SIGTERM although somebody waits for a result', { timeout: exampleMs }, async () => {
    await post('/orders', order);
    // Answered as pending, or refused: it may come too late.
    const waiting = ask(`GET ${daemon.ready.DAEMON_URL}/instances/order-1/result?wait=60000`).catch(() => undefined);

    const code = await daemon.end('SIGTERM');

    expect(code).toBe(0);
    await waiting;
  });
});
