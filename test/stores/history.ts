// A history of commits that touches everything a store does, and what a store holds after each of them.

import type { Commit, OpenStore } from '../../src/runtime/ports.js';
import { approve, begin, commit, complete, contentsOf, forget, put, remove, take } from './store-harness.js';
import { StoreModel } from './store-model.js';

export interface History {
  readonly commits: readonly Commit[];
  /** By the number of commits: what a store that has so many holds, as `contentsOf` says it. */
  readonly states: readonly string[];
}

/** Instances that begin, go on, end and are removed, with events that come and go. */
export function makeHistory(length: number): History {
  const commits = Array.from({ length }, (_, index) => makeCommit(index));
  return { commits, states: makeStates(commits) };
}

/** What a store holds that has none of these commits, the first of them, the first two, and so on. */
export function makeStates(commits: readonly Commit[]): string[] {
  const model = new StoreModel();
  const states = [describe(model.contents())];
  for (const { changes } of commits) {
    model.apply(changes);
    states.push(describe(model.contents()));
  }
  return states;
}

/** A store's contents in the words of a history's states. */
export function describeStore(store: OpenStore): string {
  return describe(contentsOf(store));
}

/** Every instance takes four commits. With batches of four, the last of a batch is one that must not be applied twice. */
function makeCommit(index: number): Commit {
  const phase = (index + 2) % 4;
  const id = `instance-${index - phase}`;
  const address = `approval/${index % 3}`;
  const own = [begin(id, { index }), approve(id, { index }), complete(id), remove(begin(id))][phase];
  const isKept = index < 2 || index % 8 === 1;
  const changes = own === undefined || isKept ? [] : [own];
  return commit(...changes, put(address, index), ...(index >= 9 ? [take(address, index - 9), forget(address, index - 9)] : []));
}

function describe(contents: Record<string, unknown>): string {
  return JSON.stringify(contents, (_key, value) => (value instanceof Map ? [...value] : value));
}
