import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { XengtError } from '../../src/base/index.js';
import { Pictures } from '../../src/control/pictures.js';
import { type Answer, ask, type Question, type Rig, startRig } from './rig.js';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.stop());

const GUEST = { name: 'one', type: 'V5_8', transport: 'vfio-user', socket: '/run/one.sock' };
const JOURNAL = { name: 'old', transport: 'replay', file: '/j.xj', loop: true };

const create = (body: object) => ask(rig.socket, '/v1/vgpus', { method: 'POST', body });

function expectProblem(answer: Answer, status: number, code: string, detail: RegExp): void {
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  const problem = answer.json();
  expect(problem).toMatchObject({ status, code });
  expect(answer.status).toBe(status);
  expect(problem.detail).toMatch(detail);
  for (const key of ['type', 'title', 'remedy']) expect(problem[key]).toMatch(/\w/);
}

describe('an operator over the UNIX socket', () => {
  test('creates, sees and removes a vGPU, by id and by name', async () => {
    const created = await create({ ...GUEST, weight: 3, vm: 'desk', monitor: false, record: '/r.xj' });
    expect(created.status).toBe(201);
    expect(created.headers.location).toBe('/v1/vgpus/1');
    expect(created.json()).toMatchObject({ id: 1, name: 'one', vm: 'desk', weight: 3, state: 'waiting' });
    expect(rig.mediator.specs).toEqual([
      {
        name: 'one',
        vm: 'desk',
        type: 'V5_8',
        weight: 3,
        monitor: false,
        record: '/r.xj',
        transport: { kind: 'vfio-user', socket: '/run/one.sock' },
      },
    ]);
    expect((await ask(rig.socket, '/v1/vgpus')).json()).toMatchObject({ vgpus: [{ id: 1 }] });
    expect((await ask(rig.socket, '/v1/vgpus/one')).json()).toEqual((await ask(rig.socket, '/v1/vgpus/1')).json());
    expect((await ask(rig.socket, '/v1/vgpus/one', { method: 'DELETE' })).status).toBe(204);
    expect((await ask(rig.socket, '/v1/vgpus')).json()).toEqual({ vgpus: [] });
  });

  test('gives own sizes in place of a type, and a journal in place of a guest', async () => {
    const { type: _type, ...sized } = { ...GUEST, lowMiB: 100, highMiB: 200, fences: 8 };
    expect((await create(sized)).json()).toMatchObject({ lowMiB: 100, highMiB: 200, fences: 8 });
    expect((await create(JOURNAL)).json()).toMatchObject({ transport: { kind: 'replay', file: '/j.xj', loop: true } });
  });

  test('changes weight, cap and priority, each by itself or together', async () => {
    await create({ ...GUEST, weight: 3, cap: 80, priority: 2 });
    const patch = (body: object) => ask(rig.socket, '/v1/vgpus/one', { method: 'PATCH', body });
    expect((await patch({ cap: 25 })).json()).toMatchObject({ weight: 3, cap: 25, priority: 2 });
    expect((await patch({ weight: 9, priority: 15 })).json()).toMatchObject({ weight: 9, cap: 25, priority: 15 });
    expectProblem(await patch({}), 400, 'XENGT_E_CONFIG', /at least one of weight, cap and priority/);
    expectProblem(await patch({ cap: 0 }), 400, 'XENGT_E_CONFIG', /^cap: 0 .* from 1 to 100/);
    expectProblem(await patch({ priority: 16 }), 400, 'XENGT_E_CONFIG', /^priority: 16 .* from 0 to 15/);
    expectProblem(await patch({ name: 'two' }), 400, 'XENGT_E_CONFIG', /name/);
    expect(rig.mediator.calls.filter((call) => call === 'setShare')).toHaveLength(2);
  });

  test('takes a vGPU out of failsafe, and only out of that', async () => {
    await create(GUEST);
    const revive = () => ask(rig.socket, '/v1/vgpus/one/revive', { method: 'POST' });
    expectProblem(await revive(), 409, 'XENGT_E_NO_FAILSAFE', /in no failsafe/);
    rig.mediator.fail(1);
    expect((await revive()).json()).toMatchObject({ state: 'attached', reason: null });
  });

  test('resets its device, and not while a journal is written', async () => {
    await create(GUEST);
    await create({ ...GUEST, name: 'recorded', socket: '/run/two.sock' });
    const reset = (name: string) => ask(rig.socket, `/v1/vgpus/${name}/reset`, { method: 'POST' });
    expect((await reset('one')).json()).toMatchObject({ name: 'one', state: 'waiting' });
    expectProblem(await reset('recorded'), 409, 'XENGT_E_BUSY', /journal/);
    expectProblem(await reset('three'), 404, 'XENGT_E_NOT_FOUND', /three/);
  });

  test('unplugs the monitor', async () => {
    await create(GUEST);
    const answer = await ask(rig.socket, '/v1/vgpus/one/monitor', { method: 'PUT', body: { connected: false } });
    expect(answer.json()).toMatchObject({ name: 'one', monitor: false });
  });

  test('has batches of processes judged on all engines, and no more', async () => {
    expect((await create({ ...GUEST, scanProcesses: 'all' })).json()).toMatchObject({ scanProcesses: 'all' });
    const path = '/v1/vgpus/one/scan-processes';
    const answer = await ask(rig.socket, path, { method: 'PUT', body: { scanProcesses: 'needed' } });
    expect(answer.json()).toMatchObject({ name: 'one', scanProcesses: 'needed' });
  });

  test('reads types, unknown registers, isolation and statistics', async () => {
    await create(GUEST);
    expect((await ask(rig.socket, '/v1/types')).json()).toMatchObject({ types: [{ name: 'V5_4' }, { name: 'V5_8' }] });
    expect((await ask(rig.socket, '/v1/vgpus/1/unknown-registers')).json()).toEqual({
      registers: [{ offset: 0x4400, name: null, reads: 1, writes: 2 }],
    });
    expectProblem(
      await ask(rig.socket, '/v1/vgpus/1/page-tables', { method: 'POST' }),
      404,
      'XENGT_E_NOT_FOUND',
      /no guest now/,
    );
    await create(JOURNAL);
    expect((await ask(rig.socket, '/v1/vgpus/2/page-tables', { method: 'POST' })).json()).toMatchObject({
      entries: 2048,
      differing: 0,
    });
    expect((await ask(rig.socket, '/v1/isolation')).json()).toEqual({ violations: 0, last: [] });
    expect((await ask(rig.socket, '/v1/stats')).json()).toMatchObject({
      platform: 'SKL',
      vgpus: [{ name: 'one' }, {}],
    });
  });

  test('reads per engine what each vGPU used', async () => {
    await create(GUEST);
    await create(JOURNAL);
    rig.mediator.seconds.set(1, 1.5).set(2, 2.25);
    const { engines } = (await ask(rig.socket, '/v1/engines')).json();
    expect(engines).toEqual([
      {
        name: 'RCS',
        resets: 3,
        busySeconds: 3.75,
        idleSeconds: 95.75,
        switchingSeconds: 0.5,
        totalSeconds: 100,
        perVgpu: { 1: 1.5, 2: 2.25 },
      },
      {
        name: 'BCS',
        resets: 0,
        busySeconds: 0.25,
        idleSeconds: 99.75,
        switchingSeconds: 0,
        totalSeconds: 100,
        perVgpu: { 1: 0.125, 2: 0.125 },
      },
    ]);
  });
});

