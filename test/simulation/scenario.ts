// A scenario: what a simulated world contains and what happens in it, as plain data. A seed gives one; it can be
// printed, stored, made smaller and played again.

/** How the function of a step behaves. */
export interface Behaviour {
  /** How long an attempt takes: it returns at once, some turns of the world later, after so many milliseconds, or never. */
  readonly takes: 'no time' | 'a turn' | 'for ever' | number;
  /** So many attempts fail. */
  readonly fails?: number;
  /** What fails is not to be tried again. */
  readonly isFatal?: boolean;
  readonly attempts?: number;
  readonly delayMs?: number;
  readonly timeoutMs?: number;
}

export type EventName = 'note' | 'brief';

/** Where a receive listens: without a key at its own instance. */
export interface SourceData {
  readonly event: EventName;
  readonly key?: string;
}

/** Something that a program does. What it throws ends the program, unless it is `caught`. */
export type Act = { readonly caught?: boolean } & (
  | { readonly do: 'step' | 'activity' | 'fragile'; readonly how: Behaviour }
  | { readonly do: 'receive'; readonly from: SourceData; readonly timeoutMs?: number }
  | { readonly do: 'receiveAny'; readonly from: readonly SourceData[]; readonly timeoutMs: number }
  | { readonly do: 'sleep' | 'sleepUntil'; readonly ms: number }
  | { readonly do: 'callback'; readonly how: Behaviour; readonly timeoutMs?: number }
  | { readonly do: 'send'; readonly to: string; readonly event: EventName; readonly hasId?: boolean; readonly twice?: boolean }
  | { readonly do: 'publish'; readonly key: string; readonly event: EventName; readonly hasId?: boolean; readonly twice?: boolean }
  | { readonly do: 'values' | 'throw' }
  | { readonly do: 'compensate'; readonly acts: readonly Act[] }
  | { readonly do: 'call'; readonly program: number; readonly isEphemeral: boolean }
  | {
      readonly do: 'startChild';
      readonly program: number;
      readonly isEphemeral: boolean;
      readonly between: readonly Act[];
      readonly waits: boolean;
    }
  | {
      readonly do: 'spawn';
      readonly acts: readonly Act[];
      readonly between: readonly Act[];
      readonly then: 'join' | 'cancel' | 'leave';
      readonly afterMs?: number;
    }
  | { readonly do: 'all' | 'allSettled' | 'race' | 'any'; readonly branches: readonly (readonly Act[])[] }
  | { readonly do: 'timeout'; readonly ms: number; readonly acts: readonly Act[]; readonly hasElse: boolean }
  | { readonly do: 'guard'; readonly acts: readonly Act[]; readonly cleanup: readonly Act[]; readonly swallows: boolean }
  | { readonly do: 'pool'; readonly size: number; readonly branches: readonly (readonly Act[])[] }
  | { readonly do: 'semaphore'; readonly size: number; readonly branches: readonly (readonly Act[])[] }
  | { readonly do: 'queue'; readonly capacity: number; readonly items: number; readonly branches: readonly (readonly Act[])[] }
  | { readonly do: 'latch'; readonly acts: readonly Act[]; readonly waiters: number }
);

export type ActOf<K extends Act['do']> = Extract<Act, { do: K }>;

export interface Program {
  readonly acts: readonly Act[];
  /** How often it continues as a new generation. */
  readonly laps: number;
  /** It exposes all that it has seen, each time. */
  readonly shows: boolean;
}

/** A call that the disk answers with an error. */
export interface DiskFault {
  readonly call: 'write' | 'sync' | 'truncate' | 'open' | 'rename' | 'syncDirectory' | 'remove' | 'any';
  readonly code: 'EIO' | 'ENOSPC' | 'EMFILE' | 'EACCES';
  /** Bytes that a write that fails has written before. */
  readonly written?: number;
  /** Calls that still succeed before it, and how many fail. */
  readonly after: number;
  readonly times: number;
}

/** Something that happens outside: in the same turn as what came before it, some turns later, or when all is at rest. */
export type Deed = { readonly turns: number | 'rest'; readonly seed: number } & (
  | {
      readonly do: 'start';
      readonly id: string;
      readonly program: number;
      readonly isEphemeral: boolean;
      readonly again?: 'same' | 'other';
    }
  | { readonly do: 'send'; readonly to: string; readonly event: EventName; readonly label: string; readonly hasId?: boolean }
  | { readonly do: 'publish'; readonly key: string; readonly event: EventName; readonly label: string; readonly hasId?: boolean }
  | { readonly do: 'complete' | 'reject'; readonly which: number; readonly label: string }
  | { readonly do: 'cancel' | 'terminate' | 'retry' | 'break' | 'mend'; readonly to: string }
  | { readonly do: 'redeliver' | 'look' | 'mendDisk' }
  | { readonly do: 'advance' | 'setClock'; readonly ms: number }
  | { readonly do: 'kill' | 'cutPower'; readonly early: readonly number[] }
  | { readonly do: 'stop'; readonly graceMs: number }
  | { readonly do: 'fault'; readonly fault: DiskFault }
);

export interface Scenario {
  readonly seed: number;
  readonly logBytesMin: number;
  readonly passivateAfterMs: number;
  readonly maxResident: number;
  readonly programs: readonly Program[];
  readonly deeds: readonly Deed[];
  /** What is done in the end, when all has ended: wait until everything is forgotten, too. */
  readonly isLong: boolean;
}
