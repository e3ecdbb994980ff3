import { get, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ask, type Rig, startRig } from './rig.js';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.stop());

const GUEST = { name: 'one', type: 'V5_8', transport: 'vfio-user', socket: '/run/one.sock' };

interface Watcher {
  readonly response: IncomingMessage;
  text(): string;
  /** Waits until it has been told something. */
  told(what: RegExp): Promise<string>;
  leave(): void;
}

async function watch(): Promise<Watcher> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ socketPath: rig.socket, path: '/v1/events', agent: false }, resolve).on('error', reject);
  });
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
  });
  response.on('error', () => response.destroy());
  const told = async (what: RegExp) => {
    for (const end = Date.now() + 10_000; !what.test(text); await new Promise((done) => setTimeout(done, 20))) {
      if (Date.now() > end) throw new Error(`never told of ${what}: ${text}`);
    }
    return text;
  };
  return { response, text: () => text, told, leave: () => void response.destroy() };
}

test('a watcher is told what there is, and then what happens', async () => {
  await ask(rig.socket, '/v1/vgpus', { method: 'POST', body: GUEST });
  const watcher = await watch();
  expect(watcher.response.headers['content-type']).toBe('text/event-stream');
  await watcher.told(/event: created\ndata: \{"id":1,"name":"one"/);
  await ask(rig.socket, '/v1/vgpus/one', { method: 'PATCH', body: { weight: 9 } });
  await watcher.told(/event: changed\ndata: .*"weight":9/);
  rig.mediator.fail(1);
  await watcher.told(/event: failsafe\ndata: .*"reason":"hung"/);
  await ask(rig.socket, '/v1/vgpus/one/revive', { method: 'POST' });
  await watcher.told(/event: revived/);
  await ask(rig.socket, '/v1/vgpus/one', { method: 'DELETE' });
  const all = await watcher.told(/event: removed/);
  const ids = [...all.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
  watcher.leave();
});

test('many watchers cost the mediator one question, and nobody watching costs none', async () => {
  const watchers = await Promise.all(Array.from({ length: 40 }, watch));
  await ask(rig.socket, '/v1/vgpus', { method: 'POST', body: GUEST });
  await Promise.all(watchers.map((watcher) => watcher.told(/event: created/)));
  const before = rig.mediator.calls.filter((call) => call === 'vgpus').length;
  await new Promise((done) => setTimeout(done, 1200));
  const looks = rig.mediator.calls.filter((call) => call === 'vgpus').length - before;
  expect(looks).toBeLessThanOrEqual(4);
  for (const watcher of watchers) watcher.leave();
  await new Promise((done) => setTimeout(done, 700));
  const left = rig.mediator.calls.filter((call) => call === 'vgpus').length;
  await new Promise((done) => setTimeout(done, 1200));
  expect(rig.mediator.calls.filter((call) => call === 'vgpus').length).toBe(left);
});

test('the daemon ends while somebody watches, and tells him so by ending the answer', async () => {
  const watcher = await watch();
  const ended = new Promise((resolve) => watcher.response.once('close', resolve));
  await rig.daemon.stop();
  await ended;
});

test('a mediator that does not answer once is no end of watching', async () => {
  const watcher = await watch();
  rig.mediator.fault = new Error('away');
  await new Promise((done) => setTimeout(done, 700));
  await ask(rig.socket, '/v1/vgpus', { method: 'POST', body: GUEST });
  await watcher.told(/event: created/);
  expect(rig.complaints.join()).toMatch(/events: away/);
  watcher.leave();
});
