// Effects that are answered within the turn that asks them. Their answers ride its commit (C7): they cost no sync.

import { decode, type Encoded, encode } from './codec.js';
import { type ErrorData, encodeError, fromErrorData } from './error-data.js';
import type { Execution } from './execution.js';
import type { EffectBody, EffectOf } from './operation.js';
import { fail, type Outcome, succeed } from './task-node.js';

export type InlineEffect = EffectOf<'now' | 'random' | 'uuid' | 'expose' | 'send' | 'publish' | 'startChild'>;

const inlineKinds: ReadonlySet<string> = new Set(['now', 'random', 'uuid', 'expose', 'send', 'publish', 'startChild']);

export function isInline(body: EffectBody): body is InlineEffect {
  return inlineKinds.has(body.kind);
}

/** The answer, and its text for the journal. A refusal is an answer too, the same in every replay. */
export function answerInline(execution: Execution, body: InlineEffect): { outcome: Outcome; text: Encoded } {
  try {
    const value = answer(execution, body);
    return { outcome: succeed(value), text: value === undefined ? 'null' : JSON.stringify(value) };
  } catch (error) {
    const text = encodeError(error);
    return { outcome: fail(fromErrorData(decode(text) as ErrorData)), text };
  }
}

function answer(execution: Execution, body: InlineEffect): unknown {
  const { host } = execution;
  switch (body.kind) {
    case 'now':
      return execution.at;
    case 'random':
      return host.random();
    case 'uuid':
      return host.uuid();
    case 'expose':
      execution.delta.expose(body.name, encode(body.value, `the exposed value "${body.name}"`));
      return undefined;
    case 'send':
      return host.send(body);
    case 'publish':
      return host.publish(body);
    case 'startChild':
      return host.startChild(body);
  }
}
