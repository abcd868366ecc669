// An echo server and its client. Each connection is a task that reads like the conversation it holds.

import { all, log, type Operation, spawn, timeout, workflow } from '../../src/index.js';
import { accept, type Connection, connect, hangUp, type Listener, readLine, stopListening, writeLine } from './lines.js';

/** Serves until it is cancelled. Its connections are its tasks: they end with it, and their sockets with them. */
export const echoServer = workflow({ name: 'echo server', durable: false }, function* (listener: Listener) {
  try {
    for (;;) {
      const connection = yield* accept(listener);
      yield* spawn(() => echo(connection));
    }
  } finally {
    stopListening(listener);
  }
});

/** Whoever is silent for a second is dropped. */
function* echo(connection: Connection): Operation<void> {
  try {
    for (;;) {
      const line = yield* timeout('1s', readLine(connection));
      if (line === undefined) return;
      yield* writeLine(connection, line);
    }
  } catch (error) {
    log.info(`a connection is dropped: ${error}`); // and the others go on
  } finally {
    hangUp(connection);
  }
}

/** Says its lines without waiting for the echo of each, and gives what it hears. */
export const echoClient = workflow({ name: 'echo client', durable: false }, function* (input: { port: number; lines: string[] }) {
  const connection = yield* connect(input.port);
  try {
    const { heard } = yield* all({ said: say(connection, input.lines), heard: hear(connection, input.lines.length) });
    return heard;
  } finally {
    hangUp(connection);
  }
});

function* say(connection: Connection, lines: readonly string[]): Operation<void> {
  for (const line of lines) yield* writeLine(connection, line);
}

function* hear(connection: Connection, count: number): Operation<string[]> {
  const heard: string[] = [];
  while (heard.length < count) heard.push((yield* readLine(connection)) ?? 'end');
  return heard;
}

/** Says nothing, and gives what it hears. */
export const silentClient = workflow({ name: 'silent client', durable: false }, function* (port: number) {
  const connection = yield* connect(port);
  try {
    return (yield* readLine(connection)) ?? 'the server hung up';
  } finally {
    hangUp(connection);
  }
});
