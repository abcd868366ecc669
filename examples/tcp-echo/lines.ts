// Lines over TCP, as operations: each waits without blocking anybody, can be given a timeout, and can be cancelled.

import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { type Operation, step } from '../../src/index.js';
import { Incoming } from '../support/incoming.js';

const host = '127.0.0.1';
const lineLengthMax = 64 * 1024;

export interface Listener {
  readonly port: number;
  readonly server: Server;
  readonly sockets: Incoming<[Socket]>;
  /** Those that nobody has accepted yet. */
  readonly waiting: Set<Socket>;
}

export interface Connection {
  readonly socket: Socket;
  readonly lines: Incoming<string>;
}

/** Listens on a free port. */
export async function listen(): Promise<Listener> {
  const waiting = new Set<Socket>();
  const server = createServer((socket) => waiting.add(withoutAlarm(socket)));
  const sockets = Incoming.events<[Socket]>(server, 'connection');
  await once(server.listen(0, host), 'listening');
  return { port: (server.address() as AddressInfo).port, server, sockets, waiting };
}

/** Waits for the next client. */
export function* accept({ sockets, waiting }: Listener): Operation<Connection> {
  const [socket] = (yield* sockets.next()) ?? [];
  if (socket === undefined) throw new Error('The listener is closed.');
  waiting.delete(socket);
  return toConnection(socket);
}

/** Listens no more, and turns away who still waits to be accepted. */
export function stopListening({ server, waiting }: Listener): void {
  server.close();
  for (const socket of waiting) socket.destroy();
}

/** Connects. Cancelled meanwhile, it closes the socket: nobody else could. */
export function connect(port: number): Operation<Connection> {
  return step('connect', async ({ signal }) => {
    const socket = withoutAlarm(createConnection({ host, port, signal }));
    await once(socket, 'connect');
    return toConnection(socket);
  });
}

/** Waits for a line; undefined when the other side has hung up. */
export function readLine(connection: Connection): Operation<string | undefined> {
  return connection.lines.next();
}

/** Writes a line, and waits while the other side is too slow to take it. */
export function writeLine({ socket }: Connection, line: string): Operation<void> {
  const write = promisify<string, void>((text, done) => socket.write(text, done));
  return step('write a line', () => write(`${line}\n`));
}

/** Closes at once, on both sides. */
export function hangUp({ socket }: Connection): void {
  socket.destroy();
}

function toConnection(socket: Socket): Connection {
  return { socket, lines: new Incoming(linesOf(socket.setEncoding('utf8'))) };
}

/** What goes wrong with a socket is told by the operation that uses it, and is no reason to end the process. */
function withoutAlarm(socket: Socket): Socket {
  return socket.on('error', () => undefined);
}

async function* linesOf(socket: Socket): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of socket) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineLengthMax) throw new Error(`A line is longer than ${lineLengthMax} characters.`);
    yield* lines;
  }
}
