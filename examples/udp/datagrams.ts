// Datagrams over UDP, as operations.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { type Operation, step } from '../../src/index.js';
import { Incoming } from '../support/incoming.js';

export interface Endpoint {
  readonly socket: Socket;
  readonly port: number;
  readonly datagrams: Incoming<[Buffer, RemoteInfo]>;
}

export interface Datagram {
  readonly port: number;
  readonly text: string;
}

/** Opens a socket on a free port of the loopback. */
export async function openEndpoint(): Promise<Endpoint> {
  const socket = createSocket('udp4');
  const datagrams = Incoming.events<[Buffer, RemoteInfo]>(socket, 'message');
  await once(socket.bind(0, '127.0.0.1'), 'listening');
  return { socket, port: socket.address().port, datagrams };
}

/** Waits for the next datagram. */
export function* receiveDatagram(endpoint: Endpoint): Operation<Datagram> {
  const [bytes, from] = (yield* endpoint.datagrams.next()) ?? [];
  if (bytes === undefined || from === undefined) throw new Error('The endpoint is closed.');
  return { port: from.port, text: bytes.toString() };
}

/** Sends a datagram, which may or may not arrive. */
export function sendDatagram({ socket }: Endpoint, { port, text }: Datagram): Operation<void> {
  const send = promisify<void>((done) => socket.send(text, port, '127.0.0.1', (error) => done(error)));
  return step('send a datagram', () => send());
}
