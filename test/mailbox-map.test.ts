// The mailbox map by itself: who is first, what is kept, what is remembered.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../src/runtime/limits.js';
import { MailboxMap, type Receiver } from '../src/runtime/mailbox-map.js';
import type { MailboxEvent } from '../src/runtime/mailbox-record.js';

const address = '#approval\nk';

function receiver(seq: number, source = 0, owner = `i${seq}`): Receiver {
  return { address, owner, instanceId: 'a', requestKey: `0:${seq}`, source, seq };
}

function mail(seq: number): MailboxEvent {
  return { seq, at: 1_000 + seq, payload: `"${seq}"`, id: null, expiresAt: null, origin: null };
}

describe('receivers', () => {
  test('M1: the one that has slept longest is first, in whatever order they were parked', () => {
    const map = new MailboxMap();
    for (const seq of [5, 2, 9, 1, 7]) map.park(receiver(seq));

    const order: number[] = [];
    for (let first = map.firstReceiver(address); first !== undefined; first = map.firstReceiver(address)) {
      order.push(first.seq);
      map.unpark(first);
    }

    expect(order).toEqual([1, 2, 5, 7, 9]);
    expect(map.parkedAddresses).toBe(0);
  });

  test('a request that listens twice at one address is first by its first source', () => {
    const map = new MailboxMap();
    map.park(receiver(3, 0));
    map.park(receiver(3, 1));
    map.park(receiver(2, 0));
    map.park(receiver(2, 1));

    expect(map.firstReceiver(address)).toEqual(receiver(2, 0));
    map.unpark(receiver(2, 0));
    map.unpark(receiver(2, 1));
    expect(map.firstReceiver(address)).toEqual(receiver(3, 0));
  });

  test('unparking somebody else, or at another address, changes nothing', () => {
    const map = new MailboxMap();
    map.park(receiver(1));

    map.unpark(receiver(2));
    map.unpark({ ...receiver(1), address: '#other\nk' });

    expect(map.firstReceiver(address)).toEqual(receiver(1));
  });

  test('addresses do not know each other, whatever they are called', () => {
    const map = new MailboxMap();
    const names = ['__proto__', 'constructor', '#a\n__proto__', '@a\n../../etc'];
    for (const [index, name] of names.entries()) map.park({ ...receiver(index), address: name });

    expect(names.map((name) => map.firstReceiver(name)?.seq)).toEqual([0, 1, 2, 3]);
    expect(map.firstReceiver('toString')).toBeUndefined();
  });
});

describe('events', () => {
  test('M3: they wait first in, first out', () => {
    const map = new MailboxMap();
    for (const seq of [3, 4, 8]) map.put(address, mail(seq));

    const order: number[] = [];
    for (
      let first = map.firstEvent(address, { durable: false });
      first !== undefined;
      first = map.firstEvent(address, { durable: false })
    ) {
      order.push(first.seq);
      map.take(address, first.seq);
    }

    expect(order).toEqual([3, 4, 8]);
  });

  test('M3: one that is on disk does not overtake one that is not', () => {
    const map = new MailboxMap();
    map.put(address, mail(1));
    map.put(address, mail(2));
    expect(map.firstEvent(address, { durable: true })).toBeUndefined();

    map.setDurable(address, 1);
    expect(map.firstEvent(address, { durable: true })).toEqual(mail(1));
    map.take(address, 1);

    expect(map.firstEvent(address, { durable: true })).toBeUndefined();
    expect(map.firstEvent(address, { durable: false })).toEqual(mail(2));
  });

  test('M2: an event stays until it is taken, and is taken once', () => {
    const map = new MailboxMap();
    map.put(address, mail(1));

    map.take(address, 2);
    expect(map.buffered).toBe(1);
    map.take(address, 1);
    map.take(address, 1);

    expect(map.buffered).toBe(0);
    expect(map.count(address)).toBe(0);
  });

  test('what a store has of a mailbox is taken over whole, in place of what was known', () => {
    const map = new MailboxMap();
    map.put(address, mail(9));
    const record = { address, events: new Map([4, 6].map((seq) => [seq, mail(seq)])), seen: new Map([['e1', 5_000]]) };

    map.load(record);

    expect([...map.events(address)]).toEqual([mail(4), mail(6)]);
    expect(map.firstEvent(address, { durable: true })).toEqual(mail(4));
    expect(map.hasSeen(address, 'e1', 5_001)).toBe(true);
    expect(map.buffered).toBe(2);
    map.unload(address);
    expect([map.buffered, map.hasSeen(address, 'e1', 5_001)]).toEqual([0, false]);
  });

  test('addresses where a receiver and an event meet are found', () => {
    const map = new MailboxMap();
    map.put('#a\n1', mail(1));
    map.put('#b\n1', mail(2));
    map.park({ ...receiver(1), address: '#b\n1' });
    map.park({ ...receiver(2), address: '#c\n1' });

    expect([...map.meetings()]).toEqual(['#b\n1']);
  });
});