describe("a guest's screen", () => {
  test('is a PNG with the colours of the scanout', async () => {
    await create(JOURNAL);
    const answer = await ask(rig.socket, '/v1/vgpus/old/screen.png');
    expect(answer.headers['content-type']).toBe('image/png');
    const png = PNG.sync.read(answer.bytes);
    expect([png.width, png.height]).toEqual([4, 2]);
    const shown = rig.mediator.screens.get(1)?.rgba ?? new Uint8Array();
    // A scanout has no alpha: what the guest left there must not make the picture transparent.
    expect([...png.data]).toEqual([...shown].map((byte, at) => (at % 4 === 3 ? 255 : byte)));
  });

  test('is not sent again while it stays the same', async () => {
    await create(JOURNAL);
    const { headers } = await ask(rig.socket, '/v1/vgpus/old/screen.png');
    const again = () =>
      ask(rig.socket, '/v1/vgpus/old/screen.png', { headers: { 'if-none-match': String(headers.etag) } });
    expect((await again()).status).toBe(304);
    const screen = rig.mediator.screens.get(1);
    if (screen !== undefined) screen.rgba[0] = 0xff;
    expect((await again()).status).toBe(200);
  });

  test('is taken once for many viewers at the same time', async () => {
    await create(JOURNAL);
    const pictures = new Pictures(rig.mediator);
    const seen = await Promise.all(Array.from({ length: 20 }, () => pictures.of(1)));
    expect(new Set(seen).size).toBe(1);
    expect(rig.mediator.calls.filter((call) => call === 'screen').length).toBe(1);
  });

  test('is a 404 that says so when nothing is shown', async () => {
    await create(GUEST);
    expectProblem(await ask(rig.socket, '/v1/vgpus/one/screen.png'), 404, 'XENGT_E_NOT_FOUND', /"one" shows nothing/);
  });
});

