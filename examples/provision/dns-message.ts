// The dynamic update (RFC 2136) that points a name at one address, and sending it over UDP.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Answer, decode, encode } from 'dns-packet';

export const zone = 'example.test';
/** The opcode UPDATE, where it stands in the flags. */
export const updateFlags = 5 << 11;
/** The record that carries an update's idempotency key. */
export const idempotencyRecord = 'idempotency-key.invalid';

const rcodeMask = 0xf;

/** Replaces whatever a name has by one address. Rejects when the server refuses, or the signal is aborted. */
export async function updateAddress(port: number, options: { name: string; ip: string; key: string; signal: AbortSignal }): Promise<void> {
  const id = Math.floor(Math.random() * 65_536);
  const everything = { type: 'ANY', class: 'ANY', name: options.name, ttl: 0, data: Buffer.alloc(0) };
  const message = encode({
    type: 'query',
    id,
    flags: updateFlags,
    questions: [{ type: 'SOA', name: zone }],
    // The cast: dns-packet can write the type ANY, its declarations do not have it.
    authorities: [everything as unknown as Answer, { type: 'A', name: options.name, ttl: 1, data: options.ip }],
    additionals: [{ type: 'TXT', name: idempotencyRecord, data: options.key }],
  });
  const response = await exchange(port, message, options.signal);
  const rcode = (response.flags ?? 0) & rcodeMask;
  if (response.id !== id || rcode !== 0) throw new Error(`The name server refused ${options.name} (rcode ${rcode}).`);
}

async function exchange(port: number, message: Buffer, signal: AbortSignal): Promise<ReturnType<typeof decode>> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect', { signal });
    socket.send(message);
    const [response] = await once(socket, 'message', { signal });
    return decode(response);
  } finally {
    socket.close();
  }
}
