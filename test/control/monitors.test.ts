import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EDIDS, edidFromHex, edidOfMode, edidToHex, parseMode } from '../../src/hw/index.js';
import type { VgpuInfo } from '../../src/mediator/api.js';
import { ask, type Rig, scratch, startRig, xengt } from './rig.js';

const GUEST = { transport: 'vfio-user', type: 'V5_8' };
const files = scratch();
const WIDE = edidOfMode(parseMode('2560x1440@60')!, 'DP');
const HDMI = edidOfMode(parseMode('1920x1080@60')!, 'HDMI');
let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
  writeFileSync(files.path('wide.edid'), WIDE);
  const broken = Uint8Array.from(WIDE);
  broken[60] = broken[60]! ^ 1;
  writeFileSync(files.path('broken.edid'), broken);
  await ask(rig.socket, '/v1/vgpus', { method: 'POST', body: { ...GUEST, name: 'desk', socket: '/run/desk.sock' } });
});
afterAll(async () => {
  await rig.stop();
  files.drop();
});

const put = (port: string, body: object) => ask(rig.socket, `/v1/vgpus/desk/ports/${port}`, { method: 'PUT', body });
const ports = async (name = 'desk') => {
  const info = (await ask(rig.socket, `/v1/vgpus/${name}`)).json() as unknown as VgpuInfo;
  return Object.fromEntries(info.ports.map((port) => [port.port, port]));
};

describe('over HTTP', () => {
  test('a vGPU has the monitor of its type, and two ports without one', async () => {
    const { B, C, D } = await ports();
    expect(D).toMatchObject({
      type: 'DP',
      connected: true,
      preferred: '1024x768@60',
      edid: edidToHex(EDIDS['1024x768']),
    });
    expect([B?.connected, C?.connected]).toEqual([false, false]);
  });

  test('a monitor is made from a mode line, by either plug, and unplugged', async () => {
    const answer = await put('B', { type: 'HDMI', mode: '1920x1080@60', connected: true });
    expect(answer.status).toBe(200);
    expect((await ports()).B).toMatchObject({ type: 'HDMI', connected: true, preferred: '1920x1080@60' });
    expect(edidFromHex((await ports()).B!.edid)).toEqual(HDMI);
    await put('B', { connected: false });
    expect((await ports()).B).toMatchObject({ type: 'HDMI', connected: false, preferred: '1920x1080@60' });
  });

  test('a monitor has the EDID of a file, or the one that is sent', async () => {
    await put('C', { edid: files.path('wide.edid'), connected: true });
    expect((await ports()).C).toMatchObject({ preferred: '2560x1440@60', monitor: 'xengt 2560x14', connected: true });
    await put('C', { edid: edidToHex(EDIDS['1920x1200']) });
    expect((await ports()).C?.preferred).toBe('1920x1200@60');
  });

  const wide = edidToHex(WIDE);
  test.each([
    ['a port that is none', 'A', { connected: true }, /^port: "A" is not allowed; allowed: B, C, D$/],
    ['nothing at all', 'B', {}, /^connected: missing; give at least one of/],
    [
      'a mode that is none',
      'B',
      { mode: '1920x1080' },
      /^mode: "1920x1080" is not allowed; allowed: WIDTHxHEIGHT@HZ such as/,
    ],
    [
      'both a mode and an EDID',
      'B',
      { mode: '1920x1080@60', edid: wide },
      /^mode: give either mode or edid, not both$/,
    ],
    [
      'a mode above what HDMI carries',
      'B',
      { type: 'HDMI', mode: '3840x2160@60' },
      /needs more than the 300 MHz of HDMI; use DP$/,
    ],
    [
      'an EDID of a wrong checksum',
      'B',
      { edid: `${wide.slice(0, -2)}00` },
      /the given EDID can not be used: the checksum of block 0 is wrong/,
    ],
    [
      'a file of a wrong checksum',
      'B',
      { edid: files.path('broken.edid') },
      /broken\.edid can not be used: the checksum of block 0/,
    ],
    ['hex of odd length', 'B', { edid: wide.slice(1) }, /it is no even number of hex digits$/],
    ['a relative path', 'B', { edid: 'wide.edid' }, /allowed: the absolute path of a file, or the EDID in hex$/],
    ['a plug that is none', 'B', { type: 'VGA' }, /^type: "VGA" is not allowed; allowed: DP, HDMI$/],
  ])('%s is refused, and nothing changes', async (_what, port, body, detail) => {
    const before = await ports();
    const answer = await put(port, body);
    expect(answer.status).toBe(400);
    expect(answer.json().detail).toMatch(detail);
    expect(await ports()).toEqual(before);
  });

  test('a file that is not there is told', async () => {
    const answer = await put('B', { edid: '/nowhere.edid' });
    expect(answer.json()).toMatchObject({ status: 500, code: 'XENGT_E_IO' });
  });

  test('a vGPU is made with monitors, one a port', async () => {
    const body = { ...GUEST, name: 'wall', socket: '/run/wall.sock' };
    const monitors = [
      { port: 'B', type: 'HDMI', mode: '1280x720@60' },
      { port: 'C', connected: false, mode: '1600x900@60' },
    ];
    const made = await ask(rig.socket, '/v1/vgpus', { method: 'POST', body: { ...body, ports: monitors } });
    expect(made.status).toBe(201);
    const { B, C, D } = await ports('wall');
    expect([B?.preferred, B?.connected, C?.preferred, C?.connected, D?.connected]).toEqual([
      '1280x720@60',
      true,
      '1600x900@60',
      false,
      true,
    ]);
    const twice = { ...body, name: 'twice', ports: [{ port: 'B' }, { port: 'B' }] };
    const refused = await ask(rig.socket, '/v1/vgpus', { method: 'POST', body: twice });
    expect(refused.json().detail).toBe('ports[1].port: port B has a monitor already in this list');
  });
});

