// A step that fails as often as a test says, and when it was tried.

import { type StepOptions, step, workflow } from '../../src/index.js';
import { createTestRuntime } from '../../src/testing.js';

/** A workflow of one step that fails so often, and the times of its attempts. */
export function failing(times: number, options?: StepOptions, error: () => unknown = () => new RangeError('not yet')) {
  const attempts: { attempt: number; at: number }[] = [];
  const clock = { now: () => 0 };
  const trying = workflow('trying', function* () {
    return yield* step(
      'try',
      ({ attempt }) => {
        attempts.push({ attempt, at: clock.now() });
        if (attempts.length <= times) throw error();
        return 'done';
      },
      options,
    );
  });
  const open = async (more: { maxResident?: number; seed?: number } = {}) => {
    const world = await createTestRuntime({ ...more, workflows: [trying] });
    clock.now = () => world.now();
    return { world, instance: await world.start(trying, undefined, { id: 'a' }) };
  };
  return { attempts, open };
}
