// The journal of one execution: what it adds in a turn, and what it is replayed from.
//
// Invariants:
//   E2. In replay every effect answered at once, and every outcome, must meet the request that the record has for it.

import type { Carried } from './carried.js';
import { decode, type Encoded, revive } from './codec.js';
import { divergence, isSame } from './divergence.js';
import { requestAddressKey } from './effect-meaning.js';
import { type ErrorData, encodeError, fromErrorData } from './error-data.js';
import type { Execution } from './execution.js';
import { answerInline, type InlineEffect } from './inline-effects.js';
import { limits } from './limits.js';
import { type Entry, type InstanceRecord, type Request, requestKey } from './record.js';
import { fail, type Outcome, succeed, type TaskNode, unwind } from './task-node.js';
import type { NondeterminismError } from './workflow-errors.js';

interface Replay {
  readonly entries: readonly Entry[];
  cursor: number;
}

export class Journal {
  readonly #execution: Execution;
  #replay: Replay | null = null;
  #length = 0;

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  get isReplaying(): boolean {
    return this.#replay !== null;
  }

  get isFull(): boolean {
    return (this.#replay?.cursor ?? this.#length) >= limits.journalEntriesMax;
  }

  /** Adds an entry, as text. */
  add(entry: string): void {
    const { delta, host, instanceId, workflow } = this.#execution;
    delta.entries.push(entry);
    if (++this.#length !== limits.journalEntriesWarned) return;
    const message = `The journal of instance "${instanceId}" has ${this.#length} of the ${limits.journalEntriesMax} entries that it may have. Let its workflow continueAs(input) in time.`;
    host.log('warn', message, { instanceId, workflow: workflow.name });
  }

  /** Answers an effect within its turn; in replay, as the record has it. */
  answer(task: TaskNode, pos: number, body: InlineEffect, where: string | null): Outcome {
    if (this.#replay !== null) return this.#replayed(this.#replay, task, pos, { body, where });
    const { outcome, text } = answerInline(this.#execution, body);
    const status = outcome.ok ? 'inline' : 'refused';
    const key = JSON.stringify(requestAddressKey(body));
    this.add(`[${task.id},${pos},"${status}",${text},"${body.kind}",${JSON.stringify(body.name)},${key}]`);
    return finish(this.#execution, body, outcome);
  }

  /** Notes that an output was refused, which what follows rests on: replay runs no schema. */
  refuseOutput(error: unknown): Outcome {
    const text = encodeError(error);
    this.add(`[0,-1,"refused",${text},"output","output",null]`);
    return fail(fromErrorData(decode(text) as ErrorData));
  }

  /** In replay, the refusal of the output that the record has here. */
  refusedOutput(): Outcome | null {
    const replay = this.#replay;
    const entry = replay?.entries[replay.cursor];
    if (replay === null || entry?.kind !== 'output') return null;
    replay.cursor++;
    return fail(fromErrorData(revive(entry.value) as ErrorData));
  }

  begin(record: InstanceRecord): void {
    this.#replay = { entries: record.journal, cursor: 0 };
  }

  next(): Entry | undefined {
    const replay = this.#replay;
    return replay?.entries[replay.cursor++];
  }

  end(): void {
    this.#length = this.#replay?.entries.length ?? 0;
    this.#replay = null;
  }

  /** What the code asks in place of what the record has next. */
  diverged(recorded: Entry | Request | null): NondeterminismError {
    return diverged(this.#execution, (this.#replay?.cursor ?? 1) - 1, recorded);
  }

  #replayed(replay: Replay, task: TaskNode, pos: number, effect: { body: InlineEffect; where: string | null }): Outcome {
    const { body, where } = effect;
    const entry = replay.entries[replay.cursor];
    const asked = { kind: body.kind, name: body.name, key: requestAddressKey(body), task: task.id, pos };
    const matches = entry !== undefined && entry.task === asked.task && entry.pos === pos && isSame(entry, asked);
    if (!matches) {
      const { instanceId } = this.#execution;
      throw divergence({ instanceId, position: replay.cursor, recorded: entry ?? null, asked, where, hasEnded: false });
    }
    replay.cursor++;
    if (entry.status === 'refused') return fail(fromErrorData(revive(entry.value) as ErrorData));
    return finish(this.#execution, body, succeed(body.kind === 'continueAs' ? JSON.stringify(entry.value) : revive(entry.value)));
  }
}

/** The answer as the workflow sees it; from `continueAs` on the body is left as by `return`. */
export function finish(execution: Execution, body: InlineEffect, outcome: Outcome): Outcome {
  if (outcome.ok && body.kind === 'continueAs') {
    execution.continuation = { input: outcome.value as Carried, keepExposed: body.keepExposed };
    return unwind;
  }
  return outcome.ok && body.finish !== undefined ? succeed(body.finish(outcome.value)) : outcome;
}

/** What was written for a request, as its encoded text. */
export function outcomeEntry(request: Request, status: string, text: Encoded): string {
  return `[${request.task},${request.pos},"${status}",${text}]`;
}

/** What the code asks in place of what the record has: at the same position, else in the same task, else anywhere. */
function diverged(execution: Execution, position: number, recorded: Entry | Request | null): NondeterminismError {
  const requests = [...execution.open.values()];
  const there = recorded === null ? undefined : execution.open.get(requestKey(recorded.task, recorded.pos));
  const asked = there ?? requests.find((request) => request.data.task === recorded?.task) ?? requests[0];
  const isNew = recorded !== null && there?.data === recorded;
  return divergence({
    instanceId: execution.instanceId,
    position,
    recorded: isNew ? null : recorded,
    asked: asked === undefined ? null : asked.data,
    where: asked?.where ?? null,
    hasEnded: execution.hasEnded,
  });
}
