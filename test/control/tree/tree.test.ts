import { beforeEach, describe, expect, test } from 'vitest';
import type { TreeNode } from '../../../src/control/tree/index.js';
import { OTHER, type TreeRig, TYPE, treeRig, UUID } from './rig.js';

let rig: TreeRig;
beforeEach(async () => {
  rig = await treeRig();
});

const bytes = (text: string) => new TextEncoder().encode(text);

describe('our own attributes', () => {
  test.each(['vgpus/vm3', 'vm3/xengt'])('weight, cap and priority are set below %s', async (place) => {
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    expect(await rig.echo('9', `${place}/weight`)).toBe('');
    expect(await rig.echo('50', `${place}/cap`)).toBe('');
    expect(await rig.echo('15', `${place}/priority`)).toBe('');
    expect(await rig.cat('vgpus/vm3/weight')).toBe('9\n');
    expect((await rig.mediator.vgpus())[0]).toMatchObject({ weight: 9, cap: 50, priority: 15 });
    for (const text of ['0', '256', '-1', '1.5', 'x', '', '9999999999999']) {
      expect(await rig.echo(text, `${place}/weight`), text).toBe('EINVAL');
    }
    expect(await rig.cat('vgpus/vm3/weight')).toBe('9\n');
  });

  test('what it used is asked for at each read', async () => {
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    rig.mediator.seconds.set(1, 1.5);
    expect(await rig.cat('vgpus/vm3/statistics/RCS/busy_us')).toBe('1500000\n');
    rig.mediator.seconds.set(1, 2);
    expect(await rig.cat('vgpus/vm3/statistics/RCS/busy_us')).toBe('2000000\n');
    expect(await rig.cat('vgpus/vm3/statistics/RCS/waiting_us')).toBe('1500000\n');
    expect(await rig.cat('vgpus/vm3/statistics/traps')).toBe('33\n');
  });

  test('a vGPU is revived only out of failsafe', async () => {
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    expect(await rig.echo('1', 'vgpus/vm3/revive')).toBe('EBUSY');
    rig.mediator.fail(1);
    expect(await rig.cat('vgpus/vm3/reason')).toBe('hung\n');
    expect(await rig.echo('1', 'vgpus/vm3/revive')).toBe('');
    expect(await rig.cat('vgpus/vm3/state')).toBe('attached\n');
  });

  test('its device is reset', async () => {
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    for (const text of ['0', '2', 'yes']) expect(await rig.echo(text, 'vgpus/vm3/reset'), text).toBe('EINVAL');
    expect(rig.mediator.calls).not.toContain('reset');
    expect(await rig.echo('1', 'vgpus/vm3/reset')).toBe('');
    expect(rig.mediator.calls).toContain('reset');
  });

  test('a snapshot is lines, a register each', async () => {
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    expect((await rig.cat('vm3/xengt/snapshot')).split('\n')).toEqual([
      'platform SKL',
      'uptime 100.000000 s',
      'ggtt 7 of 4096 pages mapped',
      'address-space 0x000001000',
      'address-space 0x000002000 0x000003000',
      'engine RCS 2 queued',
      'config 0x00 86 80 00 00 00 00 00 00 00 00 00 00 00 00 00 00',
      'config 0xf0 00 00 00 00 00 00 00 00 00 00 00 00 00 00 0a 0b',
      'register 0x002030 0x00000040 RING_TAIL_RCS',
      '',
    ]);
  });

  test('what is no text is refused', async () => {
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    const input = new Uint8Array([0xff, 0xfe]);
    await expect(rig.tree.write([{ path: 'vgpus/vm3/weight', input }], 'a')).rejects.toMatchObject({ errno: 'EINVAL' });
    expect(await rig.echo('9\n9', 'vgpus/vm3/weight')).toBe('EINVAL');
  });
});

