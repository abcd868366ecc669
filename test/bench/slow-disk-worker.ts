// Sleeps until the moments that it is told, one after the other, and says when each has come.

import { parentPort } from 'node:worker_threads';

const nothing = new Int32Array(new SharedArrayBuffer(4));

parentPort?.on('message', (until: bigint) => {
  const leftMs = Number(until - process.hrtime.bigint()) / 1e6;
  if (leftMs > 0) Atomics.wait(nothing, 0, 0, leftMs);
  parentPort?.postMessage(null);
});
