// Effects between the tasks of one instance. They are not recorded: replay derives them again from the order of outcomes.

import type { Execution } from './execution.js';
import { Group, type OwnRequest, type Policy } from './group.js';
import { type EffectOf, type EffectRequest, effectOperation, type Operation } from './operation.js';
import type { OpenRequest } from './requests.js';
import { makeTask, performOnTask } from './task-handle.js';
import { fail, type Outcome, succeed, type TaskNode, type Wait } from './task-node.js';
import { ForeignPrimitiveError } from './workflow-errors.js';

type GroupEffect = EffectOf<'all' | 'allSettled' | 'race' | 'any'>;

/** Answers or begins an effect between tasks; null for one that goes to the outside. */
export function performLocal(execution: Execution, task: TaskNode, pos: number, { body, where }: EffectRequest): Outcome | Wait | null {
  switch (body.kind) {
    case 'compensate':
      execution.compensations = [...execution.compensations, body.undo];
      return succeed(undefined);
    case 'spawn':
      return spawn(execution, task, body);
    case 'create':
      return succeed(body.make(execution));
    case 'operate':
      if (body.on.owner !== execution) return fail(foreign(body.on.title, execution.instanceId));
      return body.run(task);
    case 'join':
    case 'cancelTask':
      return performOnTask(execution, task, body);
    case 'all':
    case 'allSettled':
    case 'race':
    case 'any':
      return performGroup(execution, task, body, where);
    case 'timeout':
    case 'callback': {
      const full = execution.scheduler.refuseMore(1, task);
      return full === null ? performBeside(execution, task, execution.openRequest(task, pos, body, where), body) : fail(full);
    }
    default:
      return null;
  }
}

function spawn(execution: Execution, task: TaskNode, body: EffectOf<'spawn'>): Outcome {
  const full = execution.scheduler.refuseMore(1, task);
  if (full !== null) return fail(full);
  return succeed(makeTask(execution, execution.scheduler.spawn(body.body, task, null, body.name)));
}

function foreign(title: string, instanceId: string): ForeignPrimitiveError {
  return new ForeignPrimitiveError(title[0]?.toUpperCase() + title.slice(1), instanceId);
}

function performGroup(execution: Execution, task: TaskNode, body: GroupEffect, where: string | null): Outcome | Wait {
  if (body.operations.length === 0) return succeed(body.keys === null ? [] : {});
  const full = execution.scheduler.refuseMore(body.operations.length, task);
  if (full !== null) return fail(full);
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
