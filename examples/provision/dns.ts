// A name server for one zone, over UDP: it answers A queries, and takes dynamic updates (RFC 2136). An update says who
// sends it again by a TXT record in its additional section, named as below: the idempotency key.

import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { type Answer, AUTHORITATIVE_ANSWER, type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import { serve } from '../support/http.js';
import { idempotencyRecord, updateFlags, zone } from './dns-message.js';
import { Ledger } from './ledger.js';

const rcodes = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4, NOTZONE: 10 } as const;
const opcodeMask = 0x7800;

/** A response, as far as it differs from one query to the other. */
interface Outcome {
  readonly rcode: keyof typeof rcodes;
  readonly answers?: readonly Answer[];
}

export interface DnsService {
  readonly port: number;
  /** Where the ledger can be read over HTTP. */
  readonly url: string;
  close(): Promise<void>;
}

export async function serveDns(): Promise<DnsService> {
  const ledger = new Ledger('dns');
  const addresses = new Map<string, string[]>();
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    try {
      const response = respond(message, addresses, ledger);
      if (response !== undefined) reply(from, response);
    } catch (error) {
      console.error(error); // whatever a packet does, the next one is answered
    }
  });
  const reply = (to: RemoteInfo, packet: Packet) => socket.send(encode(packet), to.port, to.address);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const books = await serve({ 'GET /ledger': () => ({ body: ledger.lines() }) });
  return {
    port: socket.address().port,
    url: books.url,
    close: async () => {
      socket.close();
      await books.close();
    },
  };
}

function respond(message: Buffer, addresses: Map<string, string[]>, ledger: Ledger): Packet | undefined {
  const query = tryDecode(message);
  // What cannot be read, and what is itself a response, is not answered: two servers must not talk for ever.
  if (query === undefined || query.flag_qr) return undefined;
  const opcode = (query.flags ?? 0) & opcodeMask;
  const outcome =
    opcode === updateFlags ? update(query, addresses, ledger) : opcode === 0 ? look(query, addresses) : ({ rcode: 'NOTIMP' } as const);
  return {
    type: 'response',
    id: query.id,
    flags: opcode | AUTHORITATIVE_ANSWER | rcodes[outcome.rcode],
    questions: query.questions,
    answers: [...(outcome.answers ?? [])],
  };
}

function look(query: DecodedPacket, addresses: ReadonlyMap<string, readonly string[]>): Outcome {
  const question = query.questions?.[0];
  if (question === undefined) return { rcode: 'FORMERR' };
  const found = addresses.get(question.name.toLowerCase());
  if (found === undefined) return { rcode: 'NXDOMAIN' };
  const answers = question.type === 'A' ? found.map((data) => ({ type: 'A' as const, name: question.name, ttl: 1, data })) : [];
  return { rcode: 'NOERROR', answers };
}

/** An update's sections: the zone in the questions, the changes in the authorities. */
function update(query: DecodedPacket, addresses: Map<string, string[]>, ledger: Ledger): Outcome {
  const key = query.additionals?.find((record) => record.type === 'TXT' && record.name === idempotencyRecord);
  const changes = query.authorities ?? [];
  if (query.questions?.[0]?.name.toLowerCase() !== zone) return { rcode: 'NOTZONE' };
  if (key?.type !== 'TXT' || changes.length === 0) return { rcode: 'FORMERR' };
  if (!changes.every((change) => change.name.toLowerCase().endsWith(`.${zone}`))) return { rcode: 'NOTZONE' };
  const id = String(key.data);
  if (!ledger.arrived(id, `update ${changes[0]?.name}`)) return { rcode: 'NOERROR' };
  for (const change of changes) apply(change, addresses);
  ledger.tookEffect(id);
  return { rcode: 'NOERROR' };
}

function apply(change: Answer, addresses: Map<string, string[]>): void {
  const name = change.name.toLowerCase();
  if (change.type === 'A') addresses.set(name, [...(addresses.get(name) ?? []), change.data]);
  else if (isDeletion(change)) addresses.delete(name);
}

/** Type ANY of class ANY: "delete all of this name". The library knows the type; its declarations leave it out. */
function isDeletion(change: Answer): boolean {
  return String(change.type) === 'ANY' && 'class' in change && change.class === 'ANY';
}

function tryDecode(message: Buffer): DecodedPacket | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}
