// A workflow as an XState actor by itself that continues: its generations go on through persisting and restoring.

import { expect, test } from 'vitest';
import { type AnyActorRef, createActor, toPromise } from 'xstate';
import { continueAs, fromWorkflow, type Operation, receive, step, workflow } from '../src/index.js';
import { asleepIn, throughJson, told, word } from './support/standalone-actor.js';

interface Sum {
  readonly round: number;
  readonly keys: readonly string[];
}

/** Charges in each round, under a key of its own, and goes on with a new journal. */
const charging = workflow('charging', function* ({ round, keys }: Sum): Operation<readonly string[]> {
  const key = yield* step('charge', ({ idempotencyKey, attempt }) => `${idempotencyKey} at attempt ${attempt}`);
  yield* receive(word);
  if (round === 3) return [...keys, key];
  return yield* continueAs({ round: round + 1, keys: [...keys, key] });
});

const first = { round: 0, keys: [] };
const keys = ['a/0:0', 'a/0:0~1', 'a/0:0~2', 'a/0:0~3'].map((key) => `${key} at attempt 1`);

test('each generation has an idempotency key of its own, and the actor ends with what the last one gives', async () => {
  const actor = createActor(fromWorkflow(charging), { id: 'a', input: first }).start();
  for (let round = 0; round <= 3; round++) {
    await asleepIn(actor, 'receive');
    actor.send(told(`go ${round}`));
  }

  await expect(toPromise(actor)).resolves.toEqual(keys);
});

test('a snapshot of any generation goes on where it stopped', async () => {
  let actor: AnyActorRef = createActor(fromWorkflow(charging), { id: 'a', input: first }).start();
  for (let round = 0; round <= 3; round++) {
    await asleepIn(actor, 'receive');
    const snapshot = throughJson(actor.getPersistedSnapshot());
    actor.stop();
    actor = createActor(fromWorkflow(charging), { id: 'a', snapshot } as never).start();
    actor.send(told(`go ${round}`));
  }

  await expect(toPromise(actor)).resolves.toEqual(keys);
});
