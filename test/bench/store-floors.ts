// The floors of `store`: what has to be read to know a store again, and what has to be written for each record.

import { closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Appender } from './appender.js';
import type { Figures } from './benchmark.js';
import { filesBelow } from './log-records.js';
import { closedLoop, measure, percentile } from './measure.js';
import type { Role } from './role.js';
import { atOnce } from './store-sides.js';

const chunkBytes = 1_048_576;

/** Every byte of every file is read and checksummed once, and nothing is made of it. */
export const storeReadingFloor: Role<{ readonly directory: string }, Figures, null> = {
  name: 'store-reading-floor',
  async open({ directory }) {
    const chunk = Buffer.alloc(chunkBytes);
    let [bytes, checksum] = [0, 0];
    const { wallMs, cpuUs } = await measure(async () => {
      for (const path of filesBelow(directory)) {
        const file = openSync(path, 'r');
        for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk)) {
          checksum = crc32(chunk.subarray(0, count), checksum);
          bytes += count;
        }
        closeSync(file);
      }
    });
    const figures = { readMs: wallMs, readCpuMs: cpuUs / 1_000, readMb: bytes / 1_048_576 };
    return { opening: figures, turn: async () => null, end: async () => {} };
  },
};

export interface FloorLoad {
  readonly directory: string;
  readonly jobs: number;
  /** What is written for each job: one record after the other, each on disk before the next. */
  readonly records: readonly string[];
}

/** As many records of the same size, with as many under way. */
export const storeWritingFloor: Role<FloorLoad, Figures, null> = {
  name: 'store-writing-floor',
  async open({ directory, jobs, records }) {
    mkdirSync(directory);
    const templates = records.map((json): unknown => JSON.parse(json));
    const appender = new Appender(join(directory, 'floor.jsonl'));
    const { wallMs, cpuUs } = await measure(() =>
      closedLoop(jobs, atOnce, async () => {
        for (const template of templates) await appender.append(template);
      }),
    );
    appender.close();
    const figures = {
      perSecond: (jobs / wallMs) * 1_000,
      cpuUsPerRecord: cpuUs / (jobs * records.length),
      syncP50Ms: percentile(appender.batchMs, 0.5),
    };
    return { opening: figures, turn: async () => null, end: async () => {} };
  },
};
