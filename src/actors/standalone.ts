// The host of an instance actor that runs by itself under createActor: its own steps, timers and mailboxes, and a
// record in memory that getPersistedSnapshot gives. Every turn counts as committed at once.

import type { ActorScope } from 'xstate';
import { directAddress, keyedAddress, sourceAddress } from '../runtime/addresses.js';
import { textOfCarried } from '../runtime/carried.js';
import { decode, encode, revive } from '../runtime/codec.js';
import { type AnyEvent, EventDefinition, type WorkflowDefinition } from '../runtime/definitions.js';
import type { Delivery } from '../runtime/effects.js';
import { DefinitionError } from '../runtime/errors.js';
import type { Execution } from '../runtime/execution.js';
import { MailboxMap } from '../runtime/mailbox-map.js';
import type { EffectOf } from '../runtime/operation.js';
import type { Ids, LogLevel, Timer, Timers } from '../runtime/ports.js';
import {
  foldInstance,
  type InstanceDelta,
  type InstanceRecord,
  type Json,
  type Request,
  requestKey,
  toBaseDelta,
} from '../runtime/record.js';
import { validateSync } from '../runtime/schema.js';
import { nextDelayMs } from '../runtime/step-options.js';
import type { TurnDelta } from '../runtime/turn-delta.js';
import type { ForgottenYieldError } from '../runtime/workflow-errors.js';
import { type InstanceHost, InstanceProcess, locateForgotten } from './instance-process.js';
import { isStep } from './slot.js';
import { type AttemptOwner, type AttemptResult, StepRunner } from './step-runner.js';
import type { WorkflowActorEvent, WorkflowSnapshot } from './workflow-actor.js';

type Scope = ActorScope<WorkflowSnapshot<unknown>, WorkflowActorEvent>;

/** XState's clock, of the actor's system: real by default, simulated in tests. */
interface SystemClock {
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
  now?(): number;
}

/** What an actor by itself takes from outside besides XState's clock, which knows no time of day. */
export interface StandalonePorts {
  readonly ids: Ids;
  readonly now: () => number;
}

/** The actor, and its ports. */
export interface StandalonePlace {
  readonly scope: Scope;
  readonly ports: StandalonePorts;
}

export interface StandaloneRecord {
  readonly id: string;
  readonly record: InstanceDelta;
  readonly events: readonly [address: string, payload: string][];
}

export class StandaloneHost implements InstanceHost, AttemptOwner {
  readonly strict = true;
  readonly isEphemeral = false;
  readonly isOver = false;
  generation = 0;
  readonly #scope: Scope;
  readonly #id: string;
  readonly #ids: Ids;
  readonly #clock: Timers;
  readonly #runner: StepRunner;
  readonly #mailboxes = new MailboxMap();
  readonly #timers = new Map<string, Timer>();
  /** Attempts of each step that have failed. */
  readonly #failed = new Map<string, number>();
  /** Attempts under way. */
  attempts: AttemptOwner['attempts'] = null;
  #deltas: string[] = [];
  #beginText: string | null = null;
  #process: InstanceProcess | null = null;
  #seq = 0;

  private constructor({ scope, ports }: StandalonePlace, id: string) {
    this.#scope = scope;
    this.#id = id;
    this.#ids = ports.ids;
    this.#clock = toClock((scope.self as unknown as { clock: SystemClock }).clock, ports.now);
    this.#runner = new StepRunner(this.#clock);
  }

  static begin(workflow: WorkflowDefinition, input: unknown, place: StandalonePlace): InstanceProcess {
    const what = `the input of workflow "${workflow.name}"`;
    const inputText = encode(validateSync(workflow.input, input, what), what);
    const host = new StandaloneHost(place, place.scope.id);
    host.#beginText = `[${JSON.stringify(workflow.name)},${workflow.version},${inputText},0,0]`;
    host.#process = new InstanceProcess(host.#id, workflow, host, decode(inputText));
    return host.#process;
  }

  static restore(workflow: WorkflowDefinition, persisted: unknown, place: StandalonePlace): InstanceProcess {
    const { id, record: delta, events } = persisted as StandaloneRecord;
    const host = new StandaloneHost(place, id);
    host.#deltas = [JSON.stringify(delta)];
    for (const [address, payload] of events) host.#put(address, payload);
    const record = host.readRecord();
    if (record === undefined) throw new DefinitionError('The snapshot holds no record of an instance.');
    host.generation = record.generation;
    for (const request of record.pending.values()) host.#seq = Math.max(host.#seq, request.seq);
    if (record.journal.length === 0 && record.pending.size === 0) {
      // It was persisted before it was started: there is no turn to replay.
      host.#deltas = [];
      host.#beginText = JSON.stringify(delta.n);
      host.#process = new InstanceProcess(id, workflow, host, revive(record.input));
      return host.#process;
    }
    host.#process = InstanceProcess.restore(record, workflow, host);
    return host.#process;
  }

