// The side of a load test that has the runtime: a process of its own. It is asked over its channel, and gets arrivals
// over a pipe: four bytes each, a number; eight bytes go back when it was served, or could not be.

import { Socket } from 'node:net';

/** Where the pipe is. */
export const PIPE = 4;
export const ARRIVAL_BYTES = 4;
export const REPLY_BYTES = 8;

export interface Asked {
  readonly number: number;
  readonly question: unknown;
}

/** To a question, or something that must not happen. */
export type Answer =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly error: string }
  | { readonly complaint: string };

export interface Guest<Question> {
  answer(question: Question): Promise<unknown>;
  /** Resolves when the arrival is acknowledged. */
  serve(arrival: number): Promise<unknown>;
}

/** Serves until whoever started this process is gone. */
export function beGuest<Question>(guest: Guest<Question>): void {
  process.on('message', ({ number, question }: Asked) => {
    guest.answer(question as Question).then(
      (value) => say({ number, value: value ?? null }),
      (error: unknown) => say({ number, error: toText(error) }),
    );
  });
  process.once('disconnect', () => process.exit());
  const socket = new Socket({ fd: PIPE, readable: true, writable: true });
  const replies = new Replies(socket);
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = data.length - (data.length % ARRIVAL_BYTES);
    for (let at = 0; at < whole; at += ARRIVAL_BYTES) {
      const arrival = data.readUInt32LE(at);
      guest.serve(arrival).then(
        () => replies.add(arrival, true),
        (error: unknown) => {
          complain(`Arrival ${arrival}: ${toText(error)}`);
          replies.add(arrival, false);
        },
      );
    }
    rest = data.subarray(whole);
  });
  socket.on('error', () => process.exit(1));
}

/** Tells of something that must not happen. */
export function complain(text: string): void {
  say({ complaint: text });
}

function say(answer: Answer): void {
  process.send?.(answer);
}

function toText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** What is acknowledged in one moment goes in one write. */
class Replies {
  readonly #socket: Socket;
  #gathered: { arrival: number; isServed: boolean }[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  add(arrival: number, isServed: boolean): void {
    this.#gathered.push({ arrival, isServed });
    if (this.#gathered.length === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const replies = this.#gathered;
    this.#gathered = [];
    const data = Buffer.allocUnsafe(replies.length * REPLY_BYTES);
    replies.forEach(({ arrival, isServed }, index) => {
      data.writeUInt32LE(arrival, index * REPLY_BYTES);
      data.writeUInt32LE(isServed ? 1 : 0, index * REPLY_BYTES + 4);
    });
    this.#socket.write(data);
  }
}
