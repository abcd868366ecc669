// A small process of two steps with a wait between them, and what it called.

import { receive, step, workflow } from '../../src/index.js';
import { word } from './standalone-actor.js';

/** The calls of its steps; to be emptied before each test. */
export const calls: string[] = [];

/** Asks a machine for an address, waits for a word, and tells it. */
export const provision = workflow('provision', function* (order: { model: string }) {
  const ip = yield* step('allot', async () => {
    calls.push(`allot ${order.model}`);
    return '10.0.0.7';
  });
  const text = yield* receive(word, { key: ip });
  yield* step('tell', () => void calls.push(`tell ${text}`));
  return { ip, text };
});
