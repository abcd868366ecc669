// Says how far a run is: on a terminal one line that is written over, elsewhere a plain line now and then.

const TERMINAL_PAUSE_MS = 100;
const PLAIN_PAUSE_MS = 10_000;
const CLEAR = '\r\u001b[2K';

export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export class ProgressLine {
  readonly #screen: Screen;
  readonly #now: () => number;
  #saidAt = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(screen: Screen, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#now = now;
  }

  /** Says how far it is, unless it has just done so. */
  update(text: string): void {
    const { isTTY, columns = 80 } = this.#screen;
    if (this.#now() - this.#saidAt < (isTTY === true ? TERMINAL_PAUSE_MS : PLAIN_PAUSE_MS)) return;
    this.#saidAt = this.#now();
    this.#isShown = isTTY === true;
    this.#screen.write(isTTY === true ? `${CLEAR}${text.slice(0, columns - 1)}` : `${text}\n`);
  }

  /** A line that stays. */
  say(text: string): void {
    this.#screen.write(`${this.#isShown ? CLEAR : ''}${text}\n`);
    this.#isShown = false;
    this.#saidAt = Number.NEGATIVE_INFINITY;
  }
}