describe('ids that were seen', () => {
  test('they are remembered per address, for a day', () => {
    const map = new MailboxMap();

    map.remember(address, 'e1', 1_000);

    expect(map.hasSeen(address, 'e1', 1_000)).toBe(true);
    expect(map.hasSeen(address, 'e1', 1_000 + limits.seenIdsMs)).toBe(true);
    expect(map.hasSeen(address, 'e1', 1_001 + limits.seenIdsMs)).toBe(false);
    expect(map.hasSeen('#other\nk', 'e1', 1_000)).toBe(false);
    expect(map.hasSeen(address, '__proto__', 1_000)).toBe(false);
  });

  test('a mailbox whose events are gone still remembers', () => {
    const map = new MailboxMap();
    map.put(address, mail(1));
    map.remember(address, 'e1', 1_000);

    map.take(address, 1);

    expect(map.hasSeen(address, 'e1', 2_000)).toBe(true);
  });

  test('those that are too old are forgotten when another comes, and named', () => {
    const map = new MailboxMap();
    map.remember(address, 'old', 0);
    map.remember(address, 'older than it looks', 10);
    map.remember(address, 'young', limits.seenIdsMs);

    const { forgotten } = map.remember(address, 'new', limits.seenIdsMs + 11);

    expect(forgotten).toEqual(['old', 'older than it looks']);
    expect(map.hasSeen(address, 'young', limits.seenIdsMs + 11)).toBe(true);
  });

  test('remembering again makes it young', () => {
    const map = new MailboxMap();
    map.remember(address, 'e1', 0);

    map.remember(address, 'e1', limits.seenIdsMs);

    expect(map.hasSeen(address, 'e1', 2 * limits.seenIdsMs)).toBe(true);
  });
});

type Command =
  | { readonly kind: 'park' | 'unpark'; readonly at: string; readonly seq: number; readonly sources: number }
  | { readonly kind: 'put'; readonly at: string }
  | { readonly kind: 'durable'; readonly at: string; readonly ago: number }
  | { readonly kind: 'take'; readonly at: string; readonly nth: number };

const at = fc.constantFrom('#a\n1', '#b\n1', '@a\ni');
const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom('park' as const, 'unpark' as const),
      at,
      seq: fc.nat({ max: 12 }),
      sources: fc.integer({ min: 1, max: 2 }),
    }),
    fc.record({ kind: fc.constant('put' as const), at }),
    fc.record({ kind: fc.constant('durable' as const), at, ago: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('take' as const), at, nth: fc.nat({ max: 3 }) }),
  ),
  { maxLength: 60 },
);

test('whatever happens, it is what two sorted lists per address would be', () => {
  fc.assert(
    fc.property(commands, (run) => {
      const map = new MailboxMap();
      const model = new Map<string, { receivers: Receiver[]; events: MailboxEvent[]; durable: Set<number> }>();
      let nextSeq = 1;
      for (const command of run) {
        const place = model.get(command.at) ?? { receivers: [], events: [], durable: new Set<number>() };
        model.set(command.at, place);
        nextSeq = apply(map, place, command, nextSeq);

        const byAge = place.receivers.toSorted((a, b) => a.seq - b.seq || a.source - b.source);
        const [first] = place.events;
        expect(map.firstReceiver(command.at)).toEqual(byAge[0]);
        expect([...map.events(command.at)]).toEqual(place.events);
        expect(map.firstEvent(command.at, { durable: true })).toEqual(
          first !== undefined && place.durable.has(first.seq) ? first : undefined,
        );
      }
      const places = [...model.values()];
      expect(map.buffered).toBe(places.reduce((sum, { events }) => sum + events.length, 0));
      expect(map.parkedAddresses).toBe(places.filter(({ receivers }) => receivers.length > 0).length);
    }),
  );
});

function apply(
  map: MailboxMap,
  place: { receivers: Receiver[]; events: MailboxEvent[]; durable: Set<number> },
  command: Command,
  nextSeq: number,
) {
  switch (command.kind) {
    case 'park': {
      // A request parks all its sources at once, in their order.
      if (place.receivers.some(({ seq }) => seq === command.seq)) return nextSeq;
      const sources = Array.from({ length: command.sources }, (_, source) => ({ ...receiver(command.seq, source), address: command.at }));
      for (const each of sources) map.park(each);
      place.receivers.push(...sources);
      return nextSeq;
    }
    case 'unpark':
      for (const each of [receiver(command.seq, 0), receiver(command.seq, 1)]) map.unpark({ ...each, address: command.at });
      place.receivers = place.receivers.filter(({ seq }) => seq !== command.seq);
      return nextSeq;
    case 'put':
      place.events.push(mail(nextSeq));
      map.put(command.at, mail(nextSeq));
      return nextSeq + 1;
    case 'durable':
      place.durable.add(nextSeq - command.ago);
      map.setDurable(command.at, nextSeq - command.ago);
      return nextSeq;
    case 'take': {
      const taken = place.events[command.nth];
      if (taken !== undefined) map.take(command.at, taken.seq);
      place.events = place.events.filter((event) => event !== taken);
      return nextSeq;
    }
  }
}
