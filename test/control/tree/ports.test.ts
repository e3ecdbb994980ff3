import { describe, expect, it } from 'vitest';
import { errnoOf } from '../../../src/control/tree/index.js';
import { EDIDS, edidFromHex, edidOfMode, edidToHex, parseMode } from '../../../src/hw/index.js';
import { OTHER, PARENT, type TreeRig, treeRig, UUID } from './rig.js';

const WIDE = edidOfMode(parseMode('2560x1440@60')!, 'DP');
const HDMI = edidOfMode(parseMode('1920x1080@60')!, 'HDMI');

async function rigWithVm(): Promise<TreeRig> {
  const rig = await treeRig();
  expect(await rig.echo('7,64,384,4', 'control/create_vgt_instance')).toBe('');
  return rig;
}

async function put(rig: TreeRig, path: string, input: Uint8Array, offset = 0): Promise<string> {
  try {
    await rig.tree.write([{ path, input, offset }], 'uid 0');
    return '';
  } catch (error) {
    return errnoOf(error);
  }
}

const portOf = async ({ mediator }: TreeRig, port: string) =>
  (await mediator.vgpus()).flatMap(({ ports }) => ports).find((one) => one.port === port)!;

describe('a port of a VM, as XenGT has it', () => {
  it('has the files of XenGT, on every port', async () => {
    const rig = await rigWithVm();
    expect(await rig.ls('vm7')).toEqual(['PORT_B', 'PORT_C', 'PORT_D', 'aperture_sz', 'gm_sz', 'vgt_id', 'xengt']);
    const files = ['connection', 'edid', 'edid_text', 'pipe', 'port_override', 'type'];
    expect(await rig.ls('vm7/PORT_B')).toEqual(files);
    expect(await rig.cat('vm7/PORT_D/connection')).toBe('connected\n');
    expect(await rig.cat('vm7/PORT_B/connection')).toBe('disconnected\n');
    expect(await rig.cat('vm7/PORT_B/type')).toBe('VGT_DP_B\n');
    expect(await rig.cat('vm7/PORT_B/port_override')).toBe('PORT_B\n');
    expect(await rig.cat('vm7/PORT_B/pipe')).toBe('');
  });

  it('keeps what is written, reads it back, and applies it with connect', async () => {
    const rig = await rigWithVm();
    const at = 'vm7/PORT_B';
    expect(await rig.echo('5', `${at}/type`)).toBe('');
    expect(await put(rig, `${at}/edid`, HDMI.subarray(0, 128))).toBe('');
    expect(await rig.cat(`${at}/type`)).toBe('VGT_HDMI_B\n');
    expect(await portOf(rig, 'B')).toMatchObject({ type: 'DP', connected: false, preferred: '1024x768@60' });
    expect(await rig.echo('connect', `${at}/connection`)).toBe('');
    expect(await portOf(rig, 'B')).toMatchObject({ type: 'HDMI', connected: true, preferred: '1920x1080@60' });
    expect(await rig.cat(`${at}/connection`)).toBe('connected\n');
  });

  it('takes the extensions off an EDID, and sets its checksum right', async () => {
    const rig = await rigWithVm();
    expect(await put(rig, 'vm7/PORT_D/edid', HDMI.subarray(0, 128))).toBe('');
    const read = await rig.tree.read('vm7/PORT_D/edid');
    expect(read.length).toBe(128);
    expect(read[126]).toBe(0);
    expect([...(read as Uint8Array)].reduce((sum, byte) => sum + byte, 0) % 256).toBe(0);
    expect([...(read as Uint8Array)].slice(0, 126)).toEqual([...HDMI.subarray(0, 126)]);
  });

  it('takes an EDID in pieces of 4 bytes, and checks it with the last', async () => {
    const rig = await rigWithVm();
    const at = 'vm7/PORT_D/edid';
    for (let offset = 0; offset < 128; offset += 4) {
      expect(await rig.tree.read(at)).toEqual(EDIDS['1024x768']);
      expect(await put(rig, at, WIDE.subarray(offset, offset + 4), offset)).toBe('');
    }
    expect(await rig.tree.read(at)).toEqual(WIDE);
    expect(await rig.echo('flush', 'vm7/PORT_D/connection')).toBe('');
    expect(await portOf(rig, 'D')).toMatchObject({ connected: true, preferred: '2560x1440@60' });
  });

  const broken = Uint8Array.from(WIDE);
  broken[60] = broken[60]! ^ 1;
  it.each([
    ['of a wrong checksum', broken, 0, 'EINVAL', /the checksum of block 0 is wrong/],
    ['without its header', Uint8Array.from([...WIDE.subarray(1), 0]), 0, 'EINVAL', /does not start with the header/],
    ['at an odd place', WIDE.subarray(0, 4), 2, 'EINVAL', /offset 2 is no multiple of 4/],
    [
      'that is too long',
      HDMI,
      0,
      'EFBIG',
      /256 bytes are too many, this one has 128; xengt\/ports\/D\/edid takes all blocks/,
    ],
  ])('an EDID %s is refused, and what was there stays', async (_what, bytes, offset, errno, reason) => {
    const rig = await rigWithVm();
    expect(await put(rig, 'vm7/PORT_D/edid', bytes, offset)).toBe(errno);
    expect(await rig.tree.read('vm7/PORT_D/edid')).toEqual(EDIDS['1024x768']);
    expect((await rig.cat('xengt/last_refusal')).replace(/^.*?: edid: /, '')).toMatch(reason);
  });

  it('takes an EDID as 256 hex digits, and nothing else', async () => {
    const rig = await rigWithVm();
    const text = edidToHex(WIDE);
    expect(await rig.echo(text, 'vm7/PORT_D/edid_text')).toBe('');
    expect(await rig.tree.read('vm7/PORT_D/edid')).toEqual(WIDE);
    for (const wrong of [text.slice(2), `${text}00`, `zz${text.slice(2)}`, '']) {
      expect(await rig.echo(wrong, 'vm7/PORT_D/edid_text')).toBe('EINVAL');
    }
  });

  it('refuses types that there are not, and those of another port', async () => {
    const rig = await rigWithVm();
    for (const wrong of ['0', '1', '8', '-1', 'VGT_DP_B', '4', '7']) {
      expect(await rig.echo(wrong, 'vm7/PORT_B/type'), wrong).toBe('EINVAL');
    }
    expect(await rig.cat('xengt/last_refusal')).toBe(
      'EINVAL /vm7/PORT_B/type: VGT_HDMI_D: the guest sees this monitor on PORT_B; write port_override first\n',
    );
    for (const wrong of ['PORT_A', 'PORT_E', 'B', '']) {
      expect(await rig.echo(wrong, 'vm7/PORT_B/port_override'), wrong).toBe('EINVAL');
    }
    expect(await rig.echo('plug', 'vm7/PORT_B/connection')).toBe('EINVAL');
  });

  it('is shown to the guest on another port where it is told to, and only if that is free', async () => {
    const rig = await rigWithVm();
    expect(await rig.echo('PORT_D', 'vm7/PORT_B/port_override')).toBe('EBUSY');
    expect(await rig.echo('PORT_C', 'vm7/PORT_D/port_override')).toBe('');
    expect(await rig.cat('vm7/PORT_D/type')).toBe('VGT_DP_C\n');
    expect(await rig.echo('flush', 'vm7/PORT_D/connection')).toBe('');
    expect([(await portOf(rig, 'D')).connected, (await portOf(rig, 'C')).connected]).toEqual([false, true]);
    expect(await rig.cat('vm7/PORT_D/connection')).toBe('connected\n');
    expect(await rig.cat('vm7/PORT_C/connection')).toBe('disconnected\n');
    expect(await rig.echo('connect', 'vm7/PORT_C/connection')).toBe('EBUSY');
    expect(await rig.echo('PORT_D', 'vm7/PORT_B/port_override')).toBe('');
    expect(await rig.echo('connect', 'vm7/PORT_B/connection')).toBe('');
    expect((await portOf(rig, 'D')).connected).toBe(true);
    expect(await rig.echo('PORT_D', 'vm7/PORT_D/port_override')).toBe('EBUSY');
  });

  it('is forgotten with its VM', async () => {
    const rig = await rigWithVm();
    await rig.echo('6', 'vm7/PORT_C/type');
    await rig.echo('-7', 'control/create_vgt_instance');
    await rig.echo('7,64,384,4', 'control/create_vgt_instance');
    expect(await rig.cat('vm7/PORT_C/type')).toBe('VGT_DP_C\n');
  });

  it('comes true as a whole in one transaction, or not at all', async () => {
    const rig = await rigWithVm();
    const text = (value: string) => Buffer.from(value);
    const writes = [
      { path: 'vm7/PORT_B/edid', input: WIDE },
      { path: 'vm7/PORT_B/connection', input: text('connect') },
    ];
    await expect(rig.tree.write([...writes, { path: 'vm7/PORT_B/type', input: text('0') }], 'uid 0')).rejects.toThrow(
      /VGT_CRT/,
    );
    expect(await portOf(rig, 'B')).toMatchObject({ connected: false, preferred: '1024x768@60' });
    expect(await rig.tree.read('vm7/PORT_B/edid')).toEqual(EDIDS['1024x768']);
    await rig.tree.write(writes, 'uid 0');
    expect(await portOf(rig, 'B')).toMatchObject({ connected: true, preferred: '2560x1440@60' });
  });
});

