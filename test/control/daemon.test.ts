import { chmodSync, existsSync, linkSync, mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDemo, demoJournals } from '../../src/control/guests.js';
import { FakeMediator } from './fake-mediator.js';
import { ask, type Rig, scratch, startRig } from './rig.js';

let files: ReturnType<typeof scratch>;
let rigs: Rig[];
beforeEach(() => {
  files = scratch();
  rigs = [];
});
afterEach(async () => {
  for (const rig of rigs) await rig.stop();
  files.drop();
});

async function start(...args: Parameters<typeof startRig>): Promise<Rig> {
  const rig = await startRig(...args);
  rigs.push(rig);
  return rig;
}

const refusal = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'it started',
    (error: Error) => error.message,
  );

describe('a daemon that starts', () => {
  test('says where page, metrics and API are, and that the addon is loaded', async () => {
    const rig = await start();
    const said = rig.lines.join('\n');
    expect(said).toContain(`console:     http://127.0.0.1:${rig.port}/`);
    expect(said).toContain(`http://127.0.0.1:${rig.port}/metrics`);
    expect(said).toContain(`API socket:  ${rig.socket}`);
    expect(said).toContain('native addon: loaded');
  });

  test('says what the addon lacks', async () => {
    const mediator = new FakeMediator();
    mediator.missing = 'no C++ compiler was there when xengt was installed';
    const rig = await start({}, mediator);
    expect(rig.lines.join('\n')).toContain('native addon: not loaded: no C++ compiler');
  });

  test('opens its socket to its own user only, in a folder of its own', async () => {
    const rig = await start({ api: files.path('deep/er/api.sock') });
    expect(statSync(rig.socket).mode & 0o777).toBe(0o600);
    expect(statSync(files.path('deep/er')).mode & 0o777).toBe(0o700);
  });

  test('creates the vGPUs and replays of its configuration, under names that differ', async () => {
    const rig = await start({
      vgpus: [{ name: 'j', type: 'V5_8', transport: { kind: 'vfio-user', socket: '/a' } }],
      replay: ['/x/j.xj', '/y/j.xj', '/z/i915 6.12 (probe).xj', '/1.xj'],
    });
    expect(rig.mediator.specs.map(({ name }) => name)).toEqual(['j-2', 'j-3', 'i915-6.12-probe', 'replay-1', 'j']);
    expect(rig.mediator.specs[0]).toEqual({ name: 'j-2', transport: { kind: 'replay', file: '/x/j.xj', loop: true } });
  });

  test('serves nothing over TCP when metrics are off', async () => {
    const rig = await start({ metrics: null });
    expect(rig.daemon.metrics).toBeNull();
    expect((await ask(rig.socket, '/metrics')).status).toBe(200);
  });

  test('takes over the socket of a daemon that died', async () => {
    const first = await start({ api: files.path('api.sock') });
    await first.stop();
    expect(existsSync(files.path('api.sock'))).toBe(false);
    const left = createServer().listen(files.path('left.sock'));
    await new Promise((resolve) => left.once('listening', resolve));
    // A link keeps the socket's file after its listener has gone, as SIGKILL does.
    linkSync(files.path('left.sock'), files.path('api.sock'));
    await new Promise((resolve) => left.close(resolve));
    const rig = await start({ api: files.path('api.sock') });
    expect((await ask(rig.socket, '/v1/types')).status).toBe(200);
  });
});

