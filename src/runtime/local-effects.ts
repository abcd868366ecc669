// Effects between the tasks of one instance. They are not recorded: replay derives them again from the order of outcomes.

import type { Execution } from './execution.js';
import { Group, type OwnRequest, type Policy } from './group.js';
import { limits } from './limits.js';
import { type EffectOf, type EffectRequest, effectOperation, type Operation } from './operation.js';
import type { OpenRequest } from './requests.js';
import { notify } from './scheduler.js';
import { fail, type Outcome, succeed, type TaskNode, type Wait } from './task-node.js';
import type { Task, TaskEnd } from './tasks.js';
import { AuthoringError, ForeignPrimitiveError, LimitError } from './workflow-errors.js';

/** Answers or begins an effect between tasks; null for one that goes to the outside. */
export function performLocal(execution: Execution, task: TaskNode, pos: number, { body, where }: EffectRequest): Outcome | Wait | null {
  switch (body.kind) {
    case 'compensate':
      execution.compensations = [...execution.compensations, body.undo];
      return succeed(undefined);
    case 'spawn':
      if (execution.scheduler.tasks.size >= limits.tasksMax) return fail(tooManyTasks(execution.instanceId));
      return succeed(new TaskHandle(execution, execution.scheduler.spawn(body.body, task)));
    case 'join':
    case 'cancelTask':
      return performOnTask(execution, task, body);
    case 'all':
    case 'race':
      return performGroup(execution, task, body, where);
    case 'timeout':
    case 'callback':
      return performBeside(execution, task, execution.openRequest(task, pos, body, where), body);
    default:
      return null;
  }
}

function tooManyTasks(instanceId: string): LimitError {
  return new LimitError(
    'tasksMax',
    limits.tasksMax,
    `Instance "${instanceId}" has too many live tasks to spawn another`,
    'Join tasks before spawning more, or use children.',
  );
}

/** The handle that `spawn` gives. */
class TaskHandle implements Task<never> {
  readonly #execution: Execution;
  readonly #task: TaskNode;

  constructor(execution: Execution, task: TaskNode) {
    this.#execution = execution;
    this.#task = task;
  }

  get id(): string {
    return String(this.#task.id);
  }

  join(): Operation<never> {
    return effectOperation<never>({ kind: 'join', name: this.#task.title, task: this.#task, owner: this.#execution });
  }

  cancel(reason?: string): Operation<void> {
    return effectOperation<void>({ kind: 'cancelTask', name: this.#task.title, task: this.#task, owner: this.#execution, reason });
  }

  onDone(fn: (end: TaskEnd) => void): void {
    if (this.#task.end !== null) {
      notify(this.#task, fn);
      return;
    }
    this.#task.observers ??= [];
    this.#task.observers.push(fn);
  }
}

function performOnTask(execution: Execution, task: TaskNode, body: EffectOf<'join' | 'cancelTask'>): Outcome | Wait {
  const target = body.task;
  if (body.owner !== execution) return fail(new ForeignPrimitiveError(`Task ${target.id}`, execution.instanceId));
  if (target === task)
    return fail(
      new AuthoringError(
        `${task.title} of instance "${task.instanceId}" cannot ${body.kind === 'join' ? 'join' : 'cancel'} itself: it would wait for ever.`,
      ),
    );
  if (body.kind === 'join') return join(target, task);
  execution.scheduler.cancel(target, body.reason ?? null);
  if (task.interrupt !== null) {
    // It has cancelled a scope that it belongs to: this is the wait at which it is told.
    const { error } = task.interrupt;
    task.interrupt = null;
    return fail(error);
  }
  return target.end !== null ? succeed(undefined) : waitForEnd(execution, target, task);
}

function join(target: TaskNode, task: TaskNode): Outcome | Wait {
  if (target.end !== null) {
    target.isJoined = true;
    return target.end.outcome;
  }
  target.joiners = [...target.joiners, task];
  return {
    what: `the end of ${target.title}`,
    abandon: () => {
      target.joiners = target.joiners.filter((joiner) => joiner !== task);
      return true;
    },
  };
}

function waitForEnd(execution: Execution, target: TaskNode, task: TaskNode): Wait {
  const observer = (): void => execution.scheduler.wake(task, succeed(undefined));
  target.observers = [...(target.observers ?? []), observer];
  return {
    what: `the end of ${target.title}`,
    abandon: () => {
      target.observers = (target.observers ?? []).filter((candidate) => candidate !== observer);
      return true;
    },
  };
}

function performGroup(execution: Execution, task: TaskNode, body: EffectOf<'all' | 'race'>, where: string | null): Outcome | Wait {
  if (body.operations.length === 0) return succeed(body.keys === null ? [] : {});
  if (execution.scheduler.tasks.size + body.operations.length > limits.tasksMax) return fail(tooManyTasks(execution.instanceId));
  const bodies = body.operations.map((operation) => () => operation);
  return beginGroup(execution, task, body.kind, {
    what: `${body.kind} of ${body.operations.length}`,
    keys: body.keys,
    bodies,
    ownRequest: null,
    where,
  });
}

/** Groups of one member and a request beside it: an operation and its deadline, a submission and its answer. */
function performBeside(execution: Execution, task: TaskNode, request: OpenRequest, body: EffectOf<'timeout' | 'callback'>): Wait {
  const member = body.kind === 'timeout' ? () => body.operation : () => submission(body, () => request.data.token ?? '');
  const group = beginGroup(execution, task, body.kind, {
    what: request.what,
    keys: null,
    bodies: [member],
    ownRequest: request,
    where: request.where,
  });
  request.group = group;
  return group;
}

function submission(body: EffectOf<'callback'>, token: () => string): Operation<unknown> {
  return effectOperation({
    kind: 'step',
    name: body.name,
    args: null,
    run: (context) => withoutResult(body.submit(token(), context)),
    options: undefined,
  });
}

/** What a submission gives is nobody's affair, and need not be storable. */
function withoutResult(result: unknown): unknown {
  const isThenable = result !== null && typeof result === 'object' && 'then' in result;
  return isThenable ? Promise.resolve(result).then(() => undefined) : undefined;
}

function beginGroup(
  execution: Execution,
  task: TaskNode,
  policy: Policy,
  options: {
    what: string;
    keys: readonly string[] | null;
    bodies: readonly (() => Operation<unknown>)[];
    ownRequest: OwnRequest | null;
    where: string | null;
  },
): Group {
  const group = new Group(execution.scheduler, task, { policy, what: options.what, keys: options.keys });
  const members = options.bodies.map((body) => execution.scheduler.spawn(body, null, { group, where: options.where }));
  group.begin(members, options.ownRequest);
  return group;
}
