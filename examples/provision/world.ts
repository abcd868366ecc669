// The demo's world: the services and the daemon as child processes, and what they show of themselves over HTTP.

import { z } from 'zod';
import { ask, askOk } from '../support/client.js';
import { need, type Processes, type Ready, type Running } from '../support/processes.js';

const Waits = z.array(z.object({ kind: z.string(), name: z.string() }));
const Instance = z.object({ id: z.string(), status: z.string(), waitingFor: Waits, startedAt: z.number(), endedAt: z.number().nullable() });
const Approval = z.object({
  ip: z.string(),
  order: z.string(),
  state: z.string(),
  answer: z.object({ by: z.string() }).optional(),
  telling: z.object({ eventId: z.string(), attempts: z.number(), outcome: z.string() }).optional(),
});
const Server = z.object({ ip: z.string(), state: z.string() });
const LedgerLine = z.object({ service: z.string(), key: z.string(), request: z.string(), arrived: z.number(), effects: z.number() });
const Ended = z.discriminatedUnion('status', [
  z.object({ status: z.literal('completed'), result: z.object({ status: z.string(), reason: z.string().optional() }) }),
  z.object({ status: z.literal('failed'), error: z.object({ name: z.string(), message: z.string() }) }),
  z.object({ status: z.literal('pending') }),
]);

export type Instance = z.infer<typeof Instance>;
export type Approval = z.infer<typeof Approval>;
export type LedgerLine = z.infer<typeof LedgerLine>;
export type Ended = z.infer<typeof Ended>;

export class World {
  readonly #processes: Processes;
  readonly #directories: { readonly store: string; readonly markers: string };
  readonly #services: Running;
  #daemon: Running | undefined;
  /** When the daemon was killed. */
  readonly killedAt: number[] = [];

  private constructor(processes: Processes, directories: { store: string; markers: string }, services: Running) {
    this.#processes = processes;
    this.#directories = directories;
    this.#services = services;
  }

  static async create(processes: Processes, directories: { store: string; markers: string }): Promise<World> {
    const services = await processes.start(new URL('./services.ts', import.meta.url), { MARKERS: directories.markers });
    return new World(processes, directories, services);
  }

  async startDaemon(): Promise<void> {
    const env: Ready = { ...this.#services.ready, STORE: this.#directories.store };
    this.#daemon = await this.#processes.start(new URL('./daemon.ts', import.meta.url), env);
  }

  /** kill -9: no farewell, no flush, no cleanup. */
  async killDaemon(): Promise<void> {
    await this.#daemon?.end('SIGKILL');
    this.killedAt.push(Date.now());
    this.#daemon = undefined;
  }

  /** Asks both to stop, and gives their exit codes: daemon, services. */
  async stop(): Promise<(number | null)[]> {
    const daemon = await this.#daemon?.end('SIGTERM');
    return [daemon ?? null, await this.#services.end('SIGTERM')];
  }

  at(name: 'IAAS_URL' | 'DESK_URL' | 'RUNNER_URL' | 'DNS_URL' | 'DNS_PORT' | 'DAEMON_URL'): string {
    return need(name, { ...this.#services.ready, ...this.#daemon?.ready });
  }

  async order(order: unknown): Promise<void> {
    await askOk(`POST ${this.at('DAEMON_URL')}/orders`, { body: order });
  }

  async answer(ip: string, answer: unknown): Promise<void> {
    await askOk(`POST ${this.at('DESK_URL')}/approvals/${ip}`, { body: answer });
  }

  /** Tells the daemon what the desk has told it already, under the same event id. */
  async repeatAnswer(approval: Approval, answer: unknown): Promise<string> {
    const headers = { 'event-id': approval.telling?.eventId ?? '' };
    const heard = await ask(`POST ${this.at('DAEMON_URL')}/approvals/${approval.ip}`, { body: answer, headers });
    return z
      .object({ status: z.string() })
      .catch({ status: `answered ${heard.status}` })
      .parse(heard.body).status;
  }

  async instances(): Promise<Instance[]> {
    return z.array(Instance).parse(await askOk(`GET ${this.at('DAEMON_URL')}/instances`));
  }

  async result(id: string, waitMs: number): Promise<Ended> {
    return Ended.parse(await askOk(`GET ${this.at('DAEMON_URL')}/instances/${id}/result?wait=${waitMs}`));
  }

  async approvals(): Promise<Approval[]> {
    return z.array(Approval).parse(await askOk(`GET ${this.at('DESK_URL')}/approvals`));
  }

  async servers(): Promise<z.infer<typeof Server>[]> {
    return z.array(Server).parse(await askOk(`GET ${this.at('IAAS_URL')}/servers`));
  }

  async runningJobs(): Promise<number> {
    return z.object({ running: z.number() }).parse(await askOk(`GET ${this.at('RUNNER_URL')}/running`)).running;
  }

  async ledger(): Promise<LedgerLine[]> {
    const names = ['IAAS_URL', 'DESK_URL', 'RUNNER_URL', 'DNS_URL'] as const;
    const ledgers = await Promise.all(names.map((name) => askOk(`GET ${this.at(name)}/ledger`)));
    return ledgers.flatMap((lines) => z.array(LedgerLine).parse(lines));
  }
}
