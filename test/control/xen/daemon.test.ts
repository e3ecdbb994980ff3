import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/control/config.js';
import { ask, type Rig, startRig, xengt } from '../rig.js';
import { FollowRig, ROOT, refusal, until, XenMediator } from './rig.js';

let host: FollowRig;
let rigs: Rig[];
beforeEach(async () => {
  host = await new FollowRig().start();
  host.store.introduce(3, 'desk');
  host.store.introduce(4, 'twin');
  host.store.introduce(5, 'twin');
  rigs = [];
});
afterEach(async () => {
  for (const rig of rigs) await rig.stop();
  await host.stop();
});

async function start(change: Parameters<typeof startRig>[0] = {}): Promise<Rig> {
  const rig = await startRig({ xen: 'on', xenstored: host.store.path, ...change }, new XenMediator());
  rigs.push(rig);
  return rig;
}

const create = (rig: Rig, domain: unknown, name = 'v') =>
  ask(rig.socket, '/v1/vgpus', { method: 'POST', body: { name, type: 'V5_4', transport: 'xen', domain } });

describe('a daemon on a Xen host', () => {
  test('gives a guest what its device model asks for, and takes it back when it is stopped', async () => {
    const rig = await start();
    expect(rig.lines).toContain('Xen: the domains of this host are followed');
    host.ask(3, 'type=V5_4');
    expect(await host.state(3)).toBe('ready');
    const { vgpus } = (await ask(rig.socket, '/v1/vgpus')).json();
    expect(vgpus).toMatchObject([{ name: 'desk', transport: { kind: 'xen', domid: 3 } }]);
    await rig.daemon.stop();
    expect(host.store.get(ROOT)).toBeUndefined();
  });

  test.each([['desk'], ['3'], [3]])('attaches by hand to domain %j, and the store knows', async (domain) => {
    const rig = await start();
    const answer = await create(rig, domain);
    expect(answer.status).toBe(201);
    expect(answer.json().transport).toEqual({ kind: 'xen', domid: 3 });
    expect(host.node(3, 'server')).toBe('11');
    expect((await ask(rig.socket, '/v1/vgpus/v', { method: 'DELETE' })).status).toBe(204);
    expect(host.store.list(`${ROOT}/3`)).toEqual([]);
  });

  test('attaches by name from the command line', async () => {
    const rig = await start();
    const line = ['--api', rig.socket, 'vgpu', 'create', 'v', '--domain'];
    const { code, out } = await xengt([...line, 'desk', '--type', 'V5_4']);
    expect([code, out]).toEqual([0, 'vGPU 1 "v" created: V5_4, 64+384 MiB, 4 fences, xen domain 3\n']);
    const unknown = await xengt([...line, 'none', '--type', 'V5_4']);
    expect(unknown.code).toBe(4);
    expect(unknown.err).toContain('domain: no domain is named "none"; there is: desk (3), twin (4), twin (5)');
  });

  test.each([
    ['none', 404, 'domain: no domain is named "none"; there is: desk (3), twin (4), twin (5)'],
    ['twin', 400, 'domain: 4, 5 are all named "twin"; give the number'],
    [9, 404, 'domain: there is no domain 9; there is: desk (3)'],
    [0, 404, 'domain: 0 is dom0 itself, which gets no vGPU'],
    ['', 400, 'domain: "" is not allowed; allowed: a whole number from 1 to 32751'],
    [3.5, 400, 'domain: 3.5 is not allowed'],
    [null, 400, 'domain: null is not allowed'],
  ])('refuses domain %j in words', async (domain, status, detail) => {
    const rig = await start();
    const answer = await create(rig, domain);
    expect(answer.status).toBe(status);
    expect(answer.json().detail).toContain(detail);
    expect(await rig.mediator.vgpus()).toEqual([]);
  });

  test('does not look for a domain that is none of the transport', async () => {
    const rig = await start();
    const body = { name: 'v', type: 'V5_4', transport: 'vfio-user', socket: '/a', domain: 'none' };
    const answer = await ask(rig.socket, '/v1/vgpus', { method: 'POST', body });
    expect(answer.json().detail).toContain('domain: ');
    expect(answer.status).toBe(400);
  });

  test('records the vGPUs of its configuration', async () => {
    await start({ vgpus: [{ name: 'own', type: 'V5_4', transport: { kind: 'xen', domid: 3 } }] });
    expect(host.node(3, 'vgpu')).toBe('1');
  });

  test('does not start beside another one, in `auto` it goes on without', async () => {
    await start();
    // Another process: this one's parent.
    const { processMark } = await import('../../../src/control/xen/process-mark.js');
    host.store.set(`${ROOT}/daemon`, processMark(process.ppid));
    expect(await refusal(start())).toContain(`another xengt daemon, process ${process.ppid}, serves the domains`);
    const other = await start({ xen: 'auto' });
    expect(other.complaints.join('\n')).toContain(
      'Xen: the domains of this host are not followed: another xengt daemon',
    );
  });

  test('finds back to a xenstored that restarts, and says so', async () => {
    const rig = await start();
    await host.store.restart();
    await until(() => rig.complaints.some((line) => line === 'Xen: connected to xenstored again'));
    host.ask(3, 'type=V5_4');
    expect(await host.state(3)).toBe('ready');
  });
});

