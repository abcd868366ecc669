// A scenario and what happened in it, for people.

import type { Scenario } from './scenario.js';
import type { Outcome } from './simulate.js';

const LINES_MAX = 60;
const WIDTH_MAX = 300;

export function toListing(scenario: Scenario, { broken, lines }: Outcome, { whole = false }: { whole?: boolean } = {}): string {
  const { programs, deeds, ...world } = scenario;
  const shown = whole ? lines : lines.filter((line) => !line.startsWith('  disk:')).slice(-LINES_MAX);
  return [
    broken === null ? 'Nothing broke.' : broken.message,
    `world ${JSON.stringify(world)}`,
    ...programs.map((program, number) => `program ${number}: ${JSON.stringify(program)}`),
    ...deeds.map(({ seed: _, ...deed }) => `deed ${JSON.stringify(deed)}`),
    'what happened:',
    ...shown.map((line) => (whole || line.length <= WIDTH_MAX ? line : `${line.slice(0, WIDTH_MAX)}...`)),
  ].join('\n');
}
