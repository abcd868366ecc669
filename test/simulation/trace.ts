// What happened, line by line. Its hash tells whether two runs were the same; the lines are kept only when somebody
// is to read them.

const PRIME = 0x01000193;

export class Trace {
  readonly lines: string[] = [];
  count = 0;
  readonly #keeps: boolean;
  #low = 0x811c9dc5;
  #high = 0x1b873593;

  constructor(keeps: boolean) {
    this.#keeps = keeps;
  }

  add(line: string): void {
    this.count += 1;
    let low = this.#low;
    let high = this.#high;
    for (let index = 0; index < line.length; index += 1) {
      const code = line.charCodeAt(index);
      low = Math.imul(low ^ code, PRIME);
      high = Math.imul(high + code, 0x5bd1e995) ^ (high >>> 15);
    }
    this.#low = low;
    this.#high = high;
    if (this.#keeps) this.lines.push(line);
  }

  get hash(): string {
    return [this.#low, this.#high].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
