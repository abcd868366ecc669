// A web site of many pages, some of which misbehave, and the notes of its server about who asked for what.
// Page 0 links to the first hundred, which are slow; page n to 3n+1, 3n+2 and 3n+3, and to pages that are known already.
// Only pages at the rim, which lead to nothing new, fail or hang.

import { EventEmitter, once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const frontPages = 100;

type Kind = 'fine' | 'slow' | 'broken once' | 'broken' | 'hangs' | 'hangs halfway';

export class Site {
  readonly #server = createServer((request, response) => void this.#answer(Number(request.url?.slice('/page/'.length)), response));
  readonly #closings = new EventEmitter();
  readonly size: number;
  /** How often each page was asked for. */
  readonly asked = new Map<number, number>();
  /** Requests under way: now, and at the worst moment. */
  open = 0;
  openMost = 0;
  /** Connections that were closed in the middle of an answer. */
  cut = 0;

  constructor(size: number) {
    this.size = size;
  }

  /** Serves it on a free port of the loopback, and gives the address of the first page. */
  async start(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/page/0`;
  }

  /** Resolves when the server has seen the end of every request. */
  async quiet(): Promise<void> {
    while (this.open > 0) await once(this.#closings, 'closed');
  }

  async stop(): Promise<void> {
    const closed = once(this.#server.close(), 'close');
    this.#server.closeAllConnections();
    await closed;
  }

  /** All pages of these kinds. */
  pages(...kinds: readonly Kind[]): number[] {
    return numbers(0, this.size - 1).filter((page) => kinds.includes(this.#kind(page)));
  }

  #kind(page: number): Kind {
    const isAtTheRim = 3 * page + 1 >= this.size;
    if (page > 0 && page <= frontPages) return 'slow';
    if (isAtTheRim && page % 101 === 11) return 'broken once';
    if (isAtTheRim && page % 103 === 13) return 'broken';
    if (isAtTheRim && page % 107 === 17) return 'hangs';
    if (isAtTheRim && page % 109 === 19) return 'hangs halfway';
    return 'fine';
  }

  async #answer(page: number, response: ServerResponse): Promise<void> {
    const kind = this.#kind(page);
    const times = (this.asked.get(page) ?? 0) + 1;
    this.asked.set(page, times);
    this.#watch(response);
    await delay(kind === 'slow' ? 100 : 5);
    this.openMost = Math.max(this.openMost, this.open); // not at once: that another one was closed before may be heard after
    if (kind === 'hangs') return;
    if (kind === 'hangs halfway') return void response.write('<a href="/page/');
    if (kind === 'broken' || (kind === 'broken once' && times === 1)) response.statusCode = 500;
    const links = page === 0 ? numbers(1, frontPages) : [...numbers(3 * page + 1, 3 * page + 3), page, page - 1, 0];
    response.end(
      links
        .filter((to) => to < this.size)
        .map((to) => `<a href="/page/${to}">${to}</a>`)
        .join('\n'),
    );
  }

  #watch(response: ServerResponse): void {
    this.open += 1;
    response.once('close', () => {
      this.open -= 1;
      if (!response.writableFinished) this.cut += 1;
      this.#closings.emit('closed');
    });
  }
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}
