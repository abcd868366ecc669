// Poison instances in a crowd of others: each kind is poked while all the others are sent events, is stuck after as many
// tries as it may have, and goes on when what was wrong is put right.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { jsonStore } from '../../../src/adapters/stores/json/json-store.js';
import { createTestRuntime, type TestRuntime } from '../../../src/testing.js';
import type { FaultOptions, Scale } from '../fault.js';
import {
  adding,
  allWorkflows,
  alterRecords,
  code,
  endlessKinds,
  go,
  type Kind,
  kinds,
  PoisonedStore,
  replays,
  workflowsLeft,
} from './poisons.js';

const plans = {
  short: { others: 2_000, each: 25, rounds: 3, endless: endlessKinds.slice(0, 1), maxResident: 500 },
  long: { others: 20_000, each: 500, rounds: 5, endless: endlessKinds, maxResident: 5_000 },
};
/** What every poison instance was sent first, as its record has it, and what does not decode in its place. */
const [decodable, undecodable] = ['"ok",4711', '"ok",{"$":[["Nope",1]]}'];
/** Of the others' throughput, beside nobody. */
const SHARE_MIN = 0.3;

export async function standInACrowd(folder: string, { scale, progress }: FaultOptions): Promise<string[]> {
  const plan = plans[scale];
  const store = new PoisonedStore(jsonStore(join(folder, 'crowd')));
  const world = await createTestRuntime({ workflows: allWorkflows, store, maxResident: plan.maxResident });
  const crowd = new Crowd(scale, progress);
  await crowd.fill(world);
  const alone = await crowd.rounds(world, 'alone', () => Promise.resolve());

  store.beforeOpening = (closed) => alterRecords(closed, idsOf(kinds[1], plan.each), decodable, undecodable);
  const troubled = await world.crash({ workflows: workflowsLeft });
  for (const id of idsOf(kinds[2], plan.each)) store.badSectors.add(id);
  code.isBroken = true;
  const beside = await crowd.rounds(troubled, 'beside poison', (round) => crowd.poke(troubled, round));
  const blockedMs = await crowd.pokeEndless(troubled);
  await crowd.assertStuck(troubled);
  assert.equal(
    store.badReads,
    plan.each * (kinds[2]?.tries ?? 0),
    'the records that the disk does not give were read another number of times',
  );
  assert.equal(
    replays.get('throwing'),
    plan.each * 2,
    'replays that throw were tried another number of times (each is replayed once more, for the line)',
  );
  assert.ok(beside > alone * SHARE_MIN, `the others did ${beside} events/s, and ${alone} alone`);

  code.isBroken = false;
  store.badSectors.clear();
  store.beforeOpening = (closed) => alterRecords(closed, idsOf(kinds[1], plan.each), undecodable, decodable);
  const mended = await troubled.crash({ workflows: allWorkflows });
  await crowd.mend(mended);
  await crowd.finish(mended);
  await mended.stop();
  const [most, share] = [Math.max(...blockedMs), Math.round((beside / alone) * 100)];
  return [
    `${plan.each} instances each ${kinds.map(({ name, tries }) => `${name} (${tries === 1 ? 'once' : `${tries} times`})`).join(', ')}: tried that often, then stuck`,
    `${plan.endless.length} in an endless turn: stuck at the limit, after ${Math.round(most)} ms at most in which nobody else ran`,
    `${plan.others.toLocaleString('en-US')} others on a real disk: ${alone.toLocaleString('en-US')} events/s alone, ${beside.toLocaleString('en-US')} beside them (${share} %), all delivered once`,
    `all ${plan.each * kinds.length + plan.endless.length} went on after retry() with what had been sent to them meanwhile`,
  ];
}

class Crowd {
  readonly #plan: (typeof plans)[Scale];
  readonly #progress: (text: string) => void;
  #sent = 0;

  constructor(scale: Scale, progress: (text: string) => void) {
    this.#plan = plans[scale];
    this.#progress = progress;
    replays.clear();
  }

