// The text of a lock, with another holder than it had: what processes of other machines and other times would leave.

import { crc32 } from 'node:zlib';
import { toChecksum } from '../../src/adapters/stores/json/log-line.js';

/** A lock as it would have been written for this holder. */
export function withHolder(lock: string, change: Readonly<Record<string, unknown>>): string {
  const { crc, ...holder } = JSON.parse(lock) as Record<string, unknown>;
  const json = JSON.stringify({ ...holder, ...change });
  return crc === undefined ? `${json}\n` : `${json.slice(0, -1)},"crc":"${toChecksum(crc32(json))}"}\n`;
}
