// A JSON interface over node:http, just large enough for the examples: routes, a body limit, errors as data.
// It listens on the loopback only, refuses foreign Host headers and bodies that a plain web form could send, so a
// web page that a developer happens to visit cannot talk to it.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';

const bodyBytesMax = 64 * 1024;

export interface Call {
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  readonly body: unknown;
  /** Aborted when the caller hangs up, or the service closes. */
  readonly signal: AbortSignal;
  /** The part of the path that a route names ":name". */
  param(name: string): string;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, unless `headers` says that it is something else. */
  readonly body?: unknown;
}

export type Handler = (call: Call) => Reply | Promise<Reply>;

export interface HttpService {
  readonly url: string;
  /** Takes no more requests, and resolves when those that are under way have been answered. */
  close(): Promise<void>;
}

/** Throw it from a handler to answer with this status and code. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface ServeOptions {
  /** Which status an error of the caller's own kind has; undefined: it is ours, and answered with 500. */
  readonly statusOf?: (error: Error & { readonly code?: unknown }) => number | undefined;
}

/** Serves routes such as `'POST /orders/:id'` on a free port of the loopback. */
export async function serve(routes: Readonly<Record<string, Handler>>, options: ServeOptions = {}): Promise<HttpService> {
  const closing = new AbortController();
  const hosts = new Set<string>();
  const server = createServer((request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    void answer(request, { routes, hosts, closing: closing.signal, gone: gone.signal })
      .catch((error: unknown) => toErrorReply(error, options))
      .then((reply) => send(response, reply, closing.signal.aborted))
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  for (const name of ['127.0.0.1', 'localhost']) hosts.add(`${name}:${address.port}`);
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      return closed;
    },
  };
}

/** The request's idempotency key: who sends a request again sends the same one. */
export function idempotencyKey(call: Call): string {
  const key = call.headers['idempotency-key'];
  if (typeof key === 'string' && key !== '') return key;
  throw new HttpError(400, 'NO_IDEMPOTENCY_KEY', 'The header idempotency-key is missing.');
}

interface Site {
  readonly routes: Readonly<Record<string, Handler>>;
  readonly hosts: ReadonlySet<string>;
  readonly closing: AbortSignal;
  readonly gone: AbortSignal;
}

async function answer(request: IncomingMessage, site: Site): Promise<Reply> {
  if (!site.hosts.has(request.headers.host ?? ''))
    throw new HttpError(403, 'FOREIGN_HOST', 'This service answers to its own address only.');
  if (site.closing.aborted) throw new HttpError(503, 'CLOSING', 'The service is closing.');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const { handler, params } = findRoute(site.routes, `${request.method} ${url.pathname}`);
  const body = await readBody(request);
  return handler({
    headers: request.headers,
    query: url.searchParams,
    body,
    signal: AbortSignal.any([site.closing, site.gone]),
    param: (name) => params.get(name) ?? '',
  });
}

function findRoute(routes: Readonly<Record<string, Handler>>, asked: string): { handler: Handler; params: Map<string, string> } {
  const parts = asked.split('/');
  for (const [route, handler] of Object.entries(routes)) {
    const names = route.split('/');
    const isMatch =
      names.length === parts.length && names.every((name, at) => (name.startsWith(':') ? parts[at] !== '' : name === parts[at]));
    if (!isMatch) continue;
    const params = names.flatMap((name, at): [string, string][] =>
      name.startsWith(':') ? [[name.slice(1), decode(parts[at] ?? '')]] : [],
    );
    return { handler, params: new Map(params) };
  }
  throw new HttpError(404, 'NO_SUCH_ROUTE', `There is no ${asked}.`);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpError(400, 'BAD_PATH', 'The path is not well-formed.');
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  if (request.method !== 'POST' && request.method !== 'PUT') return undefined;
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    throw new HttpError(415, 'NOT_JSON', 'The body must be sent as application/json.');
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new HttpError(413, 'BODY_TOO_LARGE', `The body is larger than ${bodyBytesMax} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new HttpError(400, 'BAD_JSON', 'The body is not JSON.');
  }
}

function toErrorReply(thrown: unknown, options: ServeOptions): Reply {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const status = error instanceof HttpError ? error.status : options.statusOf?.(error);
  if (status !== undefined) return { status, body: { code: 'code' in error ? error.code : error.name, message: error.message } };
  console.error(error);
  return { status: 500, body: { code: 'INTERNAL', message: 'The service failed.' } };
}

function send(response: ServerResponse, reply: Reply, isClosing: boolean): void {
  const headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff', ...reply.headers };
  // A refused body may not have been read to its end: the connection cannot be used for another request.
  const isLast = isClosing || (reply.status ?? 200) === 413;
  response.writeHead(reply.status ?? 200, isLast ? { ...headers, connection: 'close' } : headers);
  response.end(headers['content-type'] === 'application/json' ? JSON.stringify(reply.body ?? null) : reply.body);
}
