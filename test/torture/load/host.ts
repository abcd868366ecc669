// The side of a load test that has no runtime: it starts the process that has one, asks it, and makes arrivals.

import { type ChildProcess, fork } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { type Answer, type Asked, PIPE } from './guest.js';

export class LoadHost<Question> {
  /** For arrivals. */
  readonly pipe: Duplex;
  /** What it told that must not happen. */
  readonly complaints: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #asked = 0;

  /** @param program compiled; it calls `beGuest`. */
  constructor(program: string) {
    this.#child = fork(program, [], {
      execArgv: ['--expose-gc', ...profileOptions()],
      env: { ...process.env, NODE_ENV: 'production' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'],
    });
    this.pipe = this.#child.stdio[PIPE] as unknown as Duplex;
    // When it is killed its pipe breaks; that it is gone is told by its end.
    this.pipe.on('error', () => {});
    this.#child.on('message', (message) => this.#hear(message as Answer));
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()));
    void this.#ended.then(() => this.#fail('The process with the runtime has ended.'));
  }

  ask(question: Question): Promise<unknown> {
    const asked: Asked = { number: this.#asked, question };
    this.#asked += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(asked.number, { resolve, reject });
      this.#child.send(asked, (error) => {
        if (error !== null) this.#fail(error.message);
      });
    });
  }

  kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    return this.#ended;
  }

  /** Lets it go by itself: a profile of it is written then. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended;
  }

  #hear(answer: Answer): void {
    if ('complaint' in answer) {
      this.complaints.push(answer.complaint);
      return;
    }
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if ('error' in answer) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer.value);
  }

  #fail(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}

/** ROUSE_TORTURE_PROFILE names a folder for CPU profiles. */
function profileOptions(): string[] {
  const folder = process.env.ROUSE_TORTURE_PROFILE;
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}
