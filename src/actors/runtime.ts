// The runtime as its embedder sees it. It checks and encodes what comes in, asks the supervisor, and decodes what goes out.

import { DEAD_LETTERS, describeAddress } from '../runtime/addresses.js';
import { decode, encode, revive } from '../runtime/codec.js';
import { type AnyEvent, type EventDefinition, type EventType, toWorkflowDefinition, type Workflow } from '../runtime/definitions.js';
import { type Duration, toMs } from '../runtime/duration.js';
import { type Delivery, eventId, type InputArgs, toEventDefinition } from '../runtime/effects.js';
import { type ErrorData, encodeError } from '../runtime/error-data.js';
import { UnknownEventError } from '../runtime/errors.js';
import {
  InstanceConflictError,
  InstanceEndedError,
  InstanceNotFoundError,
  InstanceNotStuckError,
  InstanceStuckError,
  RuntimeStoppedError,
} from '../runtime/instance-errors.js';
import { assertInstanceId, assertKey } from '../runtime/names.js';
import type { InstanceRecord, Json } from '../runtime/record.js';
import { isSameValue } from '../runtime/same-value.js';
import { type StandardSchemaV1, validate } from '../runtime/schema.js';
import { CancelledError, WorkflowFailedError } from '../runtime/workflow-errors.js';
import { Callbacks } from './callbacks.js';
import type { Caller } from './commit.js';
import { toInfo } from './info.js';
import type { DeadLetter, Health, Instance, InstanceInfo, Runtime, Status } from './public.js';
import type { Mail } from './router.js';
import type { Slot } from './slot.js';
import { type Supervisor, startSupervisor } from './supervisor.js';
import type { World, WorldOptions } from './world.js';

const DEFAULT_GRACE_MS = 5_000;

export class RuntimeCore implements Runtime {
  readonly #supervisor: Supervisor;
  readonly #world: World;
  readonly #callbacks: Callbacks;
  #stopped: Promise<void> | null = null;

  private constructor(options: WorldOptions) {
    this.#supervisor = startSupervisor(options);
    this.#world = this.#supervisor.world;
    this.#callbacks = new Callbacks(this.#supervisor, (run) => this.#ask('answer', 'callback', run));
  }

  /** Recovers what the opened store has, and runs it. */
  static start(options: WorldOptions): RuntimeCore {
    const runtime = new RuntimeCore(options);
    runtime.#supervisor.recover();
    return runtime;
  }