describe('a daemon that cannot start gives back what it had taken', () => {
  test('when another one serves at its socket, and that one goes on', async () => {
    const first = await start({ api: files.path('api.sock') });
    const mediator = new FakeMediator();
    expect(await refusal(start({ api: first.socket }, mediator))).toMatch(/^api: another daemon serves at /);
    expect(mediator.calls).toContain('stop');
    expect((await ask(first.socket, '/v1/types')).status).toBe(200);
  });

  test('when its port is taken', async () => {
    const first = await start();
    const mediator = new FakeMediator();
    const api = files.path('api.sock');
    const attempt = start({ api, metrics: { host: '127.0.0.1', port: first.port } }, mediator);
    expect(await refusal(attempt)).toMatch(
      new RegExp(`^metrics: cannot serve at 127.0.0.1:${first.port}: .*allowed: a free`),
    );
    expect(mediator.calls).toContain('stop');
    expect(existsSync(api)).toBe(false);
  });

  test('when a vGPU of its configuration is refused', async () => {
    const mediator = new FakeMediator();
    const api = files.path('api.sock');
    const vgpus = [{ name: 'big', type: 'V5_1', transport: { kind: 'vfio-user', socket: '/a' } as const }];
    expect(await refusal(start({ api, vgpus }, mediator))).toMatch(/512 MiB wanted/);
    expect(mediator.calls.at(-1)).toBe('stop');
    expect(existsSync(api)).toBe(false);
  });

  test('when a file that is no socket is in the way, and that file stays', async () => {
    const api = files.write('api.sock', 'precious');
    expect(await refusal(start({ api }))).toMatch(/exists and is no socket/);
    expect(existsSync(api)).toBe(true);
  });

  test('when others may write the folder of its socket', async () => {
    mkdirSync(files.path('open'));
    chmodSync(files.path('open'), 0o777);
    expect(await refusal(start({ api: files.path('open/api.sock') }))).toMatch(/others may write/);
  });

  test('when the state folder cannot be made', async () => {
    const file = files.write('file', '');
    expect(await refusal(start({ stateDir: `${file}/state` }))).toMatch(/^stateDir: cannot make /);
  });
});

describe('stopping', () => {
  test('closes both addresses, then stops the mediator, once', async () => {
    const rig = await start();
    await Promise.all([rig.daemon.stop(), rig.daemon.stop()]);
    expect(rig.mediator.calls.filter((call) => call === 'stop').length).toBe(1);
    expect(existsSync(rig.socket)).toBe(false);
    await expect(ask(rig.port, '/')).rejects.toThrow(/ECONNREFUSED/);
  });
});

describe('the demo', () => {
  test('is the first two journals of the package, in order, and nothing without any', () => {
    expect(demoJournals(files.folder)).toEqual([]);
    mkdirSync(files.path('assets/journals'), { recursive: true });
    for (const name of ['c.xj', 'a.xj', 'README.md', 'b.xj']) files.write(`assets/journals/${name}`, '');
    expect(demoJournals(files.folder)).toEqual(['a.xj', 'b.xj'].map((name) => files.path(`assets/journals/${name}`)));
  });

  test('is left out when there are guests, or when it is not wanted', async () => {
    const own = await start({ demo: true, replay: ['/j.xj'] });
    expect(own.mediator.specs.length).toBe(1);
    const none = await start({ demo: false });
    expect(none.mediator.specs.length).toBe(0);
  });

  test('that fails is said and does not keep the daemon from running', async () => {
    const root = files.folder;
    mkdirSync(files.path('assets/journals'), { recursive: true });
    for (const name of ['a-damaged.xj', 'b.xj']) files.write(`assets/journals/${name}`, '');
    const mediator = new FakeMediator();
    const lines: string[] = [];
    const log = { info: (line: string) => void lines.push(line), error: (line: string) => void lines.push(line) };
    await createDemo(mediator, root, log);
    expect(lines.join('\n')).toMatch(/demo: a-damaged cannot be replayed: The journal ends/);
    expect((await mediator.vgpus()).map(({ name }) => name)).toEqual(['b']);
  });

  test('without journals in the package says so', async () => {
    const lines: string[] = [];
    const log = { info: (line: string) => void lines.push(line), error: (line: string) => void lines.push(line) };
    await createDemo(new FakeMediator(), files.folder, log);
    expect(lines.join('\n')).toMatch(/carries no journals/);
  });
});
