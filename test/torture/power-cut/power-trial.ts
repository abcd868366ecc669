// A trial of power cuts: a store on a disk of its own, and a process on it with 64 busy instances. The power is cut
// again and again, at random moments of its life and of its recovery; after each cut the disk is mounted again, and a
// new process opens what there is. In the end everything is let finish, cut once more, and judged.
//
// Invariants:
//   P1. What the ledger has as acknowledged was heard before the cut was issued: what is heard later does not count.
//   P2. Nothing of the process is left when the disk is mounted again. The file of attempts is on another disk: it tells
//       what the world outside has seen.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readAttempts } from '../../kill/attempts.js';
import { Dice } from '../../kill/dice.js';
import { Ledger } from '../../kill/ledger.js';
import { type Ending, type Opened, type Request, toValue } from '../../kill/protocol.js';
import { Traffic } from '../../kill/traffic.js';
import { judge } from '../../kill/verdict.js';
import { Victim } from '../../kill/victim.js';
import type { MountedDisk } from '../mounted-disk.js';
import { Control, type ControlTally } from './control.js';
import { FencedLine } from './fenced-line.js';

/** Without a word from the process for so long, nothing will come any more. */
const SILENCE_MS = 20_000;
const LIFE_MIN_MS = 5;
const LIFE_MAX_MS = 500;
/** A checkpoint takes about so small a part of a life. */
const CHECKPOINTS_PER_LIFE = 10;

export interface PowerTrialOptions {
  readonly seed: number;
  readonly cuts: number;
  readonly disk: MountedDisk;
  /** The file of attempts, on another disk. */
  readonly attempts: string;
  /** The compiled program that is cut off, and that of the control. */
  readonly program: string;
  readonly control: string;
  readonly onCut: (cuts: number) => void;
}

/** What a trial came to. */
export interface PowerOutcome {
  readonly broken: readonly string[];
  readonly ledger: Ledger;
  readonly cuts: number;
  /** Of these cuts. */
  readonly cutsInRecovery: number;
  /** Those that left a checkpoint half written. */
  readonly cutsInCheckpoint: number;
  /** Cuts after which the store had cut an unsynced tail off its log. */
  readonly tails: number;
  /** Files of the store that a cut left empty, and that opening it removed or wrote anew. */
  readonly emptyFiles: number;
  readonly control: ControlTally;
}

export class PowerTrial {
  readonly #options: PowerTrialOptions;
  readonly #dice: Dice;
  readonly #ledger = new Ledger();
  readonly #line = new FencedLine();
  readonly #traffic: Traffic;
  readonly #tally: ControlTally = { acknowledged: 0, lost: 0, cutsWithLoss: 0, empty: 0, broken: 0 };
  readonly #control: Control;
  readonly #victims = new Set<Victim>();
  readonly #store: string;
  #next: Victim;
  #processes = 0;
  #cuts = 0;
  #cutsInRecovery = 0;
  #cutsInCheckpoint = 0;
  #tails = 0;
  #emptyFiles = 0;
  #recoveryMs = 100;
  #hasPower = true;
  #isOver = false;
  #fail: (error: Error) => void = () => {};
  readonly #failure: Promise<never>;
  readonly #silence: NodeJS.Timeout;

  constructor(options: PowerTrialOptions) {
    this.#options = options;
    this.#store = join(options.disk.path, 'store');
    this.#dice = new Dice(options.seed);
    this.#failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.#failure.catch(() => {});
    this.#silence = setTimeout(() => this.#fail(new Error(`Nothing happened for ${SILENCE_MS} ms.`)), SILENCE_MS);
    const onFault = (text: string) => this.#fail(new Error(text));
    this.#traffic = new Traffic({ line: this.#line, ledger: this.#ledger, dice: this.#dice.part(0), onFault });
    this.#control = new Control(options.control, join(options.disk.path, 'lowdb.json'), this.#tally);
    this.#next = this.#load();
  }

