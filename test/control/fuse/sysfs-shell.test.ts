import { describe, expect, test } from 'vitest';
import { mountedTrees } from '../../../src/control/cli/sysfs-shell.js';
import { xengt } from '../rig.js';

describe('sysfs-shell', () => {
  test('finds the trees that are mounted, whatever their names', () => {
    const mounts = [
      'sysfs /sys sysfs rw,nosuid 0 0',
      'xengt /run/xengt fuse.xengt rw,nosuid 0 0',
      'xengt /mnt/with\\040space fuse.xengt rw 0 0',
      'other /mnt fuse.other rw 0 0',
      '',
    ].join('\n');
    expect(mountedTrees(mounts)).toEqual(['/run/xengt', '/mnt/with space']);
    expect(mountedTrees('')).toEqual([]);
  });

  test('needs a tree that is there', async () => {
    const { code } = await xengt(['sysfs-shell', '--tree', '/nonexistent', '--', 'true']);
    expect(code).not.toBe(0);
  });
});
