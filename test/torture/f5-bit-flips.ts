// F5: bits flip, in any byte of any file of a store: a typed error must tell of it, or the report of a cut, which may
// take nothing of what is known to have been synced.

import assert from 'node:assert/strict';
import { RouseError } from '../../src/index.js';
import type { SimulatedDisk } from '../../src/testing.js';
import { isLog, syncedCommits } from '../stores/layout.js';
import { ask, fifty, makeStoreDisk, storeKinds, withFile } from './damaged-disk.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';

export const bitFlips: Fault = {
  id: 'F5',
  title: 'flipped bits in log, shards and meta.json',
  must: '0 undetected',
  run: async (options) => new BitFlips(options).run(),
};

const masks = [0x01, 0x20, 0x80];
const codes: ReadonlySet<string> = new Set(['STORE_CORRUPT', 'STORE_FORMAT']);

interface Flip {
  readonly path: string;
  readonly data: Buffer;
  readonly offset: number;
  readonly mask: number;
}

class BitFlips {
  readonly #options: FaultOptions;
  /** By what told of it. */
  readonly #told = new Map<string, number>();
  #flips = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  async run(): Promise<FaultOutcome> {
    const { scale, seed } = this.#options;
    const step = scale === 'long' ? 1 : 61;
    let bytes = 0;
    for (const kind of storeKinds) {
      const disk = await makeStoreDisk(kind);
      const logs = [...disk.files].filter(([path]) => isLog(path)).map(([, data]) => data);
      const inLog = logs.reduce(
        (sum, data) =>
          sum +
          data
            .toString('latin1')
            .split('\n')
            .filter((line) => line.includes(' [')).length,
        0,
      );
      const synced = fifty.commits.length - inLog + logs.reduce((sum, data) => sum + syncedCommits(data), 0);
      for (const [path, data] of disk.files) {
        bytes += data.byteLength;
        for (let offset = seed % step; offset < data.byteLength; offset += step) {
          for (const mask of masks) await this.#flip(disk, { path, data, offset, mask }, { kind: kind.name, synced });
        }
      }
    }
    const told = [...this.#told].map(([code, count]) => `${count.toLocaleString('en')} ${code}`).sort();
    return {
      figures: [
        `${this.#flips.toLocaleString('en')} flips in ${bytes.toLocaleString('en')} bytes of ${storeKinds.length} stores, 0 undetected`,
        `told: ${told.join(', ')}`,
      ],
    };
  }

  async #flip(disk: SimulatedDisk, { path, data, offset, mask }: Flip, { kind, synced }: { kind: string; synced: number }): Promise<void> {
    const what = `${kind}: byte ${offset} of ${path} xor ${mask}`;
    if (this.#flips % 64 === 0) this.#options.progress(what);
    const flipped = Buffer.from(data);
    flipped.writeUInt8(flipped.readUInt8(offset) ^ mask, offset);

    const { error, cut, state } = await ask(withFile(disk, path, flipped), what);

    this.#flips += 1;
    if (error !== undefined) {
      assert(error instanceof RouseError && codes.has(String(error.code)), `${what}: ${String(error)}`);
      this.#count(String(error.code));
      return;
    }
    assert(cut, `${what}: went unseen`);
    const commits = fifty.states.indexOf(state ?? '');
    assert(commits >= synced, `${what}: ${commits} commits are left, and ${synced} had been synced`);
    this.#count('cuts reported');
  }

  #count(name: string): void {
    this.#told.set(name, (this.#told.get(name) ?? 0) + 1);
  }
}
