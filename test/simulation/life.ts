// One life of the runtime, from an opening to a stop, a kill or a power cut: a process in a world that outlives it.

import { RuntimeCore } from '../../src/actors/runtime.js';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import type { SimulatedDisk } from '../../src/adapters/testing/simulated-disk.js';
import { VirtualClock } from '../../src/adapters/testing/virtual-clock.js';
import type { AnyWorkflow } from '../../src/index.js';
import { checkOptions, toStorePort } from '../../src/runtime/options.js';
import type { Ids, Logger, Recovery } from '../../src/runtime/ports.js';
import type { Dice } from '../kill/dice.js';
import { Happenings } from './happenings.js';
import { type History, stepKey } from './history.js';
import type { Scenario } from './scenario.js';
import { ScheduledDisk } from './scheduled-disk.js';
import type { Trace } from './trace.js';
import { type WitnessParts, WitnessStore } from './witness-store.js';

export interface LifeParts {
  readonly number: number;
  readonly scenario: Scenario;
  readonly disk: SimulatedDisk;
  readonly dice: Dice;
  readonly at: number;
  readonly trace: Trace;
  readonly history: History;
  readonly witness: WitnessParts;
  readonly ids: Ids;
  readonly workflows: readonly AnyWorkflow[];
}

export class Life {
  readonly number: number;
  readonly clock: VirtualClock;
  readonly happenings = new Happenings();
  readonly disk: ScheduledDisk;
  /** Null while it recovers. */
  core: RuntimeCore | null = null;
  isStopping = false;
  /** Its clock was set: pauses between attempts go by the time that passes, and not by the clock. */
  wasSet = false;
  recovery: Recovery | null = null;
  /** Interruptions that each step in flight at the opening must have when it next runs. */
  readonly interrupted = new Map<string, number>();
  readonly #parts: LifeParts;

  constructor(parts: LifeParts) {
    const { number, at, disk, dice, trace } = parts;
    this.#parts = parts;
    this.number = number;
    this.clock = new VirtualClock(at);
    this.disk = new ScheduledDisk(disk, { happenings: this.happenings, dice, told: (what) => trace.add(`  disk: ${what}`) });
  }

  /** Opens the store and recovers. */
  async begin(): Promise<void> {
    const { scenario, witness, trace, ids, workflows } = this.#parts;
    const { logBytesMin, passivateAfterMs, maxResident } = scenario;
    const logger: Logger = { log: (level, message) => trace.add(`  ${level}: ${message}`) };
    const inner = toStorePort(jsonStore('/store', { fileSystem: this.disk, logBytesMin, logBytesMax: logBytesMin * 4 }));
    const checked = checkOptions({ workflows, passivateAfter: passivateAfterMs, maxResident });
    const store = await new WitnessStore(inner, witness).open({ logger });
    this.recovery = store.recovery;
    this.#expectInterruptions(store.recovery);
    this.core = await RuntimeCore.start({ ...checked, store, logger, clock: this.clock, ids, strict: true });
  }

  /** After a crash each step in flight is interrupted once more; after a stop in order none is. */
  #expectInterruptions({ clean }: Recovery): void {
    for (const { id, generation, pending } of this.#parts.history.active()) {
      for (const request of pending.values()) {
        const isStep = request.kind === 'step' || request.kind === 'activity';
        if (!isStep || (request.retryAt ?? 0) > this.clock.now()) continue;
        this.interrupted.set(stepKey(id, generation, request), request.interrupted + (clean ? 0 : 1));
      }
    }
  }

  /** What was counted of an instance's interruptions does not count any more: somebody brings it back by hand. */
  forgive(instanceId: string): void {
    for (const key of [...this.interrupted.keys()]) if (key.startsWith(`${instanceId}/`)) this.interrupted.delete(key);
  }

  /** Nothing of it happens any more. */
  end(): void {
    this.happenings.end();
  }
}
