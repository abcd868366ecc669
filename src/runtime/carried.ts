// Values on their way to an instance, or out of it: encoded where they are to be stored (C3), themselves where an
// ephemeral instance is concerned, which stores nothing.

import { decode, type Encoded } from './codec.js';

/** A value that goes by reference. */
export class ByReference {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

export type Carried = Encoded | ByReference;

/** The value that is carried; of an encoded one a copy. */
export function unpack(carried: Carried): unknown {
  return carried instanceof ByReference ? carried.value : decode(carried);
}

/** The text of what an instance with a record carries: it is always encoded. */
export function textOfCarried(carried: Carried): Encoded {
  if (typeof carried === 'string') return carried;
  throw new TypeError('A value that was to be stored goes by reference.');
}
