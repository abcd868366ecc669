// The workflows of the simulation: two interpreters of programs, a durable one and an ephemeral one. What an instance
// sees it keeps in its trail, which it shows and returns.

import {
  activity,
  all,
  allSettled,
  any,
  CancelledError,
  call,
  compensate,
  continueAs,
  type EventType,
  event,
  expose,
  instanceId,
  log,
  now,
  type Operation,
  publish,
  race,
  random,
  receive,
  receiveAny,
  send,
  sleep,
  sleepUntil,
  spawn,
  spawnAfter,
  startChild,
  step,
  timeout,
  uuid,
  type Workflow,
  waitForCallback,
  workflow,
} from '../../src/index.js';
import { toEventId } from './event-account.js';
import { called } from './history.js';
import type { Outside } from './outside.js';
import type { Act, ActOf, Behaviour, EventName, SourceData } from './scenario.js';
import { type Place, runLatch, runPool, runQueue, runSemaphore } from './shared-acts.js';

export interface Input {
  readonly program: number;
  readonly lap: number;
}

/** What an instance has seen, in this lap. */
export interface Seen {
  readonly lap: number;
  readonly trail: readonly string[];
}

interface Payload {
  readonly label: string;
}

/** How long an unclaimed brief waits before it is a dead letter. */
const briefExpiryMs = 5_000;
export const events: Readonly<Record<EventName, EventType<Payload>>> = {
  note: event<Payload>('note'),
  brief: event<Payload>('brief', undefined, { expiresAfter: briefExpiryMs }),
};

export interface Programs {
  readonly durable: Workflow<Input, Seen>;
  readonly ephemeral: Workflow<Input, Seen>;
}

export function createPrograms(outside: Outside): Programs {
  const run = (isEphemeral: boolean) =>
    function* (input: Input): Operation<Seen> {
      const id = yield* instanceId();
      const interpreter = new Interpreter(outside, programs, { id, input, isEphemeral });
      return yield* interpreter.run();
    };
  const programs: Programs = {
    durable: workflow('durable', run(false)),
    ephemeral: workflow({ name: 'ephemeral', durable: false }, run(true)),
  };
  return programs;
}

class Interpreter {
  readonly #outside: Outside;
  readonly #programs: Programs;
  readonly #id: string;
  readonly #input: Input;
  readonly #isEphemeral: boolean;
  readonly #number: number;
  readonly #prefix: string;
  readonly #trail: string[] = [];

  constructor(outside: Outside, programs: Programs, { id, input, isEphemeral }: { id: string; input: Input; isEphemeral: boolean }) {
    this.#outside = outside;
    this.#programs = programs;
    this.#id = id;
    this.#input = input;
    this.#isEphemeral = isEphemeral;
    this.#number = outside.begin(id);
    this.#prefix = `${id}${isEphemeral ? `e${this.#number}` : ''}~${input.lap}`;
  }