describe('a request that cannot be served is refused precisely', () => {
  const post = (body: string | object): [string, Question] => ['/v1/vgpus', { method: 'POST', body }];
  const cases: readonly [string, [string, Question?], number, string, RegExp][] = [
    ['unknown type', post({ ...GUEST, type: 'V9 8' }), 400, 'XENGT_E_CONFIG', /^type: .*xengt types/],
    [
      'no transport',
      post({ name: 'a' }),
      400,
      'XENGT_E_CONFIG',
      /^transport: missing; allowed: vfio-user, xen, replay/,
    ],
    ['weight out of range', post({ ...GUEST, weight: 256 }), 400, 'XENGT_E_CONFIG', /^weight: 256 .* from 1 to 255/],
    ['weight as text', post({ ...GUEST, weight: '2' }), 400, 'XENGT_E_CONFIG', /^weight: "2" .* from 1 to 255/],
    ['relative socket', post({ ...GUEST, socket: 'a' }), 400, 'XENGT_E_CONFIG', /^socket: "a" .* absolute path/],
    [
      'key of nobody',
      post({ ...GUEST, nice: 5 }),
      400,
      'XENGT_E_CONFIG',
      /^nice: not known; allowed: the keys name, vm/,
    ],
    ['path in the name', post({ ...GUEST, name: '../x' }), 400, 'XENGT_E_CONFIG', /^name: .* letters, digits/],
    ['control characters', post({ ...GUEST, vm: 'a\u001b[2J' }), 400, 'XENGT_E_CONFIG', /^vm: .* printable/],
    ['prototype', post('{"__proto__": {"name": "x"}}'), 400, 'XENGT_E_USAGE', /JSON|proto/i],
    ['half a body', post('{"name": "a"'), 400, 'XENGT_E_USAGE', /JSON/],
    ['a list', post([]), 400, 'XENGT_E_CONFIG', /allowed: the keys name/],
    ['no body', ['/v1/vgpus', { method: 'POST' }], 400, 'XENGT_E_CONFIG', /the keys name/],
    ['empty body', post(''), 400, 'XENGT_E_USAGE', /empty/],
    ['body too large', post(`"${'x'.repeat(70_000)}"`), 413, 'XENGT_E_USAGE', /too large/],
    [
      'form in place of JSON',
      ['/v1/vgpus', { method: 'POST', body: 'name=a', headers: { 'content-type': 'text/plain' } }],
      415,
      'XENGT_E_USAGE',
      /allowed: application\/json/,
    ],
    ['no room', post({ ...GUEST, type: 'V5_1' }), 507, 'XENGT_E_NO_SPACE', /512 MiB wanted, 384 MiB free/],
    ['no such id', ['/v1/vgpus/99'], 404, 'XENGT_E_NOT_FOUND', /No vGPU "99"; there is: held \(1\)/],
    ['no such name', ['/v1/vgpus/none/screen.png'], 404, 'XENGT_E_NOT_FOUND', /No vGPU "none"/],
    ['encoded path as a name', ['/v1/vgpus/..%2f..%2fetc'], 404, 'XENGT_E_NOT_FOUND', /No vGPU "..\/..\/etc"/],
    ['broken encoding', ['/v1/vgpus/%E0%A4%A'], 400, 'XENGT_E_USAGE', /./],
    ['in use', ['/v1/vgpus/held', { method: 'DELETE' }], 409, 'XENGT_E_BUSY', /has a guest/],
    ['name taken', post({ ...GUEST, name: 'held' }), 409, 'XENGT_E_EXISTS', /"held" exists/],
    [
      'monitor body',
      ['/v1/vgpus/held/monitor', { method: 'PUT', body: { connected: 1 } }],
      400,
      'XENGT_E_CONFIG',
      /^connected: 1 .* true, false/,
    ],
    [
      'scanned processes that are none',
      post({ ...GUEST, name: 'new', scanProcesses: 'none' }),
      400,
      'XENGT_E_CONFIG',
      /^scanProcesses: "none" .* needed, all/,
    ],
    [
      'scanned processes body',
      ['/v1/vgpus/held/scan-processes', { method: 'PUT', body: {} }],
      400,
      'XENGT_E_CONFIG',
      /^scanProcesses: missing; allowed: needed, all/,
    ],
    ['no such path', ['/v2/vgpus?x=1'], 404, 'XENGT_E_USAGE', /GET \/v2\/vgpus does not exist/],
    ['no such method', ['/v1/types', { method: 'POST', body: {} }], 404, 'XENGT_E_USAGE', /POST \/v1\/types/],
  ];
  test.each(cases)('%s', async (_what, [path, question], status, code, detail) => {
    await create({ ...GUEST, name: 'held' });
    expectProblem(await ask(rig.socket, path, question), status, code, detail);
    expect((await ask(rig.socket, '/v1/vgpus')).json()).toMatchObject({ vgpus: [{ name: 'held' }] });
  });

  test('a fault of ours is a 500 with its own code, logged, and the daemon goes on', async () => {
    rig.mediator.fault = new TypeError('boom');
    expectProblem(await ask(rig.socket, '/v1/types'), 500, 'XENGT_E_INTERNAL', /boom/);
    expect(rig.complaints.join()).toMatch(/GET \/v1\/types: TypeError: boom/);
    expect((await ask(rig.socket, '/v1/types')).status).toBe(200);
  });

  test('a refusal of the mediator keeps its code', async () => {
    rig.mediator.fault = new XengtError('XENGT_E_UNAVAILABLE', 'The mediator has stopped');
    expectProblem(await ask(rig.port, '/metrics'), 503, 'XENGT_E_UNAVAILABLE', /has stopped/);
    expect((await ask(rig.port, '/metrics')).status).toBe(200);
  });
});

