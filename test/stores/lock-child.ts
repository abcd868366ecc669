// A process that opens stores when it is told to, for the tests of the lock. It reads a command a line and answers each
// with a line: `open <directory>` with `won` or an error's code and pid, `close` with `closed`.

import { createInterface } from 'node:readline';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { StoreLockedError } from '../../src/runtime/store-errors.js';
import { begin, commit, openStore } from './store-harness.js';

let store: OpenStore | undefined;

async function obey(line: string): Promise<string> {
  if (line === 'close') {
    await store?.close();
    store = undefined;
    return 'closed';
  }
  try {
    store = await openStore(jsonStore(line.slice('open '.length)));
    await store.append([commit(begin(`by-${process.pid}`))]);
    return 'won';
  } catch (error) {
    return error instanceof StoreLockedError ? `${error.code} ${error.pid}` : String(error);
  }
}

let last: Promise<unknown> = Promise.resolve();
createInterface({ input: process.stdin }).on('line', (line) => {
  last = last.then(async () => process.stdout.write(`${await obey(line)}\n`));
});
process.stdout.write('ready\n');
