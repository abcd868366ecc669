// Every fault at the scale of a test. ROUSE_TORTURE_SEED sets the seed (1); `npm run torture` does them at full length.

import { expect, test } from 'vitest';
import { faults } from './all.js';

const TIMEOUT_MS = 120_000;
const seed = Number(process.env.ROUSE_TORTURE_SEED ?? 1);

for (const fault of faults) {
  test(`${fault.id}, ${fault.title}: ${fault.must}`, { timeout: TIMEOUT_MS }, async (context) => {
    const { figures, skipped } = await fault.run({ scale: 'short', seed, progress: () => {} });

    const lines = skipped === undefined ? figures : [`skipped: ${skipped}`, ...figures];
    console.log([`${fault.id}, ${fault.title} (seed ${seed})`, ...lines.map((line) => `  ${line}`)].join('\n'));
    if (skipped !== undefined) context.skip(`${fault.id} cannot be shown here: ${skipped}`);
    expect(figures).not.toEqual([]);
  });
}
