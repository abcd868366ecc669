// Programs from dice: each scenario uses a part of all effects only, so that few of them meet often.

import type { Dice } from '../kill/dice.js';
import type { Act, Behaviour, EventName, Program, SourceData } from './scenario.js';

type Kind = Act['do'];

const KINDS: readonly (readonly [Kind, number])[] = [
  ['step', 5],
  ['activity', 2],
  ['fragile', 2],
  ['receive', 6],
  ['receiveAny', 4],
  ['sleep', 3],
  ['sleepUntil', 1],
  ['callback', 3],
  ['send', 3],
  ['publish', 3],
  ['values', 1],
  ['throw', 1],
  ['compensate', 1],
  ['call', 2],
  ['startChild', 3],
  ['spawn', 3],
  ['all', 2],
  ['allSettled', 1],
  ['race', 3],
  ['any', 1],
  ['timeout', 3],
  ['guard', 3],
  ['pool', 1],
  ['semaphore', 1],
  ['queue', 1],
  ['latch', 1],
];
const NESTING_MAX = 2;

export interface Places {
  readonly instances: readonly string[];
  readonly keys: readonly string[];
}

export function generatePrograms(dice: Dice, places: Places): Program[] {
  const enabled = KINDS.filter(([kind]) => kind === 'step' || kind === 'receive' || dice.chance(0.5));
  const count = 2 + dice.below(3);
  return Array.from({ length: count }, (_, number) => new Generator(dice.part(number), { enabled, places, number, count }).program());
}

export function pick<T>(dice: Dice, list: readonly [T, ...T[]] | readonly T[]): T {
  const picked = list[dice.below(list.length)];
  if (picked === undefined) throw new Error('There is nothing to pick from.');
  return picked;
}

interface Setting {
  readonly enabled: readonly (readonly [Kind, number])[];
  readonly places: Places;
  readonly number: number;
  readonly count: number;
}

class Generator {
  readonly #dice: Dice;
  readonly #setting: Setting;

  constructor(dice: Dice, setting: Setting) {
    this.#dice = dice;
    this.#setting = setting;
  }

