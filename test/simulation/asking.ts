// What the outside asks of the runtime, and what it makes of the answers: each promise settles, with a value that is
// on disk or with an error that it may have.

import type { RuntimeCore } from '../../src/actors/runtime.js';
import { type Delivery, type Instance, RouseError, WorkflowFailedError } from '../../src/index.js';
import { directAddress, keyedAddress } from '../../src/runtime/addresses.js';
import { revive } from '../../src/runtime/codec.js';
import { Broken } from './broken.js';
import { toEventId } from './event-account.js';
import type { Call } from './ledger.js';
import { events, type Input } from './programs.js';
import type { Deed } from './scenario.js';
import type { World } from './world.js';

type DeedOf<K extends Deed['do']> = Extract<Deed, { do: K }>;

/** Somebody who waits for an instance's end. */
interface Waiter {
  readonly id: string;
  readonly life: number;
  isTold: boolean;
}

const PADDING = 5_000;
const storeCodes = ['STORE_FULL', 'STORE_WRITE', 'STORE_FAILED'];

export class Asking {
  readonly waiters: Waiter[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  start({ id, program, isEphemeral, again }: DeedOf<'start'>): void {
    const input: Input = { program, lap: again === 'other' ? 1 : 0 };
    const { durable, ephemeral } = this.#world.workflows;
    const start = (core: RuntimeCore): Promise<Instance<unknown>> => core.start(isEphemeral ? ephemeral : durable, input, { id });
    this.#ask(`start ${id} with program ${program}`, { run: start, codes: ['INSTANCE_CONFLICT'] }, (instance) => {
      if (!isEphemeral) {
        const record = this.#world.history.records.get(id);
        if (record === undefined) throw new Broken('D8', `the start of ${id} was acknowledged, and is not on disk`);
        const first = record.firstInput as unknown as Input;
        if (first.program !== input.program || first.lap !== input.lap)
          throw new Broken('D8', `the start of ${id} was acknowledged, and it was started with another input`);
      }
      this.#await(instance);
    });
  }

  send({ to, event, label, hasId }: DeedOf<'send'>): void {
    const address = directAddress(event, to);
    const run = (core: RuntimeCore) => core.send(to, events[event], toPayload(label), hasId === true ? { id: toEventId(label) } : {});
    const call = this.#ask(`send ${label} to ${to}`, { run, codes: ['INSTANCE_NOT_FOUND', 'INSTANCE_ENDED'] }, (delivery) =>
      this.#accepted(label, address, delivery),
    );
    this.#world.ledger.send(label, address, call);
  }

  publish({ key, event, label, hasId }: DeedOf<'publish'>): void {
    const address = keyedAddress(event, key);
    const run = (core: RuntimeCore) => core.publish(events[event], key, toPayload(label), hasId === true ? { id: toEventId(label) } : {});
    const call = this.#ask(`publish ${label} under ${key}`, { run, codes: [] }, (delivery) => this.#accepted(label, address, delivery));
    this.#world.ledger.send(label, address, call);
  }

  answer({ do: kind, which, label }: DeedOf<'complete' | 'reject'>): void {
    const { callbacks } = this.#world.ledger;
    const callback = callbacks[which % Math.max(1, callbacks.length)];
    if (callback === undefined) return;
    const isEphemeral = callback.label.includes('@');
    const run = (core: RuntimeCore): Promise<void> =>
      kind === 'complete' ? core.complete(callback.token, { label }) : core.reject(callback.token, new Error(label));
    const codes = (): string[] => ['TOKEN_USED', 'INSTANCE_STUCK', ...(isEphemeral || callback.isForgotten ? ['TOKEN_UNKNOWN'] : [])];
    const call = this.#ask(`${kind} ${callback.label} with ${label}`, { run, codes }, () => {
      if (isEphemeral) return;
      if (!this.#world.history.answers.has(label))
        throw new Broken('D2', `answer ${label} to ${callback.label} was acknowledged, and is not on disk`);
      const other = callback.answers.find((answer) => answer.call !== call && answer.call.fate === 'done');
      if (other !== undefined) throw new Broken('D2', `callback ${callback.label} took the answers ${other.payload} and ${label}`);
    });
    callback.answers.push({ payload: label, call });
  }

  cancel(to: string): void {
    const codes = ['INSTANCE_NOT_FOUND', 'INSTANCE_ENDED', 'INSTANCE_STUCK'];
    this.#ask(`cancel ${to}`, { run: (core) => core.instance(to).cancel('enough'), codes }, () => {
      const record = this.#world.history.records.get(to);
      const isCancelled =
        record === undefined || record.status !== 'active' || record.cancelAsked !== null || this.#world.history.cancelled.has(to);
      if (!isCancelled) throw new Broken('D8', `the cancellation of ${to} was acknowledged, and is not on disk`);
    });
  }

  terminate(to: string): void {
    const codes = ['INSTANCE_NOT_FOUND', 'INSTANCE_ENDED'];
    this.#ask(`terminate ${to}`, { run: (core) => core.instance(to).terminate('at once'), codes }, () => {
      const status = this.#world.history.records.get(to)?.status;
      if (status !== undefined && status !== 'cancelled') throw new Broken('D8', `${to} was terminated, and is ${status} on disk`);
    });
  }

  retry(to: string): void {
    const codes = ['INSTANCE_NOT_FOUND', 'INSTANCE_NOT_STUCK', 'NONDETERMINISM'];
    this.#world.current.forgive(to);
    this.#world.ledger.forgive(to);
    this.#ask(`retry ${to}`, { run: (core) => core.instance(to).retry(), codes }, () => {
      if (this.#world.history.records.get(to)?.stuck != null && !this.#world.changed.has(to))
        throw new Broken('D8', `the retry of ${to} was acknowledged, and it is stuck on disk`);
    });
  }

  redeliver(): void {
    const first = async (core: RuntimeCore): Promise<Delivery | null> => {
      for await (const letter of core.deadLetters()) return core.redeliver(letter.id);
      return null;
    };
    this.#ask('redeliver', { run: first, codes: ['UNKNOWN_EVENT'] }, (delivery) =>
      this.#world.trace.add(`  redelivered: ${delivery?.status}`),
    );
  }

  /** Whoever knows an instance asks again for its result after each crash. */
  awaitAgain(): void {
    for (const id of this.#world.history.records.keys()) this.#await(this.#world.core.instance(id));
  }

  #await(instance: Instance<unknown>): void {
    const waiter: Waiter = { id: instance.id, life: this.#world.life, isTold: false };
    this.waiters.push(waiter);
    instance.result().then(
      (output) => this.#told(waiter, { output }),
      (error: unknown) => this.#told(waiter, { error }),
    );
  }

  #told(waiter: Waiter, end: { output: unknown } | { error: unknown }): void {
    waiter.isTold = true;
    if (waiter.life !== this.#world.life) return;
    const record = this.#world.history.records.get(waiter.id);
    this.#world.watched(() => {
      if ('error' in end && !(end.error instanceof WorkflowFailedError)) {
        this.#judgeError(`the result of ${waiter.id}`, end.error, ['INSTANCE_NOT_FOUND']);
        return;
      }
      // An ephemeral one has none.
      if (record === undefined) return;
      if ('output' in end) {
        if (record.status !== 'completed') throw new Broken('D3', `${waiter.id} gave a result, and is ${record.status} on disk`);
        const stored = JSON.stringify(revive(record.output));
        if (JSON.stringify(end.output) !== stored)
          throw new Broken('D3', `${waiter.id} gave ${JSON.stringify(end.output)}, and has ${stored} on disk`);
        return;
      }
      const { name } = (end.error as WorkflowFailedError).error;
      const stored = revive(record.error) as { name?: string } | null;
      if (record.status === 'active' || record.status === 'completed' || stored?.name !== name)
        throw new Broken('D3', `${waiter.id} ended with ${name}, and is ${record.status} with ${stored?.name} on disk`);
    });
  }

  #accepted(label: string, address: string, { status }: Delivery): void {
    this.#world.trace.add(`  ${label}: ${status}`);
    const { events: account } = this.#world.history;
    if (account.accepted(label) === undefined && !account.wasGivenToEphemeral(label) && !this.#mayBeEphemeral(address))
      throw new Broken('D2', `event ${label} was acknowledged as ${status}, and is not on disk`);
  }

  /** Of what goes to an ephemeral instance there is no record. */
  #mayBeEphemeral(address: string): boolean {
    const target = address.slice(address.indexOf('\n') + 1);
    return address.startsWith('@') && !this.#world.history.records.has(target);
  }

  #ask<T>(
    what: string,
    { run, codes }: { run: (core: RuntimeCore) => Promise<T>; codes: readonly string[] | (() => readonly string[]) },
    done: (value: T) => void,
  ): Call {
    const call = this.#world.ledger.ask(what, this.#world.life);
    run(this.#world.core).then(
      (value) => {
        if (call.fate !== 'pending') return;
        call.fate = 'done';
        this.#world.trace.add(`  done: ${what}`);
        this.#world.watched(() => done(value));
      },
      (error: unknown) => {
        if (call.fate !== 'pending') return;
        call.fate = 'refused';
        call.code = error instanceof RouseError ? error.code : null;
        this.#world.watched(() => this.#judgeError(what, error, typeof codes === 'function' ? codes() : codes));
      },
    );
    return call;
  }

  #judgeError(what: string, error: unknown, codes: readonly string[]): void {
    const code = error instanceof RouseError ? error.code : null;
    this.#world.trace.add(`  refused: ${what}: ${code ?? String(error)}`);
    const { current } = this.#world;
    const allowed = [...codes, ...(current.isStopping ? ['RUNTIME_STOPPED'] : []), ...(current.disk.failed.size > 0 ? storeCodes : [])];
    if (code !== null && allowed.includes(code)) return;
    throw new Broken(
      'D6',
      `${what} was refused with ${error instanceof Error ? `${error.name} ${code}: ${error.message}` : String(error)}`,
    );
  }
}

/** Some are so large that what is written with them goes over the pages of a disk. */
function toPayload(label: string): { label: string; padding?: string } {
  const number = Number(/\d+$/.exec(label)?.[0] ?? 0);
  return number % 6 === 5 ? { label, padding: '.'.repeat(PADDING) } : { label };
}
