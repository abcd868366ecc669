// A scenario from a seed.

import { Dice } from '../kill/dice.js';
import { generatePrograms, type Places, pick } from './generate-programs.js';
import type { Deed, DiskFault, EventName, Scenario } from './scenario.js';

type Kind = Deed['do'];

const KINDS: readonly (readonly [Kind, number])[] = [
  ['start', 8],
  ['send', 10],
  ['publish', 8],
  ['complete', 5],
  ['reject', 2],
  ['cancel', 2],
  ['terminate', 1],
  ['retry', 1],
  ['break', 2],
  ['mend', 2],
  ['redeliver', 1],
  ['look', 1],
  ['advance', 12],
  ['setClock', 1],
  ['kill', 3],
  ['cutPower', 3],
  ['stop', 2],
  ['fault', 2],
  ['mendDisk', 1],
];
const always = new Set<Kind>(['start', 'send', 'publish', 'advance', 'complete']);

export function generate(seed: number): Scenario {
  const dice = new Dice(seed);
  const instances = Array.from({ length: 2 + dice.below(4) }, (_, number) => `i${number}`);
  const places: Places = { instances, keys: ['k0', 'k1', 'k2'].slice(0, 1 + dice.below(3)) };
  const programs = generatePrograms(dice.part(1), places);
  const passivateAfterMs = pick(dice, [0, 20, 1_000, 30_000] as const);
  return {
    seed,
    logBytesMin: pick(dice, [2_048, 8_192, 32_768, 8_388_608] as const),
    passivateAfterMs,
    maxResident: pick(dice, [0, 1, 3, 100] as const),
    programs,
    deeds: new Deeds(dice.part(2), places, programs.length).generate(),
    isLong: dice.chance(0.3),
  };
}

/** What was sent once, to be sent again. */
interface Sent {
  readonly deed: Deed;
}

class Deeds {
  readonly #dice: Dice;
  readonly #places: Places;
  readonly #programs: number;
  readonly #enabled: readonly (readonly [Kind, number])[];
  /** What can be done again: it has an id. */
  readonly #repeatable: Sent[] = [];
  readonly #started = new Map<string, { program: number; isEphemeral: boolean }>();
  #labels = 0;

  constructor(dice: Dice, places: Places, programs: number) {
    this.#dice = dice;
    this.#places = places;
    this.#programs = programs;
    this.#enabled = KINDS.filter(([kind]) => always.has(kind) || dice.chance(0.6));
  }

