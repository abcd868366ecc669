// A trial: one store, and a process on it that is killed again and again while couriers are busy; then everything is
// let finish, killed once more, and judged from what the last process finds.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readAttempts } from './attempts.js';
import { Dice } from './dice.js';
import { Ledger } from './ledger.js';
import { Line } from './line.js';
import { type Death, type Ending, type Opened, type Request, toValue } from './protocol.js';
import { Traffic } from './traffic.js';
import { judge } from './verdict.js';
import { Victim } from './victim.js';

/** Without a word from the process for so long, nothing will come any more. */
const SILENCE_MS = 15_000;
const LIFE_MIN_MS = 5;
const LIFE_MAX_MS = 500;
/** About so many names are changed by a checkpoint, and within this time. */
const NAMES_MAX = 20;
const NAMES_WITHIN_MS = 300;
/** A checkpoint begins within this time, and takes about so long. */
const CHECKPOINT_WITHIN_MS = 1_000;
const CHECKPOINT_MS = 20;
/** Kills that are added, at most, so that one falls within each phase. */
const EXTRA_MAX = 20;

export interface TrialOptions {
  readonly seed: number;
  readonly rounds: number;
  /** The compiled program that is killed. */
  readonly program: string;
  /** An empty directory. */
  readonly directory: string;
  /** Told of each round. */
  readonly onKill?: () => void;
}

/** What a process was at when it was killed: a checkpoint is one of which the disk shows that it is half written. */
export type Phase = 'working' | 'checkpoint' | 'recovery';

/** What a trial came to. */
export interface Outcome {
  readonly broken: readonly string[];
  readonly ledger: Ledger;
  readonly kills: Readonly<Record<Phase, number>>;
  /** Processes that finished one before they were killed. */
  readonly livesWithCheckpoint: number;
  readonly cuts: number;
  readonly recoveriesMs: readonly number[];
  readonly attempts: number;
  readonly requests: number;
  readonly attemptsMax: number;
}

export class Trial {
  readonly #options: TrialOptions;
  readonly #dice: Dice;
  readonly #ledger = new Ledger();
  readonly #line = new Line();
  readonly #traffic: Traffic;
  readonly #victims = new Set<Victim>();
  readonly #recoveriesMs: number[] = [];
  #next: Victim;
  #processes = 0;
  readonly #kills: Record<Phase, number> = { working: 0, checkpoint: 0, recovery: 0 };
  #cuts = 0;
  #generation = 0;
  #livesWithCheckpoint = 0;
  #isOver = false;
  #fail: (error: Error) => void = () => {};
  readonly #failure: Promise<never>;
  readonly #silence: NodeJS.Timeout;

  constructor(options: TrialOptions) {
    this.#options = options;
    this.#dice = new Dice(options.seed);
    this.#failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.#failure.catch(() => {});
    this.#silence = setTimeout(() => this.#fail(new Error(`Nothing happened for ${SILENCE_MS} ms.`)), SILENCE_MS);
    const onFault = (text: string) => this.#fail(new Error(text));
    this.#traffic = new Traffic({ line: this.#line, ledger: this.#ledger, dice: this.#dice.part(0), onFault });
    this.#next = this.#load();
  }

  /** Kills as often as asked for, lets all finish, and says what was found. */
  async run(): Promise<Outcome> {
    try {
      await this.#orFailure(this.#killAgainAndAgain());
      await this.#orFailure(this.#finish());
    } catch (error) {
      this.#isOver = true;
      this.#ledger.faults.unshift(error instanceof Error ? error.message : String(error), ...(await this.#unfinished()));
      return this.#outcome({ isFinished: false });
    }
    return this.#outcome({ isFinished: true });
  }

