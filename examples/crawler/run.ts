// A crawler with a pool of 50 over fetch, and a local site that is slow here, broken there, and hangs now and then.
//   npx tsx examples/crawler/run.ts

import assert from 'node:assert/strict';
import { createRuntime, memoryStore } from '../../src/index.js';
import { Site } from './site.js';
import { crawl } from './workflow.js';

const site = new Site(2_000);
setTimeout(() => assert.fail(`not done after 20 seconds: ${site.open} requests are open at the server`), 20_000).unref();
const start = await site.start();
const runtime = await createRuntime({ workflows: [crawl], store: memoryStore() });
const startedAt = performance.now();
const pages = await (await runtime.start(crawl, start)).result();
const seconds = (performance.now() - startedAt) / 1_000;
await site.quiet();
await runtime.stop();
await site.stop();

const numbers = (state: string) =>
  pages.flatMap((page) => (page.state === state ? Number(page.url.split('/').at(-1)) : [])).sort((one, other) => one - other);
assert.deepEqual(numbers('read'), site.pages('fine', 'slow', 'broken once'));
assert.deepEqual(numbers('failed'), site.pages('broken'));
assert.deepEqual(numbers('hung'), site.pages('hangs', 'hangs halfway'));
console.log(`✓ ${pages.length} pages in ${seconds.toFixed(1)} s: ${numbers('failed').length} failed, ${numbers('hung').length} hung`);

const twice = [...site.asked].flatMap(([page, times]) => (times === 2 ? page : [])).sort((one, other) => one - other);
assert.equal(site.asked.size, site.size);
assert.deepEqual(twice, site.pages('broken once', 'broken'));
console.log(`✓ each was asked for once, and the ${twice.length} that answered 500 once more`);

assert.ok(site.openMost > 25 && site.openMost <= 50, `${site.openMost} requests at once`);
console.log(`✓ never more than ${site.openMost} at once`);

assert.equal(site.cut, numbers('hung').length);
console.log(`✓ the server saw the connections of all ${site.cut} that hung closed`);
