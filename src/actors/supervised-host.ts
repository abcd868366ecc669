// The host of an instance under the supervisor: its turns go into the commit that is being made.

import { ByReference } from '../runtime/carried.js';
import { encode } from '../runtime/codec.js';
import { EventDefinition, toWorkflowDefinition } from '../runtime/definitions.js';
import type { Delivery } from '../runtime/effects.js';
import { UnknownEventError } from '../runtime/errors.js';
import type { Execution } from '../runtime/execution.js';
import { InstanceConflictError } from '../runtime/instance-errors.js';
import { limits } from '../runtime/limits.js';
import { assertInstanceId } from '../runtime/names.js';
import type { EffectOf } from '../runtime/operation.js';
import type { LogLevel } from '../runtime/ports.js';
import { type InstanceDelta, type InstanceRecord, type Request, toBaseDelta } from '../runtime/record.js';
import { validateSync } from '../runtime/schema.js';
import type { TurnDelta } from '../runtime/turn-delta.js';
import { type ForgottenYieldError, LimitError } from '../runtime/workflow-errors.js';
import { type InstanceHost, locateForgotten } from './instance-process.js';
import type { Instances } from './instances.js';
import { Mail } from './mail.js';
import type { Router } from './router.js';
import type { Slot } from './slot.js';
import type { World } from './world.js';

export class SupervisedHost implements InstanceHost {
  readonly isEphemeral: boolean;
  readonly #slot: Slot;
  readonly #world: World;
  readonly #instances: Instances;
  readonly #router: Router;

  constructor(slot: Slot, world: World, instances: Instances, router: Router) {
    this.isEphemeral = slot.isEphemeral;
    this.#slot = slot;
    this.#world = world;
    this.#instances = instances;
    this.#router = router;
  }

  get id(): string {
    return this.#slot.id;
  }

  get isOver(): boolean {
    return !this.#slot.isActive;
  }

  get strict(): boolean {
    return this.#world.options.strict;
  }

  random(): number {
    return this.#world.options.ids.random();
  }

  uuid(): string {
    return this.#world.options.ids.uuid();
  }

  /** The token says whose it is, and of which generation, so that a used one can be told from one that never was. */
  token(): string {
    const { id, generation } = this.#slot;
    return `${this.#world.options.ids.token()}${generation === 0 ? '' : `~${generation}`}.${encodeURIComponent(id)}`;
  }

  nextSeq(): number {
    return this.#world.nextSeq();
  }

  send(effect: EffectOf<'send'>): Delivery {
    return this.#router.send(effect.instanceId, this.#toMail(effect));
  }

  publish(effect: EffectOf<'publish'>): Delivery {
    return this.#router.publish(effect.key, this.#toMail(effect));
  }

  startChild(effect: EffectOf<'startChild'>): string {
    const definition = toWorkflowDefinition(effect.workflow);
    const workflow = this.#world.workflow(definition.name, definition.version);
    const depth = this.#slot.depth + 1;
    if (depth > limits.nestingMax) {
      throw new LimitError(
        'nestingMax',
        limits.nestingMax,
        `Instance "${this.#slot.id}" is nested too deep to start another`,
        'Use a loop, or start instances side by side.',
      );
    }
    const what = `the input of workflow "${workflow.name}"`;
    const valid = validateSync(workflow.input, effect.input, what);
    const isByReference = !workflow.isDurable && this.isEphemeral;
    const input = isByReference ? new ByReference(valid) : encode(valid, what);
    const id = effect.id ?? this.#world.options.ids.id();
    assertInstanceId(id);
    if (this.#world.slots.has(id)) throw new InstanceConflictError(id, 'workflow');
    this.#instances.bear(this.#instances.create({ id, workflow, input, depth, parent: this.#slot, isCalled: effect.isCalled }));
    return id;
  }

  /** In the same commit: a crash right after it must not leave the child running. */
  cancelChild(instanceId: string): void {
    const child = this.#world.slots.get(instanceId);
    if (child === undefined || !child.isActive || child.isCancelled) return;
    this.#instances.noteCancel(child, 'its caller waits no more');
  }

  beginLater(): void {
    this.#world.commit.addBorn(this.#slot);
  }

  nextFaulted(error: unknown): void {
    this.#world.commit.addAfter(() => this.#instances.setStuck(this.#slot, error));
  }

  requests(): readonly Request[] {
    if (this.isEphemeral) return [...this.#slot.requests.values()].map((entry) => entry.request);
    return [...(this.readRecord()?.pending.values() ?? [])];
  }

  locateForgotten(execution: Execution, task: number): string | null {
    if (this.isEphemeral) return null;
    const { at, delta } = execution;
    const own = this.#slot.beginText === null ? delta.text(at) : delta.text(at, this.#slot.beginText);
    return locateForgotten(execution, task, this, [...this.#world.uncommittedDeltas(this.#slot.id), own]);
  }

  logForgotten(error: ForgottenYieldError, fields: Readonly<Record<string, unknown>>): void {
    if (!this.#world.isNewPlace(error.where ?? error.message)) return;
    this.#world.logger.log('warn', error.message, { ...fields, code: error.code, where: error.where });
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#world.logger.log(level, message, fields);
  }

  turned(delta: TurnDelta, at: number): void {
    this.#instances.turned(this.#slot, delta, at);
  }

  readRecord(): InstanceRecord | undefined {
    if (this.isEphemeral) return undefined;
    return this.#world.store.readInstance(this.#slot.id);
  }

  persisted(): object {
    const record = this.readRecord();
    return { id: this.#slot.id, record: record === undefined ? null : (JSON.parse(toBaseDelta(record)) as InstanceDelta), events: [] };
  }

  #toMail(effect: EffectOf<'send' | 'publish'>): Mail {
    if (!(effect.event instanceof EventDefinition)) throw new UnknownEventError(effect.name);
    const { name, schema, expiryMs } = effect.event;
    const payload = validateSync(schema, effect.payload, `the payload of event "${name}"`);
    const mail = new Mail({ event: name, payload, id: effect.id, expiryMs, isInner: true, isVolatile: this.isEphemeral });
    // What one with a record has sent must not be changed behind its back by who gets it (C3).
    if (!this.isEphemeral) mail.encoded();
    return mail;
  }
}