describe('over TCP everything can be read and nothing changed', () => {
  test('reads are answered as over the socket', async () => {
    await create(JOURNAL);
    for (const path of ['/v1/vgpus', '/v1/vgpus/old', '/v1/types', '/v1/stats', '/v1/engines', '/v1/isolation']) {
      expect((await ask(rig.port, path)).json(), path).toEqual((await ask(rig.socket, path)).json());
    }
    expect((await ask(rig.port, '/v1/vgpus/old/screen.png')).status).toBe(200);
  });

  test.each([
    ['POST', '/v1/vgpus'],
    ['DELETE', '/v1/vgpus/old'],
    ['PUT', '/v1/vgpus/old/monitor'],
    ['PUT', '/v1/vgpus/old/scan-processes'],
    ['PATCH', '/v1/vgpus/old'],
    ['POST', '/metrics'],
  ])('%s %s is not served', async (method, path) => {
    await create(JOURNAL);
    const before = rig.mediator.calls.length;
    const answer = await ask(rig.port, path, { method, body: { ...GUEST, connected: false } });
    expectProblem(answer, 405, 'XENGT_E_USAGE', /read-only, use the UNIX socket/);
    expect(answer.headers.allow).toBe('GET, HEAD');
    expect(rig.mediator.calls.length).toBe(before);
  });

  test('a name that points here is not served, so that no web page can read the screens', async () => {
    const answer = await ask(rig.port, '/v1/vgpus', { headers: { host: 'evil.example:9464' } });
    expectProblem(answer, 421, 'XENGT_E_USAGE', /evil\.example/);
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:9464']) {
      expect((await ask(rig.port, '/v1/vgpus', { headers: { host } })).status, host).toBe(200);
    }
  });

  test('bytes that are no HTTP get a refusal and the door', async () => {
    const stranger = connect({ host: '127.0.0.1', port: rig.port });
    stranger.write('\x16\x03\x01 hello\r\n\r\n');
    const said = (await buffer(stranger)).toString('utf8');
    expect(said).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(said).toMatch(/XENGT_E_USAGE/);
  });

  test('a client that sends half a request holds up neither others nor the end', async () => {
    const slow = connect({ host: '127.0.0.1', port: rig.port });
    await new Promise((resolve) => slow.once('connect', resolve));
    slow.write('GET /v1/vgpus HTTP/1.1\r\nHost: local');
    expect((await ask(rig.port, '/v1/vgpus')).status).toBe(200);
    const gone = new Promise((resolve) => slow.once('close', resolve));
    slow.on('error', () => slow.destroy());
    await rig.daemon.stop();
    await gone;
  });
});

