// Reads back what the runtime wrote for an instance, so that the floor writes records of the same size and shape.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The commits in a store's log that are about this instance, as JSON. */
export function recordsOf(storeDirectory: string, instanceId: string): string[] {
  const directory = join(storeDirectory, 'log');
  const id = `"${instanceId}"`;
  return readdirSync(directory)
    .sort()
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line.includes(id))
    .map((line) => line.slice(line.indexOf('[')));
}

/** Bytes of all files below a directory. */
export function bytesBelow(directory: string): number {
  return filesBelow(directory).reduce((bytes, file) => bytes + statSync(file).size, 0);
}

export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
