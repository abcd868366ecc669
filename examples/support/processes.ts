// The child processes of an example. They are started from their TypeScript, tell that they are ready by one line of
// JSON, can be killed as brutally as the example likes, and never outlive it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What a process says of itself when it is ready: the addresses at which it can be reached, by name. */
export type Ready = Readonly<Record<string, string>>;

export interface Running {
  readonly ready: Ready;
  /** Sends the signal, and resolves with the exit code (null: it died of a signal) when the process is gone. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

export class Processes {
  readonly #children = new Set<ChildProcess>();
  readonly #errors: string[] = [];

  /** Starts a script with these environment variables, and waits for its line. */
  async start(script: URL, env: Ready): Promise<Running> {
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), fileURLToPath(script)], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#children.add(child);
    const exited = once(child, 'exit').then(() => this.#children.delete(child));
    child.stderr?.on('data', (chunk: Buffer) => this.#errors.push(chunk.toString()));
    const ready = await Promise.race([firstLine(child), exited.then(() => undefined)]);
    if (ready === undefined) throw new Error(`${script.pathname} ended before it was ready:\n${this.errors()}`);
    return {
      ready: toReady(ready),
      end: async (signal) => {
        child.kill(signal);
        await exited;
        return child.exitCode;
      },
    };
  }

  /** What they all wrote to their error output. */
  errors(): string {
    return this.#errors.join('');
  }

  /** Kills whatever still runs. */
  async killAll(): Promise<void> {
    const exits = [...this.#children].map((child) => once(child, 'exit'));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(exits);
  }
}

/** To be called by a child process: says that it is ready, and calls `stop` at SIGTERM or when its parent is gone. */
export function announce(ready: Ready, stop: () => Promise<void>): void {
  let isStopping = false;
  const stopOnce = () => {
    if (isStopping) return;
    isStopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect']) process.on(signal, stopOnce);
  console.log(JSON.stringify(ready));
}

/** A value that a process needs from its environment. */
export function need(name: string, from: Readonly<Record<string, string | undefined>> = process.env): string {
  const value = from[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set.`);
  return value;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('The process has no output.');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return String(line);
}

function toReady(line: string): Ready {
  const said: unknown = JSON.parse(line);
  if (said === null || typeof said !== 'object' || !Object.values(said).every((value) => typeof value === 'string')) {
    throw new Error(`Not a ready line: ${line}`);
  }
  return said as Ready;
}
