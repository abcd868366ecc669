// A runtime on a simulated disk, and a ledger of what those who called it were told: accounts are opened and paid into,
// vouchers are published to who waits for them. What a caller was told must be what a later runtime shows.

import assert from 'node:assert/strict';
import { event, expose, type Instance, jsonStore, RouseError, receive, step, workflow } from '../../src/index.js';
import { createTestRuntime, type SimulatedDisk, type TestRuntime } from '../../src/testing.js';

const directory = '/data/store';
const logBytes = 1_500;
const accounts = 3;

const deposit = event<number>('deposit');
const voucher = event<number>('voucher');

/** Takes deposits for ever. */
const account = workflow('account', function* () {
  const booked: number[] = [];
  for (;;) {
    const amount = yield* receive(deposit);
    booked.push(yield* step('book', () => amount));
    yield* expose('booked', booked);
  }
});

/** Waits for one voucher. */
const redeem = workflow('redeem', function* (key: string) {
  return yield* receive(voucher, { key });
});

/** What a caller was told: it is done, nothing of it was kept, or nobody can know. */
export type Told = 'done' | 'refused' | 'unknown';

/** Codes that say that nothing of a request was kept. */
const refusals: ReadonlySet<string> = new Set(['STORE_FULL', 'STORE_WRITE', 'RUNTIME_STOPPED']);

export class Ledger {
  /** By instance id. */
  readonly starts: Map<string, Told>;
  /** Amounts, all of them different, with the account that they went to. */
  readonly deposits = new Map<number, { id: string; told: Told }>();
  /** By key; the payload is the key's number. */
  readonly vouchers = new Map<number, Told>();
  /** Codes of errors that callers were told, with how often. */
  readonly codes = new Map<string, number>();

  /** May begin with instances that are known. */
  constructor(starts: ReadonlyMap<string, Told> = new Map()) {
    this.starts = new Map(starts);
  }

  /** How many of these were told to somebody. */
  count(told: Told): number {
    const all = [...this.starts.values(), ...this.vouchers.values(), ...[...this.deposits.values()].map((each) => each.told)];
    return all.filter((each) => each === told).length;
  }

  /** Waits for a call and notes what its caller is told. @throws what is no RouseError */
  async note(call: Promise<unknown>): Promise<Told> {
    try {
      await call;
      return 'done';
    } catch (error) {
      if (!(error instanceof RouseError)) throw error;
      const code = String(error.code);
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
      if (refusals.has(code)) return 'refused';
      assert.equal(code, 'STORE_FAILED', `a caller was told ${code}: ${error.message}`);
      return 'unknown';
    }
  }
}

export async function openRuntime(disk: SimulatedDisk): Promise<TestRuntime> {
  const store = jsonStore(directory, { fileSystem: disk, logBytesMin: logBytes, logBytesMax: logBytes });
  return createTestRuntime({ workflows: [account, redeem], store, passivateAfter: '1 minute' });
}

/** Calls a runtime from outside, several callers at a time, whatever they are told. */
export async function call(runtime: TestRuntime, ledger: Ledger, { rounds, from = 0 }: { rounds: number; from?: number }): Promise<void> {
  for (let index = 0; index < accounts; index += 1)
    await start(ledger, `account-${index}`, (id) => runtime.start(account, undefined, { id }));
  for (let round = from; round < from + rounds; round += 1) {
    const waiting = [];
    for (let index = 0; index < accounts; index += 1) waiting.push(pay(runtime, ledger, `account-${index}`, round * accounts + index));
    waiting.push(start(ledger, `redeem-${round}`, (id) => runtime.start(redeem, `key-${round}`, { id })));
    await Promise.all(waiting);
    ledger.vouchers.set(round, await ledger.note(runtime.publish(voucher, `key-${round}`, round)));
    // Steps end, instances leave memory, and what could not be written is tried again.
    await runtime.advance('2 minutes');
  }
}

async function start(ledger: Ledger, id: string, begin: (id: string) => Promise<Instance<unknown>>): Promise<void> {
  if (ledger.starts.get(id) !== 'done') ledger.starts.set(id, await ledger.note(begin(id)));
}

async function pay(runtime: TestRuntime, ledger: Ledger, id: string, amount: number): Promise<void> {
  // An account that is not there is nothing that this is about.
  if (ledger.starts.get(id) !== 'done') return;
  ledger.deposits.set(amount, { id, told: 'unknown' });
  ledger.deposits.set(amount, { id, told: await ledger.note(runtime.send(id, deposit, amount)) });
}

/**
 * Compares a runtime with what was told.
 *
 * @throws AssertionError when something acknowledged is missing or there twice, or something refused is there
 */
export async function compare(runtime: TestRuntime, ledger: Ledger, what: string): Promise<void> {
  await runtime.advance('5 minutes');
  const found = new Set<string>();
  for await (const { id, status, error } of runtime.list()) {
    assert(status !== 'stuck' && status !== 'failed', `${what}: ${id} is ${status}: ${error?.message}`);
    found.add(id);
  }
  for (const [id, told] of ledger.starts) assertTold(told, Number(found.has(id)), `${what}: instance ${id}`);
  const booked = new Map<string, number[]>();
  for (const id of found) if (id.startsWith('account')) booked.set(id, ((await runtime.query(id, 'booked')) ?? []) as number[]);
  for (const [amount, { id, told }] of ledger.deposits) {
    const times = (booked.get(id) ?? []).filter((each) => each === amount).length;
    assertTold(told, times, `${what}: deposit ${amount} to ${id}`);
  }
  for (const [round, told] of ledger.vouchers) {
    if (ledger.starts.get(`redeem-${round}`) !== 'done' || told === 'unknown') continue;
    const { status } = await runtime.instance(`redeem-${round}`).info();
    assertTold(told, Number(status === 'completed'), `${what}: voucher ${round}`);
  }
}

function assertTold(told: Told, times: number, what: string): void {
  if (told === 'done') assert.equal(times, 1, `${what} was acknowledged, and is there ${times} times`);
  if (told === 'refused') assert.equal(times, 0, `${what} was refused, and is there ${times} times`);
  assert(times <= 1, `${what} is there ${times} times`);
}
