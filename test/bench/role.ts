// Roles: what a benchmark runs in processes of their own, where neither garbage nor compiled code of one side can help
// or hinder the other. Both sides of a comparison are opened, and then take short turns: whatever else the machine does
// meanwhile falls on both.

import { type ChildProcess, fork } from 'node:child_process';

/** A part of a benchmark that runs in a process of its own. What goes in and out travels as JSON. */
export interface Role<I, O, T> {
  readonly name: string;
  /** Makes everything ready, and says what was found on the way. */
  open(input: I): Promise<Played<O, T>>;
}

export interface Played<O, T> {
  readonly opening: O;
  /** Does so many jobs, and says what they took. */
  turn(jobs: number): Promise<T>;
  end(): Promise<void>;
}

export type AnyRole = Role<never, unknown, unknown>;

/** A role that is being played in another process. */
export interface Session<O, T> {
  readonly opening: O;
  turn(jobs: number): Promise<T>;
  /** Lets it end in order. */
  end(): Promise<void>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
}

export interface Stage {
  /** The compiled entry that plays roles. */
  readonly entry: string;
  readonly execArgv: readonly string[];
}

type Question = { readonly open: unknown } | { readonly turn: number } | { readonly end: true };
type Answer = { readonly value?: unknown } | { readonly error: string };

/** A million instances take a while. */
const patienceMs = 900_000;

/** Plays a role in a new process. */
export async function openRole<I, O, T>(role: Role<I, O, T>, input: I, stage: Stage): Promise<Session<O, T>> {
  const child = fork(stage.entry, ['--role', role.name], {
    execArgv: ['--expose-gc', ...stage.execArgv],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const opening = (await ask(child, role.name, { open: input })) as O;
  return {
    opening,
    turn: (jobs) => ask(child, role.name, { turn: jobs }) as Promise<T>,
    end: async () => {
      await ask(child, role.name, { end: true });
      child.disconnect();
      await ended;
    },
    kill: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

/** Plays the role that this process was started for, until whoever started it has heard enough. */
export async function play(name: string, roles: readonly AnyRole[]): Promise<void> {
  const role = roles.find((candidate) => candidate.name === name);
  if (role === undefined) throw new Error(`There is no role ${name}.`);
  let played: Played<unknown, unknown> | null = null;
  const answer = async (question: Question): Promise<unknown> => {
    if ('open' in question) {
      played = await role.open(question.open as never);
      return played.opening;
    }
    return 'turn' in question ? played?.turn(question.turn) : played?.end();
  };
  process.on('message', (question: Question) => {
    answer(question).then(
      (value) => process.send?.({ value } satisfies Answer),
      (error: unknown) =>
        process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) } satisfies Answer),
    );
  });
  process.once('disconnect', () => process.exit());
}

function ask(child: ChildProcess, name: string, question: Question): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => {
      settle();
      child.kill('SIGKILL');
      reject(new Error(`${name} ${what}`));
    };
    const onExit = (code: number | null, signal: string | null): void =>
      fail(`ended without an answer (${signal ?? `exit code ${code}`}).`);
    const onMessage = (answer: Answer): void => {
      if ('error' in answer) {
        fail(`failed: ${answer.error}`);
        return;
      }
      settle();
      resolve(answer.value);
    };
    const timer = setTimeout(() => fail(`did not answer within ${patienceMs / 1_000} s.`), patienceMs);
    const settle = (): void => {
      clearTimeout(timer);
      child.off('exit', onExit);
      child.off('message', onMessage);
    };
    child.once('exit', onExit);
    child.once('message', onMessage);
    child.send(question);
  });
}