  /** Begins the first turn, or arms what a restored snapshot waits for. */
  start(): void {
    const process = this.#theProcess;
    if (this.#beginText !== null) this.#scope.self.send({ type: 'rouse.begin', at: this.now() });
    else for (const request of process.execution.open.values()) this.#arm(request.data);
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#runner.abortAll('the actor was stopped');
  }

  /** Throws what a turn threw that is not the body's affair. */
  assertSound(): void {
    const fault = this.#process?.fault ?? null;
    if (fault === null) return;
    this.stop();
    throw fault;
  }

  get id(): string {
    return this.#id;
  }

  now(): number {
    return this.#clock.now();
  }

  /** What the outside, and the host itself, send to the actor. */
  told(event: WorkflowActorEvent): void {
    if (event.type === 'rouse.event') this.#receiveOrLog(event.event, event.key ?? null, event.payload);
    if (event.type === 'rouse.match') this.#match(event.address);
    if (event.type === 'rouse.cancel') this.#theProcess.cancel(this.now(), event.reason ?? null);
  }

  // --- what turns need (ExecutionHost)

  random(): number {
    return this.#ids.random();
  }

  uuid(): string {
    return this.#ids.uuid();
  }

  token(): string {
    return this.#ids.token();
  }

  nextSeq(): number {
    return ++this.#seq;
  }

  send(_effect: EffectOf<'send'>): Delivery {
    throw needsRuntime('send');
  }

  publish(_effect: EffectOf<'publish'>): Delivery {
    throw needsRuntime('publish');
  }

  startChild(_effect: EffectOf<'startChild'>): string {
    throw needsRuntime('startChild');
  }

  cancelChild(): void {}

  locateForgotten(execution: Execution, task: number): string | null {
    return locateForgotten(execution, task, this, [this.#withBegin(execution.delta, execution.at)]);
  }

  logForgotten(error: ForgottenYieldError, fields: Readonly<Record<string, unknown>>): void {
    this.log('warn', error.message, fields);
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#scope.logger(`[${level}] ${message}`, fields);
  }

  // --- what becomes of turns (InstanceHost)

  turned(delta: TurnDelta, at: number): void {
    this.#deltas.push(this.#withBegin(delta, at));
    this.#beginText = null;
    if (delta.continuation !== null) this.#continued();
    for (const request of delta.dropped) this.#disarm(request);
    const end = delta.end;
    if (delta.isLast) this.stop();
    else for (const request of delta.added) this.#arm(request);
    this.#scope.self.send({ type: 'rouse.committed', end });
  }

  /** A loop may go on for ever: what is over is let go of. */
  #continued(): void {
    this.generation++;
    this.#failed.clear();
    const record = this.readRecord();
    if (record !== undefined) this.#deltas = [toBaseDelta(record)];
  }

  beginLater(): void {
    this.#scope.self.send({ type: 'rouse.begin', at: this.now() });
  }

  nextFaulted(error: unknown): void {
    this.#theProcess.fault = error;
  }

  requests(): readonly Request[] {
    return [...(this.readRecord()?.pending.values() ?? [])];
  }

  readRecord(): InstanceRecord | undefined {
    return foldInstance(
      this.#id,
      this.#deltas.map((text) => JSON.parse(text) as InstanceDelta),
    );
  }

  persisted(): StandaloneRecord {
    const record = this.readRecord();
    const base =
      record === undefined
        ? { t: this.now(), n: JSON.parse(this.#beginText ?? '[]') as Json }
        : (JSON.parse(toBaseDelta(record)) as InstanceDelta);
    const events: [string, string][] = [];
    for (const { address } of this.#mailboxes.addresses())
      for (const event of this.#mailboxes.events(address)) events.push([address, textOfCarried(event.payload)]);
    return { id: this.#id, record: base, events };
  }

  get #theProcess(): InstanceProcess {
    if (this.#process === null) throw new Error('The host has no process yet.');
    return this.#process;
  }

  #withBegin(delta: TurnDelta, at: number): string {
    return this.#beginText === null ? delta.text(at) : delta.text(at, this.#beginText);
  }

  #arm(request: Request): void {
    const key = requestKey(request.task, request.pos);
    if (isStep(request)) this.#startStep(request, key);
    else if (request.dueAt !== null)
      this.#timers.set(
        key,
        this.#clock.setTimer(request.dueAt, () => this.#settle(key, 'due', 'null')),
      );
    request.sources?.forEach((source, index) => {
      const address = sourceAddress(source, this.#id);
      this.#mailboxes.park({ address, owner: null, instanceId: this.#id, requestKey: key, source: index, seq: request.seq });
      if (this.#mailboxes.count(address) > 0) this.#scope.self.send({ type: 'rouse.match', address });
    });
  }

  #disarm(request: Request): void {
    const key = requestKey(request.task, request.pos);
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    this.#runner.abort(this, request, 'no longer needed');
    request.sources?.forEach((source, index) => {
      this.#mailboxes.unpark({
        instanceId: this.#id,
        address: sourceAddress(source, this.#id),
        owner: null,
        requestKey: key,
        source: index,
        seq: request.seq,
      });
    });
  }

  #settle(key: string, status: 'ok' | 'error' | 'due', text: string): void {
    const request = this.#theProcess.execution.open.get(key);
    if (request === undefined) return;
    this.#disarm(request.data);
    this.#scope.self.send({ type: 'rouse.settle', at: this.now(), key, status, carried: text });
  }

  #startStep(request: Request, key: string): void {
    const effect = this.#theProcess.execution.open.get(key)?.body;
    if (effect === undefined || (effect.kind !== 'step' && effect.kind !== 'activity')) return;
    const attempt = { ...request, attempt: this.#failed.get(key) ?? 0 };
    this.#runner.start({
      owner: this,
      key,
      request: attempt,
      effect,
      done: (_attempt, result) => this.#attempted(key, attempt, effect, result),
    });
  }

  #attempted(key: string, request: Request, effect: EffectOf<'step' | 'activity'>, result: AttemptResult): void {
    if (result.ok) {
      this.#settle(key, 'ok', textOfCarried(result.carried));
      return;
    }
    const failed = request.attempt + 1;
    const delay = nextDelayMs(effect.options, failed, result.error, this.random());
    this.#failed.set(key, failed);
    if (delay === null) this.#settle(key, 'error', textOfCarried(result.carried));
    else
      this.#timers.set(
        key,
        this.#clock.setTimer(this.now() + delay, () => this.#startStep(request, key)),
      );
  }

  #put(address: string, payload: string): void {
    const seq = this.nextSeq();
    this.#mailboxes.put(address, { seq, at: this.now(), payload, id: null, expiresAt: null, origin: null });
    this.#mailboxes.setDurable(address, seq);
  }

  /** XState tells a sender nothing: what cannot be taken is logged, and the actor lives. */
  #receiveOrLog(event: AnyEvent, key: string | null, payload: unknown): void {
    try {
      this.#receive(event, key, payload);
    } catch (error) {
      this.log('error', 'An event was refused.', { error });
    }
  }

  #receive(event: AnyEvent, key: string | null, payload: unknown): void {
    if (!(event instanceof EventDefinition)) throw new DefinitionError('rouse.event takes an event made with event(name).');
    const what = `the payload of event "${event.name}"`;
    const text = encode(validateSync(event.schema, payload, what), what);
    const address = key === null ? directAddress(event.name, this.#id) : keyedAddress(event.name, key);
    this.#put(address, text);
    this.#match(address);
  }

  #match(address: string): void {
    const event = this.#mailboxes.firstEvent(address, { durable: true });
    const receiver = this.#mailboxes.firstReceiver(address);
    const request = receiver === undefined ? undefined : this.#theProcess.execution.open.get(receiver.requestKey);
    if (event === undefined || receiver === undefined || request === undefined) return;
    this.#mailboxes.take(address, event.seq);
    this.#disarm(request.data);
    const text = request.data.kind === 'receiveAny' ? `[${receiver.source},${textOfCarried(event.payload)}]` : event.payload;
    this.#theProcess.settle(this.now(), receiver.requestKey, 'ok', text);
  }
}

function needsRuntime(what: string): DefinitionError {
  return new DefinitionError(`${what}() needs a runtime: a workflow actor by itself knows no other instances. Use createRuntime().`);
}

/** XState's clock knows durations only; far deadlines are approached in steps that a timer can take. */
function toClock(system: SystemClock, realNow: () => number): Timers {
  const now = (): number => system.now?.() ?? realNow();
  return {
    now,
    elapsed: now,
    setTimer(at, fire) {
      let id: unknown;
      const arm = (): void => {
        const left = Math.max(0, at - now());
        id = system.setTimeout(() => (at - now() > 0 ? arm() : fire()), Math.min(Math.ceil(left), 2_000_000_000));
      };
      arm();
      return { cancel: () => system.clearTimeout(id) };
    },
    setDelay(ms, fire) {
      const id = system.setTimeout(fire, ms);
      return { cancel: () => system.clearTimeout(id) };
    },
  };
}