describe('a port, as our own attributes have it', () => {
  it('stands beside both layouts and below vgpus, and changes at once', async () => {
    const rig = await rigWithVm();
    await rig.echo(UUID, `${PARENT}/mdev_supported_types/i915-GVTg_V5_4/create`);
    for (const at of ['vgpus/vm7', 'vm7/xengt', `vgpus/${UUID}`, `${PARENT}/${UUID}/xengt`]) {
      expect(await rig.ls(`${at}/ports`)).toEqual(['B', 'C', 'D']);
      expect(await rig.ls(`${at}/ports/B`)).toEqual(['connection', 'edid', 'mode', 'monitor', 'pipe', 'type']);
    }
    const at = `${PARENT}/${UUID}/xengt/ports/B`;
    expect(await rig.echo('HDMI', `${at}/type`)).toBe('');
    expect(await rig.echo('1920x1080@60', `${at}/mode`)).toBe('');
    expect(await rig.echo('connected', `${at}/connection`)).toBe('');
    expect(await rig.cat(`vgpus/${UUID}/ports/B/mode`)).toBe('1920x1080@60\n');
    expect(await rig.tree.read(`${at}/edid`)).toEqual(HDMI);
    expect(await rig.cat(`${at}/monitor`)).toBe('xengt 1920x10\n');
  });

  it('takes an EDID with all its blocks, at once', async () => {
    const rig = await rigWithVm();
    const at = 'vm7/xengt/ports/D/edid';
    expect(await put(rig, at, HDMI)).toBe('');
    expect(edidFromHex((await portOf(rig, 'D')).edid)).toEqual(HDMI);
    expect(await put(rig, at, HDMI.subarray(0, 128))).toBe('EINVAL');
    expect(await put(rig, at, HDMI.subarray(128), 128)).toBe('EINVAL');
    expect(edidFromHex((await portOf(rig, 'D')).edid)).toEqual(HDMI);
  });

  it('refuses modes that can not be, with what is allowed', async () => {
    const rig = await rigWithVm();
    for (const wrong of ['1920x1080', '1921x1080@60', '']) {
      expect(await rig.echo(wrong, 'vm7/xengt/ports/D/mode')).toBe('EINVAL');
    }
    await rig.echo('HDMI', 'vm7/xengt/ports/D/type');
    expect(await rig.echo('3840x2160@60', 'vm7/xengt/ports/D/mode')).toBe('EINVAL');
    expect(await rig.cat('xengt/last_refusal')).toMatch(/needs more than the 300 MHz of HDMI; use DP$/m);
  });

  it('of a vGPU that is gone is ENODEV or ENOENT', async () => {
    const rig = await treeRig();
    expect(await rig.echo('DP', `vgpus/${OTHER}/ports/D/type`)).toBe('ENOENT');
  });
});
