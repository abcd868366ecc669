// A directory as a kernel and a disk see it: names, and what each name was since the directory was last synced.
//
// Invariants:
//   Y4. A name whose directory was not synced is, after a power cut, what it was at some moment since the last sync:
//       one of the files that it named, or none. That is decided for each name alone: of a rename the new name may
//       stay and the old one too, or neither.

import type { Luck } from './luck.js';
import type { SimulatedFile } from './simulated-file.js';

export class SimulatedDirectory {
  readonly names = new Map<string, SimulatedFile>();
  /** What each name that was changed since the last sync was before, the oldest first. */
  readonly #before = new Map<string, (SimulatedFile | undefined)[]>();

  set(name: string, file: SimulatedFile | undefined): void {
    const before = this.#before.get(name);
    const now = this.names.get(name);
    if (before === undefined) this.#before.set(name, [now]);
    else before.push(now);
    if (file === undefined) this.names.delete(name);
    else this.names.set(name, file);
  }

  /** Durably. */
  put(name: string, file: SimulatedFile): void {
    this.drop(name);
    this.names.set(name, file);
  }

  /** Durably. */
  drop(name: string): void {
    this.names.delete(name);
    this.#before.delete(name);
  }

  /** Puts on disk what the names are now. */
  sync(): void {
    this.#before.clear();
  }

  /** What a power cut leaves of it, with these remains of its files. */
  afterPowerCut(luck: Luck, remainsOf: (file: SimulatedFile) => SimulatedFile): SimulatedDirectory {
    const left = new SimulatedDirectory();
    for (const name of new Set([...this.names.keys(), ...this.#before.keys()])) {
      const file = this.#fileLeft(name, luck);
      if (file !== undefined) left.names.set(name, remainsOf(file));
    }
    return left;
  }

  /** The same directory to the next process. */
  copy(copyOf: (file: SimulatedFile) => SimulatedFile): SimulatedDirectory {
    const copy = new SimulatedDirectory();
    for (const [name, file] of this.names) copy.names.set(name, copyOf(file));
    for (const [name, before] of this.#before)
      copy.#before.set(
        name,
        before.map((file) => file && copyOf(file)),
      );
    return copy;
  }

  #fileLeft(name: string, luck: Luck): SimulatedFile | undefined {
    const before = this.#before.get(name) ?? [];
    let file = this.names.get(name);
    for (let index = before.length - 1; index >= 0 && !luck(); index -= 1) file = before[index];
    return file;
  }
}