describe('who ran when', () => {
  test('is told since a time that was seen already', async () => {
    await create(JOURNAL);
    const all = (await ask(rig.socket, '/v1/timelines')).json();
    expect(all).toEqual({ now: 100, engines: [{ name: 'RCS', runs: [[1, 99, 99.5]] }] });
    const newer = (await ask(rig.port, '/v1/timelines?since=99.75')).json();
    expect(newer).toMatchObject({ engines: [{ runs: [] }] });
    expectProblem(await ask(rig.port, '/v1/timelines?since=-1'), 400, 'XENGT_E_USAGE', /seconds of uptime/);
    expectProblem(await ask(rig.port, '/v1/timelines?since=noon'), 400, 'XENGT_E_USAGE', /"noon"/);
  });
});

describe('the status page', () => {
  test('is one page with its own style and script, and asks nobody else', async () => {
    const page = await ask(rig.port, '/status');
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect(page.text).toContain('<title>xengt</title>');
    const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    for (const part of parts.filter((part) => !part.startsWith('data:'))) {
      expect(part).not.toMatch(/^https?:|^\/\//);
      expect((await ask(rig.port, `/${part}`)).status, part).toBe(200);
    }
    expect(parts).toEqual(expect.arrayContaining(['page.css', 'page.js', 'metrics']));
  });

  test('its script asks for what the API serves', async () => {
    await create(JOURNAL);
    const { text } = await ask(rig.port, '/page.js');
    const asked = [...text.matchAll(/['`](v1\/[^'`]*)['`]/g)].map((match) => (match[1] ?? '').replace(/\$\{id\}/, '1'));
    expect(asked).toEqual(expect.arrayContaining(['v1/stats', 'v1/vgpus', 'v1/vgpus/1/screen.png']));
    for (const path of asked) expect((await ask(rig.port, `/${path}`)).status, path).toBe(200);
  });
});
