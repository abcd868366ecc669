// The stored shop (fixtures/) on a simulated disk, and what was in it.

import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { OpenStore } from '../../src/runtime/ports.js';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/testing.js';
import { openStore } from './store-harness.js';

export const fixture = fileURLToPath(new URL('./fixtures/format-1/store', import.meta.url));
export const directory = '/data/store';
export const never = 1_000_000_000;
/** When the stored shop was left. */
export const leftAt = 1_767_834_000_000;

/** What is in it. */
export const shopFigures = {
  instances: { total: 21, active: 13, stuck: 1, completed: 4, failed: 2, cancelled: 1 },
  mailboxes: 5,
  events: 5,
  deadLetters: 2,
  commits: 62,
  shards: 8,
  segments: 1,
};

/** As format 1 left it, after a crash. */
export async function oldShop(): Promise<SimulatedDisk> {
  const disk = createSimulatedDisk();
  const entries = await readdir(fixture, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name);
    disk.put(join(directory, ...path.slice(fixture.length + 1).split(sep)), await readFile(path));
  }
  return disk;
}

/** As it is in the format that is written now: half of it in shards, half in the log. Its last batch is in front of a seal. */
export async function shop(): Promise<SimulatedDisk> {
  const disk = await oldShop();
  const store = await openShop(disk);
  await store.close();
  const found = disk.afterPowerCut('everything');
  found.drop(`${directory}/kept-format-1`);
  return found;
}

export function openShop(disk: SimulatedDisk, root = directory): Promise<OpenStore> {
  return openStore(jsonStore(root, { fileSystem: disk, logBytesMin: never }));
}

/** The instances and mailboxes that were in it, as `contentsOf` tells them; heads have another form now. */
export async function shopContents(): Promise<unknown> {
  const text = await readFile(join(fixture, '..', 'contents.json'), 'utf8');
  const { instances, mailboxes } = JSON.parse(text) as Record<string, unknown>;
  return { instances, mailboxes };
}

export function pathsOf(disk: SimulatedDisk, part: string): string[] {
  return [...disk.files.keys()].filter((path) => path.includes(part)).sort();
}

/** A file's bytes, to be changed. */
export function bytesOf(disk: SimulatedDisk, path: string): Buffer {
  return Buffer.from(disk.files.get(path) ?? Buffer.alloc(0));
}
