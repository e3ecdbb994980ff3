import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Definitions } from '../../../src/control/definitions/index.js';
import { deviceOf } from '../../../src/control/tree/index.js';
import { ask, type Rig, scratch, startRig, xengt } from '../rig.js';
import { type TreeRig, treeRig } from '../tree/rig.js';

const BODY = { name: 'desk', transport: 'vfio-user', type: 'V5_8', socket: '/run/desk.sock' };

describe('by HTTP and command line', () => {
  let rig: Rig;
  let state: ReturnType<typeof scratch>;
  beforeEach(async () => {
    state = scratch();
    rig = await startRig({ stateDir: state.folder });
  });
  afterEach(async () => {
    await rig.stop();
    state.drop();
  });
  const at = (line: string) => xengt(['--api', rig.socket, ...line.split(' ')]);
  const names = async () => (await rig.mediator.vgpus()).map(({ name }) => name);

  test('a vGPU that runs is kept, stopped, started again as it was, and forgotten', async () => {
    await at('vgpu create desk --type V5_8 --socket /run/desk.sock --weight 9 --port B,HDMI,1920x1080@60');
    const [before] = await rig.mediator.vgpus();
    expect((await at('vgpu define desk')).out).toBe('vGPU "desk" is kept\n');
    expect((await at('vgpu stop desk')).out).toBe('vGPU "desk" removed; it is kept\n');
    expect(await names()).toEqual([]);
    expect((await at('vgpu defined')).out).toMatch(/^desk +V5_8 +vfio-user +off +no$/m);
    expect((await at('vgpu start desk')).out).toBe('vGPU 2 "desk" created as it is kept\n');
    expect((await rig.mediator.vgpus())[0]).toEqual({ ...before, id: 2 });
    expect((await at('vgpu undefine desk')).out).toBe('vGPU "desk" is kept no longer\n');
    expect((await at('vgpu defined')).out).toMatch(/^No vGPUs are kept/);
    expect(await names()).toEqual(['desk']);
  });

  test('a vGPU that does not run is kept by what it is to be, and made by the next daemon', async () => {
    const { out } = await at('vgpu define desk --auto --type V5_8 --socket /run/desk.sock --cap 40');
    expect(out).toBe('vGPU "desk" is kept, and made when the daemon starts\n');
    await at('vgpu define other --type V5_8 --socket /run/other.sock');
    await at('vgpu autostart other on');
    await at('vgpu autostart other off');
    expect(await names()).toEqual([]);
    const next = await startRig({ stateDir: state.folder, demo: true });
    expect((await next.mediator.vgpus()).map(({ name, cap }) => `${name} ${cap}`)).toEqual(['desk 40']);
    expect(next.lines).toContain('vGPU 1 "desk": V5_8, as defined');
    await next.stop();
  });

  test('what is kept is replaced only on purpose, and only as it was seen', async () => {
    await at('vgpu define desk --type V5_8 --socket /run/desk.sock');
    const again = 'vgpu define desk --type V5_4 --socket /run/desk.sock';
    expect(await at(again)).toMatchObject({ code: 5, err: expect.stringMatching(/A definition "desk" exists/) });
    const put = (headers: Record<string, string>, vgpu: object = BODY) =>
      ask(rig.socket, '/v1/definitions/desk', { method: 'PUT', body: { vgpu }, headers });
    expect((await put({ 'if-match': '"0123456789abcdef"' })).json()).toMatchObject({
      status: 409,
      code: 'XENGT_E_EXISTS',
    });
    const { etag } = (await ask(rig.socket, '/v1/definitions/desk')).json();
    expect((await put({ 'if-match': `"${etag}"` }, { ...BODY, weight: 5 })).status).toBe(200);
    expect((await put({ 'if-match': `"${etag}"` })).status).toBe(409);
    expect((await at(`${again} --replace`)).code).toBe(0);
    expect((await ask(rig.socket, '/v1/definitions/desk')).json()).toMatchObject({
      vgpu: { type: 'V5_4' },
      active: false,
    });
  });

  test.each([
    ['a vGPU that is not there', 'vgpu define nobody', 4, /No vGPU "nobody" runs now/],
    ['a definition that is not there', 'vgpu start nobody', 4, /No definition "nobody"; there are none/],
    ['forgetting what is not kept', 'vgpu undefine nobody', 4, /No definition "nobody"/],
    [
      'replacing what is not there',
      'vgpu define nobody --replace --type V5_8 --socket /x',
      4,
      /there is no definition "nobody"/,
    ],
    ['a vGPU that can not be', 'vgpu define x --type V5_8 --socket /x --weight 0', 2, /vgpu\.weight: 0 is not allowed/],
    ['a name that is none', 'vgpu define ../x --type V5_8 --socket /x', 2, /vgpu\.name: /],
    ['a state that is none', 'vgpu autostart x maybe', 2, /allowed: on, off/],
  ])('%s is refused', async (_what, line, code, says) => {
    const ran = await at(line);
    expect(ran.err).toMatch(says);
    expect(ran.code).toBe(code);
    expect((await ask(rig.socket, '/v1/definitions')).json()).toEqual({ definitions: [], damaged: [] });
  });

  test('a body about another name is refused', async () => {
    const answer = await ask(rig.socket, '/v1/definitions/other', { method: 'PUT', body: { vgpu: BODY } });
    expect(answer.json()).toMatchObject({
      status: 400,
      detail: 'vgpu.name: "desk" is not allowed; allowed: other, as in the path',
    });
  });

  test('a damaged file is told, and may be undefined', async () => {
    writeFileSync(state.path('definitions/half.json'), '{"format": 1,');
    expect((await at('vgpu defined')).out).toMatch(/half\.json is damaged: it is no JSON/);
    expect((await at('vgpu start half')).err).toMatch(/half\.json is damaged/);
    expect((await at('vgpu undefine half')).code).toBe(0);
  });
});

