// The record of an instance: what its deltas add up to, and that it is written and read without loss.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../src/index.js';
import {
  applyDelta,
  foldInstance,
  type InstanceDelta,
  type InstanceRecord,
  type Json,
  type Request,
  requestKey,
  toBaseDelta,
} from '../src/runtime/record.js';
import { requestText, updateText } from '../src/runtime/request-text.js';

const AT = 1_000;

function begun(...deltas: InstanceDelta[]): InstanceRecord {
  const begin: InstanceDelta = { t: AT, n: ['order', 2, { model: 'm' }, 3, 'parent'] };
  const record = foldInstance('a', [begin, ...deltas]);
  if (record === undefined) throw new Error('removed');
  return record;
}

function request(details: Partial<Request> = {}): Request {
  const none = { key: null, dueAt: null, args: null, sources: null, token: null, attempt: 0, retryAt: null, interrupted: 0 };
  return { task: 0, pos: 0, kind: 'step', name: 's', seq: 1, since: AT, ...none, ...details };
}

function made(...requests: Request[]): InstanceDelta {
  return { t: AT, p: requests.map((each) => JSON.parse(requestText(each)) as Json) };
}

describe('what a delta does', () => {
  test('the first one begins the record', () => {
    expect(begun()).toMatchObject({
      ...{ id: 'a', workflow: 'order', version: 2, input: { model: 'm' }, depth: 3, parent: 'parent', startedAt: AT },
      ...{ status: 'active', output: null, error: null, stuck: null, cancelAsked: null, endedAt: null, journal: [] },
    });
  });

  test('R1: an outcome takes its request out, and its place in the journal', () => {
    const record = begun(made(request({ kind: 'receive', name: 'word', key: 'k' }), request({ pos: 1 })), {
      t: 2_000,
      j: [[0, 0, 'ok', 'hi']],
    });

    expect([...record.pending.keys()]).toEqual(['0:1']);
    expect(record.journal).toEqual([{ task: 0, pos: 0, status: 'ok', value: 'hi', kind: 'receive', name: 'word', key: 'k', at: 2_000 }]);
  });

  test('an entry that was answered at once brings its own description', () => {
    const record = begun({ t: 2_000, j: [[1, 4, 'inline', 7, 'publish', 'word', 'k']] });

    expect(record.journal).toEqual([{ task: 1, pos: 4, status: 'inline', value: 7, kind: 'publish', name: 'word', key: 'k', at: 2_000 }]);
  });

  test('a request given up leaves no trace but its token', () => {
    const record = begun(made(request({ kind: 'callback', token: 't1' }), request({ pos: 1 })), {
      t: 2_000,
      x: [
        [0, 0],
        [0, 1],
      ],
    });

    expect([record.pending.size, record.journal, [...record.tokens]]).toEqual([0, [], ['t1']]);
  });

  test('an update changes what it names, and keeps the rest', () => {
    const updates = [
      updateText(0, 0, { attempt: 2, retryAt: 5_000 }),
      updateText(0, 0, { interrupted: 1 }),
      updateText(0, 0, { retryAt: null }),
    ];
    const records = updates.map((_, count) =>
      begun(made(request()), ...updates.slice(0, count + 1).map((text) => ({ t: AT, u: [JSON.parse(text) as Json] }))),
    );

    expect(records.map(({ pending }) => pending.get('0:0'))).toEqual([
      request({ attempt: 2, retryAt: 5_000 }),
      request({ attempt: 2, retryAt: 5_000, interrupted: 1 }),
      request({ attempt: 2, retryAt: null, interrupted: 1 }),
    ]);
  });

  test('the end clears what was open, and keeps its tokens', () => {
    const record = begun(made(request({ kind: 'callback', token: 't1' })), { t: 3_000, z: ['completed', { ok: true }] });

    expect(record).toMatchObject({ status: 'completed', endedAt: 3_000, output: { ok: true }, error: null });
    expect([record.pending.size, [...record.tokens]]).toEqual([0, ['t1']]);
  });

  test('stuck comes and goes; a cancellation is asked for until it is in the journal', () => {
    const stuck = begun({ t: AT, s: { name: 'E', message: 'm' } }, { t: AT, c: ['why'] });
    expect(stuck).toMatchObject({ stuck: { name: 'E', message: 'm' }, cancelAsked: { reason: 'why' } });

    const free = begun(
      { t: AT, s: { name: 'E', message: 'm' } },
      { t: AT, c: [null] },
      { t: AT, s: 0 },
      { t: AT, j: [[0, -1, 'cancel', null, 'cancel', 'cancel']] },
    );
    expect(free).toMatchObject({ stuck: null, cancelAsked: null, journal: [{ status: 'cancel', value: null }] });
  });

  test('exposed values replace each other by name, also by a name that means something to JavaScript', () => {
    const { exposed } = begun({ t: AT, e: { state: 1, other: 2 } }, { t: AT, e: JSON.parse('{"state":3,"__proto__":4}') as Json });

    expect([...exposed]).toEqual([
      ['state', 3],
      ['other', 2],
      ['__proto__', 4],
    ]);
  });

  test('a removal leaves nothing', () => {
    expect(foldInstance('a', [{ t: AT, n: ['order', 1, null, 0, 0] }, { d: 1 }])).toBeUndefined();
    expect(foldInstance('a', [])).toBeUndefined();
  });

  test.each<[string, InstanceDelta]>([
    ['an outcome of a request that was not made', { t: AT, j: [[0, 5, 'ok', 1]] }],
    ['a change of one', { t: AT, u: [[0, 5, { n: 1 }]] }],
    ['a giving up of one', { t: AT, x: [[0, 5]] }],
  ])('%s is a DecodeError', (_what, delta) => {
    expect(() => begun(delta)).toThrow(DecodeError);
  });

  test('a record that does not begin is a DecodeError', () => {
    expect(() => applyDelta('a', undefined, { t: AT, j: [] })).toThrow(/first delta of instance "a" does not begin it/);
  });
});

