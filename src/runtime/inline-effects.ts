// Effects that are answered within the turn that asks them. Their answers ride its commit (C7): they cost no sync.

import { type Carried, textOfCarried } from './carried.js';
import { decode, type Encoded, encode } from './codec.js';
import { type ErrorData, encodeError, fromErrorData } from './error-data.js';
import type { Execution } from './execution.js';
import type { EffectBody, EffectOf } from './operation.js';
import { fail, type Outcome, succeed } from './task-node.js';

export type InlineEffect = EffectOf<'continueAs' | 'now' | 'random' | 'uuid' | 'expose' | 'send' | 'publish' | 'startChild'>;

const inlineKinds: ReadonlySet<string> = new Set(['continueAs', 'now', 'random', 'uuid', 'expose', 'send', 'publish', 'startChild']);

export function isInline(body: EffectBody): body is InlineEffect {
  return inlineKinds.has(body.kind);
}

/** The answer, and its text for the journal. A refusal is an answer too, the same in every replay. */
export function answerInline(execution: Execution, body: InlineEffect): { outcome: Outcome; text: Encoded } {
  const { ok, value } = answer(execution, body);
  // What the schema made of an input is recorded: replay runs no schema.
  if (ok && body.kind === 'continueAs') return { outcome: succeed(value), text: textOfCarried(value as Carried) };
  if (ok) return { outcome: succeed(value), text: value === undefined ? 'null' : JSON.stringify(value) };
  const text = encodeError(value);
  return { outcome: fail(fromErrorData(decode(text) as ErrorData)), text };
}

/** The answer of an ephemeral instance, which goes by reference. */
export function answer(execution: Execution, body: InlineEffect): Outcome {
  try {
    return succeed(answerTo(execution, body));
  } catch (error) {
    return fail(error);
  }
}

function answerTo(execution: Execution, body: InlineEffect): unknown {
  const { host } = execution;
  switch (body.kind) {
    case 'continueAs':
      return execution.checked(execution.workflow.input, body.input, 'input');
    case 'now':
      return execution.at;
    case 'random':
      return host.random();
    case 'uuid':
      return host.uuid();
    case 'expose':
      if (execution.isEphemeral) {
        execution.exposed ??= new Map();
        execution.exposed.set(body.name, body.value);
      } else execution.delta.expose(body.name, encode(body.value, `the exposed value "${body.name}"`));
      return undefined;
    case 'send':
      return host.send(body);
    case 'publish':
      return host.publish(body);
    case 'startChild':
      return host.startChild(body);
  }
}