describe('by the tree', () => {
  let rig: TreeRig;
  let files: ReturnType<typeof scratch>;
  beforeEach(async () => {
    files = scratch();
    mkdirSync(files.path('kept'));
    const kept = new Definitions(files.path('kept'));
    rig = await treeRig({ surroundings: { ...deviceOf('SKL'), sockets: '/run/guests', xen: false, kept } });
  });
  afterEach(() => files.drop());

  test('a vGPU is kept, started, stopped and forgotten', async () => {
    await rig.echo('7,64,384,4', 'control/create_vgt_instance');
    expect(await rig.ls('definitions')).toEqual(['damaged', 'define']);
    expect(await rig.echo('vm7', 'definitions/define')).toBe('');
    expect(await rig.ls('definitions/vm7')).toEqual(['active', 'autostart', 'start', 'stop', 'undefine', 'vgpu']);
    expect(JSON.parse(await rig.cat('definitions/vm7/vgpu'))).toMatchObject({
      name: 'vm7',
      socket: '/run/guests/vm7.sock',
    });
    expect(await rig.cat('definitions/vm7/active')).toBe('1\n');
    expect(await rig.echo('1', 'definitions/vm7/start')).toBe('EEXIST');
    expect(await rig.echo('1', 'definitions/vm7/stop')).toBe('');
    expect(await rig.cat('definitions/vm7/active')).toBe('0\n');
    expect(await rig.echo('1', 'definitions/vm7/stop')).toBe('ENODEV');
    expect(await rig.echo('1', 'definitions/vm7/start')).toBe('');
    expect(await rig.ls('vgpus')).toEqual(['vm7']);
    expect(await rig.echo('1', 'definitions/vm7/autostart')).toBe('');
    expect(await rig.cat('definitions/vm7/autostart')).toBe('1\n');
    expect(await rig.echo('yes', 'definitions/vm7/autostart')).toBe('EINVAL');
    expect(await rig.echo('1', 'definitions/vm7/undefine')).toBe('');
    expect(await rig.ls('definitions')).toEqual(['damaged', 'define']);
    expect(await rig.ls('vgpus')).toEqual(['vm7']);
  });

  test('who is kept already, or does not run, is refused', async () => {
    expect(await rig.echo('vm7', 'definitions/define')).toBe('ENODEV');
    await rig.echo('7,64,384,4', 'control/create_vgt_instance');
    await rig.echo('vm7', 'definitions/define');
    expect(await rig.echo('vm7', 'definitions/define')).toBe('EEXIST');
  });

  test('a transaction that fails later keeps nothing', async () => {
    await rig.echo('7,64,384,4', 'control/create_vgt_instance');
    const text = (value: string) => Buffer.from(value);
    const writes = [
      { path: 'definitions/define', input: text('vm7') },
      { path: 'vgpus/vm7/revive', input: text('1') },
    ];
    await expect(rig.tree.write(writes, 'uid 0')).rejects.toThrow(/no failsafe/);
    expect(await rig.ls('definitions')).toEqual(['damaged', 'define']);
  });

  test('a damaged file is shown', async () => {
    writeFileSync(files.path('kept/half.json'), '{');
    expect(await rig.cat('definitions/damaged')).toMatch(/half\.json: it is no JSON/);
  });

  test('without their folder the tree goes on, and says so', async () => {
    await rig.echo('7,64,384,4', 'control/create_vgt_instance');
    rmSync(files.path('kept'), { recursive: true });
    expect(await rig.cat('definitions/damaged')).toMatch(/kept: Cannot read the definitions in .*ENOENT/);
    expect(await rig.echo('vm7', 'definitions/define')).toBe('EIO');
    expect(await rig.ls('vgpus')).toEqual(['vm7']);
    expect(await rig.echo('9', 'vgpus/vm7/weight')).toBe('');
  });

  test('without a place for them there are none, and nothing can be kept', async () => {
    const none = await treeRig();
    await none.echo('7,64,384,4', 'control/create_vgt_instance');
    expect(await none.echo('vm7', 'definitions/define')).toBe('ENODEV');
    expect(await none.ls('definitions')).toEqual(['damaged', 'define']);
  });
});
