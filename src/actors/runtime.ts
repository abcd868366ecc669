// The runtime as its embedder sees it. It checks and encodes what comes in, asks the supervisor, and decodes what goes out.

import { DEAD_LETTERS, describeAddress, keyedAddress } from '../runtime/addresses.js';
import { ByReference, type Carried, unpack } from '../runtime/carried.js';
import { encode, revive } from '../runtime/codec.js';
import {
  type AnyEvent,
  type EventDefinition,
  type EventType,
  toWorkflowDefinition,
  type Workflow,
  type WorkflowDefinition,
} from '../runtime/definitions.js';
import { type Duration, toMs } from '../runtime/duration.js';
import { type Delivery, eventId, type InputArgs, toEventDefinition } from '../runtime/effects.js';
import { encodeError } from '../runtime/error-data.js';
import { UnknownEventError } from '../runtime/errors.js';
import { InstanceConflictError, RuntimeStoppedError } from '../runtime/instance-errors.js';
import { assertInstanceId, assertKey } from '../runtime/names.js';
import { isSameValue } from '../runtime/same-value.js';
import { validate } from '../runtime/schema.js';
import { Callbacks } from './callbacks.js';
import type { Caller } from './commit.js';
import { Handles } from './handles.js';
import { toEphemeralInfo, toInfo } from './info.js';
import { Mail } from './mail.js';
import type { DeadLetter, Health, Instance, InstanceInfo, Runtime, Status } from './public.js';
import type { Slot } from './slot.js';
import { type Supervisor, startSupervisor } from './supervisor.js';
import type { World, WorldOptions } from './world.js';

const DEFAULT_GRACE_MS = 5_000;
/** Records read for a list before others run. */
const LIST_AT_ONCE = 64;

export class RuntimeCore implements Runtime {
  readonly #supervisor: Supervisor;
  readonly #world: World;
  readonly #callbacks: Callbacks;
  readonly #handles: Handles;
  #stopped: Promise<void> | null = null;

