// A request to the outside that is open: the task that waits for it, and the local code that serves it.

import { isSame } from './divergence.js';
import type { Execution } from './execution.js';
import type { Group } from './group.js';
import type { EffectBody } from './operation.js';
import { type Entry, type EventSource, type Request, requestKey } from './record.js';
import type { Outcome, TaskNode, Wait } from './task-node.js';

export class OpenRequest implements Wait {
  readonly key: string;
  readonly isOutside = true;
  readonly body: EffectBody;
  /** Known in a dry replay with capture. */
  readonly where: string | null;
  readonly #execution: Execution;
  readonly #task: TaskNode;
  data: Request;
  /** The group that opened it beside its members, where one did. */
  group: Group | null = null;

  constructor(execution: Execution, task: TaskNode, body: EffectBody, options: { data: Request; where: string | null }) {
    this.key = requestKey(options.data.task, options.data.pos);
    this.#execution = execution;
    this.#task = task;
    this.body = body;
    this.data = options.data;
    this.where = options.where;
  }

  get what(): string {
    return `${this.data.kind} "${this.data.name}"`;
  }

  abandon(): boolean {
    this.#execution.dropRequest(this);
    return true;
  }

  drop(): void {
    this.#execution.dropRequest(this);
  }

  settled(outcome: Outcome): void {
    if (this.group === null) this.#execution.scheduler.wake(this.#task, outcome);
    else this.group.requestSettled(outcome);
  }

  /** Whether the code asks for what the record has (E2, E3). */
  matches(recorded: Entry | Request): boolean {
    if (!isSame(recorded, this.data)) return false;
    return !('sources' in recorded) || sameSources(recorded.sources, 'sources' in this.body ? this.body.sources : null);
  }
}

function sameSources(recorded: readonly EventSource[] | null, asked: readonly EventSource[] | null): boolean {
  if (recorded === null || asked === null) return recorded === asked;
  return (
    recorded.length === asked.length &&
    recorded.every((source, index) => source.event === asked[index]?.event && source.key === asked[index]?.key)
  );
}
