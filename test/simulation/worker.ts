// A process of the simulation: runs the seeds that it is told, and tells what came of them.

import { type Batch, runSeeds } from './many.js';

process.on('message', (message) => {
  const { from, count } = message as Batch;
  runSeeds(from, ({ seeds }) => seeds < count).then(
    (tally) => process.send?.(tally),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
