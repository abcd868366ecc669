// npm run simulate -- --seed 7 [--trace]          one seed again, made smaller if it breaks a promise
// npm run simulate -- --seeds 10000 [--from 1]    many seeds, in two processes

import { parseArgs } from 'node:util';
import { generate } from './generate.js';
import { toListing } from './listing.js';
import { runMany, type Tally } from './many.js';
import { shrink } from './shrink.js';
import { simulate } from './simulate.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
  },
});

process.exitCode = values.seed === undefined ? await runAll(Number(values.from), Number(values.seeds)) : await runOne(Number(values.seed));

async function runOne(seed: number): Promise<number> {
  const scenario = generate(seed);
  const outcome = await simulate(scenario, { keepsTrace: true });
  if (values.trace) console.log(toListing(scenario, outcome, { whole: true }));
  console.log(
    `seed ${seed}, hash ${outcome.hash}: ${outcome.broken?.message ?? `every promise kept (${describe({ ...outcome, seeds: 1, broken: [] })})`}`,
  );
  if (outcome.broken === null) return 0;
  const { scenario: smaller, runs } = await shrink(scenario, outcome.broken.rule);
  console.log(`\nAfter ${runs} runs, the smallest scenario that breaks the same:\n`);
  console.log(toListing(smaller, await simulate(smaller, { keepsTrace: true })));
  return 1;
}

async function runAll(from: number, count: number): Promise<number> {
  const startedAt = performance.now();
  const isTerminal = process.stdout.isTTY === true;
  const tally = await runMany({ from, count }, (sum) => {
    const line = `${sum.seeds} of ${count} seeds, ${sum.broken.length} broken`;
    if (isTerminal) process.stdout.write(`\r${line}`);
    else if (sum.seeds % 1_000 === 0) console.log(line);
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  if (isTerminal) process.stdout.write('\n');
  for (const { seed, message } of tally.broken.slice(0, 20))
    console.log(`seed ${seed}: ${message.slice(0, 300)}\n  again: npm run simulate -- --seed ${seed}`);
  console.log(
    `${describe(tally)}; ${seconds.toFixed(1)} s, ${((seconds * 1_000) / tally.seeds).toFixed(1)} ms a seed; ${tally.broken.length} broke a promise`,
  );
  return tally.broken.length === 0 ? 0 : 1;
}

function describe({ seeds, crashes, commits, attempts, calls, events }: Tally): string {
  return `${seeds} seeds, ${crashes} crashes, ${commits} commits, ${attempts} attempts of steps, ${calls} calls, ${events} events`;
}
