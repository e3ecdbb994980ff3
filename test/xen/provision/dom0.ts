/** The machine's hypervisor and control domain: Debian 12's own Xen, Linux and toolstack on an ext4 image. */
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { XengtError } from '../../../src/base/index.js';
import { once } from '../../guest/provision/cache.js';
import { findKernel, type Kernel } from '../../guest/provision/kernels.js';
import type { Progress } from '../../guest/provision/progress.js';
import { makeExt4, makeRoot, SUITE } from './tools-root.js';

const RECIPE = 1;
const IMAGE_MIB = 2048;
const PACKAGES = [
  ...['xen-hypervisor-4.17-amd64', 'xen-utils-4.17', 'xen-utils-common', 'xenstore-utils', 'linux-image-amd64'],
  ...['qemu-system-xen', 'seabios', 'ipxe-qemu', 'iproute2', 'kmod', 'busybox-static', 'pciutils', 'procps', 'curl'],
];

export interface Dom0 {
  readonly kernel: Kernel;
  /** The hypervisor, uncompressed: QEMU's Multiboot loader takes nothing else. */
  readonly xen: string;
  /** The root file system. */
  readonly disk: string;
  /** A static busybox, for initramfs archives. */
  readonly busybox: string;
}

function hypervisorIn(root: string): string {
  const name = readdirSync(join(root, 'boot')).find((file) => /^xen-\d.*\.gz$/.test(file));
  if (name === undefined) throw new XengtError('XENGT_E_IO', `No hypervisor under ${root}/boot`);
  return join(root, 'boot', name);
}

async function build(tools: string, folder: string, progress: Progress): Promise<void> {
  const root = `${folder}-root`;
  progress(`making dom0: a ${SUITE} root with Xen (two minutes)`);
  rmSync(root, { recursive: true, force: true });
  await makeRoot(root, 'minbase', PACKAGES, progress);
  mkdirSync(join(folder, 'lib'), { recursive: true });
  writeFileSync(join(folder, 'xen'), gunzipSync(readFileSync(hypervisorIn(root))));
  const kernel = findKernel('dom0', root);
  copyFileSync(kernel.vmlinuz, join(folder, 'vmlinuz'));
  cpSync(kernel.modules, join(folder, 'lib/modules', kernel.release), { recursive: true, verbatimSymlinks: true });
  copyFileSync(join(root, 'bin/busybox'), join(folder, 'busybox'));
  for (const mountPoint of ['share', 'opt/xengt']) mkdirSync(join(root, mountPoint), { recursive: true });
  for (const unwanted of ['var/cache/apt', 'var/lib/apt/lists', 'boot']) {
    rmSync(join(root, unwanted), { recursive: true, force: true });
  }
  progress('writing the image of dom0');
  await makeExt4(tools, root, join(folder, 'root.ext4'), IMAGE_MIB);
  rmSync(root, { recursive: true, force: true });
}

export async function provisionDom0(tools: string, cache: string, progress: Progress): Promise<Dom0> {
  const folder = join(cache, `dom0-${RECIPE}`);
  await once(folder, (temporary) => build(tools, temporary, progress));
  const kernel = findKernel('dom0', folder);
  return {
    kernel,
    xen: join(folder, 'xen'),
    disk: join(folder, 'root.ext4'),
    busybox: join(folder, 'busybox'),
  };
}
