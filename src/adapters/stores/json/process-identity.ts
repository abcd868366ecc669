// Which process holds a lock, and whether it still lives. A process id alone says neither: ids are used again, each
// container counts its own, and a directory may be shared by machines. Where /proc is missing (macOS), the id and the
// host's name are all there is: a reused id then looks alive, and the lock is refused rather than taken.

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the kernel's own count; with the pid it names a process until the next boot. */
  readonly startedAt: string | null;
  readonly boot: string | null;
  readonly pidNamespace: string | null;
  readonly host: string;
}

/** `elsewhere`: in another container, on another machine or before a reboot, where we cannot see. */
export type Liveness = 'alive' | 'dead' | 'elsewhere';

export function identifySelf(): ProcessIdentity {
  return {
    pid: process.pid,
    startedAt: readStat(process.pid)?.startedAt ?? null,
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()),
    pidNamespace: attempt(() => readlinkSync('/proc/self/ns/pid')),
    host: hostname(),
  };
}

export function livenessOf(holder: ProcessIdentity, self: ProcessIdentity): Liveness {
  if (holder.boot !== self.boot || holder.pidNamespace !== self.pidNamespace) return 'elsewhere';
  if (self.boot === null && holder.host !== self.host) return 'elsewhere';
  if (!exists(holder.pid)) return 'dead';
  const stat = readStat(holder.pid);
  if (stat === null || holder.startedAt === null) return 'alive';
  return stat.startedAt === holder.startedAt && !stat.ended ? 'alive' : 'dead';
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Fields 3 and 22 of /proc/<pid>/stat. The name before them is in parentheses and may hold anything. */
function readStat(pid: number): { startedAt: string; ended: boolean } | null {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startedAt = fields[19];
  return startedAt === undefined ? null : { startedAt, ended: fields[0] === 'Z' || fields[0] === 'X' };
}

function attempt(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
