import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { describeStoreContract } from './contract.js';
import { copyCrashed, makeDirectory, PausableDisk } from './disk-harness.js';

async function makeStore(logBytesMin: number) {
  const directory = await makeDirectory();
  const disk = new PausableDisk();
  const make = (path: string) => jsonStore(path, { fileSystem: disk.fileSystem, logBytesMin });
  const crash = async () => make(await disk.whileStill(() => copyCrashed(directory)));
  return { store: make(directory), crash };
}

describeStoreContract('json store', () => makeStore(1_000_000));
describeStoreContract('json store that writes checkpoints all the time', () => makeStore(400));
