// F10 in the small: what the simulation itself promises, and the seeds that have found something.

import { expect, test } from 'vitest';
import { generate } from './generate.js';
import { addTo, emptyTally } from './many.js';
import { seedsThatFound } from './seeds.js';
import { shrink } from './shrink.js';
import { simulate } from './simulate.js';

test('the same seed gives the same scenario and the same run, line by line', async () => {
  for (const seed of [3, 17, 42]) {
    const first = await simulate(generate(seed), { keepsTrace: true });
    const second = await simulate(generate(seed), { keepsTrace: true });

    expect(generate(seed)).toEqual(generate(seed));
    expect(second.lines).toEqual(first.lines);
    expect(second.hash).toBe(first.hash);
  }
});

test('different seeds give different runs', async () => {
  const hashes = new Set<string>();

  for (let seed = 1; seed <= 10; seed += 1) hashes.add((await simulate(generate(seed))).hash);

  expect(hashes.size).toBe(10);
});

test('scenarios together use every act and every deed', () => {
  const text = JSON.stringify(Array.from({ length: 100 }, (_, seed) => generate(seed)));
  const used = new Set([...text.matchAll(/"do":"(\w+)"/g)].map(([, kind]) => kind));

  expect([...used].sort()).toMatchInlineSnapshot(`
    [
      "activity",
      "advance",
      "all",
      "allSettled",
      "any",
      "break",
      "call",
      "callback",
      "cancel",
      "compensate",
      "complete",
      "cutPower",
      "fault",
      "fragile",
      "guard",
      "kill",
      "latch",
      "look",
      "mend",
      "mendDisk",
      "pool",
      "publish",
      "queue",
      "race",
      "receive",
      "receiveAny",
      "redeliver",
      "reject",
      "retry",
      "semaphore",
      "send",
      "setClock",
      "sleep",
      "sleepUntil",
      "spawn",
      "start",
      "startChild",
      "step",
      "stop",
      "terminate",
      "throw",
      "timeout",
      "values",
    ]
  `);
});

test('a scenario that breaks a promise is made smaller, and breaks the same promise still', async () => {
  // Two events of one label and no id are both accepted, as they should be: to the account they are one that came twice.
  const scenario = generate(8);
  const lie = { do: 'send', to: 'i0', event: 'note', label: 'lie', turns: 'rest', seed: 1 } as const;
  const start = { do: 'start', id: 'i0', program: 0, isEphemeral: false, turns: 'rest', seed: 2 } as const;
  const programs = [{ acts: [{ do: 'step', how: { takes: 'for ever' } }], laps: 0, shows: false }] as const;
  const broken = {
    ...scenario,
    programs: [...programs],
    deeds: [start, ...scenario.deeds.filter((deed) => deed.do === 'advance'), lie, lie],
  };

  const { broken: found } = await simulate(broken);
  const { scenario: smaller } = await shrink(broken, 'D2');

  expect(found?.rule).toBe('D2');
  expect(smaller.deeds.map((deed) => deed.do)).toEqual(['start', 'send', 'send']);
});

test.each(seedsThatFound)('seed $seed keeps every promise: it found that $found', async ({ seed }) => {
  const tally = emptyTally();

  addTo(tally, seed, await simulate(generate(seed)));

  expect(tally.broken).toEqual([]);
});
