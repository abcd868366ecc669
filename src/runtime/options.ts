// What an embedder gives to createRuntime, checked.

import { type AnyEvent, type AnyWorkflow, type EventDefinition, toWorkflowDefinition, type WorkflowDefinition } from './definitions.js';
import { type Duration, toMs } from './duration.js';
import { toEventDefinition } from './effects.js';
import { DefinitionError, DuplicateWorkflowError } from './errors.js';
import { limits } from './limits.js';
import type { Logger, Store, StorePort } from './ports.js';

export interface RuntimeOptions {
  /** The workflows that this runtime can run. Every version with live instances must be among them. */
  workflows: readonly AnyWorkflow[];
  /** The event types that the outside may use by name. */
  events?: readonly AnyEvent[] | undefined;
  /** Where instances are kept. Default: `jsonStore('.rouse')`. */
  store?: Store | undefined;
  /** How long an instance sleeps before it leaves memory. Default 30 seconds. */
  passivateAfter?: Duration | undefined;
  /** How many instances stay in memory; a soft bound, since who runs a step stays. Default 10,000. */
  maxResident?: number | undefined;
  /**
   * How long an ended instance stays readable (`result`, `info`, the same `start`), and how many do: the oldest go first. One whose
   * parent lives stays. Default 7 days and 1,000,000.
   */
  keepFinished?: { readonly age?: Duration | undefined; readonly count?: number | undefined } | undefined;
  /** Whether a forgotten `yield*` fails its instance. Default: unless NODE_ENV is production. */
  strict?: boolean | undefined;
  /** Where the runtime and `log` in workflows write. Default: the console. */
  logger?: Logger | undefined;
}

const PASSIVATE_AFTER_MS = 30_000;

export interface CheckedOptions {
  readonly workflows: ReadonlyMap<string, WorkflowDefinition>;
  readonly events: ReadonlyMap<string, EventDefinition>;
  readonly passivateAfterMs: number;
  readonly maxResident: number;
  readonly keepFinished: { readonly count: number; readonly ageMs: number };
}

/**
 * Checks the options before anything is opened.
 *
 * @throws DefinitionError, DuplicateWorkflowError, InvalidDurationError
 */
export function checkOptions(options: RuntimeOptions): CheckedOptions {
  if (options === null || typeof options !== 'object') throw new DefinitionError('createRuntime() takes an object of options.');
  if (!Array.isArray(options.workflows)) throw new DefinitionError('createRuntime({ workflows }) takes a list of workflows.');
  const { keepFinished = {} } = options;
  if (keepFinished === null || typeof keepFinished !== 'object')
    throw new DefinitionError('keepFinished is { age, count }, both of them optional.');
  return {
    workflows: toWorkflows(options.workflows),
    events: toEvents(options.events ?? []),
    passivateAfterMs: options.passivateAfter === undefined ? PASSIVATE_AFTER_MS : toMs(options.passivateAfter, 'passivateAfter'),
    maxResident: toCount(options.maxResident ?? limits.residentsMax, 'maxResident'),
    keepFinished: {
      count: toCount(keepFinished.count ?? limits.finishedMax, 'keepFinished.count'),
      ageMs: keepFinished.age === undefined ? limits.retentionMs : toMs(keepFinished.age, 'keepFinished.age'),
    },
  };
}

function toCount(value: unknown, what: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new DefinitionError(`${what} is ${String(value)}; it must be a whole number from 0.`);
}

/** The inside of a store. */
export function toStorePort(store: Store): StorePort {
  if (store !== null && typeof store === 'object' && typeof (store as Partial<StorePort>).open === 'function') return store as StorePort;
  throw new DefinitionError('The store is not one: make it with memoryStore() or jsonStore(directory).');
}

/** How a workflow is told from others and from its other versions. */
export function workflowId(name: string, version: number): string {
  return `${name}\n${version}`;
}

function toEvents(events: readonly AnyEvent[]): Map<string, EventDefinition> {
  const known = new Map<string, EventDefinition>();
  for (const event of events) {
    const definition = toEventDefinition(event);
    const twin = known.get(definition.name);
    if (twin !== undefined && twin !== definition)
      throw new DefinitionError(`Two event types are named "${definition.name}". Give one of them another name.`);
    known.set(definition.name, definition);
  }
  return known;
}

function toWorkflows(workflows: readonly AnyWorkflow[]): Map<string, WorkflowDefinition> {
  const known = new Map<string, WorkflowDefinition>();
  for (const workflow of workflows) {
    const definition = toWorkflowDefinition(workflow);
    const id = workflowId(definition.name, definition.version);
    const twin = known.get(id);
    if (twin !== undefined && twin !== definition) throw new DuplicateWorkflowError(definition.name, definition.version);
    known.set(id, definition);
  }
  return known;
}
