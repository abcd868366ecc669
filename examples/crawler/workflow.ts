// A crawler: every page that can be reached, each once, at most 50 at a time, none longer than it may take.

import { createPool, createQueue, type Operation, type Queue, step, timeout, workflow } from '../../src/index.js';

export interface Page {
  readonly url: string;
  readonly state: 'read' | 'failed' | 'hung';
  readonly links: readonly string[];
}

export const crawl = workflow({ name: 'crawl', durable: false }, function* (start: string) {
  const pool = yield* createPool(50);
  const visits = yield* createQueue<Page>();
  const found = new Set([start]);
  const pages: Page[] = [];

  yield* pool.spawn(() => visit(start, visits));
  while (pages.length < found.size) {
    const page = yield* visits.get();
    pages.push(page);
    for (const link of page.links.filter((link) => !found.has(link))) {
      found.add(link);
      yield* pool.spawn(() => visit(link, visits)); // waits here while 50 are under way
    }
  }
  return pages;
});

function* visit(url: string, visits: Queue<Page>): Operation<void> {
  yield* visits.put(yield* read(url));
}

/** A page that hangs is given up, its connection closed; one that fails is tried once more. */
function* read(url: string): Operation<Page> {
  try {
    const links = yield* timeout('1500ms', linksOf(url), { orElse: null });
    return links === null ? { url, state: 'hung', links: [] } : { url, state: 'read', links };
  } catch {
    return { url, state: 'failed', links: [] };
  }
}

function linksOf(url: string): Operation<string[]> {
  return step('get', ({ signal }) => getLinks(url, signal), { retry: { attempts: 2, delay: '20ms' } });
}

async function getLinks(url: string, signal: AbortSignal): Promise<string[]> {
  const response = await fetch(url, { signal });
  const html = await response.text();
  if (!response.ok) throw new Error(`${url} was answered ${response.status}.`);
  return [...new Set(Array.from(html.matchAll(/href="([^"]+)"/g), ([, to = '']) => new URL(to, url).href))];
}
