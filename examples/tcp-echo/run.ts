// An echo server and its clients over node:net, as ephemeral workflows: nothing is stored, sockets are plain values.
//   npx tsx examples/tcp-echo/run.ts

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createRuntime, memoryStore, WorkflowFailedError } from '../../src/index.js';
import { listen } from './lines.js';
import { echoClient, echoServer, silentClient } from './workflow.js';

setTimeout(() => assert.fail('not done after 10 seconds'), 10_000).unref();

const dropped: string[] = [];
const runtime = await createRuntime({
  workflows: [echoServer, echoClient, silentClient],
  store: memoryStore(),
  logger: { log: (_level, message) => dropped.push(message) },
});
const listener = await listen();
const { server, port } = listener;
const serving = await runtime.start(echoServer, listener);

/** The server's end of the next connection. */
const nextSocket = async () => (await once(server, 'connection'))[0] as Socket;

const says = Array.from({ length: 200 }, (_, client) => Array.from({ length: 20 }, (_, line) => `client ${client}, line ${line}`));
const clients = await Promise.all(says.map((lines) => runtime.start(echoClient, { port, lines })));
const hears = await Promise.all(clients.map((client) => client.result()));
assert.deepEqual(hears, says);
assert.deepEqual(dropped, []);
console.log(`✓ ${hears.length} clients at once heard each of their lines again, in order`);

const [silentSocket, silent] = await Promise.all([nextSocket(), runtime.start(silentClient, port)]);
await once(silentSocket, 'close');
assert.equal(await silent.result(), 'the server hung up');
assert.equal(dropped.length, 1);
assert.match(String(dropped), /timed out after 1000 ms/);
console.log(`✓ a silent client: ${dropped}`);

const [otherSocket, other] = await Promise.all([nextSocket(), runtime.start(silentClient, port)]);
const ends = Promise.all([once(otherSocket, 'end'), once(otherSocket, 'close')]);
await other.cancel('changed its mind');
await ends;
await assert.rejects(other.result(), (error) => error instanceof WorkflowFailedError && error.error.name === 'CancelledError');
assert.equal(dropped.length, 1);
console.log('✓ a client that is cancelled closes its socket: the server sees it end, long before its patience does');

const [lastSocket, last] = await Promise.all([nextSocket(), runtime.start(silentClient, port)]);
await serving.cancel('shutdown');
assert.equal(await last.result(), 'the server hung up');
assert.equal(lastSocket.destroyed, true);
const late = await runtime.start(silentClient, port);
await assert.rejects(late.result(), /ECONNREFUSED/);
console.log('✓ a server that is cancelled takes its connections with it, and listens no more');

await runtime.stop();
