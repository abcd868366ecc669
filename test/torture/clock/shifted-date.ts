// A clock that can be set: of this process alone, and before anything else has looked at it. To be imported first.

const RealDate = globalThis.Date;
let shiftMs = 0;

class ShiftedDate extends RealDate {
  constructor(...given: ConstructorParameters<DateConstructor> | []) {
    if (given.length === 0) super(ShiftedDate.now());
    else super(...given);
  }

  static override now(): number {
    return RealDate.now() + shiftMs;
  }
}

globalThis.Date = ShiftedDate as DateConstructor;

/** Sets the clock forward or, below zero, back. What measures time by itself, and timers, go on as before. */
export function shiftClock(ms: number): void {
  shiftMs += ms;
}