describe('a record as one delta', () => {
  test('R2: its base gives the record again, whatever became of it', () => {
    fc.assert(
      fc.property(histories, (deltas) => {
        const record = foldInstance('a', deltas);

        expect(record && foldInstance('a', [JSON.parse(toBaseDelta(record))])).toEqual(record);
      }),
    );
  });

  test('R2: a record goes on from its base as it does from its deltas', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (deltas, at) => {
        const cut = 1 + (at % deltas.length);
        const record = foldInstance('a', deltas.slice(0, cut));
        const base = record === undefined ? [] : [JSON.parse(toBaseDelta(record)) as InstanceDelta];

        expect(foldInstance('a', [...base, ...deltas.slice(cut)])).toEqual(foldInstance('a', deltas));
      }),
    );
  });

  test('the text of a new request gives the request again', () => {
    fc.assert(
      fc.property(newRequests, (each) => {
        expect(begun(made(each)).pending.get(requestKey(each.task, each.pos))).toEqual(each);
      }),
    );
  });
});

const text = fc.string({ maxLength: 8 });
const json = fc.jsonValue({ maxDepth: 2, noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value)) as Json);
const nullable = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null });

const requests: fc.Arbitrary<Request> = fc.record({
  task: fc.nat({ max: 3 }),
  pos: fc.nat({ max: 3 }),
  kind: fc.constantFrom('step', 'activity', 'receive', 'receiveAny', 'sleep', 'timeout', 'callback', 'child'),
  name: text,
  seq: fc.nat(),
  since: fc.constant(AT),
  key: nullable(text),
  dueAt: nullable(fc.nat()),
  args: nullable(json.map((value) => JSON.stringify(value))),
  sources: nullable(fc.array(fc.record({ event: text, key: nullable(text.filter((key) => key !== '')) }), { maxLength: 3 })),
  token: nullable(text.filter((token) => token !== '')),
  attempt: fc.nat({ max: 3 }),
  retryAt: nullable(fc.nat()),
  interrupted: fc.nat({ max: 3 }),
});

/** As they are made: what only a later commit brings is not there yet, and each kind has the details it needs. */
const newRequests = requests.map((each): Request => {
  const fresh = { ...each, attempt: 0, retryAt: null, interrupted: 0 };
  const isStep = each.kind === 'step' || each.kind === 'activity';
  return isStep ? { ...fresh, key: null, dueAt: null, sources: null, token: null } : { ...fresh, args: null };
});

interface Move {
  readonly request: Request;
  readonly kind: 'make' | 'settle' | 'drop' | 'update' | 'inline' | 'expose' | 'stuck' | 'free' | 'ask' | 'cancel';
  readonly value: Json;
  readonly name: string;
}

const moves = fc.array(
  fc.record({
    request: newRequests,
    kind: fc.constantFrom<Move['kind'][]>(
      'make',
      'make',
      'make',
      'settle',
      'settle',
      'drop',
      'update',
      'inline',
      'expose',
      'stuck',
      'free',
      'ask',
      'cancel',
    ),
    value: json,
    name: fc.oneof(text, fc.constantFrom('__proto__', 'constructor')),
  }),
  { maxLength: 25 },
);
const ends = nullable(fc.constantFrom('completed', 'failed', 'cancelled'));

/** Histories that a runtime could have written: a beginning, turns that fit what is open, and perhaps an end. */
const histories: fc.Arbitrary<InstanceDelta[]> = fc
  .tuple(text, json, nullable(text.filter((id) => id !== '')), moves, ends, json)
  .map(([name, input, parent, run, end, value]) => {
    const open = new Set<string>();
    const deltas: InstanceDelta[] = [{ t: AT, n: [name, 1, input, 2, parent ?? 0] }];
    for (const [turn, move] of run.entries()) {
      const delta = toDelta(move, open);
      if (delta !== null) deltas.push({ t: AT + turn, ...delta });
    }
    if (end !== null) deltas.push({ t: AT + 100, z: [end, value] });
    return deltas;
  });

function toDelta({ request: each, kind, value, name }: Move, open: Set<string>): InstanceDelta | null {
  const key = requestKey(each.task, each.pos);
  const isOpen = open.has(key);
  const place: [number, number] = [each.task, each.pos];
  switch (kind) {
    case 'make':
      if (isOpen) return null;
      open.add(key);
      return { p: made(each).p ?? [] };
    case 'settle':
      return open.delete(key) ? { j: [[...place, 'ok', value]] } : null;
    case 'drop':
      return open.delete(key) ? { x: [place] } : null;
    case 'update':
      return isOpen
        ? { u: [JSON.parse(updateText(...place, { attempt: 2, retryAt: typeof value === 'number' ? 5 : null })) as Json] }
        : null;
    case 'inline':
      return { j: [[...place, 'inline', value, 'publish', name, each.key]] };
    case 'expose':
      return { e: JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`) as Json };
    case 'stuck':
      return { s: { name: 'E', message: name } };
    case 'free':
      return { s: 0 };
    case 'ask':
      return { c: [name] };
    case 'cancel':
      return { j: [[0, -1, 'cancel', name, 'cancel', 'cancel', null]] };
  }
}
