/** Many clients of the API and many watchers of its events, there from `go` to `stop` on standard input. */
import { Agent, get, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const [socketPath = '', clients = '0', watchers = '0'] = process.argv.slice(2);
const PATHS = ['/v1/vgpus', '/v1/types', '/v1/guests', '/v1/engines'];
/** Each client asks this often: as dashboards and scripts do. */
const EVERY_MS = 1000;

let running = false;
let answered = 0;
let failed = 0;
let open: IncomingMessage[] = [];
let agent = new Agent({ keepAlive: true });

/** Counted, and the first few are told. */
function failure(error: Error): void {
  failed++;
  if (failed <= 3) process.stderr.write(`a client failed: ${error.message}\n`);
}

function ask(path: string): Promise<void> {
  return new Promise((resolve) => {
    const asked = get({ socketPath, path, agent }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) answered++;
        else failed++;
        resolve();
      });
    });
    asked.on('error', (error) => {
      if (running) failure(error);
      resolve();
    });
  });
}

async function client(number: number): Promise<void> {
  await delay((number / Number(clients)) * EVERY_MS);
  for (let turn = number; running; turn++) {
    const began = Date.now();
    await ask(PATHS[turn % PATHS.length] ?? '/');
    await delay(Math.max(0, EVERY_MS - (Date.now() - began)));
  }
}

function watch(): void {
  const asked = get({ socketPath, path: '/v1/events', agent: false }, (response) => {
    if (response.statusCode !== 200) failed++;
    response.on('error', () => undefined);
    response.resume();
    open.push(response);
  });
  asked.on('error', (error) => {
    if (running) failure(error);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'go') {
    running = true;
    agent = new Agent({ keepAlive: true, maxSockets: Number(clients) });
    for (let i = 0; i < Number(watchers); i++) watch();
    for (let i = 0; i < Number(clients); i++) void client(i);
  } else {
    running = false;
    process.stdout.write(`${answered} ${failed} ${open.length}\n`);
    for (const response of open) response.destroy();
    agent.destroy();
    open = [];
    answered = 0;
  }
}
process.exit(0);
