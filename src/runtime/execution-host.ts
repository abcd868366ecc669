// What an execution needs from whoever runs it, within a turn and at once: numbers, other instances, a log.

import type { Delivery } from './effects.js';
import type { Execution } from './execution.js';
import type { EffectOf } from './operation.js';
import type { LogLevel } from './ports.js';
import type { ForgottenYieldError } from './workflow-errors.js';

export interface ExecutionHost {
  /** Whether an authoring mistake that can be survived fails the instance. */
  readonly strict: boolean;
  /** Whether nothing of the instance is written, and its values go by reference. */
  readonly isEphemeral: boolean;
  random(): number;
  uuid(): string;
  /** A new callback token of this instance. */
  token(): string;
  /** The number of the next request, over all instances. */
  nextSeq(): number;
  /** Routes an event in the commit of this turn. Throws what the sender is to be told. */
  send(effect: EffectOf<'send'>): Delivery;
  publish(effect: EffectOf<'publish'>): Delivery;
  /** Begins an instance in the commit of this turn, and gives its id. */
  startChild(effect: EffectOf<'startChild'>): string;
  /** The wait of a `call` was given up: cancel its instance once this turn is committed. */
  cancelChild(instanceId: string): void;
  /** Where the first operation that a task made and never ran was made, by a dry replay with capture. */
  locateForgotten(execution: Execution, task: number): string | null;
  /** Logs, once per place, an operation that was made and never run. */
  logForgotten(error: ForgottenYieldError, fields: Readonly<Record<string, unknown>>): void;
  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void;
}
