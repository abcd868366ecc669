// The world around the daemon, in one process: a cloud, an approval desk, a job runner and a name server, each with an
// interface of its own. Prints the addresses as one line of JSON, by the names under which daemon.ts wants them.
//   MARKERS=/tmp/markers npx tsx examples/provision/services.ts

import { announce, need } from '../support/processes.js';
import { serveDesk } from './desk.js';
import { serveDns } from './dns.js';
import { serveIaas } from './iaas.js';
import { serveRunner } from './runner.js';

const [iaas, desk, runner, dns] = await Promise.all([serveIaas(), serveDesk(), serveRunner(need('MARKERS')), serveDns()]);

announce({ IAAS_URL: iaas.url, DESK_URL: desk.url, RUNNER_URL: runner.url, DNS_URL: dns.url, DNS_PORT: String(dns.port) }, async () => {
  await Promise.all([iaas.close(), desk.close(), runner.close(), dns.close()]);
});
