// The control beside the store: lowdb as its documentation shows it, `await db.write()` and then an acknowledgement.
// Its file's path is the first argument; each write is acknowledged with its number.
//
//   started by f2-power-cut.ts, not by hand

import { setTimeout as pause } from 'node:timers/promises';
import { Low } from 'lowdb';
import { JSONFile } from 'lowdb/node';

/** Times a second it writes at most: it is not to take the machine from what it stands beside. */
const WRITES_PER_SECOND = 200;

interface Data {
  last: number;
  readonly padding: string;
}

const db = new Low<Data>(new JSONFile(process.argv[2] ?? ''), { last: 0, padding: '.'.repeat(10_000) });

async function writeOn(): Promise<void> {
  await db.read();
  for (;;) {
    db.data.last += 1;
    await db.write();
    process.send?.(db.data.last);
    await pause(1_000 / WRITES_PER_SECOND);
  }
}

process.once('message', () => {
  // Without power it just ends.
  void writeOn().catch(() => process.exit(1));
});
process.once('disconnect', () => process.exit(1));
process.send?.(0);
