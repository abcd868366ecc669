// The verdict: holds what the ledger, the histories of the couriers and the file of attempts say against each other.
// Every sentence that it returns is a broken promise.

import type { Attempt } from './attempts.js';
import type { Ledger, Sent, Voyage } from './ledger.js';

/** An entry of a history, and who has it. */
interface Entry {
  readonly voyage: Voyage;
  readonly kind: string;
  readonly text: string;
}

/** What can be said at any time, and what only when everything has ended. */
export function judge(ledger: Ledger, attempts: readonly Attempt[], { isFinished }: { isFinished: boolean }): string[] {
  const voyages = [...ledger.voyages.values()];
  const entries = voyages.flatMap(toEntries);
  return [
    ...ledger.faults,
    ...(isFinished ? [...voyages.flatMap(judgeEnd), ...judgeParcels(ledger, entries), ...judgeCallbacks(ledger, entries)] : []),
    ...voyages.flatMap(judgeOrders),
    ...voyages.flatMap(judgeChildren),
    ...judgeOutcomes(entries, attempts),
    ...judgeAttempts(attempts),
    ...judgeStages(attempts),
  ];
}

/** An acknowledged start has an end, an acknowledged cancellation has happened, and nothing else went wrong. */
function judgeEnd(voyage: Voyage): string[] {
  const { id, start, cancel, ending, history, route } = voyage;
  if (ending === null) return start.fate === 'acknowledged' ? [`${id} was started, and has not ended.`] : [];
  if (ending.status === 'completed') {
    const faults = cancel?.fate === 'acknowledged' ? [`${id} was cancelled, and has completed.`] : [];
    if (`${ending.output}` !== `${history}`) faults.push(`${id} returned [${ending.output}], and shows [${history}].`);
    for (const kind of ['order', 'parcel', 'child']) {
      const count = textsOf(voyage, kind).length;
      if (count !== route.laps) faults.push(`${id} did ${route.laps} laps, and has ${count} of ${kind}.`);
    }
    return faults;
  }
  if (ending.error !== 'CancelledError' || cancel === null || cancel.fate === 'refused')
    return [`${id} failed: ${ending.error}: ${ending.message}`];
  return history.at(-1) === 'cleaned up' ? [] : [`${id} did not clean up: [${history}]`];
}

/** What an instance received is what was sent to it, in order, without what was never acknowledged and is lost. */
function judgeOrders(voyage: Voyage): string[] {
  const received = textsOf(voyage, 'order');
  const there = new Set(received);
  const kept = voyage.orders.filter((sent) => sent.fate === 'acknowledged' || (sent.fate !== 'refused' && there.has(sent.id)));
  const expected = kept.map((sent) => sent.id).slice(0, received.length);
  if (`${expected}` === `${received}`) return [];
  return [`${voyage.id} received [${received}], and of what was sent to it [${kept.map((sent) => sent.id)}] was to be there.`];
}

/** What was published is received once, by whomever, or waits still; of one sender in its order. */
function judgeParcels(ledger: Ledger, entries: readonly Entry[]): string[] {
  const receivers = new Map<string, string[]>();
  const note = (id: string, receiver: string) => receivers.set(id, [...(receivers.get(id) ?? []), receiver]);
  for (const { voyage, kind, text } of entries) if (kind === 'parcel') note(text, voyage.id);
  for (const [key, ids] of ledger.left) for (const id of ids) note(id, `the mailbox of ${key}`);
  const all = ledger.sent().parcels;
  const known = new Set(all.map((sent) => sent.id));
  return [
    ...all.flatMap((sent) => judgeOnce(sent, receivers.get(sent.id) ?? [])),
    ...[...receivers.keys()].filter((id) => !known.has(id)).map((id) => `${id} was received, and never sent.`),
    ...[...ledger.voyages.values()].flatMap((sender) => judgeLeft(sender, ledger)),
    ...[...ledger.voyages.values()].flatMap(judgeOrderOfParcels),
  ];
}

function judgeOnce({ id, fate }: Sent, receivers: readonly string[]): string[] {
  if (receivers.length > 1) return [`${id} (${fate}) was received by ${receivers.join(' and ')}.`];
  return fate === 'acknowledged' && receivers.length === 0 ? [`${id} was acknowledged, and is lost.`] : [];
}

/** What waits still is the last of what its sender sent. */
function judgeLeft(sender: Voyage, ledger: Ledger): string[] {
  const left = new Set(ledger.left.get(sender.route.key));
  const firstLeft = sender.parcels.findIndex((sent) => left.has(sent.id));
  const overtaken =
    firstLeft === -1 ? [] : sender.parcels.slice(firstLeft).filter(({ id, fate }) => fate === 'acknowledged' && !left.has(id));
  return overtaken.map(({ id }) => `${id} was received before ${sender.parcels[firstLeft]?.id}, which was sent before it.`);
}

function judgeOrderOfParcels(receiver: Voyage): string[] {
  const last = new Map<string, number>();
  return textsOf(receiver, 'parcel').flatMap((id) => {
    const [, number = '', sender = ''] = /^parcel (\d+) from (.+)$/.exec(id) ?? [];
    const before = last.get(sender) ?? -1;
    last.set(sender, Number(number));
    return Number(number) > before ? [] : [`${receiver.id} received parcel ${number} from ${sender} after its parcel ${before}.`];
  });
}