describe('a daemon elsewhere', () => {
  test('that is to follow domains does not start, and gives back what it had taken', async () => {
    const none = join(host.folder, 'none');
    const api = join(host.folder, 'api.sock');
    expect(await refusal(start({ xenstored: none, api }))).toMatch(/there is no such socket; this must run in dom0/);
    expect(existsSync(api)).toBe(false);
  });

  test.each(['auto', 'off'] as const)('with --xen %s starts without a word', async (xen) => {
    const rig = await start({ xen, xenstored: join(host.folder, 'none') });
    expect([...rig.lines, ...rig.complaints].join('\n')).not.toContain('Xen');
  });

  test('with --xen auto says what keeps it from following', async () => {
    const dead = join(host.folder, 'dead');
    writeFileSync(dead, '');
    const rig = await start({ xen: 'auto', xenstored: dead });
    expect(rig.complaints.join('\n')).toContain('nobody listens there; xenstored does not run (ECONNREFUSED)');
  });

  test('takes domains by number, and says why not by name', async () => {
    const rig = await start({ xen: 'off' });
    expect((await create(rig, 77)).status).toBe(201);
    expect((await create(rig, '78', 'w')).status).toBe(201);
    const answer = await create(rig, 'desk', 'x');
    expect(answer.status).toBe(400);
    expect(answer.json().detail).toBe(
      'domain: "desk": names are known only where the domains of the host are followed (--xen on); give the number',
    );
  });
});

describe('whether domains are followed', () => {
  test('is said by flag, variable and file; default: auto', () => {
    expect(loadConfig({}, {}).xen).toBe('auto');
    expect(loadConfig({}, { XENGT_XEN: 'off' }).xen).toBe('off');
    expect(loadConfig({ xen: 'on' }, { XENGT_XEN: 'off' }).xen).toBe('on');
    const file = join(host.folder, 'config.json');
    writeFileSync(file, '{ "xen": "on" }');
    expect(loadConfig({ config: file }, {}).xen).toBe('on');
    expect(() => loadConfig({ xen: 'maybe' }, {})).toThrow('--xen: "maybe" is not allowed; allowed: auto, on, off');
  });

  test("and where xenstored is, by the variable of Xen's own tools", () => {
    expect(loadConfig({}, { XENSTORED_PATH: '/x/socket' }).xenstored).toBe('/x/socket');
    expect(loadConfig({}, {}).xenstored).toBeUndefined();
  });
});
