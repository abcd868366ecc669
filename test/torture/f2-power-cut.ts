// F2: the power is cut while the store is busy. Beside it, on the same disk and under the same cuts, plain lowdb.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../kill/build.js';
import type { Fault, FaultOptions, FaultOutcome } from './fault.js';
import { MountedDisk, NoMountError } from './mounted-disk.js';
import type { ControlTally } from './power-cut/control.js';
import { type PowerOutcome, PowerTrial } from './power-cut/power-trial.js';

/** How the disks of a run are mounted, in turns: from what is usual to what keeps least of what was not synced. */
const mounts = [
  'data=ordered',
  'data=ordered,noauto_da_alloc,commit=1',
  'data=writeback,noauto_da_alloc,commit=1',
  'data=writeback,nodelalloc,commit=1',
];

/** A store has so many cuts before all is let finish and judged; and one more then. */
const plans = { short: { disks: 1, cutsEach: 2 }, long: { disks: 12, cutsEach: 10 } };

export const powerCut: Fault = {
  id: 'F2',
  title: 'Power cut: an ext4 of its own, shut down without flushing its journal',
  must: '0 lost of what was acknowledged before the cut, 0 empty files accepted; plain lowdb beside it loses',
  run,
};

async function run({ scale, seed, progress }: FaultOptions): Promise<FaultOutcome> {
  const { disks, cutsEach } = plans[scale];
  const folder = mkdtempSync(join(tmpdir(), 'rouse-power-'));
  try {
    tryOut();
    const program = build(folderIn(folder, 'victim'), new URL('../kill/child.ts', import.meta.url));
    const control = build(folderIn(folder, 'control'), new URL('./power-cut/plain-lowdb.ts', import.meta.url));
    const outcomes: PowerOutcome[] = [];
    for (let number = 0; number < disks; number += 1) {
      // With one disk only, the one that keeps least.
      const mountOptions = mounts[(number + (disks === 1 ? 2 : 0)) % mounts.length] ?? '';
      const done = number * (cutsEach + 1);
      const onCut = (cuts: number): void => progress(`${done + cuts} of ${disks * (cutsEach + 1)} cuts, ${mountOptions}`);
      const attempts = join(folder, `attempts-${number}`);
      const trial = { seed: seed + number, cuts: cutsEach, attempts, program, control, onCut };
      outcomes.push(await runOnDisk(mountOptions, trial));
    }
    return { figures: toFigures(outcomes) };
  } catch (error) {
    if (error instanceof NoMountError) return { figures: [], skipped: error.message };
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @throws NoMountError where no disk can be made whose power can be cut. */
function tryOut(): void {
  const disk = MountedDisk.make({ megabytes: 16 });
  try {
    disk.cutPower([]);
  } finally {
    disk.end();
  }
}

type TrialPlan = Omit<ConstructorParameters<typeof PowerTrial>[0], 'disk'>;

async function runOnDisk(mountOptions: string, plan: TrialPlan): Promise<PowerOutcome> {
  const disk = MountedDisk.make({ megabytes: 256, mountOptions });
  const trial = new PowerTrial({ ...plan, disk });
  try {
    const outcome = await trial.run();
    if (outcome.broken.length === 0) return outcome;
    throw new Error(`F2 with seed ${plan.seed}, mounted with ${mountOptions}:\n${outcome.broken.join('\n')}`);
  } finally {
    await trial.end();
    disk.end();
  }
}

function toFigures(outcomes: readonly PowerOutcome[]): string[] {
  const sum = (of: (outcome: PowerOutcome) => number): number => outcomes.reduce((total, each) => total + of(each), 0);
  const control = (of: keyof ControlTally): number => sum((outcome) => outcome.control[of]);
  const acknowledged = sum(({ ledger }) =>
    Object.values(ledger.sent())
      .flat()
      .reduce((count, sent) => count + (sent.fate === 'acknowledged' ? 1 : 0), 0),
  );
  const losses = control('lost') + control('empty') + control('broken');
  if (losses === 0) throw new Error('Plain lowdb lost nothing under the same cuts: they prove nothing.');
  return [
    `${show(sum((each) => each.cuts))} cuts, ${show(sum((each) => each.cutsInRecovery))} of them during recovery and ${show(sum((each) => each.cutsInCheckpoint))} during a checkpoint`,
    `0 of ${show(acknowledged)} acknowledgements lost`,
    `0 empty files accepted, ${show(sum((each) => each.emptyFiles))} seen; ${show(sum((each) => each.tails))} unsynced tails cut`,
    `plain lowdb: ${show(control('lost'))} of ${show(control('acknowledged'))} acknowledged writes lost, at ${show(control('cutsWithLoss'))} cuts; ${show(control('empty'))} files empty, ${show(control('broken'))} broken`,
  ];
}

function folderIn(folder: string, name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

function show(count: number): string {
  return count.toLocaleString('en');
}
