// A trial in a few lines, for those who read a log.

import type { Sent } from './ledger.js';
import type { Outcome } from './trial.js';

export function toSummary(seed: number, outcome: Outcome): string {
  const { ledger, recoveriesMs } = outcome;
  const counts = Object.entries(ledger.sent()).map(([kind, sent]) => `${count(sent, 'acknowledged')} ${kind}`);
  const all = Object.values(ledger.sent()).flat();
  const times = [...recoveriesMs].sort((a, b) => a - b);
  return [
    `kill test, seed ${seed}: ${outcome.kills} kills, ${outcome.killsBeforeReady} before the runtime was ready, ${outcome.killsInCheckpoint} during a checkpoint, ${outcome.livesWithCheckpoint} after one was finished`,
    `  acknowledged: ${counts.join(', ')}`,
    `  sent again after a kill: ${all.filter((sent) => sent.tries > 1).length}, of which ${ledger.duplicates} were answered "duplicate"; given up: ${count(all, 'abandoned')}`,
    `  steps: ${outcome.attempts} attempts for ${outcome.requests} requests, at most ${outcome.attemptsMax} for one; ${ledger.interrupted} instances stuck by interruptions and retried`,
    `  recoveries: ${times.length}, ${toMs(times[times.length >> 1])} in the middle, ${toMs(times.at(-1))} at most; ${outcome.cuts} with a cut of the log`,
    `  broken promises: ${outcome.broken.length}`,
  ].join('\n');
}

function count(sent: readonly Sent[], fate: Sent['fate']): number {
  return sent.filter((each) => each.fate === fate).length;
}

function toMs(time: number | undefined): string {
  return time === undefined ? '-' : `${Math.round(time)} ms`;
}
