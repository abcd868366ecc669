// Trials in a few lines, for those who read them.

import type { Sent } from './ledger.js';
import type { Outcome, Phase } from './trial.js';

/** @param busy couriers that were under way at a time */
export function toFigures(outcomes: readonly Outcome[], busy: number): string[] {
  const kills = (phase: Phase) => sum(outcomes.map((outcome) => outcome.kills[phase]));
  const [working, checkpoint, recovery] = [kills('working'), kills('checkpoint'), kills('recovery')];
  const sent = outcomes.map(({ ledger }) => ledger.sent());
  const all = sent.flatMap((each) => Object.values(each).flat());
  const acknowledged = (kind: keyof ReturnType<Outcome['ledger']['sent']>) => count(sent.flatMap((each) => each[kind]));
  const received = new Set(outcomes.flatMap(({ ledger }) => [...ledger.received()]));
  const givenUp = all.filter((each) => each.fate === 'abandoned');
  const times = outcomes.flatMap((outcome) => outcome.recoveriesMs).toSorted((a, b) => a - b);
  const whole = (pick: (outcome: Outcome) => number) => format(sum(outcomes.map(pick)));
  return [
    `${format(working + checkpoint + recovery)} kills with ${busy} instances busy: ${format(working)} at work, ${format(checkpoint)} within a checkpoint, ${format(recovery)} within recovery; ${whole(({ livesWithCheckpoint }) => livesWithCheckpoint)} after a checkpoint was finished`,
    `${format(times.length)} openings, each of which recovered: ${toMs(times[times.length >> 1])} in the middle, ${toMs(times.at(-1))} at most; ${whole(({ cuts }) => cuts)} cut off a torn tail of the log`,
    `${format(count(all))} acknowledged, 0 lost: ${format(acknowledged('starts'))} starts, ${format(acknowledged('orders') + acknowledged('parcels'))} events, ${format(acknowledged('answers'))} callbacks, ${format(acknowledged('cancels'))} cancels`,
    `${format(all.filter((each) => each.tries > 1).length)} sent again after a kill, ${whole(({ ledger }) => ledger.duplicates)} of which were answered "duplicate"; ${format(givenUp.length)} given up, of which ${format(givenUp.filter(({ id }) => received.has(id)).length)} had survived, each once`,
    `${whole(({ attempts }) => attempts)} attempts of ${whole(({ requests }) => requests)} steps, at most ${format(Math.max(...outcomes.map(({ attemptsMax }) => attemptsMax)))} of one; 0 ran again after their outcome was committed`,
  ];
}

function count(sent: readonly Sent[]): number {
  return sent.filter((each) => each.fate === 'acknowledged').length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function format(number: number): string {
  return number.toLocaleString('en-US');
}

function toMs(time: number | undefined): string {
  return time === undefined ? '-' : `${Math.round(time)} ms`;
}