  async start<Raw, O>(workflow: Workflow<Raw, O>, ...args: InputArgs<NoInfer<Raw>>): Promise<Instance<O>> {
    const { name, version } = toWorkflowDefinition(workflow);
    const definition = this.#world.workflow(name, version);
    const [raw, options] = args as [unknown, { id?: string }?];
    const id = options?.id === undefined ? this.#world.options.ids.id() : options.id;
    assertInstanceId(id);
    const what = `the input of workflow "${definition.name}"`;
    const given = encodeChecked(definition.input, raw, what);
    const inputText = typeof given === 'string' ? given : await given;
    const { instances } = this.#supervisor;
    await this.#ask('start', id, () => {
      const existing = this.#world.slots.get(id);
      if (existing !== undefined) {
        this.#assertSameStart(existing, definition.name, inputText);
        return;
      }
      const slot = instances.create({ id, workflow: definition, inputText, depth: 0, parent: null });
      instances.begin(slot, definition, inputText);
    });
    return this.#handle<O>(id);
  }

  instance(id: string): Instance<unknown>;
  instance<O>(id: string, workflow: Workflow<never, O>): Instance<O>;
  instance(id: string): Instance<unknown> {
    assertInstanceId(id);
    return this.#handle(id);
  }

  async send<Raw>(
    instanceId: string,
    event: EventType<Raw, unknown>,
    payload: NoInfer<Raw>,
    options: { id?: string | undefined } = {},
  ): Promise<Delivery> {
    assertInstanceId(instanceId);
    const mail = await this.#toMail(event, payload, options.id);
    return this.#deliver('send', instanceId, () => this.#supervisor.router.send(instanceId, mail));
  }

  async publish<Raw>(
    event: EventType<Raw, unknown>,
    key: string,
    payload: NoInfer<Raw>,
    options: { id?: string | undefined } = {},
  ): Promise<Delivery> {
    assertKey(key, 'the key of an event');
    const mail = await this.#toMail(event, payload, options.id);
    return this.#deliver('publish', key, () => this.#supervisor.router.publish(key, mail));
  }

  async complete(token: string, payload: unknown): Promise<void> {
    await this.#callbacks.answer(token, 'ok', encode(payload, 'the payload of a callback'));
  }

  async reject(token: string, error: unknown): Promise<void> {
    await this.#callbacks.answer(token, 'error', encodeError(error));
  }

  async *list(filter: { status?: Status | undefined; workflow?: string | undefined } = {}): AsyncIterable<InstanceInfo> {
    this.#assertRunning();
    for (const slot of [...this.#world.slots.values()]) {
      if (filter.workflow !== undefined && slot.workflow !== filter.workflow) continue;
      this.#assertRunning();
      const record = this.#readForList(slot.id);
      if (record === undefined) continue;
      const info = toInfo(record);
      if (filter.status === undefined || info.status === filter.status) yield info;
    }
  }

  async query(instanceId: string, name: string): Promise<unknown> {
    const record = await this.#record(instanceId);
    const value = record.exposed.get(name);
    return value === undefined ? undefined : revive(value);
  }

  async *deadLetters(): AsyncIterable<DeadLetter> {
    this.#assertRunning();
    for (const letter of [...this.#world.mailboxes.events(DEAD_LETTERS)]) {
      yield {
        id: String(letter.seq),
        address: describeAddress(letter.origin ?? ''),
        payload: decode(letter.payload),
        acceptedAt: letter.at,
      };
    }
  }

  async redeliver(id: string): Promise<Delivery> {
    return this.#deliver('redeliver', id, () => {
      const delivery = this.#supervisor.router.redeliver(Number(id));
      if (delivery === null) throw new UnknownEventError(`of dead letter "${id}"`);
      return delivery;
    });
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
      deadlines: world.deadlines.size,
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
    this.#supervisor.rejectWaiters(new RuntimeStoppedError());
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

  #handle<O>(id: string): Instance<O> {
    return {
      id,
      result: (options = {}) => this.#result<O>(id, options.signal),
      info: async () => toInfo(await this.#record(id)),
      send: (event, payload, options) => this.send(id, event, payload, options),
      cancel: (reason) => this.#cancel(id, reason ?? null),
      terminate: (reason) => this.#terminate(id, reason ?? null),
      retry: () => this.#retry(id),
    };
  }

  /** One record that cannot be read hides no others. */
  #readForList(id: string): InstanceRecord | undefined {
    try {
      return this.#world.store.readInstance(id);
    } catch (error) {
      this.#world.logger.log('error', `The record of instance "${id}" cannot be read, and is left out of the list.`, {
        instanceId: id,
        error,
      });
      return undefined;
    }
  }

  async #cancel(id: string, reason: string | null): Promise<void> {
    await this.#ask('cancel', id, () => {
      const slot = this.#slot(id);
      if (slot.status === 'cancelled') return;
      if (!slot.isActive) throw new InstanceEndedError(id, slot.status);
      if (!this.#supervisor.instances.cancel(slot, reason)) throw new InstanceStuckError(id, slot.stuck?.message ?? 'unknown');
    });
  }

  async #terminate(id: string, reason: string | null): Promise<void> {
    await this.#ask('terminate', id, () => {
      const slot = this.#slot(id);
      if (slot.status === 'cancelled') return;
      if (!slot.isActive) throw new InstanceEndedError(id, slot.status);
      this.#supervisor.instances.terminate(slot, new TerminatedError(reason));
    });
  }

  async #retry(id: string): Promise<void> {
    const { instances, consequences } = this.#supervisor;
    await this.#ask('retry', id, () => {
      const slot = this.#slot(id);
      if (slot.stuck === null) throw new InstanceNotStuckError(id, slot.shownStatus);
      instances.retry(slot);
      consequences.afterwards(slot);
    });
  }

  async #result<O>(id: string, signal: AbortSignal | undefined): Promise<O> {
    signal?.throwIfAborted();
    this.#assertRunning();
    const slot = this.#slot(id);
    if (!slot.isActive && slot.uncommitted === 0) return this.#endOf<O>(await this.#record(id));
    return new Promise<O>((resolve, reject) => {
      const onAbort = (): void => {
        slot.waiters = slot.waiters?.filter((candidate) => candidate !== waiter) ?? null;
        reject(signal?.reason as Error);
      };
      const waiter = {
        ended: (status: string, text: string): void => {
          signal?.removeEventListener('abort', onAbort);
          if (status === 'completed') resolve(decode(text) as O);
          else reject(new WorkflowFailedError(id, slot.workflow, decode(text) as ErrorData));
        },
        reject: (error: unknown): void => {
          signal?.removeEventListener('abort', onAbort);
          reject(error as Error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      slot.waiters ??= [];
      slot.waiters.push(waiter);
    });
  }

  #endOf<O>(record: InstanceRecord): O {
    if (record.status === 'completed') return revive(record.output) as O;
    throw new WorkflowFailedError(record.id, record.workflow, revive(record.error) as ErrorData);
  }

  /** The committed record of an instance, once its beginning is on disk. */
  async #record(id: string): Promise<InstanceRecord> {
    this.#assertRunning();
    const slot = this.#slot(id);
    if (slot.uncommitted > 0 && this.#world.store.readInstance(id) === undefined)
      await new Promise<void>((resolve, reject) => this.#world.committer.barrier({ resolve, reject }));
    const record = this.#world.store.readInstance(id);
    if (record === undefined) throw new InstanceNotFoundError(id);
    return record;
  }

  #slot(id: string): Slot {
    const slot = this.#world.slots.get(id);
    if (slot === undefined) throw new InstanceNotFoundError(id);
    return slot;
  }

  #assertSameStart(slot: Slot, workflow: string, inputText: string): void {
    if (slot.workflow !== workflow) throw new InstanceConflictError(slot.id, 'workflow');
    const known = slot.inputText === null ? this.#world.store.readInstance(slot.id)?.input : (JSON.parse(slot.inputText) as Json);
    if (known === undefined || !isSameValue(revive(known), decode(inputText))) throw new InstanceConflictError(slot.id, 'input');
  }

  /** Encodes in the call itself (C3): what the caller changes later is not seen. Only an asynchronous schema makes it wait. */
  #toMail(event: AnyEvent, payload: unknown, id: string | undefined): Mail | Promise<Mail> {
    const { name, schema, expiryMs } = typeof event === 'string' ? this.#eventByName(event) : toEventDefinition(event);
    const toMail = (text: string): Mail => ({ event: name, payload: text, id: eventId(id), expiryMs, isInner: false });
    const text = encodeChecked(schema, payload, `the payload of event "${name}"`);
    return typeof text === 'string' ? toMail(text) : text.then(toMail);
  }

  #eventByName(name: string): EventDefinition {
    const found = this.#world.options.events.get(name);
    if (found === undefined) throw new UnknownEventError(`"${name}"`);
    return found;
  }

  async #deliver(name: string, target: string, run: () => Delivery): Promise<Delivery> {
    let delivery: Delivery | null = null;
    await this.#ask(name, target, () => {
      delivery = run();
    });
    if (delivery === null) throw new RuntimeStoppedError();
    return delivery;
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

/** `terminate()` is a cancellation that runs nothing. */
class TerminatedError extends CancelledError {
  override readonly code = 'TERMINATED';

  override get name(): string {
    return 'CancelledError';
  }
}

/** What the schema makes of a value, encoded; at once unless the schema is asynchronous. */
function encodeChecked(schema: StandardSchemaV1 | undefined, value: unknown, what: string): string | Promise<string> {
  const checked = validate(schema, value, what);
  return checked instanceof Promise ? checked.then((result) => encode(result, what)) : encode(checked, what);
}