  *run(): Operation<Seen> {
    const program = this.#outside.programs[this.#input.program];
    yield* this.#acts(program?.acts ?? [], '');
    if (this.#input.lap < (program?.laps ?? 0))
      return yield* continueAs({ ...this.#input, lap: this.#input.lap + 1 }, { keepExposed: this.#input.lap % 2 === 0 });
    return this.#seen;
  }

  get #seen(): Seen {
    return { lap: this.#input.lap, trail: [...this.#trail] };
  }

  *#acts(acts: readonly Act[], path: string): Operation<string> {
    let last = 'nothing';
    for (const [index, act] of acts.entries()) last = yield* this.#act(act, `${path}.${index}`);
    return last;
  }

  *#act(act: Act, path: string): Operation<string> {
    this.#outside.assertNewest(this.#id, this.#number);
    let value: string;
    try {
      value = yield* this.#perform(act, path);
    } catch (error) {
      if (act.caught !== true || error instanceof CancelledError) throw error;
      value = `!${error instanceof Error ? error.name : String(error)}`;
    }
    this.#outside.assertNewest(this.#id, this.#number);
    yield* this.#note(path, value);
    return value;
  }

  *#note(path: string, value: string): Operation<void> {
    this.#trail.push(`${path} ${value}`);
    if (this.#outside.programs[this.#input.program]?.shows === true) yield* expose('seen', this.#seen);
  }

  #perform(act: Act, path: string): Operation<string> {
    switch (act.do) {
      case 'step':
      case 'activity':
      case 'fragile':
        return this.#step(act, path);
      case 'receive':
        return this.#receive(act);
      case 'receiveAny':
        return this.#receiveAny(act);
      case 'sleep':
      case 'sleepUntil':
        return this.#sleep(act);
      case 'callback':
        return this.#callback(act, path);
      case 'send':
      case 'publish':
        return this.#sendOut(act, path);
      case 'values':
        return this.#values(path);
      case 'throw':
        return this.#throw(path);
      case 'compensate':
        return this.#compensate(act, path);
      case 'call':
      case 'startChild':
        return this.#child(act, path);
      case 'spawn':
        return this.#spawn(act, path);
      case 'all':
      case 'allSettled':
      case 'race':
      case 'any':
        return this.#group(act, path);
      case 'timeout':
        return this.#timeout(act, path);
      case 'guard':
        return this.#guard(act, path);
      case 'pool':
        return runPool(act, this.#place(path));
      case 'semaphore':
        return runSemaphore(act, this.#place(path));
      case 'queue':
        return runQueue(act, this.#place(path));
      case 'latch':
        return runLatch(act, this.#place(path));
    }
  }

  #place(path: string): Place {
    return { outside: this.#outside, id: this.#id, run: (acts, name) => this.#acts(acts, `${path}.${name}`) };
  }

  /** What it does in the world is told apart by it. With `@`, an ephemeral instance does it. */
  #label(path: string): string {
    return `${this.#prefix}${path}${this.#isEphemeral ? '@' : ''}`;
  }

  *#step(act: ActOf<'step' | 'activity' | 'fragile'>, path: string): Operation<string> {
    const label = this.#label(path);
    const options = toStepOptions(act.how);
    if (act.do === 'activity') {
      const work = activity('work', (given: { label: string }, context) => this.#outside.attempt(given.label, act.how, context), options);
      return String(yield* work({ label }));
    }
    const name = act.do === 'fragile' && this.#outside.isChanged(this.#id, label) ? 'other' : 'usual';
    return String(yield* step(name, (context) => this.#outside.attempt(label, act.how, context), options));
  }

  *#receive({ from, timeoutMs }: ActOf<'receive'>): Operation<string> {
    const before = yield* now();
    try {
      const options = { ...(from.key !== undefined && { key: from.key }), ...(timeoutMs !== undefined && { timeout: timeoutMs }) };
      return this.#given(yield* receive(events[from.event], options));
    } catch (error) {
      if (timeoutMs !== undefined && isNamed(error, 'TimeoutError')) yield* this.#checkTime(before + timeoutMs, 'a receive');
      throw error;
    }
  }

  *#receiveAny({ from, timeoutMs }: ActOf<'receiveAny'>): Operation<string> {
    const sources = Object.fromEntries(from.map((source, index) => [`from${index}`, toSource(source)]));
    const any = yield* timeout(timeoutMs, receiveAny(sources), { orElse: null });
    return any === null ? 'nothing came' : `${any.key} ${this.#given(any.value)}`;
  }

  #given({ label }: Payload): string {
    if (this.#isEphemeral) this.#outside.gaveToEphemeral(label);
    return label;
  }

  *#sleep({ do: kind, ms }: ActOf<'sleep' | 'sleepUntil'>): Operation<string> {
    const until = (yield* now()) + ms;
    if (kind === 'sleep') yield* sleep(ms);
    else yield* sleepUntil(until);
    yield* this.#checkTime(until, kind);
    return 'slept';
  }

  *#checkTime(dueAt: number, what: string): Operation<void> {
    const at = yield* now();
    if (at < dueAt) this.#outside.broken('D5', `${what} of ${this.#id} was over at ${at}, and due at ${dueAt}`);
  }

  *#callback({ how, timeoutMs }: ActOf<'callback'>, path: string): Operation<string> {
    const label = this.#label(path);
    const submit = (token: string, context: Parameters<Outside['attempt']>[2]): unknown => {
      this.#outside.submitted(label, token);
      return this.#outside.attempt(`${label}!`, how, context);
    };
    const given = yield* waitForCallback<Payload>('answer', submit, timeoutMs === undefined ? {} : { timeout: timeoutMs });
    return given.label;
  }

