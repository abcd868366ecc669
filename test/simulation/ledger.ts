// What the outside knows: what it asked for and what it was told, and which steps it has seen run. Kept by the world,
// which does not crash.

import type { StepContext } from '../../src/index.js';
import { Broken } from './broken.js';

/** What became of a call: `lost` when the process was killed before it said so. */
export type Fate = 'pending' | 'done' | 'refused' | 'lost';

/** Something that was asked of the runtime. */
export interface Call {
  readonly what: string;
  /** The life of the runtime in which it was asked. */
  readonly life: number;
  fate: Fate;
  /** The code of the error that it was refused with. */
  code: string | null;
}

/** An event that the outside has sent, maybe more than once. */
export interface Sent {
  readonly label: string;
  readonly address: string;
  readonly calls: { readonly order: number; readonly call: Call }[];
}

/** A callback as the outside has seen it. */
export interface Submitted {
  readonly label: string;
  readonly token: string;
  /** Its instance is. */
  isForgotten: boolean;
  readonly answers: { readonly payload: string; readonly call: Call }[];
}

/** A step as the outside has seen it. */
interface StepSeen {
  readonly label: string;
  /** What its attempts returned. */
  readonly returned: Set<string>;
  attempts: number;
  /** The attempt that is under way, and its life. */
  underWay: { readonly life: number } | null;
  /** The attempt that came to an outcome last: it is not to run again while that is known. */
  ended: { readonly life: number; readonly attempt: number } | null;
}

export class Ledger {
  readonly calls: Call[] = [];
  readonly sent = new Map<string, Sent>();
  readonly callbacks: Submitted[] = [];
  /** By idempotency key. */
  readonly steps = new Map<string, StepSeen>();
  readonly #keys = new Map<string, string>();
  #values = 0;
  #order = 0;

  ask(what: string, life: number): Call {
    const call: Call = { what, life, fate: 'pending', code: null };
    this.calls.push(call);
    return call;
  }

  /** Of a life that is over nothing will be answered any more. */
  lose(): void {
    for (const call of this.calls) if (call.fate === 'pending') call.fate = 'lost';
    for (const step of this.steps.values()) step.underWay = null;
  }

  send(label: string, address: string, call: Call): void {
    const sent = this.sent.get(label) ?? { label, address, calls: [] };
    this.sent.set(label, sent);
    this.#order += 1;
    sent.calls.push({ order: this.#order, call });
  }

  submit(label: string, token: string): void {
    const known = this.callbacks.find((callback) => callback.label === label && !callback.isForgotten);
    if (known === undefined) this.callbacks.push({ label, token, isForgotten: false, answers: [] });
    else if (known.token !== token) throw new Broken('D4', `callback ${label} was submitted with two tokens`);
  }

  /** An attempt begins. */
  begin(label: string, { idempotencyKey, attempt }: StepContext, life: number): StepSeen {
    // Of an ephemeral instance: the next one of that id is another.
    const key = label.includes('@') ? label : idempotencyKey;
    if ((this.#keys.get(label) ?? key) !== key) throw new Broken('D4', `step ${label} has the keys ${this.#keys.get(label)} and ${key}`);
    this.#keys.set(label, key);
    const step = this.steps.get(key) ?? { label, returned: new Set(), attempts: 0, underWay: null, ended: null };
    this.steps.set(key, step);
    if (step.label !== label) throw new Broken('D4', `the steps ${step.label} and ${label} have the same key ${key}`);
    if (step.underWay !== null) throw new Broken('D4', `two attempts of step ${label} run at once`);
    if (step.ended?.life === life && step.ended.attempt === attempt)
      throw new Broken('D4', `attempt ${attempt} of step ${label} has ended, and runs again`);
    step.underWay = { life };
    step.attempts += 1;
    return step;
  }

  /** An instance was stuck: what its steps came to meanwhile nobody took. */
  forgive(instanceId: string): void {
    for (const [key, step] of this.steps) if (key.startsWith(`${instanceId}/`)) step.ended = null;
  }

  /** An instance is forgotten: the next one of that id is another. */
  forget(instanceId: string): void {
    for (const callback of this.callbacks) if (callback.label.startsWith(`${instanceId}~`)) callback.isForgotten = true;
    for (const [key, { label }] of this.steps) {
      if (!key.startsWith(`${instanceId}/`)) continue;
      this.steps.delete(key);
      this.#keys.delete(label);
    }
  }

  hasRun(label: string): boolean {
    return this.#keys.has(label);
  }

  /** A value that nothing else returns. */
  newValue(label: string): string {
    this.#values += 1;
    return `${label}#${this.#values}`;
  }
}