  /** Cuts as often as asked for, lets all finish, and says what was found. */
  async run(): Promise<PowerOutcome> {
    try {
      await this.#orFailure(this.#cutAgainAndAgain());
      await this.#orFailure(this.#finish());
    } catch (error) {
      this.#isOver = true;
      this.#ledger.faults.unshift(error instanceof Error ? error.message : String(error));
      return this.#outcome({ isFinished: false });
    }
    return this.#outcome({ isFinished: true });
  }

  /** Ends every process that is left. */
  async end(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#silence);
    this.#line.disconnect();
    await Promise.all([...[...this.#victims].map((victim) => victim.kill()), this.#control.kill()()]);
  }

  async #cutAgainAndAgain(): Promise<void> {
    this.#traffic.begin();
    for (let round = 0; round < this.#options.cuts && !this.#isOver; round += 1) {
      const victim = await this.#take();
      const chance = this.#dice.below(100);
      if (round > 0 && chance < 25) await this.#cutRecovering(victim);
      else await this.#cutAlive(victim, { inCheckpoint: round > 0 && chance < 60 });
    }
  }

  async #cutAlive(victim: Victim, { inCheckpoint }: { inCheckpoint: boolean }): Promise<void> {
    await this.#control.load();
    await this.#open(victim);
    await this.#findNothingLost(victim);
    const controlIsAtWork = this.#control.begin();
    this.#line.connect(victim);
    const lifeMs = LIFE_MIN_MS + this.#dice.below(LIFE_MAX_MS - LIFE_MIN_MS + 1);
    if (inCheckpoint) {
      await Promise.race([victim.checkpoint, pause(LIFE_MAX_MS)]);
      await pause(lifeMs / CHECKPOINTS_PER_LIFE);
    } else await Promise.all([pause(lifeMs), controlIsAtWork]);
    await this.#cut(victim);
  }

  async #cutRecovering(victim: Victim): Promise<void> {
    await this.#control.load();
    void this.#control.begin();
    const opening = this.#open(victim);
    await Promise.race([pause(this.#dice.below(Math.ceil(this.#recoveryMs * 1.2))), opening]);
    await this.#cut(victim);
    if ((await opening) === null) this.#cutsInRecovery += 1;
  }

  async #finish(): Promise<void> {
    const victim = await this.#take();
    await this.#open(victim);
    this.#line.connect(victim);
    await this.#traffic.windDown();
    await this.#cut(victim);
    const last = await this.#take();
    await this.#open(last);
    await this.#readAll(last);
    await last.end();
    this.#victims.delete(last);
  }

  async #cut(victim: Victim): Promise<void> {
    // What has failed is looked at while the process lives.
    if (this.#isOver) return;
    const { disk } = this.#options;
    this.#line.disconnect();
    const pids = [...(victim.pid === undefined ? [] : [victim.pid]), ...this.#control.pids];
    const controlGone = this.#control.kill();
    this.#hasPower = false;
    disk.cutPower(pids);
    await Promise.all([victim.kill(), controlGone()]);
    this.#victims.delete(victim);
    await disk.unmount();
    disk.mount();
    this.#hasPower = true;
    this.#cuts += 1;
    this.#control.judge();
    if (isInCheckpoint(this.#store)) this.#cutsInCheckpoint += 1;
    this.#options.onCut(this.#cuts);
  }

  /** Opens the store in a process that has seen nothing of it; resolves with null when its power was cut before it was ready. */
  async #open(victim: Victim): Promise<Opened | null> {
    const process = this.#processes;
    this.#processes += 1;
    const empty = emptyFilesIn(this.#store);
    const opened = await victim.open({
      store: this.#store,
      attempts: this.#options.attempts,
      process,
      death: null,
      // So little that a checkpoint is written several times in each life.
      logBytesMin: 65_536,
      logBytesMax: 1_048_576,
      maxResident: process % 2 === 0 ? 10_000 : 0,
    });
    if (opened === null) return null;
    this.#recoveryMs = opened.recoveryMs;
    if (opened.cutBytes > 0) this.#tails += 1;
    const accepted = emptyFilesIn(this.#store).filter((file) => empty.includes(file));
    for (const file of accepted) this.#ledger.faults.push(`The store opened with ${file}, which the cut has left empty.`);
    this.#emptyFiles += empty.length;
    return opened;
  }

  /** Everything acknowledged is there in the first place: what became of it is told at the end. */
  async #findNothingLost(victim: Victim): Promise<void> {
    for (const voyage of this.#ledger.voyages.values()) {
      if (voyage.start.fate !== 'acknowledged') continue;
      const request = { kind: 'history', id: voyage.id } as const;
      this.#ledger.saw(voyage, toValue(await victim.ask(request), request) as string[]);
    }
    if (this.#ledger.faults.length > 0) throw new Error('Something that was acknowledged is lost.');
  }

  /** What a process finds that has seen nothing of it happen. */
  async #readAll(victim: Victim): Promise<void> {
    const ask = async (request: Request): Promise<unknown> => toValue(await victim.ask(request), request);
    for (const voyage of this.#ledger.voyages.values()) {
      this.#ledger.ended(voyage, (await ask({ kind: 'result', id: voyage.id })) as Ending);
      this.#ledger.saw(voyage, (await ask({ kind: 'history', id: voyage.id })) as string[]);
    }
    for (const key of this.#traffic.keys) this.#ledger.left.set(key, (await ask({ kind: 'collect', key })) as string[]);
    for (const each of (await ask({ kind: 'unfinished' })) as string[]) this.#ledger.faults.push(`It has not ended: ${each}`);
  }

  /** A process with its program loaded; the next one is loaded while it works. */
  async #take(): Promise<Victim> {
    const victim = this.#next;
    await victim.loaded;
    this.#next = this.#load();
    return victim;
  }

  #load(): Victim {
    if (this.#isOver) throw new Error('The trial is over.');
    const victim = new Victim(this.#options.program, {
      onToken: (label, token) => this.#traffic.onToken(label, token),
      onInterrupted: (id) => this.#traffic.onInterrupted(id),
      // Without power every write fails, and it says so.
      onFault: (text) => {
        if (this.#hasPower) this.#fail(new Error(text));
      },
      onSign: () => this.#silence.refresh(),
    });
    this.#victims.add(victim);
    return victim;
  }

  #orFailure<T>(task: Promise<T>): Promise<T> {
    task.catch(() => {});
    return Promise.race([task, this.#failure]);
  }

  #outcome(state: { isFinished: boolean }): PowerOutcome {
    const { attempts, torn } = readAttempts(this.#options.attempts);
    const broken = judge(this.#ledger, attempts, state);
    if (torn > this.#cuts) broken.push(`${torn} lines of the file of attempts are torn by ${this.#cuts} cuts.`);
    return {
      broken,
      ledger: this.#ledger,
      cuts: this.#cuts,
      cutsInRecovery: this.#cutsInRecovery,
      cutsInCheckpoint: this.#cutsInCheckpoint,
      tails: this.#tails,
      emptyFiles: this.#emptyFiles,
      control: this.#tally,
    };
  }
}

function emptyFilesIn(store: string): string[] {
  return filesIn(store).filter((file) => {
    // A checkpoint that runs removes files meanwhile.
    const stats = statSync(join(store, file), { throwIfNoEntry: false });
    return stats?.isFile() === true && stats.size === 0;
  });
}

/** There are shard files that meta.json does not name yet: what a checkpoint leaves that did not come to its end. */
function isInCheckpoint(store: string): boolean {
  let generation = 0;
  try {
    generation = (JSON.parse(readFileSync(join(store, 'meta.json'), 'utf8')) as { meta: { generation: number } }).meta.generation;
  } catch {
    // There was no checkpoint yet.
  }
  return filesIn(join(store, 'shards')).some((name) => name.endsWith('.tmp') || Number(name.split('.')[1]) > generation);
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}