/** A callback has one answer: the acknowledged one, or when none was, one that a kill left open. */
function judgeCallbacks(ledger: Ledger, entries: readonly Entry[]): string[] {
  const signed = new Map<string, string[]>();
  for (const { voyage, kind, text } of entries) {
    if (kind !== 'signed') continue;
    const [stage = '', ...payload] = text.split(' ');
    const label = `${voyage.id} ${stage}`;
    signed.set(label, [...(signed.get(label) ?? []), payload.join(' ')]);
  }
  return [...ledger.callbacks].flatMap(([label, { answers }]) => {
    const given = signed.get(label) ?? [];
    const taken = answers.filter((sent) => sent.fate === 'acknowledged').map((sent) => sent.id);
    const possible = taken.length > 0 ? taken : answers.filter((sent) => sent.fate === 'abandoned').map((sent) => sent.id);
    const isRight = given.length === 1 && taken.length <= 1 && possible.includes(given[0] ?? '');
    const wasGivenUp = given.length === 0 && isCancelled(ledger, label);
    return isRight || wasGivenUp ? [] : [`The callback of ${label} was given [${given}]; of its answers [${possible}] could be.`];
  });
}

/** What a child was sent, what it answered and what it returned agree, lap by lap. */
function judgeChildren(voyage: Voyage): string[] {
  const answers = textsOf(voyage, 'answer');
  return textsOf(voyage, 'child').flatMap((text, lap) => {
    const isRight = lap % 2 === 0 ? text.startsWith(`errand ${lap} `) && answers[lap / 2] === text : text.startsWith(`carried ${lap} `);
    return isRight ? [] : [`The child of lap ${lap} of ${voyage.id} returned "${text}" after the answers [${answers}].`];
  });
}

/** The outcome that was seen is that of the last attempt, which is the only one that returned it. */
function judgeOutcomes(entries: readonly Entry[], attempts: readonly Attempt[]): string[] {
  const byValue = new Map(attempts.map((attempt) => [attempt.value, attempt]));
  const last = new Map(attempts.map((attempt) => [attempt.key, attempt]));
  const faults = byValue.size === attempts.length ? [] : ['Two attempts returned the same.'];
  for (const { voyage, kind, text } of entries) {
    if (kind !== 'step' && kind !== 'child') continue;
    const attempt = byValue.get(text.split(' ').at(-1) ?? '');
    const where = kind === 'step' ? text.split(' ').slice(0, 2).join(' ') : null;
    const isOf =
      attempt !== undefined && (where === null || (attempt.instance === voyage.id && `${attempt.stage} ${attempt.name}` === where));
    if (!isOf) faults.push(`${voyage.id} saw "${kind} ${text}", which no attempt returned.`);
    else if (attempt.fails) faults.push(`${voyage.id} saw the outcome of ${describe(attempt)}, which failed.`);
    else if (last.get(attempt.key) !== attempt) faults.push(`${describe(attempt)} was recorded, and ran again.`);
  }
  return faults;
}

/** Between two attempts of a request there is a kill or a failure, and it has one idempotency key, which no other has. */
function judgeAttempts(attempts: readonly Attempt[]): string[] {
  const keys = new Map<string, string>();
  const labels = new Map<string, string>();
  const before = new Map<string, Attempt>();
  return attempts.flatMap((attempt) => {
    const label = `${attempt.instance} ${attempt.stage} ${attempt.name}`;
    const isSame = (keys.get(label) ?? attempt.key) === attempt.key && (labels.get(attempt.key) ?? label) === label;
    keys.set(label, attempt.key);
    labels.set(attempt.key, label);
    const previous = before.get(attempt.key);
    before.set(attempt.key, attempt);
    if (!isSame) return [`${describe(attempt)} has the idempotency key ${attempt.key}, which was not its own before.`];
    return previous === undefined || mayFollow(previous, attempt) ? [] : [`${describe(attempt)} followed ${describe(previous)}.`];
  });
}

function mayFollow(previous: Attempt, next: Attempt): boolean {
  if (next.attempt === previous.attempt) return next.process > previous.process;
  return next.attempt === previous.attempt + 1 && previous.fails;
}

/** Whatever a later stage did, the outcomes of the stage before were recorded: nothing of it runs again. */
function judgeStages(attempts: readonly Attempt[]): string[] {
  const latest = new Map<string, Attempt>();
  return attempts.flatMap((attempt) => {
    const before = latest.get(attempt.instance);
    if (before !== undefined && before.stage > attempt.stage) return [`${describe(attempt)} ran after ${describe(before)}.`];
    latest.set(attempt.instance, attempt);
    return [];
  });
}

function isCancelled(ledger: Ledger, label: string): boolean {
  return ledger.voyages.get(label.split(' ')[0] ?? '')?.ending?.status === 'failed';
}

function toEntries(voyage: Voyage): Entry[] {
  return voyage.history.map((entry) => {
    const [kind = '', ...text] = entry.split(' ');
    return { voyage, kind, text: text.join(' ') };
  });
}

/** The entries of one kind in a courier's history; of events their ids. */
function textsOf(voyage: Voyage, kind: string): string[] {
  return toEntries(voyage).flatMap((entry) => (entry.kind === kind ? [entry.text] : []));
}

function describe({ instance, stage, name, attempt, process, value }: Attempt): string {
  return `attempt ${attempt} of step ${name} in stage ${stage} of ${instance} (process ${process}, value ${value})`;
}