describe('a transaction', () => {
  beforeEach(async () => {
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    await rig.echo('4,64,384,4', 'control/create_vgt_instance');
  });

  test('of several writes does all of them', async () => {
    await rig.tree.write(
      [
        { path: 'vm3/xengt/weight', input: bytes('10') },
        { path: 'vm4/xengt/weight', input: bytes('20') },
      ],
      'a',
    );
    expect((await rig.mediator.vgpus()).map(({ weight }) => weight)).toEqual([10, 20]);
  });

  test('does none of them when one is refused, be it by the tree or by the mediator', async () => {
    const first = { path: 'vm3/xengt/weight', input: bytes('10') };
    const refused = [
      { path: 'vm4/xengt/weight', input: bytes('0') },
      { path: 'vm4/nothing', input: bytes('1') },
      // Only the mediator knows that it is in no failsafe.
      { path: 'vm4/xengt/revive', input: bytes('1') },
    ];
    for (const second of refused) {
      await expect(rig.tree.write([first, second], 'a')).rejects.toBeInstanceOf(Error);
      expect((await rig.mediator.vgpus()).map(({ weight }) => weight)).toEqual([2, 2]);
    }
    expect(rig.mediator.calls.filter((call) => call === 'setShare')).toHaveLength(2);
  });

  test('a vGPU that could not be put back is removed last or not at all', async () => {
    const writes = [
      { path: 'vm3/xengt/remove', input: bytes('1') },
      { path: 'vm4/xengt/weight', input: bytes('5') },
    ];
    await expect(rig.tree.write(writes, 'a')).rejects.toMatchObject({ errno: 'EINVAL' });
    expect(await rig.ls('vgpus')).toEqual(['vm3', 'vm4']);
    await rig.tree.write(writes.reverse(), 'a');
    expect(await rig.ls('vgpus')).toEqual(['vm4']);
  });

  test('two writers at once: one after the other, and the second sees what the first did', async () => {
    const answers = await Promise.all([
      rig.echo('-3', 'control/create_vgt_instance'),
      rig.echo('9', 'vm3/xengt/weight'),
    ]);
    expect(answers).toEqual(['', 'ENOENT']);
    const both = await Promise.all([rig.echo(UUID, `${TYPE}/create`), rig.echo(UUID, `${TYPE}/create`)]);
    expect(both).toEqual(['', 'EEXIST']);
  });

  test('a fault of the mediator is EIO, and the next write is served', async () => {
    const { mediator } = rig;
    const setShare = mediator.setShare.bind(mediator);
    mediator.setShare = async () => {
      throw new Error('worker died');
    };
    expect(await rig.echo('9', 'vm3/xengt/weight')).toBe('EIO');
    mediator.setShare = setShare;
    expect(await rig.echo('9', 'vm3/xengt/weight')).toBe('');
  });
});

describe('a root', () => {
  test('is the same value while nothing changes, and shares what did not', async () => {
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    await rig.echo('4,64,384,4', 'control/create_vgt_instance');
    const before = await rig.tree.look();
    expect(await rig.tree.look()).toBe(before);
    await rig.echo('9', 'vm3/xengt/weight');
    const after = await rig.tree.look();
    expect(after).not.toBe(before);
    expect(after.children.get('vm3')).not.toBe(before.children.get('vm3'));
    expect(after.children.get('vm4')).toBe(before.children.get('vm4'));
    expect(after.children.get('class')).toBe(before.children.get('class'));
    // The old root is still what it was.
    const old = await rig.tree.at('vm3/xengt/weight');
    expect(old).toMatchObject({ content: '9\n' });
    const folder = before.children.get('vm3');
    const own = folder?.kind === 'folder' ? folder.children.get('xengt') : undefined;
    expect(own?.kind === 'folder' && own.children.get('weight')).toMatchObject({ content: '2\n' });
  });
});

describe('a watch', () => {
  test('tells of changes below its path, of its end, and of nothing else', async () => {
    await rig.tree.look();
    const told: (TreeNode['kind'] | 'gone')[] = [];
    const watch = rig.tree.watch('vm3', 'a', (node) => told.push(node?.kind ?? 'gone'));
    await rig.echo('4,64,384,4', 'control/create_vgt_instance');
    expect(told).toEqual([]);
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    await rig.echo('9', 'vgpus/vm3/weight');
    await rig.echo('9', 'vgpus/vm4/weight');
    await rig.echo('-3', 'control/create_vgt_instance');
    expect(told).toEqual(['folder', 'folder', 'gone']);
    watch.close();
    await rig.echo('3,64,384,4', 'control/create_vgt_instance');
    expect(told).toHaveLength(3);
  });

  test('hears of what was done elsewhere without anybody looking', async () => {
    const quick = await treeRig({ watchEveryMs: 5 });
    await quick.tree.look();
    const heard = new Promise((resolve) => quick.tree.watch('bus/mdev/devices', 'a', resolve));
    await quick.mediator.createVgpu({ name: OTHER, type: 'V5_8', transport: { kind: 'vfio-user', socket: '/a' } });
    expect(await heard).toMatchObject({ kind: 'folder' });
    quick.tree.close();
  });

  test('the ten-thousandth of one client is refused, and others still get theirs', () => {
    const watches = Array.from({ length: 1024 }, () => rig.tree.watch('', 'greedy', () => {}));
    expect(() => rig.tree.watch('', 'greedy', () => {})).toThrow('greedy has 1024 watches; 1024 are allowed');
    rig.tree.watch('', 'modest', () => {}).close();
    for (const watch of watches) watch.close();
    rig.tree.watch('', 'greedy', () => {}).close();
  });
});

test('a client may have so many writes waiting, and others are served meanwhile', async () => {
  const small = await treeRig({ limits: { writes: 2 } });
  await small.echo('3,64,384,4', 'control/create_vgt_instance');
  const answers = await Promise.all([
    small.echo('5', 'vgpus/vm3/weight', 'greedy'),
    small.echo('6', 'vgpus/vm3/weight', 'greedy'),
    small.echo('7', 'vgpus/vm3/weight', 'greedy'),
    small.echo('8', 'vgpus/vm3/weight', 'modest'),
  ]);
  expect(answers).toEqual(['', '', 'EAGAIN', '']);
  expect(await small.cat('vgpus/vm3/weight')).toBe('8\n');
  expect(await small.echo('9', 'vgpus/vm3/weight', 'greedy')).toBe('');
});