  program(): Program {
    const laps = this.#dice.chance(0.25) ? 1 + this.#dice.below(2) : 0;
    return { acts: this.#acts(2 + this.#dice.below(5), 0), laps, shows: this.#dice.chance(0.6) };
  }

  #acts(count: number, depth: number): Act[] {
    return Array.from({ length: count }, () => ({ ...this.#act(depth), caught: this.#dice.chance(0.8) }) as Act);
  }

  #few(depth: number): Act[] {
    return this.#acts(1 + this.#dice.below(2), depth + 1);
  }

  #branches(depth: number): Act[][] {
    return Array.from({ length: 2 + this.#dice.below(2) }, () => this.#few(depth));
  }

  #kind(depth: number): Kind {
    const { enabled, number, count } = this.#setting;
    const isFlat = depth >= NESTING_MAX;
    const possible = enabled.filter(([kind]) => !(isFlat && isNesting(kind)) && !(number === count - 1 && isParent(kind)));
    let at = this.#dice.below(possible.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [kind, weight] of possible) {
      at -= weight;
      if (at < 0) return kind;
    }
    return 'step';
  }

  #act(depth: number): Act {
    const dice = this.#dice;
    const kind = this.#kind(depth);
    switch (kind) {
      case 'step':
      case 'activity':
      case 'fragile':
        return { do: kind, how: this.#behaviour() };
      case 'receive':
        return { do: kind, from: this.#source(), ...(dice.chance(0.5) && { timeoutMs: this.#ms() }) };
      case 'receiveAny':
        return { do: kind, from: Array.from({ length: 1 + dice.below(3) }, () => this.#source()), timeoutMs: this.#ms() };
      case 'sleep':
      case 'sleepUntil':
        return { do: kind, ms: this.#ms() };
      case 'callback':
        return { do: kind, how: this.#behaviour(), ...(dice.chance(0.5) && { timeoutMs: this.#ms() }) };
      case 'send':
        return { do: kind, to: pick(dice, this.#setting.places.instances), event: this.#event(), ...this.#id() };
      case 'publish':
        return { do: kind, key: pick(dice, this.#setting.places.keys), event: this.#event(), ...this.#id() };
      case 'values':
      case 'throw':
        return { do: kind };
      case 'call':
        return { do: kind, program: this.#child(), isEphemeral: dice.chance(0.3) };
      case 'startChild':
        return { do: kind, program: this.#child(), isEphemeral: dice.chance(0.3), between: this.#few(depth), waits: dice.chance(0.7) };
      default:
        return this.#nesting(kind, depth);
    }
  }

  #nesting(kind: Kind, depth: number): Act {
    const dice = this.#dice;
    switch (kind) {
      case 'compensate':
        return { do: kind, acts: this.#few(depth) };
      case 'spawn': {
        const then = pick(dice, ['join', 'cancel', 'leave'] as const);
        const after = dice.chance(0.3) ? { afterMs: this.#ms() } : {};
        return { do: kind, acts: this.#few(depth), between: this.#few(depth), then, ...after };
      }
      case 'all':
      case 'allSettled':
      case 'race':
      case 'any':
        return { do: kind, branches: this.#branches(depth) };
      case 'timeout':
        return { do: kind, ms: this.#ms(), acts: this.#few(depth), hasElse: dice.chance(0.6) };
      case 'guard':
        return { do: kind, acts: this.#few(depth), cleanup: this.#few(depth), swallows: dice.chance(0.2) };
      case 'pool':
      case 'semaphore':
        return { do: kind, size: 1 + dice.below(2), branches: this.#branches(depth) };
      case 'queue':
        return { do: kind, capacity: dice.below(3), items: 1 + dice.below(4), branches: this.#branches(depth) };
      case 'latch':
        return { do: kind, acts: this.#few(depth), waiters: 1 + dice.below(3) };
      default:
        return { do: 'values' };
    }
  }

  #behaviour(): Behaviour {
    const dice = this.#dice;
    const takes = dice.chance(0.3) ? 'no time' : dice.chance(0.6) ? 'a turn' : dice.chance(0.8) ? this.#ms() : 'for ever';
    return {
      takes,
      ...(dice.chance(0.35) && { fails: 1 + dice.below(3) }),
      ...(dice.chance(0.1) && { isFatal: true }),
      ...(dice.chance(0.7) && { attempts: 1 + dice.below(4), delayMs: dice.below(100) }),
      ...((takes === 'for ever' ? dice.chance(0.8) : dice.chance(0.2)) && { timeoutMs: 1 + this.#ms() }),
    };
  }

  #source(): SourceData {
    const event = this.#event();
    return this.#dice.chance(0.5) ? { event } : { event, key: pick(this.#dice, this.#setting.places.keys) };
  }

  #event(): EventName {
    return this.#dice.chance(0.7) ? 'note' : 'brief';
  }

  #id(): { hasId?: boolean; twice?: boolean } {
    return this.#dice.chance(0.4) ? { hasId: true, twice: this.#dice.chance(0.5) } : {};
  }

  /** Mostly short, of a few lengths, so that deadlines fall together. */
  #ms(): number {
    return pick(this.#dice, [0, 1, 5, 10, 50, 50, 100, 500, 2_000, 60_000] as const);
  }

  /** Of a program behind this one: none calls itself. */
  #child(): number {
    const { number, count } = this.#setting;
    return number + 1 + this.#dice.below(count - number - 1);
  }
}

function isNesting(kind: Kind): boolean {
  return [
    'compensate',
    'startChild',
    'spawn',
    'all',
    'allSettled',
    'race',
    'any',
    'timeout',
    'guard',
    'pool',
    'semaphore',
    'queue',
    'latch',
  ].includes(kind);
}

function isParent(kind: Kind): boolean {
  return kind === 'call' || kind === 'startChild';
}
