// A disk of its own for a test: an ext4 in a file, mounted over a loop device, or one in memory. The power of an ext4 can
// be cut: it is shut down without flushing its journal, so that all that was not synced is gone when it is mounted again.
// What has reached the journal or the file stays, in whatever state it was in; what a drive's own cache loses is not
// simulated.
//
// Invariants:
//   L1. A disk that was made is unmounted and deleted when its maker ends: in order, by an error, or by a signal. What a
//       maker that was killed has left is unmounted by the next one.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const prefix = 'rouse-disk-';

/** `EXT4_IOC_SHUTDOWN` with "do not flush the log", where directions of calls are numbered as on x86 and ARM. */
const shutdownCall = 0x8004587d;
const withoutFlush = 2;

/**
 * Programs that cut the power, each with its arguments but the directory and the ids of processes. These are stopped
 * first: of a sync that is under way when the call comes, Linux may say that it succeeded, though it did not. Without
 * power nobody would hear that. The sync itself is not stopped, but cut.
 */
const cutters: readonly (readonly string[])[] = [
  [
    'perl',
    '-e',
    `my ($directory, @pids) = @ARGV;
    opendir(my $d, $directory) or die "$!"; open(my $f, "<", $directory) or die "$!";
    sub running { open(my $s, "<", "/proc/$_[0]/task/$_[0]/stat") or return 0; my $text = <$s>; return $text !~ /\\) [TZX] /; }
    kill "STOP", @pids;
    foreach my $pid (@pids) { while (running($pid)) {} }
    ioctl($f, ${shutdownCall}, my $flag = pack("L", ${withoutFlush})) or die "$!";`,
  ],
  [
    'python3',
    '-c',
    `import fcntl, os, signal, struct, sys
directory = os.open(sys.argv[1], os.O_RDONLY)
def running(pid):
    with open(f"/proc/{pid}/task/{pid}/stat") as stat: return stat.read().rpartition(") ")[2][0] not in "TZX"
for pid in sys.argv[2:]: os.kill(int(pid), signal.SIGSTOP)
for pid in sys.argv[2:]:
    while running(pid): pass
fcntl.ioctl(directory, ${shutdownCall}, struct.pack("I", ${withoutFlush}))`,
  ],
];

const disks = new Set<MountedDisk>();
let isWatching = false;

/** Such a disk cannot be made here, or not be broken. */
export class NoMountError extends Error {}

export interface MountedDiskOptions {
  readonly megabytes: number;
  readonly fileSystem?: 'ext4' | 'tmpfs';
  /** Of the mount, as in `data=writeback,commit=1`. */
  readonly mountOptions?: string;
}

export class MountedDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #folder: string;
  /** What `mount` is told of it: kind and options, and what is mounted. */
  readonly #kind: readonly string[];
  readonly #what: string;
  #isMounted = false;

  private constructor(folder: string, { megabytes, fileSystem = 'ext4', mountOptions = 'defaults' }: MountedDiskOptions) {
    const isFile = fileSystem === 'ext4';
    this.#folder = folder;
    this.path = join(folder, 'disk');
    this.#kind = ['-t', fileSystem, '-o', `${isFile ? 'loop' : `size=${megabytes}m`},${mountOptions}`];
    this.#what = isFile ? join(folder, 'image') : 'tmpfs';
    mkdirSync(this.path);
    if (!isFile) return;
    const file = openSync(this.#what, 'w');
    ftruncateSync(file, megabytes * 1_048_576);
    closeSync(file);
    // No room for root alone: a disk that is full is full for everybody.
    run('mkfs.ext4', '-q', '-F', '-m', '0', this.#what);
  }

  /**
   * Makes and mounts one.
   *
   * @throws NoMountError with the reason, when this machine or user cannot.
   */
  static make(options: MountedDiskOptions): MountedDisk {
    if (process.platform !== 'linux') throw new NoMountError('disks are mounted as on Linux');
    if (process.getuid?.() !== 0) throw new NoMountError('only root may mount a disk');
    watchEnd();
    removeLeftovers();
    const folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
    try {
      const disk = new MountedDisk(folder, options);
      disk.mount();
      disks.add(disk);
      return disk;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error instanceof CommandError ? new NoMountError(error.message) : error;
    }
  }

  mount(mode: 'rw' | 'ro' = 'rw'): void {
    run('mount', ...this.#kind, '-o', mode, this.#what, this.path);
    this.#isMounted = true;
  }

  /** Nobody may have a file of it open; who is just ending is waited for. */
  async unmount(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        run('umount', this.path);
        this.#isMounted = false;
        return;
      } catch (error) {
        if (tries === 50) throw error;
        await pause(20);
      }
    }
  }

  /** The file system finds itself damaged, and makes itself read-only, as it was told to with `errors=remount-ro`. */
  breakDown(): void {
    const device =
      readFileSync('/proc/mounts', 'utf8')
        .split('\n')
        .find((mount) => mount.split(' ')[1] === this.path)
        ?.split(' ')[0] ?? '';
    try {
      writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, 'the test wants it');
    } catch (error) {
      throw new NoMountError(`its file system cannot be told that it is damaged: ${error}`);
    }
  }

  /**
   * Stops these processes, and in the same moment the disk: what was not synced is lost, and every call to it fails until
   * it is mounted again. This process stands still meanwhile.
   */
  cutPower(pids: readonly number[]): void {
    const reasons: string[] = [];
    for (const [program = '', ...args] of cutters) {
      try {
        run(program, ...args, this.path, ...pids.map(String));
        return;
      } catch (error) {
        reasons.push(error instanceof Error ? error.message : String(error));
      }
    }
    throw new NoMountError(`its file system cannot be shut down: ${reasons.join('; ')}`);
  }

  /** Lets go of it, whatever state it is in. */
  end(): void {
    disks.delete(this);
    // Lazily: whoever has a file of it open does not keep it in the tree.
    if (this.#isMounted) call('umount', '-l', this.path);
    this.#isMounted = false;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

class CommandError extends Error {}

function run(program: string, ...args: string[]): void {
  const { error, status, stderr } = call(program, ...args);
  if (error === undefined && status === 0) return;
  throw new CommandError(`${program}: ${error?.message ?? stderr.trim()}`);
}

function call(program: string, ...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(program, args, { encoding: 'utf8' });
}

function watchEnd(): void {
  if (isWatching) return;
  isWatching = true;
  process.once('exit', endAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      endAll();
      // Others may have to tidy up as well: with nobody left to do so, the signal does what it always does.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}

function endAll(): void {
  for (const disk of disks) disk.end();
}

function removeLeftovers(): void {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  for (const mount of mounts) {
    const path = mount.split(' ')[1] ?? '';
    const maker = new RegExp(`/${prefix}(\\d+)-[^/]+/disk$`).exec(path)?.[1];
    if (maker === undefined || existsSync(`/proc/${maker}`)) continue;
    call('umount', '-l', path);
    rmSync(join(path, '..'), { recursive: true, force: true });
  }
}
