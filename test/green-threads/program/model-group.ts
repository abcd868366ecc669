// The model's groups: all, allSettled, race, any and timeout.
//
// The rules:
//   U1. A group decides once; the members that remain are then cancelled and waited for, and only then whoever waits
//       for the group goes on, before all others that are ready.
//   U2. An error of a member that was being cancelled takes the place of a good decision, or of a cancellation.

import type { Operation } from '../../../src/index.js';
import type { ModelScheduler } from './model-scheduler.js';
import { type Answer, asking, bad, type End, good, type ModelTask, modelError } from './model-task.js';
import type { ModelTime } from './model-time.js';
import type { Members, Operations } from './operations.js';

type Policy = 'all' | 'allSettled' | 'race' | 'any';

/** The operations that make groups. */
export function groupOperations(scheduler: ModelScheduler, time: ModelTime): Pick<Operations, Policy | 'timeout'> {
  const of =
    (policy: Policy) =>
    (members: Members): Operation<unknown> => {
      const group = new ModelGroup(scheduler, policy, Array.isArray(members) ? null : Object.keys(members));
      return group.asked(() => {
        for (const member of Object.values(members) as Operation<unknown>[]) scheduler.start(group.add(() => member));
      });
    };
  return {
    all: of('all'),
    allSettled: of('allSettled'),
    race: of('race'),
    any: of('any'),
    timeout: (ms, member, options) => {
      const group = new ModelGroup(scheduler, 'race', null);
      return group.asked(() => {
        const late = options === undefined ? bad(modelError('TimeoutError')) : good(options.orElse);
        const deadline = time.after(ms, () => group.decide(late));
        group.whenDecided = () => time.drop(deadline);
        scheduler.start(group.add(() => member));
      });
    },
  };
}

export class ModelGroup {
  readonly #scheduler: ModelScheduler;
  readonly #policy: Policy;
  readonly #keys: readonly string[] | null;
  readonly #ends: End[] = [];
  readonly #members = new Set<ModelTask>();
  /** Told when it has decided: what stands beside the members is to go. */
  whenDecided: () => void = () => {};
  /** Whether members may still come. */
  isOpen = false;
  #parent: ModelTask | null = null;
  #count = 0;
  #decision: Answer | null = null;
  #isLeft = false;
  #hasBegun = false;

  constructor(scheduler: ModelScheduler, policy: Policy, keys: readonly string[] | null) {
    this.#scheduler = scheduler;
    this.#policy = policy;
    this.#keys = keys;
  }

  /** The wait of whoever asks for the group; the group begins with it. */
  asked<T>(begin: () => void): Operation<T> {
    return asking({
      what: this.#policy,
      isUrgent: true,
      attempt: (task) => {
        if (!this.#hasBegun) {
          this.#hasBegun = true;
          this.#parent = task;
          begin();
          this.decideAtEnd();
        }
        return this.#members.size === 0 ? this.#decision : null;
      },
      leave: (error) => this.#leave(error),
    });
  }

  add(body: () => Operation<unknown>): ModelTask {
    const index = this.#count++;
    const member = this.#scheduler.create(body, { scope: null, above: this.#parent, isMember: true });
    this.#members.add(member);
    member.whenOver.push((end) => this.#memberEnded(member, index, end));
    return member;
  }

  #leave(error: unknown): boolean {
    if (this.#decision === null) {
      this.#isLeft = true;
      this.decide(bad(error));
    } else if (this.#parent !== null) {
      this.#parent.pendingError = { error };
    }
    return true;
  }

  decide(answer: Answer): void {
    if (this.#decision !== null) return;
    this.#decision = answer;
    this.whenDecided();
    for (const member of [...this.#members]) this.#scheduler.cancel(member);
  }

  /** When all members that it will ever have have ended. */
  decideAtEnd(): void {
    if (this.#members.size > 0 || this.isOpen) return;
    if (this.#policy === 'any')
      this.decide(bad(modelError('AllFailedError', { errors: this.#ends.map(({ answer }) => valueOrError(answer)) })));
    else this.decide(good(this.#collected()));
  }

  #memberEnded(member: ModelTask, index: number, end: End): void {
    this.#members.delete(member);
    this.#ends[index] = end;
    if (this.#decision !== null) {
      if (end.status === 'failed' && (this.#decision.ok || this.#isLeft)) this.#decision = end.answer;
      return;
    }
    if (this.#decidesWith(end.answer))
      this.decide(this.#policy === 'race' || this.#policy === 'any' ? this.#keyed(index, end.answer) : end.answer);
    else this.decideAtEnd();
  }

  #decidesWith({ ok }: Answer): boolean {
    if (this.#policy === 'race') return true;
    return this.#policy === 'any' ? ok : this.#policy !== 'allSettled' && !ok;
  }

  #keyed(index: number, answer: Answer): Answer {
    return this.#keys === null || !answer.ok ? answer : good({ key: this.#keys[index], value: answer.value });
  }

  #collected(): unknown {
    const values = this.#ends.map(({ answer }) => (this.#policy === 'allSettled' ? settled(answer) : valueOrError(answer)));
    const keys = this.#keys;
    return keys === null ? values : Object.fromEntries(values.map((value, index) => [keys[index], value]));
  }
}

function settled(answer: Answer): unknown {
  return answer.ok ? { status: 'fulfilled', value: answer.value } : { status: 'rejected', reason: answer.error };
}

function valueOrError(answer: Answer): unknown {
  return answer.ok ? answer.value : answer.error;
}