describe('by command line', () => {
  const at = (line: string) => xengt(['--api', rig.socket, ...line.split(' ')]);

  test('a monitor is exchanged for one of a mode or of a file, and shown', async () => {
    const { out } = await at('vgpu monitor desk connect --port B --type DP --mode 2560x1440@60');
    expect(out).toBe('vGPU 1 "desk": monitor on port B connected\n');
    expect((await at('vgpu show desk')).out).toMatch(/^port B +DP connected: xengt 2560x14, 2560x1440@60$/m);
    const file = files.path('wide.edid');
    expect((await at(`vgpu monitor desk connect --port D --edid ${file}`)).code).toBe(0);
    expect((await ports()).D?.preferred).toBe('2560x1440@60');
  });

  test('without a port it is the port that has one', async () => {
    await at('vgpu create solo --type V5_8 --socket /run/solo.sock');
    const { out } = await at('vgpu monitor solo connect --mode 1280x1024@60');
    expect(out).toMatch(/monitor on port D connected/);
    expect((await ports('solo')).D?.preferred).toBe('1280x1024@60');
  });

  test('a vGPU is made with monitors', async () => {
    const file = files.path('wide.edid');
    const line = `vgpu create many --type V5_8 --socket /run/many.sock --no-monitor --port B,HDMI,1920x1080@60 --port C,${file}`;
    expect((await at(line)).code).toBe(0);
    const { B, C, D } = await ports('many');
    expect([B?.type, B?.preferred, C?.preferred, D?.connected]).toEqual([
      'HDMI',
      '1920x1080@60',
      '2560x1440@60',
      false,
    ]);
  });

  test.each([
    [
      'a file with a wrong checksum',
      `vgpu monitor desk connect --edid ${files.path('broken.edid')}`,
      2,
      /checksum of block 0/,
    ],
    ['a file that is not there', 'vgpu monitor desk connect --edid /nowhere', 74, /cannot read \/nowhere/],
    [
      'a monitor that is none',
      'vgpu create x --type V5_8 --socket /x --port B,DP,1x1@1,2',
      2,
      /allowed: PORT\[,DP\|HDMI\]/,
    ],
  ])('%s is refused', async (_what, line, code, says) => {
    const ran = await at(line);
    expect(ran.code).toBe(code);
    expect(ran.err).toMatch(says);
  });
});

test('the configuration names EDIDs by paths relative to its file', async () => {
  const { loadConfig } = await import('../../src/control/config.js');
  const vgpu = { ...GUEST, name: 'a', socket: 'a.sock', ports: [{ port: 'B', edid: 'wide.edid' }] };
  const file = files.write('config.json', JSON.stringify({ vgpus: [vgpu] }));
  expect(loadConfig({ config: file }, {}).vgpus[0]?.ports).toEqual([
    { port: 'B', connected: true, edid: edidToHex(WIDE) },
  ]);
});
