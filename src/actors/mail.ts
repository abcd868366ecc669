// An event on its way: checked, and encoded as soon as anyone who stores it is concerned.

import { ByReference, type Carried } from '../runtime/carried.js';
import { type Encoded, encode } from '../runtime/codec.js';

export interface MailOptions {
  readonly event: string;
  readonly payload: unknown;
  readonly id: string | undefined;
  readonly expiryMs: number;
  /** Sent by a workflow: it is received after its sender's commit. */
  readonly isInner: boolean;
  /** Sent by an ephemeral one, which writes nothing that need not be. */
  readonly isVolatile: boolean;
}

export class Mail {
  readonly event: string;
  readonly id: string | undefined;
  readonly expiryMs: number;
  readonly isInner: boolean;
  readonly isVolatile: boolean;
  readonly #payload: unknown;
  #text: Encoded | null = null;

  constructor(options: MailOptions) {
    this.event = options.event;
    this.id = options.id;
    this.expiryMs = options.expiryMs;
    this.isInner = options.isInner;
    this.isVolatile = options.isVolatile;
    this.#payload = options.payload;
  }

  /**
   * The payload as text; from then on everybody gets this one, whatever becomes of the value.
   *
   * @throws UnstorableValueError, PayloadTooLargeError
   */
  encoded(): Encoded {
    this.#text ??= encode(this.#payload, `the payload of event "${this.event}"`);
    return this.#text;
  }

  /** For an instance that stores nothing: the value itself, unless it was encoded before. */
  carried(isEphemeral: boolean): Carried {
    return isEphemeral && this.#text === null ? new ByReference(this.#payload) : this.encoded();
  }
}
