// `--profile` and `--profile-memory`: what a measured stretch spends its processor time on, or what it allocates that
// must be collected again, function by function. The stretch is sampled and nothing else, so that neither opening nor
// warming up stands in the table. Sampling slows what it looks at: figures of such a run are not to be quoted.

import { Session } from 'node:inspector/promises';
import { basename, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';

export type ProfileKind = 'time' | 'memory';

/** Set by the entry, and seen by the processes that it starts. */
const switchName = 'ROUSE_BENCH_PROFILE';
const sampleUs = 250;
const sampleBytes = 16_384;
const rowsMax = 25;
const filesMax = 12;
const idle = '(idle)';

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

interface AllocationNode {
  readonly callFrame: Frame;
  readonly selfSize: number;
  readonly children: readonly AllocationNode[];
}

/** How much of something each function has taken by itself. */
type Shares = Map<string, number>;

export function turnProfilingOn(kind: ProfileKind): void {
  process.env[switchName] = kind;
}

export function isProfiling(): boolean {
  return process.env[switchName] !== undefined;
}

/** Runs a stretch, and shows on stderr what its main thread did for each of the records that it says it has made. */
export async function profiled<T>(what: string, run: () => Promise<T>, recordsOf: (made: T) => number): Promise<T> {
  if (!isProfiling()) return run();
  const session = new Session();
  session.connect();
  const isOfMemory = process.env[switchName] === 'memory';
  const { made, shares } = await (isOfMemory ? sampleMemory(session, run) : sampleTime(session, run));
  session.disconnect();
  console.error(toTables(`${what}, ${isOfMemory ? 'bytes allocated' : 'µs of the main thread'}`, shares, recordsOf(made)));
  return made;
}

async function sampleTime<T>(session: Session, run: () => Promise<T>): Promise<{ made: T; shares: Shares }> {
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: sampleUs });
  await session.post('Profiler.start');
  const made = await run();
  const { nodes, samples = [], timeDeltas = [] } = (await session.post('Profiler.stop')).profile;
  const names = new Map(nodes.map((node) => [node.id, toName(node.callFrame)]));
  const shares: Shares = new Map();
  // A sample stands for the time up to the next one.
  for (const [index, id] of samples.entries()) add(shares, names.get(id) ?? '(unknown)', Math.max(0, timeDeltas[index + 1] ?? 0));
  return { made, shares };
}

async function sampleMemory<T>(session: Session, run: () => Promise<T>): Promise<{ made: T; shares: Shares }> {
  const collected = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true };
  const options = { samplingInterval: sampleBytes, ...collected };
  await session.post('HeapProfiler.startSampling', options);
  const made = await run();
  const { profile } = await session.post('HeapProfiler.stopSampling');
  const shares: Shares = new Map();
  const visit = (node: AllocationNode): void => {
    add(shares, toName(node.callFrame), node.selfSize);
    for (const child of node.children) visit(child);
  };
  visit(profile.head);
  return { made, shares };
}

function add(shares: Shares, name: string, amount: number): void {
  shares.set(name, (shares.get(name) ?? 0) + amount);
}

function toName({ functionName, url, lineNumber }: Frame): string {
  if (url === '') return functionName === '' ? '(unnamed)' : functionName;
  const path = url.startsWith('file:') ? fileURLToPath(url) : url;
  const file = isAbsolute(path) ? basename(path) : path;
  return `${functionName === '' ? '(unnamed)' : functionName} ${file}:${lineNumber + 1}`;
}

function toTables(what: string, shares: Shares, records: number): string {
  const busy: Shares = new Map([...shares].filter(([name]) => name !== idle));
  const total = [...busy.values()].reduce((sum, amount) => sum + amount, 0);
  const toLines = (rows: Shares, most: number): string[] =>
    [...rows]
      .sort((a, b) => b[1] - a[1])
      .slice(0, most)
      .map(([name, amount]) => {
        const percent = ((100 * amount) / total).toFixed(1).padStart(5);
        return `| ${(amount / records).toFixed(3).padStart(8)} | ${percent} % | ${name} |`;
      });
  const idleText = shares.has(idle) ? `; ${((shares.get(idle) ?? 0) / 1_000).toFixed(0)} ms idle` : '';
  return [
    '',
    `${what}: ${(total / records).toFixed(2)} for each of ${records} records${idleText}`,
    '',
    '|     each |   share | function, compiled line |',
    '|---------:|--------:|-------------------------|',
    ...toLines(busy, rowsMax),
    '',
    '|     each |   share | file |',
    '|---------:|--------:|------|',
    ...toLines(byFile(busy), filesMax),
    '',
  ].join('\n');
}

/** The same, of all functions of a file together. */
function byFile(shares: Shares): Shares {
  const files: Shares = new Map();
  for (const [name, amount] of shares) {
    add(files, / ([^ ]+):\d+$/.exec(name)?.[1] ?? (name.startsWith('(') ? name : '(built in)'), amount);
  }
  return files;
}
