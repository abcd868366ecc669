// Instances that cannot go on, each kind in a way of its own, and what puts it right again. All of them wait for a
// second event; it is at the wake for that one that the trouble shows.

import { type AnyWorkflow, createLatch, event, now, type Operation, receive, type Workflow, workflow } from '../../../src/index.js';
import { limits } from '../../../src/runtime/limits.js';
import type { OpenStore, StoreOpenOptions, StorePort } from '../../../src/runtime/ports.js';
import { toBaseDelta } from '../../../src/runtime/record.js';
import { StoreReadError } from '../../../src/runtime/store-errors.js';

export const go = event<number>('go');

export interface Kind {
  readonly name: string;
  /** Of the errors that its instances are stuck with. */
  readonly code: string;
  /** How often one is tried before it is stuck. */
  readonly tries: number;
  readonly workflow: Workflow<void, number[]>;
}

/** Whether the code is wrong now. */
export const code = { isBroken: false };
/** How often it was tried to replay each instance that throws. */
export const replays = new Map<string, number>();

const throwing = workflow('throwing', function* (): Operation<number[]> {
  const first = yield* receive(go);
  if (code.isBroken) {
    replays.set('throwing', (replays.get('throwing') ?? 0) + 1);
    throw new Error('this line was added');
  }
  return [first, yield* receive(go)];
});

const undecodable = workflow('undecodable', twoEvents);
const unreadable = workflow('unreadable', twoEvents);
const gone = workflow('gone', twoEvents);

const endless = workflow('endless', function* (): Operation<number[]> {
  const both = yield* twoEvents();
  while (code.isBroken) yield* quietly(now());
  return both;
});

const spinning = workflow('spinning', function* (): Operation<number[]> {
  const both = yield* twoEvents();
  while (code.isBroken) yield* quietly(spin());
  return both;
});

export const kinds: readonly Kind[] = [
  { name: 'whose replay throws', code: 'NONDETERMINISM', tries: 1, workflow: throwing },
  { name: 'whose record does not decode', code: 'DECODE', tries: 1, workflow: undecodable },
  { name: 'whose record the disk does not give', code: 'STORE_READ', tries: limits.restartsMax + 1, workflow: unreadable },
  { name: 'whose workflow is not known any more', code: 'UNKNOWN_WORKFLOW', tries: 1, workflow: gone },
];

/** Those that hold up everyone until they reach their limit. */
export const endlessKinds: readonly Kind[] = [
  { name: 'in a turn that records without end', code: 'JOURNAL_FULL', tries: 1, workflow: endless },
  { name: 'in a turn that asks without end', code: 'LIMIT', tries: 1, workflow: spinning },
];

/** A bystander: it adds up what it is sent. */
export const adding = workflow('adding', function* () {
  let sum = 0;
  for (;;) {
    const n = yield* receive(go);
    if (n === 0) return sum;
    sum += n;
  }
});

export const allWorkflows: readonly AnyWorkflow[] = [adding, ...[...kinds, ...endlessKinds].map((kind) => kind.workflow)];
/** As after a deploy that left one out. */
export const workflowsLeft: readonly AnyWorkflow[] = allWorkflows.filter((each) => each !== gone);

function* twoEvents(): Operation<number[]> {
  return [yield* receive(go), yield* receive(go)];
}

function* spin(): Operation<void> {
  const latch = yield* createLatch();
  yield* latch.open(undefined);
}

/** Whatever it is refused, it goes on. */
function* quietly(operation: Operation<unknown>): Operation<void> {
  try {
    yield* operation;
  } catch {
    // It does not care.
  }
}

/** A store of which records can be altered while nobody has it, with right checksums, and whose disk has bad sectors. */
export class PoisonedStore implements StorePort {
  readonly kind = 'poisoned';
  /** Instances whose records the disk does not give. */
  readonly badSectors = new Set<string>();
  /** How often these were asked for. */
  badReads = 0;
  /** Done by itself before the next opening. */
  beforeOpening: ((store: OpenStore) => Promise<void>) | null = null;
  readonly #inner: StorePort;

  constructor(inner: StorePort) {
    this.#inner = inner;
  }

  async open(options: StoreOpenOptions): Promise<OpenStore> {
    const { beforeOpening } = this;
    this.beforeOpening = null;
    if (beforeOpening !== null) {
      const store = await this.#inner.open(options);
      await beforeOpening(store);
      await store.crash();
    }
    return this.#guarded(await this.#inner.open(options));
  }

  #guarded(store: OpenStore): OpenStore {
    return {
      recovery: store.recovery,
      visitHeads: (visit) => store.visitHeads(visit),
      instanceIds: () => store.instanceIds(),
      hasInstance: (id) => store.hasInstance(id),
      mailboxes: () => store.mailboxes(),
      append: (commits) => store.append(commits),
      readInstance: (id) => {
        if (!this.badSectors.has(id)) return store.readInstance(id);
        this.badReads += 1;
        throw new StoreReadError(`the record of ${id}`, 'bad sector');
      },
      readMailbox: (address) => store.readMailbox(address),
      figures: () => store.figures(),
      close: () => store.close(),
      crash: () => store.crash(),
    };
  }
}

/** Writes the records of these instances anew, with other text in them. */
export async function alterRecords(store: OpenStore, ids: readonly string[], from: string, to: string): Promise<void> {
  for (const id of ids) {
    const record = store.readInstance(id);
    const base = record === undefined ? '' : toBaseDelta(record);
    if (!base.includes(from)) throw new Error(`The record of ${id} does not hold ${from}: ${base}`);
    const change = { table: 'instance', key: id } as const;
    await store.append([
      {
        changes: [
          { ...change, delta: '{"d":1}' },
          { ...change, delta: base.replace(from, to) },
        ],
      },
    ]);
  }
}
