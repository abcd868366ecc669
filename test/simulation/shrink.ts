// Makes a scenario that breaks a promise as small as it can while it still breaks the same: parts of it are left out,
// first many at a time, then one by one.

import type { Rule } from './broken.js';
import type { Scenario } from './scenario.js';
import { simulate } from './simulate.js';

type Path = readonly (string | number)[];
type Plain = { [key: string]: Plain } | Plain[] | string | number | boolean | null;

const RUNS_MAX = 1_500;
/** Lists whose items can be left out. Programs are named by their place: they stay, empty. */
const lists = new Set(['deeds', 'acts', 'branches', 'between', 'cleanup', 'early', 'from']);
/** What is simplest, where it can be had. */
const simplest: Readonly<Record<string, Plain>> = {
  isLong: false,
  laps: 0,
  turns: 'rest',
  shows: false,
  logBytesMin: 8_388_608,
  passivateAfterMs: 30_000,
  maxResident: 100,
};

export interface Shrunk {
  readonly scenario: Scenario;
  readonly runs: number;
}

export async function shrink(scenario: Scenario, rule: Rule, onSmaller: (size: number) => void = () => {}): Promise<Shrunk> {
  const search = new Search(scenario, rule, onSmaller);
  return search.run();
}

class Search {
  #best: Scenario;
  #runs = 0;
  readonly #rule: Rule;
  readonly #onSmaller: (size: number) => void;

  constructor(scenario: Scenario, rule: Rule, onSmaller: (size: number) => void) {
    this.#best = scenario;
    this.#rule = rule;
    this.#onSmaller = onSmaller;
  }

  async run(): Promise<Shrunk> {
    for (let size = Number.POSITIVE_INFINITY; sizeOf(this.#best) < size && this.#runs < RUNS_MAX; ) {
      size = sizeOf(this.#best);
      await this.#leaveOut();
      await this.#simplify();
    }
    return { scenario: this.#best, runs: this.#runs };
  }

  async #leaveOut(): Promise<void> {
    for (const path of listsOf(this.#best as unknown as Plain)) {
      for (let count = Math.ceil(lengthAt(this.#best, path) / 2); count >= 1; count = count === 1 ? 0 : Math.ceil(count / 2)) {
        for (let from = 0; from < lengthAt(this.#best, path); ) {
          const isSmaller = await this.#try(
            changed(this.#best, path, (list) => (Array.isArray(list) ? list.toSpliced(from, count) : list)),
          );
          if (!isSmaller) from += count;
        }
      }
    }
  }

  async #simplify(): Promise<void> {
    for (const path of scalarsOf(this.#best as unknown as Plain)) {
      const value = simplest[String(path.at(-1))];
      if (value !== undefined && valueAt(this.#best, path) !== value) await this.#try(changed(this.#best, path, () => value));
    }
  }

  async #try(candidate: Scenario): Promise<boolean> {
    if (this.#runs >= RUNS_MAX) return false;
    this.#runs += 1;
    const { broken } = await simulate(candidate);
    if (broken?.rule !== this.#rule) return false;
    this.#best = candidate;
    this.#onSmaller(sizeOf(candidate));
    return true;
  }
}

function sizeOf(scenario: Scenario): number {
  return JSON.stringify(scenario).length;
}

function* listsOf(value: Plain, path: Path = []): Iterable<Path> {
  if (value === null || typeof value !== 'object') return;
  for (const [key, child] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    if (Array.isArray(child) && lists.has(key)) yield at;
    yield* listsOf(child, at);
  }
}

function* scalarsOf(value: Plain, path: Path = []): Iterable<Path> {
  if (value === null || typeof value !== 'object') {
    yield path;
    return;
  }
  for (const [key, child] of Object.entries(value)) yield* scalarsOf(child, [...path, Array.isArray(value) ? Number(key) : key]);
}

function valueAt(scenario: Scenario, path: Path): Plain | undefined {
  let value: Plain | undefined = scenario as unknown as Plain;
  for (const key of path) value = (value as Record<string | number, Plain> | null | undefined)?.[key];
  return value;
}

/** Zero where the list is there no more. */
function lengthAt(scenario: Scenario, path: Path): number {
  const value = valueAt(scenario, path);
  return Array.isArray(value) ? value.length : 0;
}

function changed(scenario: Scenario, path: Path, change: (value: Plain) => Plain): Scenario {
  const copy = structuredClone(scenario) as unknown as Plain;
  const parent = valueAt(copy as unknown as Scenario, path.slice(0, -1)) as Record<string | number, Plain> | undefined;
  const key = path.at(-1);
  if (parent !== undefined && key !== undefined && parent[key] !== undefined) parent[key] = change(parent[key]);
  return copy as unknown as Scenario;
}
