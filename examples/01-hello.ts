// The smallest workflow: a step whose outcome is remembered, and a nap.
//   npx tsx examples/01-hello.ts

import assert from 'node:assert/strict';
import { createRuntime, memoryStore, sleep, step, workflow } from '../src/index.js';

const hello = workflow('hello', function* (name: string) {
  const greeting = yield* step('greet', () => `Hello, ${name}!`);
  yield* sleep('50ms');
  return greeting;
});

const runtime = await createRuntime({ workflows: [hello], store: memoryStore() });
const instance = await runtime.start(hello, 'world');
const greeting = await instance.result();
await runtime.stop();

assert.equal(greeting, 'Hello, world!');
console.log(`✓ ${greeting}`);
