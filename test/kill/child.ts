// The process that is killed: it opens a runtime on a store when it is told to, and passes on what the test asks of it.
//
//   started by the kill test, not by hand

import { basename, dirname } from 'node:path';
import { type FileSystem, nodeFileSystem } from '../../src/adapters/stores/json/file-system.js';
import { jsonStore } from '../../src/adapters/stores/json/json-store.js';
import { createRuntime, type Logger, type Runtime, WorkflowFailedError } from '../../src/index.js';
import type { StorePort } from '../../src/runtime/ports.js';
import { openOutside, tell } from './outside.js';
import type { Ending, Opened, Opening, Reply, Request, ToChild } from './protocol.js';
import { collector, courier, order, parcel, workflows } from './workflows.js';

/** Whatever the runtime finds wrong is the test's business. */
const logger: Logger = {
  log(level, message, fields) {
    if (level !== 'error') return;
    if (fields.code === 'INTERRUPTED_TOO_OFTEN') void tell({ kind: 'interrupted', id: String(fields.instanceId) });
    else void tell({ kind: 'complaint', text: `${message} ${JSON.stringify(fields)}` });
  },
};

/**
 * A disk that kills the process in place of a change of a name: it catches what is over too fast to be hit from outside.
 * And it tells when a checkpoint begins: when the open store begins a new segment of its log.
 */
class MortalDisk {
  readonly fileSystem: FileSystem;
  isOpen = false;
  #namesLeft = Number.POSITIVE_INFINITY;

  constructor() {
    const { open, rename, link, remove } = nodeFileSystem;
    const create = this.#counted(open);
    this.fileSystem = {
      ...nodeFileSystem,
      open: (path, mode) => {
        if (mode !== 'create') return open(path, mode);
        if (this.isOpen && basename(dirname(path)) === 'log') void tell({ kind: 'checkpoint' });
        return create(path, mode);
      },
      rename: this.#counted(rename),
      link: this.#counted(link),
      remove: this.#counted(remove),
    };
  }

  begin(names: number): void {
    this.#namesLeft = names;
  }

  #counted<A extends unknown[], T>(call: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
    return (...args) => {
      if (this.#namesLeft === 0) process.kill(process.pid, 'SIGKILL');
      this.#namesLeft -= 1;
      return call(...args);
    };
  }
}

async function open(opening: Opening): Promise<{ runtime: Runtime; opened: Opened }> {
  openOutside(opening);
  const { death, logBytesMin, logBytesMax, maxResident } = opening;
  const disk = new MortalDisk();
  if (death?.inOpening === true) disk.begin(death.names);
  const inner = jsonStore(opening.store, { fileSystem: disk.fileSystem, logBytesMin, logBytesMax });
  let cutBytes = 0;
  const store: StorePort = {
    kind: inner.kind,
    async open(options) {
      const store = await inner.open(options);
      cutBytes = store.recovery.cut?.bytes ?? 0;
      disk.isOpen = true;
      if (death?.inOpening === false) disk.begin(death.names);
      return store;
    },
  };
  const begin = performance.now();
  const runtime = await createRuntime({ workflows, store, logger, maxResident });
  return { runtime, opened: { recoveryMs: performance.now() - begin, cutBytes } };
}

async function answer(runtime: Runtime, request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'start':
      return (await runtime.start(courier, request.route, { id: request.id })).id;
    case 'order':
      return (await runtime.send(request.to, order, toItem(request), { id: request.id })).status;
    case 'parcel':
      return (await runtime.publish(parcel, request.key, toItem(request), { id: request.id })).status;
    case 'complete':
      return runtime.complete(request.token, request.payload);
    case 'cancel':
      return runtime.instance(request.id).cancel('the test wants it');
    case 'retry':
      return runtime.instance(request.id).retry();
    case 'result':
      return endingOf(runtime, request.id);
    case 'history':
      return Object.values((await runtime.instance(request.id).info()).exposed).flat();
    case 'collect':
      return (await runtime.start(collector, request.key, { id: `collector of ${request.key}` })).result();
    case 'unfinished':
      return unfinished(runtime);
    case 'stop':
      return runtime.stop();
  }
}

async function endingOf(runtime: Runtime, id: string): Promise<Ending> {
  try {
    return { status: 'completed', output: await runtime.instance(id, courier).result() };
  } catch (error) {
    if (error instanceof WorkflowFailedError) return { status: 'failed', error: error.error.name, message: error.error.message };
    throw error;
  }
}

async function unfinished(runtime: Runtime): Promise<string[]> {
  const found: string[] = [];
  for await (const { id, status, endedAt, waitingFor } of runtime.list()) {
    if (endedAt === null) found.push(`${id} is ${status}, waits for ${JSON.stringify(waitingFor)}`);
  }
  return found;
}

function toItem({ id, padding }: { id: string; padding: number }): { id: string; padding: string } {
  return { id, padding: '.'.repeat(padding) };
}

async function toReply(value: Promise<unknown>): Promise<Reply> {
  try {
    return { value: (await value) ?? null };
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    return { code: String(code), message: String(message) };
  }
}

let runtime: Runtime | null = null;
let hasStopped = false;

async function obey(message: ToChild): Promise<void> {
  if (message.kind === 'open') {
    const { opened, ...rest } = await open(message.opening);
    runtime = rest.runtime;
    await tell({ kind: 'opened', opened });
    return;
  }
  if (runtime === null) throw new Error('Nothing was opened yet.');
  await tell({ kind: 'reply', number: message.number, reply: await toReply(answer(runtime, message.request)) });
  if (message.request.kind !== 'stop') return;
  hasStopped = true;
  process.disconnect();
}

process.on('message', (message: ToChild) => void obey(message));
// When it has stopped nothing is to hold it any more; when the test is gone it is not to live on.
process.once('disconnect', () => {
  if (!hasStopped) process.exit(1);
});
void tell({ kind: 'loaded' });
