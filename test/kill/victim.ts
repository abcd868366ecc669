// A process that is to be killed, as the test sees it.

import { type ChildProcess, fork } from 'node:child_process';
import type { FromChild, Opened, Opening, Reply, Request, ToChild } from './protocol.js';

export interface VictimEvents {
  onToken(label: string, token: string): void;
  onInterrupted(id: string): void;
  /** Something that must not happen. */
  onFault(text: string): void;
  /** It said something. */
  onSign(): void;
}

export class Victim {
  /** Its program is loaded, and it waits for what it is to open. */
  readonly loaded: Promise<void>;
  /** It is gone, and all that it had said was heard. */
  readonly closed: Promise<void>;
  /** Its first checkpoint begins. */
  readonly checkpoint: Promise<void>;
  readonly #child: ChildProcess;
  readonly #events: VictimEvents;
  readonly #replies = new Map<number, (reply: Reply | null) => void>();
  #onLoaded: () => void = () => {};
  #onOpened: (opened: Opened | null) => void = () => {};
  #onCheckpoint: () => void = () => {};
  #asked = 0;
  #isEnding = false;
  #isClosed = false;
  #errors = '';

  /** @param program the compiled child.ts */
  constructor(program: string, events: VictimEvents) {
    this.#events = events;
    this.loaded = new Promise((resolve) => {
      this.#onLoaded = resolve;
    });
    this.checkpoint = new Promise((resolve) => {
      this.#onCheckpoint = resolve;
    });
    this.#child = fork(program, [], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#child.on('message', (message) => this.#hear(message as FromChild));
    // What it said before it died is still in the pipe at `exit`; at `close` it is not.
    this.closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve())).then(() => this.#onClosed());
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when the runtime is ready; with null when the process was killed before. */
  open(opening: Opening): Promise<Opened | null> {
    if (opening.death !== null) this.#isEnding = true;
    const opened = new Promise<Opened | null>((resolve) => {
      this.#onOpened = resolve;
    });
    this.#say({ kind: 'open', opening });
    return opened;
  }

  /** Resolves with null when it was killed before it replied. */
  ask(request: Request): Promise<Reply | null> {
    if (this.#isClosed) return Promise.resolve(null);
    const number = this.#asked;
    this.#asked += 1;
    return new Promise((resolve) => {
      this.#replies.set(number, resolve);
      this.#say({ kind: 'request', number, request });
    });
  }

  async kill(): Promise<void> {
    this.#isEnding = true;
    this.#child.kill('SIGKILL');
    await this.closed;
  }

  /** Lets it stop in order, and end when nothing holds it any more. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.ask({ kind: 'stop' });
    await this.closed;
    if (this.#child.exitCode !== 0) this.#onFault();
  }

  #say(message: ToChild): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  #hear(message: FromChild): void {
    this.#events.onSign();
    switch (message.kind) {
      case 'loaded':
        this.#onLoaded();
        break;
      case 'opened':
        this.#onOpened(message.opened);
        break;
      case 'checkpoint':
        this.#onCheckpoint();
        break;
      case 'reply':
        this.#replies.get(message.number)?.(message.reply);
        this.#replies.delete(message.number);
        break;
      case 'token':
        this.#events.onToken(message.label, message.token);
        break;
      case 'interrupted':
        this.#events.onInterrupted(message.id);
        break;
      case 'complaint':
        this.#events.onFault(message.text);
        break;
    }
  }

  #onClosed(): void {
    this.#isClosed = true;
    if (!this.#isEnding) this.#onFault();
    this.#onLoaded();
    this.#onOpened(null);
    for (const reply of this.#replies.values()) reply(null);
    this.#replies.clear();
  }

  #onFault(): void {
    const { exitCode, signalCode } = this.#child;
    this.#events.onFault(`The process ended by itself (${signalCode ?? `exit code ${exitCode}`}):\n${this.#errors}`);
  }
}
