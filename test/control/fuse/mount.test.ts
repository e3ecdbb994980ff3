import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { XengtError } from '../../../src/base/index.js';
import { type Mounted, mountTree } from '../../../src/control/fuse/index.js';
import { type TreeRig, treeRig } from '../tree/rig.js';

const folder = mkdtempSync(join(tmpdir(), 'xengt-mount-'));
const path = join(folder, 'made', 'tree');
const complaints: string[] = [];
const log = { info: () => {}, error: (line: string) => void complaints.push(line) };
let rig: TreeRig;
let mounted: Mounted | null = null;
let refusal: unknown;

rig = await treeRig();
try {
  mounted = mountTree({ tree: rig.tree, path, log });
} catch (error) {
  refusal = error;
}

afterAll(() => {
  mounted?.unmount();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * In another process: this one is the file system. It goes there by itself, because who starts a process in a folder waits
 * until it is there.
 */
function shell(line: string, folder = path): Promise<string> {
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C' };
    const args = ['-c', `cd "$0" && ${line}`, folder];
    execFile('sh', args, { env, timeout: 20_000 }, (_error, out, err) => resolve(`${out}${err}`));
  });
}

if (mounted === null) {
  // Nothing else can be seen on a host that does not let us mount, or has no addon.
  test('a host that can not mount the tree is told what is missing', () => {
    expect(refusal).toBeInstanceOf(XengtError);
    expect(String(refusal)).toMatch(/CAP_SYS_ADMIN|load the module fuse|addon/);
  });
} else {
  describe('the mounted tree', () => {
    beforeAll(async () => {
      await shell('echo 3,64,384,4 > control/create_vgt_instance');
    });

    test('is written by echo and read by cat', async () => {
      expect(await shell('cat vm3/xengt/weight; echo 9 > vm3/xengt/weight; cat vgpus/vm3/weight')).toBe('2\n9\n');
      expect((await rig.mediator.vgpus())[0]).toMatchObject({ weight: 9 });
    });

    test('shows at once what came from elsewhere', async () => {
      expect(await shell('ls vgpus')).toBe('vm3\n');
      await rig.mediator.createVgpu({ name: 'other', transport: { kind: 'vfio-user', socket: '/a' } });
      expect(await shell('ls vgpus')).toBe('other\nvm3\n');
    });

    test('has bytes where bytes belong', async () => {
      expect(await shell('wc -c < vm3/PORT_D/edid')).toBe('128\n');
    });

    test('says no as sysfs does', async () => {
      expect(await shell('/bin/echo 0 > vm3/xengt/weight')).toContain('Invalid argument');
      expect(await shell('cat control/create_vgt_instance')).toContain('Permission denied');
      expect(await shell('mkdir vgpus/new')).toContain('Operation not permitted');
    });

    test('has as many readers at once as there are', async () => {
      const out = await shell('for i in $(seq 20); do cat vgpus/*/weight control/foreground_vm & done; wait');
      expect(out.trim().split('\n')).toHaveLength(60);
    });

    test('is gone for good when it is unmounted', async () => {
      mounted?.unmount();
      mounted?.unmount();
      expect(await shell('ls', path)).toBe('');
      expect(complaints).toEqual([]);
      mounted = null;
    });

    test('can be mounted again, and unmounted by somebody else', async () => {
      const again = mountTree({ tree: rig.tree, path, log });
      expect(await shell('ls vgpus')).toBe('other\nvm3\n');
      await shell(`umount ${path}`, folder);
      again.unmount();
      expect(await shell('ls', path)).toBe('');
    });

    test('is not mounted over a file', () => {
      const file = join(folder, 'file');
      writeFileSync(file, '');
      mkdirSync(join(folder, 'x'));
      expect(() => mountTree({ tree: rig.tree, path: file, log })).toThrow('it is no folder');
    });
  });
}
