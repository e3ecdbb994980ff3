/** dom0's initramfs: the modules for its disks and the host's share, and the script that is its PID 1. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from '../../guest/provision/cache.js';
import { type CpioEntry, cpioArchive } from '../../guest/provision/cpio.js';
import { moduleClosure } from '../../guest/provision/modules.js';
import type { Progress } from '../../guest/provision/progress.js';
import { dom0Source } from '../paths.js';
import type { Dom0 } from './dom0.js';

const MODULES = [
  ...['virtio_pci', 'virtio_blk', 'virtio_console', 'virtio_net', '9pnet_virtio', '9p'],
  // ext4 asks for this one by its algorithm's name, which no `depends=` tells.
  ...['crc32c_generic', 'ext4'],
];

export async function provisionDom0Initramfs(
  tools: string,
  cache: string,
  dom0: Dom0,
  progress: Progress,
): Promise<string> {
  const first = readFileSync(dom0Source('initramfs.sh'));
  const init = readFileSync(dom0Source('init.sh'));
  const key = createHash('sha256').update(dom0.kernel.release).update(first).update(init).digest('hex').slice(0, 16);
  const file = join(cache, 'initramfs', `dom0-${dom0.kernel.release}-${key}.cpio`);
  await once(file, async (temporary) => {
    progress("building dom0's initramfs");
    const modules = await moduleClosure(tools, dom0.kernel, MODULES);
    const entries: CpioEntry[] = [
      ...['bin', 'dev', 'modules'].map((path): CpioEntry => ({ kind: 'folder', path })),
      { kind: 'character', path: 'dev/console', major: 5, minor: 1 },
      { kind: 'file', path: 'bin/busybox', content: readFileSync(dom0.busybox), executable: true },
      { kind: 'file', path: 'init', content: first, executable: true },
      { kind: 'file', path: 'init-dom0', content: init, executable: true },
      ...modules.map(({ name, content }): CpioEntry => ({ kind: 'file', path: `modules/${name}.ko`, content })),
      { kind: 'file', path: 'modules/order', content: Buffer.from(modules.map(({ name }) => `${name}\n`).join('')) },
    ];
    writeFileSync(temporary, cpioArchive(entries));
  });
  return file;
}
