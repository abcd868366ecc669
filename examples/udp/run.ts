// Questions over UDP, to a server that loses a third of what comes and goes: asked again until they are answered.
//   npx tsx examples/udp/run.ts

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRuntime, memoryStore } from '../../src/index.js';
import { openEndpoint } from './datagrams.js';
import { asker, shouter } from './workflow.js';

setTimeout(() => assert.fail('not done after 10 seconds'), 10_000).unref();

const runtime = await createRuntime({ workflows: [shouter, asker], store: memoryStore() });
const [server, client, mute] = await Promise.all([openEndpoint(), openEndpoint(), openEndpoint()]);

/** The network: of the datagrams that it sees for the first time it loses every third. */
const seen = new Set<string>();
let lost = 0;
const loses = (text: string) => {
  if (seen.has(text)) return false;
  const isLost = seen.add(text).size % 3 === 0;
  if (isLost) lost += 1;
  return isLost;
};

const answering = await runtime.start(shouter, { endpoint: server, loses });

const questions = Array.from({ length: 100 }, (_, number) => `who is number ${number}?`);
const asking = await runtime.start(asker, { endpoint: client, port: server.port, questions });
const answers = await asking.result();
assert.deepEqual(
  answers,
  questions.map((question) => question.toUpperCase()),
);
assert.equal(lost, 66);
console.log(`✓ ${answers.length} answers to ${questions.length} questions, though ${lost} datagrams were lost on the way`);

const asked: string[] = [];
mute.socket.on('message', (bytes) => asked.push(bytes.toString()));
const vain = await runtime.start(asker, { endpoint: client, port: mute.port, questions: ['is anybody there?'] });
await assert.rejects(vain.result(), /There is no answer to "is anybody there\?"/);
assert.equal(asked.length, 5);
console.log(`✓ nobody answers: asked ${asked.length} times, then given up`);

await answering.cancel();
await answering.result().catch(() => undefined);
for (const { socket } of [server, client, mute]) await once(socket.close(), 'close');
await runtime.stop();