  async fill(world: TestRuntime): Promise<void> {
    this.#progress('filling');
    const starts: Promise<unknown>[] = Array.from({ length: this.#plan.others }, (_, n) =>
      world.start(adding, undefined, { id: `other ${n}` }),
    );
    for (const kind of [...kinds, ...this.#plan.endless]) {
      for (const id of idsOf(kind, this.#eachOf(kind))) starts.push(world.start(kind.workflow, undefined, { id }));
    }
    await Promise.all(starts);
    for (const kind of [...kinds, ...this.#plan.endless]) {
      await Promise.all(idsOf(kind, this.#eachOf(kind)).map((id) => world.send(id, go, 4711)));
    }
  }

  /** Sends an event to each of the others, some times. Resolves to how many were acknowledged in a second. */
  async rounds(world: TestRuntime, how: string, meanwhile: (round: number) => Promise<void>): Promise<number> {
    const { others, rounds } = this.#plan;
    const begin = performance.now();
    for (let round = 0; round < rounds; round += 1) {
      this.#progress(`round ${round + 1} of ${rounds}, ${how}`);
      const poked = meanwhile(round);
      const deliveries = await Promise.all(Array.from({ length: others }, (_, n) => world.send(`other ${n}`, go, 1)));
      assert.ok(deliveries.every(({ status }) => status === 'delivered'));
      this.#sent += 1;
      await poked;
    }
    return Math.round((others * rounds * 1_000) / (performance.now() - begin));
  }

  /** Sends the poison instances their second event, and in later rounds more. */
  async poke(world: TestRuntime, round: number): Promise<void> {
    for (const kind of kinds) {
      const ids = idsOf(kind, this.#plan.each);
      const deliveries = await Promise.all(ids.map((id) => world.send(id, go, round + 1)));
      assert.ok(
        deliveries.every(({ status }) => status === 'buffered'),
        `an instance ${kind.name} took an event`,
      );
    }
  }

  /** Resolves to how long each held up everyone. */
  async pokeEndless(world: TestRuntime): Promise<number[]> {
    const blockedMs: number[] = [];
    for (const kind of this.#plan.endless) {
      this.#progress(`one ${kind.name}`);
      const begin = performance.now();
      assert.deepEqual(await world.send(idOf(kind, 0), go, 1), { status: 'buffered' });
      blockedMs.push(performance.now() - begin);
    }
    return blockedMs;
  }

  /** Each is stuck with the error of its kind, was told of once, and the supervisor lives. */
  async assertStuck(world: TestRuntime): Promise<void> {
    for (const kind of [...kinds, ...this.#plan.endless]) {
      for (const id of idsOf(kind, this.#eachOf(kind))) {
        const told = world.logged.filter(({ level, fields }) => level === 'error' && fields.instanceId === id);
        assert.deepEqual(
          told.map(({ fields }) => fields.code ?? (fields.error as { code?: unknown }).code),
          [kind.code],
          `${id} was told of otherwise`,
        );
        // What is on a bad sector can only be looked at when the disk gives it again.
        if (kind.code === 'STORE_READ') continue;
        const { status, error } = await world.instance(id).info();
        assert.deepEqual([status, error?.code], ['stuck', kind.code], `${id} is not stuck as it should be`);
      }
    }
    const { live, ready } = world.health();
    assert.deepEqual({ live, ready }, { live: true, ready: true });
  }

  /** Everything is right again: each goes on from where it was stuck, with the event that waits for it. */
  async mend(world: TestRuntime): Promise<void> {
    this.#progress('mending');
    for (const kind of [...kinds, ...this.#plan.endless]) {
      for (const id of idsOf(kind, this.#eachOf(kind))) {
        assert.equal((await world.instance(id).info()).status, 'stuck');
        await world.instance(id).retry();
        assert.deepEqual(await world.instance(id).result(), [4711, 1], id);
      }
    }
  }

  /** Nothing that was sent to the others is lost or was delivered twice. */
  async finish(world: TestRuntime): Promise<void> {
    const ids = Array.from({ length: this.#plan.others }, (_, n) => `other ${n}`);
    await Promise.all(ids.map((id) => world.send(id, go, 0)));
    const sums = await Promise.all(ids.map((id) => world.instance(id).result()));
    assert.ok(sums.every((sum) => sum === this.#sent));
  }

  #eachOf(kind: Kind): number {
    return kinds.includes(kind) ? this.#plan.each : 1;
  }
}

function idsOf(kind: Kind | undefined, count: number): string[] {
  return kind === undefined ? [] : Array.from({ length: count }, (_, number) => idOf(kind, number));
}

function idOf(kind: Kind, number: number): string {
  return `${kind.code} ${number}`;
}
