// A job runner: it runs deploy.sh as a real child process, once per idempotency key. Who asks again while the job runs,
// or when it is over, gets the outcome of that one run.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { HttpError, type HttpService, idempotencyKey, type Reply, serve } from '../support/http.js';
import { Ledger } from './ledger.js';

const script = fileURLToPath(new URL('./deploy.sh', import.meta.url));
/** The address becomes a file name and both become arguments of the script, so their shape matters. */
const Job = z.object({ job: z.literal('deploy'), ip: z.ipv4(), domain: z.hostname() });

export async function serveRunner(directory: string): Promise<HttpService> {
  const ledger = new Ledger('runner');
  const runs = new Map<string, Promise<Reply>>();
  const running = new Set<ChildProcess>();

  async function run(job: z.infer<typeof Job>): Promise<Reply> {
    const child = spawn('sh', [script, directory, job.ip, job.domain], { stdio: ['ignore', 'ignore', 'pipe'] });
    running.add(child);
    const errors: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    const [exit] = await once(child, 'close');
    running.delete(child);
    if (exit === 0) return { body: { exit } };
    return { status: 422, body: { code: 'JOB_FAILED', message: Buffer.concat(errors).toString().trim(), exit } };
  }

  const service = await serve({
    'POST /jobs': (call) => {
      const asked = Job.safeParse(call.body);
      if (!asked.success) throw new HttpError(400, 'BAD_REQUEST', 'A job is { job: "deploy", ip, domain }.');
      const key = idempotencyKey(call);
      ledger.arrived(key, `deploy ${asked.data.domain} on ${asked.data.ip}`);
      const known = runs.get(key);
      if (known !== undefined) return known;
      ledger.tookEffect(key);
      const outcome = run(asked.data);
      runs.set(key, outcome);
      return outcome;
    },
    'GET /running': () => ({ body: { running: running.size } }),
    'GET /ledger': () => ({ body: ledger.lines() }),
  });
  return {
    url: service.url,
    close: async () => {
      for (const child of running) child.kill();
      await service.close();
    },
  };
}