  *#sendOut(act: ActOf<'send' | 'publish'>, path: string): Operation<string> {
    const label = this.#label(path);
    const options = act.hasId === true ? { id: toEventId(label) } : {};
    const times = act.hasId === true && act.twice === true ? 2 : 1;
    const told: string[] = [];
    for (let time = 0; time < times; time += 1) {
      const delivery =
        act.do === 'send'
          ? yield* send(act.to, events[act.event], { label }, options)
          : yield* publish(events[act.event], act.key, { label }, options);
      told.push(delivery.status);
    }
    if (told[1] !== undefined && told[1] !== 'duplicate')
      this.#outside.broken('D2', `${label} was sent twice with one id, and was ${told}`);
    return told.join(' ');
  }

  *#values(path: string): Operation<string> {
    log.info('values', { path });
    const at = yield* now();
    const number = yield* random();
    return `${at} ${number} ${yield* uuid()} ${yield* instanceId()}`;
  }

  *#throw(path: string): Operation<string> {
    throw new Error(`thrown at ${path}`);
  }

  *#compensate({ acts }: ActOf<'compensate'>, path: string): Operation<string> {
    yield* compensate(() => this.#acts(acts, `${path}.undo`));
    return 'noted';
  }

  *#child(act: ActOf<'call' | 'startChild'>, path: string): Operation<string> {
    const input = { program: act.program, lap: 0 };
    const target = act.isEphemeral ? this.#programs.ephemeral : this.#programs.durable;
    if (act.do === 'call') return lastOf(yield* call(target, input, { id: toCalledId(this.#prefix, path) }));
    const id = `${this.#prefix}${path}`;
    const child = yield* startChild(target, input, { id });
    yield* this.#acts(act.between, `${path}.between`);
    return act.waits ? lastOf(yield* child.result()) : child.id;
  }

  *#spawn({ acts, between, then, afterMs }: ActOf<'spawn'>, path: string): Operation<string> {
    const body = (): Operation<string> => this.#acts(acts, `${path}.task`);
    const task = afterMs === undefined ? yield* spawn(body) : yield* spawnAfter(afterMs, body);
    yield* this.#acts(between, `${path}.between`);
    if (then === 'cancel') yield* task.cancel('not needed');
    if (then === 'join') return yield* task.join();
    return then;
  }

  *#group({ do: kind, branches }: ActOf<'all' | 'allSettled' | 'race' | 'any'>, path: string): Operation<string> {
    const operations = branches.map((acts, index) => this.#acts(acts, `${path}.${index}`));
    switch (kind) {
      case 'all':
        return (yield* all(operations)).join('+');
      case 'allSettled':
        return (yield* allSettled(operations)).map(({ status }) => status).join('+');
      case 'race':
        return yield* race(operations);
      case 'any':
        return yield* any(operations);
    }
  }

  *#timeout({ ms, acts, hasElse }: ActOf<'timeout'>, path: string): Operation<string> {
    const inner = this.#acts(acts, `${path}.in`);
    return yield* hasElse ? timeout(ms, inner, { orElse: 'too late', name: 'patience' }) : timeout(ms, inner);
  }

  *#guard({ acts, cleanup, swallows }: ActOf<'guard'>, path: string): Operation<string> {
    try {
      return yield* this.#acts(acts, `${path}.in`);
    } catch (error) {
      if (!swallows) throw error;
      return 'swallowed';
    } finally {
      yield* this.#acts(cleanup, `${path}.finally`);
    }
  }
}

function toStepOptions({ attempts, delayMs, timeoutMs }: Behaviour) {
  return {
    retry: attempts === undefined ? (false as const) : { attempts, delay: delayMs ?? 0 },
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
  };
}

function toSource({ event: name, key }: SourceData) {
  return key === undefined ? events[name] : { event: events[name], key };
}

/** Whoever is called is cancelled when its caller waits no more. */
function toCalledId(prefix: string, path: string): string {
  return `${prefix}${path}.${called}`;
}

function lastOf({ lap, trail }: Seen): string {
  return `${lap}:${trail.at(-1) ?? ''}`;
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