  private constructor(options: WorldOptions) {
    this.#supervisor = startSupervisor(options);
    this.#world = this.#supervisor.world;
    this.#callbacks = new Callbacks(this.#supervisor, (run) => this.#ask('answer', 'callback', run));
    this.#handles = new Handles(this.#supervisor, {
      ask: (name, id, run) => this.#ask(name, id, run),
      assertRunning: () => this.#assertRunning(),
      send: (id, event, payload, options) => this.send(id, event as never, payload as never, options),
    });
  }

  /** Recovers what the opened store has, and runs it; a store that cannot be recovered is given back. */
  static async start(options: WorldOptions): Promise<RuntimeCore> {
    const runtime = new RuntimeCore(options);
    try {
      runtime.#supervisor.recover();
      return runtime;
    } catch (error) {
      await options.store.crash();
      throw error;
    }
  }

  async start<Raw, O>(workflow: Workflow<Raw, O>, ...args: InputArgs<NoInfer<Raw>>): Promise<Instance<O>> {
    const { name, version } = toWorkflowDefinition(workflow);
    const definition = this.#world.workflow(name, version);
    const [raw, options] = args as [unknown, { id?: string }?];
    const id = options?.id === undefined ? this.#world.options.ids.id() : options.id;
    assertInstanceId(id);
    const given = validate(definition.input, raw, `the input of workflow "${definition.name}"`);
    const input = carry(definition, given instanceof Promise ? await given : given);
    const { instances } = this.#supervisor;
    let slot: Slot | undefined;
    await this.#ask('start', id, () => {
      slot = this.#world.slots.get(id);
      if (slot !== undefined) {
        this.#assertSameStart(slot, definition.name, input);
        return;
      }
      slot = instances.create({ id, workflow: definition, input, depth: 0, parent: null, isCalled: false });
      instances.begin(slot, definition, input);
    });
    return this.#handles.handle<O>(id, slot?.isEphemeral === true ? slot : undefined);
  }

  instance(id: string): Instance<unknown>;
  instance<O>(id: string, workflow: Workflow<never, O>): Instance<O>;
  instance(id: string): Instance<unknown> {
    assertInstanceId(id);
    return this.#handles.handle(id);
  }

  send<Raw>(
    instanceId: string,
    event: EventType<Raw, unknown>,
    payload: NoInfer<Raw>,
    options: { id?: string | undefined } = {},
  ): Promise<Delivery> {
    return this.#deliver('send', instanceId, () => {
      assertInstanceId(instanceId);
      const mail = this.#toMail(event, payload, options.id, () => this.#world.slots.known(instanceId)?.isEphemeral === true);
      return { mail, route: (ready) => this.#supervisor.router.send(instanceId, ready) };
    });
  }

  publish<Raw>(
    event: EventType<Raw, unknown>,
    key: string,
    payload: NoInfer<Raw>,
    options: { id?: string | undefined } = {},
  ): Promise<Delivery> {
    return this.#deliver('publish', key, () => {
      assertKey(key, 'the key of an event');
      const { router } = this.#supervisor;
      const mail = this.#toMail(event, payload, options.id, (name) => router.isForEphemeral(keyedAddress(name, key)));
      return { mail, route: (ready) => router.publish(key, ready) };
    });
  }

  async complete(token: string, payload: unknown): Promise<void> {
    await this.#callbacks.answer(token, 'ok', encode(payload, 'the payload of a callback'));
  }

  async reject(token: string, error: unknown): Promise<void> {
    await this.#callbacks.answer(token, 'error', encodeError(error));
  }

  async *list(filter: { status?: Status | undefined; workflow?: string | undefined } = {}): AsyncIterable<InstanceInfo> {
    this.#assertRunning();
    const isWanted = (info: InstanceInfo): boolean =>
      (filter.workflow ?? info.workflow) === info.workflow && (filter.status ?? info.status) === info.status;
    for (const slot of [...this.#world.slots.values()]) {
      this.#assertRunning();
      const info = slot.isEphemeral ? toEphemeralInfo(slot) : null;
      if (info !== null && isWanted(info)) yield info;
    }
    let read = 0;
    for (const id of [...this.#world.store.instanceIds()]) {
      this.#assertRunning();
      const info = this.#infoForList(id);
      if (info !== undefined && isWanted(info)) yield info;
      read++;
      if (read % LIST_AT_ONCE === 0) await this.#world.options.clock.letOthersRun();
    }
  }

  async query(instanceId: string, name: string): Promise<unknown> {
    this.#assertRunning();
    const slot = this.#world.slots.known(instanceId);
    if (slot?.isEphemeral === true) return (slot.resident?.process.execution.exposed ?? slot.exposed)?.get(name);
    const record = await this.#handles.record(instanceId);
    const value = record.exposed.get(name);
    return value === undefined ? undefined : revive(value);
  }

  async *deadLetters(): AsyncIterable<DeadLetter> {
    this.#assertRunning();
    for (const letter of [...this.#world.mailboxes.events(DEAD_LETTERS)]) {
      yield {
        id: String(letter.seq),
        address: describeAddress(letter.origin ?? ''),
        payload: unpack(letter.payload),
        acceptedAt: letter.at,
      };
    }
  }

  async redeliver(id: string): Promise<Delivery> {
    let delivery: Delivery | null = null;
    await this.#ask('redeliver', id, () => {
      delivery = this.#supervisor.router.redeliver(Number(id));
      if (delivery === null) throw new UnknownEventError(`of dead letter "${id}"`);
    });
    if (delivery === null) throw new RuntimeStoppedError();
    return delivery;
  }

  health(): Health {
    const { world, instances, failure } = this.#supervisor;
    const live = failure === null;
    return {
      live,
      ready: live && this.#stopped === null,
      instances: world.slots.size,
      resident: instances.residents,
      stepsRunning: world.runner.size,
      parkedAddresses: world.mailboxes.parkedAddresses,
      bufferedEvents: world.mailboxes.buffered,
      deadLetters: world.mailboxes.count(DEAD_LETTERS),
      deadlines: world.deadlines.size + world.pauses.size,
      ...world.committer.figures,
      store: world.store.figures(),
    };
  }

  stop(options: { grace?: Duration | undefined } = {}): Promise<void> {
    const graceMs = options.grace === undefined ? DEFAULT_GRACE_MS : toMs(options.grace, 'grace');
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** For the test kit: what is going on inside. */
  get supervisor(): Supervisor {
    return this.#supervisor;
  }

  /** Lets go of everything as a crash would: nothing is flushed, nobody is told. */
  async crash(): Promise<void> {
    this.#stopped ??= Promise.resolve();
    this.#world.isStopping = true;
    this.#world.committer.abandon();
    this.#supervisor.stop();
    await this.#world.store.crash();
  }

  async #stop(graceMs: number): Promise<void> {
    const { world } = this.#supervisor;
    world.isStopping = true;
    if (this.#supervisor.failure === null) {
      await this.#graceFor(graceMs);
      world.runner.abortAll('the runtime stops');
      await world.committer.idle();
    }
    this.#supervisor.stop();
    world.rejectWaiters(new RuntimeStoppedError());
    await world.store.close();
  }

  /** Waits for the steps under way, and for what their outcomes commit, at most so long. */
  async #graceFor(graceMs: number): Promise<void> {
    const { runner, options } = this.#world;
    if (runner.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = options.clock.setDelay(graceMs, resolve);
      void runner.idle().then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** One record that cannot be read hides no others. */
  #infoForList(id: string): InstanceInfo | undefined {
    try {
      const record = this.#world.store.readInstance(id);
      return record && toInfo(record);
    } catch (error) {
      this.#world.logger.log('error', `The record of instance "${id}" cannot be read, and is left out of the list.`, {
        instanceId: id,
        error,
      });
      return undefined;
    }
  }

  #assertSameStart(slot: Slot, workflow: string, input: Carried): void {
    if (slot.workflow !== workflow) throw new InstanceConflictError(slot.id, 'workflow');
    const first = slot.isEphemeral ? slot.firstInput : slot.input;
    const known = first === null ? this.#firstInput(slot) : unpack(first);
    if (!isSameValue(known, unpack(input))) throw new InstanceConflictError(slot.id, 'input');
  }

  #firstInput(slot: Slot): unknown {
    const record = this.#world.store.readInstance(slot.id);
    if (record === undefined) throw new InstanceConflictError(slot.id, 'input');
    return revive(record.firstInput);
  }

  /**
   * Encodes in the call itself (C3), unless it goes by reference: what the caller changes later is not seen. Only an
   * asynchronous schema makes it wait.
   */
  #toMail(event: AnyEvent, payload: unknown, id: string | undefined, goesByReference: (event: string) => boolean): Mail | Promise<Mail> {
    const { name, schema, expiryMs } = typeof event === 'string' ? this.#eventByName(event) : toEventDefinition(event);
    const toMail = (valid: unknown): Mail => {
      const mail = new Mail({ event: name, payload: valid, id: eventId(id), expiryMs, isInner: false, isVolatile: false });
      if (!goesByReference(name)) mail.encoded();
      return mail;
    };
    const valid = validate(schema, payload, `the payload of event "${name}"`);
    return valid instanceof Promise ? valid.then(toMail) : toMail(valid);
  }

  #eventByName(name: string): EventDefinition {
    const found = this.#world.options.events.get(name);
    if (found === undefined) throw new UnknownEventError(`"${name}"`);
    return found;
  }

  /** One promise for each event, and no more: senders may have very many under way. */
  #deliver(name: string, target: string, prepare: () => Sending): Promise<Delivery> {
    return new Promise((resolve, reject) => {
      const { mail, route } = prepare();
      const ask = (ready: Mail): void => {
        this.#assertRunning();
        let delivery: Delivery | null = null;
        const caller: Caller = { resolve: () => resolve(delivery as Delivery), reject };
        const run = (): void => {
          delivery = route(ready);
        };
        this.#supervisor.send({ type: 'rouse.request', name, target, run, caller });
      };
      if (mail instanceof Promise) mail.then(ask).catch(reject);
      else ask(mail);
    });
  }

  /** Runs something in a commit of its own; resolves when that, and all before it, is on disk. */
  #ask(name: string, target: string, run: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertRunning();
      const caller: Caller = { resolve, reject };
      this.#supervisor.send({ type: 'rouse.request', name, target, run, caller });
    });
  }

  #assertRunning(): void {
    if (this.#supervisor.failure !== null) throw this.#supervisor.failure;
    if (this.#world.isStopping) throw new RuntimeStoppedError();
  }
}

/** An event on its way, and where it is to go. */
interface Sending {
  readonly mail: Mail | Promise<Mail>;
  readonly route: (mail: Mail) => Delivery;
}

/** An input as its instance gets it. */
function carry(workflow: WorkflowDefinition, input: unknown): Carried {
  return workflow.isDurable ? encode(input, `the input of workflow "${workflow.name}"`) : new ByReference(input);
}
