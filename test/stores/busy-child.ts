// A process that uses a store without a pause, checkpoints all the time, and says of each commit that it was
// acknowledged: `acked <number>`. It ends when its input does.

import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { busyCommit } from './busy-commits.js';
import { MemoryLogger, openStore } from './store-harness.js';

const [directory = ''] = process.argv.slice(2);
const logBytes = 60_000;
const store = await openStore(jsonStore(directory, { logBytesMin: logBytes, logBytesMax: logBytes }), new MemoryLogger());
let isToEnd = false;
process.stdin.on('end', () => {
  isToEnd = true;
});
process.stdin.resume();
process.stdout.write('ready\n');
for (let number = 1; !isToEnd; number += 1) {
  await store.append([busyCommit(number)]);
  process.stdout.write(`acked ${number} ${store.figures().checkpoints}\n`);
}
await store.close();
