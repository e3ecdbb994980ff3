import { beforeEach, describe, expect, test } from 'vitest';
import { bitmap } from '../../../src/control/tree/xengt.js';
import { EDIDS } from '../../../src/hw/index.js';
import { type TreeRig, treeRig } from './rig.js';

const CREATE = 'control/create_vgt_instance';
let rig: TreeRig;
beforeEach(async () => {
  rig = await treeRig();
});

describe('create_vgt_instance', () => {
  test('makes the vGPU of a VM, met by vfio-user where there is no Xen', async () => {
    expect(await rig.echo('3,64,384,4', CREATE)).toBe('');
    expect(rig.mediator.specs).toEqual([
      {
        name: 'vm3',
        lowMiB: 64,
        highMiB: 384,
        fences: 4,
        cap: 100,
        transport: { kind: 'vfio-user', socket: '/run/guests/vm3.sock' },
      },
    ]);
    expect(await rig.ls('vm3')).toEqual(['PORT_B', 'PORT_C', 'PORT_D', 'aperture_sz', 'gm_sz', 'vgt_id', 'xengt']);
    expect(await rig.cat('vm3/vgt_id')).toBe('1\n');
    expect(await rig.cat('vm3/gm_sz')).toBe('000000001c000000\n');
    expect(await rig.cat('vm3/aperture_sz')).toBe('0000000004000000\n');
    expect(await rig.cat('vm3/xengt/guest')).toBe('vfio-user /run/guests/vm3.sock\n');
  });

  test('on a Xen host gives it to the domain of that number, and the store is told', async () => {
    let told = 0;
    const onXen = await treeRig(
      {
        domainsChanged: async () => {
          told++;
        },
      },
      true,
    );
    expect(await onXen.echo('7,64,384,4,-1,50', CREATE)).toBe('');
    expect(onXen.mediator.specs[0]).toMatchObject({ cap: 50, transport: { kind: 'xen', domid: 7 } });
    expect(await onXen.ls('')).toContain('vm7');
    expect(told).toBe(1);
  });

  test.each([
    '',
    '3',
    '0',
    '3,64',
    '3,64,384',
    '3,64,384,4,0,50,1',
    '0,64,384,4',
    '3,0,384,4',
    '3,64,-1,4',
    '3,64,384,0',
    '3,64,384,4,2',
    '3,64,384,4,0,101',
    '3,64,x,4',
    '3,64,384,000000000000000000000000000000000000000000000000000000004',
  ])('refuses "%s"', async (text) => {
    expect(await rig.echo(text, CREATE)).toBe('EINVAL');
    expect(rig.mediator.specs).toEqual([]);
  });

  test('refuses a VM that has a vGPU, and what no device has', async () => {
    await rig.echo('3,64,384,4', CREATE);
    expect(await rig.echo('3,64,384,4', CREATE)).toBe('EINVAL');
    expect(await rig.echo('4,5000,384,4', CREATE)).toBe('ENOSPC');
  });

  test('removes the vGPU of a VM; ENODEV where it has none', async () => {
    await rig.echo('3,64,384,4', CREATE);
    expect(await rig.echo('-4', CREATE)).toBe('ENODEV');
    expect(await rig.echo('-3', CREATE)).toBe('');
    expect(await rig.ls('')).not.toContain('vm3');
    expect(await rig.echo('-3', CREATE)).toBe('ENODEV');
  });
});

describe('the device', () => {
  test('lists what is left of it', async () => {
    await rig.echo('3,64,100,4', CREATE);
    const [line, memory, fences] = (await rig.cat('control/available_resource')).trim().split('\n');
    // 1024 - 128 - 64 of 1024, 3072 - 384 - 100 of 3072, 32 - 4 - 4 of 32
    expect(line).toBe('0x00000400, 0x00000340, 0x00000c00, 0x00000a1c, 0x00000020, 0x00000018');
    expect(memory?.split(',')).toHaveLength(4096 / 32);
    const low = memory?.split(',').slice(-7);
    expect(low).toEqual(['00000000', 'ffffffff', 'ffffffff', 'ffffffff', 'ffffffff', 'ffffffff', 'ffffffff']);
    expect(fences).toBe('000000ff');
  });

  test('bitmaps are printed as the kernel does', () => {
    const bits = new Uint8Array(40);
    bits[0] = bits[31] = bits[33] = 1;
    expect(bitmap(bits)).toBe('02,80000001');
  });

  test('says who owns the display, and takes no other', async () => {
    expect(await rig.cat('control/display_owner')).toBe('0\n');
    expect(await rig.echo('5', 'control/display_owner')).toBe('');
    expect(await rig.cat('control/display_owner')).toBe('0\n');
    expect(await rig.echo('me', 'control/display_owner')).toBe('EINVAL');
  });

  test('can not be told to stop switching', async () => {
    expect(await rig.cat('control/ctx_switch')).toBe('VGT context switch: enabled\n');
    expect(await rig.echo('0', 'control/ctx_switch')).toBe('EACCES');
  });
});

describe('the foreground', () => {
  test('goes to a VM that shows something, and back when that is gone', async () => {
    expect(await rig.echo('3', 'control/foreground_vm')).toBe('ENODEV');
    await rig.echo('3,64,384,4', CREATE);
    expect(await rig.echo('3', 'control/foreground_vm')).toBe('EAGAIN');
    expect(await rig.cat('control/foreground_vm')).toBe('0\n');
    await rig.mediator.createVgpu({ name: 'vm4', transport: { kind: 'replay', file: '/a.xj', loop: true } });
    expect(await rig.echo('4', 'control/foreground_vm')).toBe('');
    expect(await rig.cat('control/foreground_vm')).toBe('4\n');
    expect(await rig.tree.foregroundVgpu()).toMatchObject({ name: 'vm4' });
    expect(await rig.echo('-4', CREATE)).toBe('');
    expect(await rig.cat('control/foreground_vm')).toBe('0\n');
  });
});

describe('a port', () => {
  beforeEach(async () => {
    await rig.echo('3,64,384,4', CREATE);
  });

  test('has the monitor of the guest', async () => {
    expect(await rig.cat('vm3/PORT_D/type')).toBe('VGT_DP_D\n');
    expect(await rig.cat('vm3/PORT_D/port_override')).toBe('PORT_D\n');
    expect(await rig.tree.read('vm3/PORT_D/edid')).toEqual(EDIDS['1024x768']);
  });

  test('is unplugged and plugged in', async () => {
    expect(await rig.cat('vm3/PORT_D/connection')).toBe('connected\n');
    expect(await rig.echo('disconnect', 'vm3/PORT_D/connection')).toBe('');
    expect(await rig.cat('vm3/PORT_D/connection')).toBe('disconnected\n');
    expect(await rig.tree.read('vm3/PORT_D/edid')).toEqual(EDIDS['1024x768']);
    expect((await rig.mediator.vgpus())[0]).toMatchObject({ monitor: false });
    expect(await rig.echo('flush', 'vm3/PORT_D/connection')).toBe('');
    expect(await rig.echo('connect', 'vm3/PORT_D/connection')).toBe('');
    expect(await rig.cat('vm3/xengt/monitor')).toBe('connected\n');
    expect(await rig.echo('connected', 'vm3/PORT_D/connection')).toBe('EINVAL');
  });
});
