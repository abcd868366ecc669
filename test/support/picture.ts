// What can be seen of a runtime from outside, as one value: to compare memory before and after, or with the disk.

import type { InstanceInfo } from '../../src/index.js';
import type { TestRuntime } from '../../src/testing.js';

const figures = ['instances', 'parkedAddresses', 'bufferedEvents', 'deadLetters', 'deadlines', 'stepsRunning', 'pendingCommits'] as const;

/** Every instance as it is shown, what is parked and buffered, and the dead letters. */
export async function pictureOf(runtime: TestRuntime): Promise<Record<string, unknown>> {
  const instances: InstanceInfo[] = [];
  for await (const info of runtime.list()) instances.push(info);
  const letters: unknown[] = [];
  for await (const letter of runtime.deadLetters()) letters.push(letter.payload);
  const health = runtime.health();
  return {
    instances: instances.sort((a, b) => (a.id < b.id ? -1 : 1)),
    letters,
    figures: Object.fromEntries(figures.map((name) => [name, health[name]])),
  };
}
