// What kind of machine this is: figures mean little without it.

import { readFileSync, realpathSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { sep } from 'node:path';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly kernel: string;
  /** Of the directory in which the stores are put. */
  readonly fileSystem: string;
}

export function describeMachine(directory: string): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
    kernel: `${type()} ${release()}`,
    fileSystem: fileSystemOf(directory),
  };
}

export function machineText({ processor, cores, memoryBytes, node, kernel, fileSystem }: Machine): string {
  const gib = Math.round(memoryBytes / 2 ** 30);
  return `${cores} x ${processor}, ${gib} GiB, Node ${node}, ${kernel}, stores on ${fileSystem}`;
}

/** The type of the mount that a directory is on. Only Linux says it in a file. */
function fileSystemOf(directory: string): string {
  try {
    return fileSystemIn(readFileSync('/proc/self/mountinfo', 'utf8'), realpathSync(directory));
  } catch {
    return `an unknown file system of ${process.platform}`;
  }
}

/** Of several mounts that hold a path, the innermost one counts, and of several at one place the last. */
export function fileSystemIn(mountinfo: string, path: string): string {
  let found = { at: '', type: 'an unknown file system' };
  for (const line of mountinfo.split('\n')) {
    const [mount = '', rest = ''] = line.split(' - ');
    const at = mount.split(' ')[4] ?? '';
    if (at === '' || at.length < found.at.length || !isWithin(path, at)) continue;
    found = { at, type: rest.split(' ')[0] ?? '' };
  }
  return found.type;
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : `${directory}${sep}`);
}