  /** Ends every process that is left. */
  async end(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#silence);
    this.#line.disconnect();
    await Promise.all([...this.#victims].map((victim) => victim.kill()));
  }

  async #killAgainAndAgain(): Promise<void> {
    this.#traffic.begin();
    for (let round = 0; round < this.#options.rounds && !this.#isOver; round += 1) {
      const chance = this.#dice.below(100);
      if (round === 0 || chance < 40) await this.#killAlive(await this.#take());
      else if (chance < 60) await this.#killAtName(await this.#take());
      else if (chance < 80) await this.#killInCheckpoint(await this.#take());
      else await this.#killRecovering(await this.#take());
      this.#options.onKill?.();
    }
    for (let extra = 0; extra < EXTRA_MAX && !this.#isOver; extra += 1) {
      if (this.#kills.checkpoint === 0) await this.#killInCheckpoint(await this.#take());
      else if (this.#kills.recovery === 0) await this.#killRecovering(await this.#take());
      else if (this.#kills.working === 0) await this.#killAlive(await this.#take());
      else break;
    }
  }

  async #killAlive(victim: Victim): Promise<void> {
    const opened = await this.#open(victim);
    this.#line.connect(victim);
    await pause(LIFE_MIN_MS + this.#dice.below(LIFE_MAX_MS - LIFE_MIN_MS + 1));
    await this.#killConnected(victim, opened);
  }

  /** Where it makes, renames or removes a file: mostly within a checkpoint. */
  async #killAtName(victim: Victim): Promise<void> {
    const opened = await this.#open(victim, { names: this.#dice.below(NAMES_MAX), inOpening: this.#dice.chance(0.25) });
    if (opened !== null) {
      this.#line.connect(victim);
      await pause(LIFE_MIN_MS);
      // With nothing new to do it comes further.
      this.#line.disconnect();
      await Promise.race([victim.closed, pause(NAMES_WITHIN_MS)]);
    }
    await this.#killConnected(victim, opened);
  }

  /** From outside, some time after it said that a checkpoint begins. */
  async #killInCheckpoint(victim: Victim): Promise<void> {
    const opened = await this.#open(victim);
    this.#line.connect(victim);
    await Promise.race([victim.checkpoint, pause(CHECKPOINT_WITHIN_MS)]);
    await pause(this.#dice.below(CHECKPOINT_MS));
    await this.#killConnected(victim, opened);
  }

  async #killRecovering(victim: Victim): Promise<void> {
    const opening = this.#open(victim);
    const recoveryMs = this.#recoveriesMs.at(-1) ?? 0;
    await Promise.race([pause(this.#dice.below(Math.ceil(recoveryMs * 1.2))), opening]);
    await this.#kill(victim, opening);
  }

  async #finish(): Promise<void> {
    const victim = await this.#take();
    const opened = await this.#open(victim);
    this.#line.connect(victim);
    await this.#traffic.windDown();
    await this.#kill(victim, opened);
    const last = await this.#take();
    await this.#open(last);
    await this.#readAll(last);
    await last.end();
    this.#victims.delete(last);
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
      onFault: (text) => this.#fail(new Error(text)),
      onSign: () => this.#silence.refresh(),
    });
    this.#victims.add(victim);
    return victim;
  }

  async #open(victim: Victim, death: Death | null = null): Promise<Opened | null> {
    const { directory } = this.#options;
    const process = this.#processes;
    this.#processes += 1;
    const opened = await victim.open({
      store: join(directory, 'store'),
      attempts: join(directory, 'attempts'),
      process,
      death,
      // So little that a checkpoint is written several times in each life.
      logBytesMin: 65_536,
      logBytesMax: 1_048_576,
      maxResident: process % 2 === 0 ? 10_000 : 0,
    });
    if (opened !== null) this.#recoveriesMs.push(opened.recoveryMs);
    if (opened !== null && opened.cutBytes > 0) this.#cuts += 1;
    return opened;
  }

  async #killConnected(victim: Victim, opened: Opened | null): Promise<void> {
    // What has failed is looked at while the process lives.
    if (this.#isOver) return;
    this.#line.disconnect();
    await this.#kill(victim, opened);
  }

  async #kill(victim: Victim, opened: Opened | null | Promise<Opened | null>): Promise<void> {
    await victim.kill();
    this.#victims.delete(victim);
    const { generation, isHalf } = await readCheckpoint(join(this.#options.directory, 'store'));
    if (generation > this.#generation) this.#livesWithCheckpoint += 1;
    this.#generation = generation;
    this.#kills[(await opened) === null ? 'recovery' : isHalf ? 'checkpoint' : 'working'] += 1;
  }

  #orFailure<T>(task: Promise<T>): Promise<T> {
    task.catch(() => {});
    return Promise.race([task, this.#failure]);
  }

  /** What the process that lives can say of what hangs. */
  async #unfinished(): Promise<string[]> {
    const lines = await Promise.race([this.#line.ask({ kind: 'unfinished' }), pause(1_000, null, { ref: false })]);
    return lines !== null && 'value' in lines ? (lines.value as string[]).map((line) => `It has not ended: ${line}`) : [];
  }

  #outcome(state: { isFinished: boolean }): Outcome {
    const { attempts, torn } = readAttempts(join(this.#options.directory, 'attempts'));
    const counts = new Map<string, number>();
    for (const { key } of attempts) counts.set(key, (counts.get(key) ?? 0) + 1);
    const broken = judge(this.#ledger, attempts, state);
    const { working, checkpoint, recovery } = this.#kills;
    const kills = working + checkpoint + recovery;
    if (torn > kills) broken.push(`${torn} lines of the file of attempts are torn by ${kills} kills.`);
    return {
      broken,
      ledger: this.#ledger,
      kills: this.#kills,
      livesWithCheckpoint: this.#livesWithCheckpoint,
      cuts: this.#cuts,
      recoveriesMs: this.#recoveriesMs,
      attempts: attempts.length,
      requests: counts.size,
      attemptsMax: Math.max(0, ...counts.values()),
    };
  }
}

interface CheckpointState {
  /** Of the last checkpoint that was finished. */
  readonly generation: number;
  /** There are shard files that meta.json does not name: what a checkpoint that was killed leaves. */
  readonly isHalf: boolean;
}

async function readCheckpoint(store: string): Promise<CheckpointState> {
  const text = await readFile(join(store, 'meta.json'), 'utf8').catch(() => null);
  if (text === null) return { generation: 0, isHalf: false };
  const { generation } = (JSON.parse(text) as { meta: { generation: number } }).meta;
  const names = await readdir(join(store, 'shards'));
  return { generation, isHalf: names.some((name) => name.endsWith('.tmp') || Number(name.split('.')[1]) > generation) };
}