  generate(): Deed[] {
    const first = this.#places.instances.slice(0, 1 + this.#dice.below(2)).map((id) => this.#start(id));
    const deeds = [...first];
    for (let left = 8 + this.#dice.below(28); left > 0; left -= 1) {
      if (this.#dice.chance(0.015)) deeds.push(...this.#story());
      else deeds.push(this.#deed());
    }
    return this.#dice.chance(0.05) ? [...deeds, ...this.#storm()] : deeds;
  }

  /** What seldom comes together by chance. */
  #story(): Deed[] {
    const dice = this.#dice;
    const now = (deed: object, turns: number | 'rest' = dice.below(8)): Deed => ({ ...deed, turns, seed: dice.below(2 ** 30) }) as Deed;
    const id = pick(dice, this.#places.instances);
    const some = (): Deed[] => [this.#new('publish'), this.#new('send')].map((deed) => now(deed));
    switch (dice.below(3)) {
      case 0:
        // A sync fails, the machine goes on, and the power goes later.
        return [
          now({ do: 'fault', fault: { call: 'sync', code: 'EIO', after: dice.below(2), times: 1 } }, 0),
          ...some(),
          now({ do: 'look' }, 'rest'),
          ...some(),
          now({ do: 'look' }, 'rest'),
          now({ do: 'cutPower', early: [] }),
        ];
      case 1:
        // Code is changed under a sleeper, which is then roused, and put right again.
        return [
          now({ do: 'break', to: id }),
          now({ do: pick(dice, ['kill', 'stop'] as const), early: [], graceMs: 0 }),
          ...some(),
          now({ do: 'advance', ms: 100 }),
          now({ do: 'mend', to: id }),
          now({ do: 'retry', to: id }),
        ];
      default:
        // Killed and opened again, acknowledged what it found, and then without power.
        return [...some(), now({ do: 'kill', early: [] }), ...some(), now({ do: 'look' }, 'rest'), now({ do: 'cutPower', early: [] })];
    }
  }

  /** Crash upon crash, until steps in flight are held to be the cause of it. */
  #storm(): Deed[] {
    const kind = this.#dice.chance(0.5) ? 'kill' : 'cutPower';
    return Array.from({ length: 8 + this.#dice.below(6) }, () => ({ do: kind, early: [], ...this.#when() }));
  }

  /** In the same turn as what comes next, a few turns before it, or a rest. */
  #when(): { turns: number | 'rest'; seed: number } {
    const turns = this.#dice.chance(0.25) ? 'rest' : this.#dice.chance(0.3) ? 0 : 1 + this.#dice.below(12);
    return { turns, seed: this.#dice.below(2 ** 30) };
  }

  #deed(): Deed {
    const again = this.#dice.chance(0.1) ? this.#repeatable[this.#dice.below(this.#repeatable.length)] : undefined;
    if (again !== undefined) return { ...again.deed, ...this.#when() };
    const deed = this.#new(this.#kind());
    if ((deed.do === 'send' || deed.do === 'publish') && deed.hasId === true) this.#repeatable.push({ deed });
    return deed;
  }

  #kind(): Kind {
    let at = this.#dice.below(this.#enabled.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [kind, weight] of this.#enabled) {
      at -= weight;
      if (at < 0) return kind;
    }
    return 'advance';
  }

  #new(kind: Kind): Deed {
    const dice = this.#dice;
    const { instances, keys } = this.#places;
    const when = this.#when();
    switch (kind) {
      case 'start':
        return this.#start(pick(dice, instances));
      case 'send':
        return { do: kind, to: pick(dice, instances), event: this.#event(), ...this.#labelled(), ...when };
      case 'publish':
        return { do: kind, key: pick(dice, keys), event: this.#event(), ...this.#labelled(), ...when };
      case 'complete':
      case 'reject':
        return { do: kind, which: dice.below(8), label: this.#label('answer'), ...when };
      case 'cancel':
      case 'terminate':
      case 'retry':
      case 'break':
      case 'mend':
        return { do: kind, to: pick(dice, instances), ...when };
      case 'redeliver':
      case 'look':
      case 'mendDisk':
        return { do: kind, ...when };
      case 'advance':
        return { do: kind, ms: pick(dice, [1, 10, 50, 100, 100, 500, 2_000, 10_000, 60_000, 86_400_000] as const), ...when };
      case 'setClock':
        return { do: kind, ms: pick(dice, [-86_400_000, -3_600_000, -100, 100, 3_600_000, 86_400_000] as const), ...when };
      case 'kill':
      case 'cutPower':
        return { do: kind, early: this.#early(), ...when };
      case 'stop':
        return { do: kind, graceMs: pick(dice, [0, 10, 5_000] as const), ...when };
      case 'fault':
        return { do: kind, fault: this.#fault(), ...when };
    }
  }

  #start(id: string): Deed {
    const known = this.#started.get(id);
    const when = this.#when();
    if (known !== undefined) return { do: 'start', id, ...known, again: this.#dice.chance(0.7) ? 'same' : 'other', ...when };
    const started = { program: this.#dice.below(this.#programs), isEphemeral: this.#dice.chance(0.15) };
    this.#started.set(id, started);
    return { do: 'start', id, ...started, ...when };
  }

  #labelled(): { label: string; hasId?: boolean } {
    const label = this.#label('event');
    return this.#dice.chance(0.5) ? { label, hasId: true } : { label };
  }

  #label(what: string): string {
    this.#labels += 1;
    return `${what}${this.#labels}`;
  }

  #event(): EventName {
    return this.#dice.chance(0.7) ? 'note' : 'brief';
  }

  #early(): number[] {
    return this.#dice.chance(0.3) ? Array.from({ length: 1 + this.#dice.below(3) }, () => this.#dice.below(60)) : [];
  }

  #fault(): DiskFault {
    const dice = this.#dice;
    const call = pick(dice, ['write', 'write', 'write', 'sync', 'truncate', 'open', 'rename', 'syncDirectory', 'remove', 'any'] as const);
    const code = pick(dice, ['EIO', 'ENOSPC', 'ENOSPC', 'EMFILE', 'EACCES'] as const);
    const written = call === 'write' && dice.chance(0.5) ? { written: dice.below(400) } : {};
    return { call, code, after: dice.below(6), times: dice.chance(0.7) ? 1 : 1 + dice.below(8), ...written };
  }
}
