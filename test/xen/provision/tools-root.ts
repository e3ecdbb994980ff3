/**
 * A small Debian 12 root with the QEMU that runs the machine, and the tools that make disk images. Its QEMU is 7.2 on
 * purpose: QEMU from 9.1 checks reads of control registers against the wrong intercept bit under TCG, and an HVM Linux
 * on a Xen inside it dies just after decompression. Programs run through the root's own loader, without chroot.
 */
import { join } from 'node:path';
import { once } from '../../guest/provision/cache.js';
import { MMDEBSTRAP, needHostPackages } from '../../guest/provision/host-packages.js';
import { debianMirror } from '../../guest/provision/mirror.js';
import { type Progress, throttled } from '../../guest/provision/progress.js';
import { type CommandOptions, runCommand, runIsolated } from '../../guest/provision/run-command.js';

export const SUITE = 'bookworm';
/** Raised whenever the recipe below changes, so that an old root is not taken for the new one. */
const RECIPE = 1;
const PACKAGES = ['qemu-system-x86', 'e2fsprogs', 'isolinux', 'syslinux-common', 'xorriso'];
const UNWANTED = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*'];

/** Makes a root of the suite with these packages and nothing that they only recommend. */
export async function makeRoot(
  folder: string,
  variant: 'apt' | 'minbase',
  packages: readonly string[],
  progress: Progress,
): Promise<void> {
  await needHostPackages([MMDEBSTRAP], progress);
  const mirror = await debianMirror();
  const options = [
    `--variant=${variant}`,
    `--include=${packages.join(',')}`,
    '--aptopt=APT::Install-Recommends "false"',
    ...UNWANTED.map((path) => `--dpkgopt=path-exclude=${path}`),
  ];
  await runIsolated('mmdebstrap', [...options, SUITE, folder, mirror], { onLine: throttled(progress, '  ') });
}

export async function provisionToolsRoot(cache: string, progress: Progress): Promise<string> {
  const root = join(cache, `tools-root-${RECIPE}`);
  await once(root, async (temporary) => {
    progress(`making a ${SUITE} root with QEMU and image tools (about a minute)`);
    await makeRoot(temporary, 'apt', PACKAGES, progress);
  });
  return root;
}

export interface ToolCommand {
  readonly command: string;
  readonly args: string[];
}

/** How to start a program of the root from the host: by the root's loader, with the root's libraries. */
export function tool(root: string, program: string): ToolCommand {
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  return { command: join(libraries, 'ld-linux-x86-64.so.2'), args: ['--library-path', libraries, join(root, program)] };
}

export function runTool(root: string, program: string, args: readonly string[], options?: CommandOptions) {
  const { command, args: first } = tool(root, program);
  return runCommand(command, [...first, ...args], options);
}

/** QEMU of the root with its own firmware. */
export function qemu(root: string): ToolCommand & { env: Record<string, string> } {
  const { command, args } = tool(root, 'usr/bin/qemu-system-x86_64');
  const firmware = ['-L', join(root, 'usr/share/seabios'), '-L', join(root, 'usr/share/qemu')];
  return {
    command,
    args: [...args, ...firmware],
    env: { QEMU_MODULE_DIR: join(root, 'usr/lib/x86_64-linux-gnu/qemu') },
  };
}

/** An ext4 file system of `mebibytes` with what is in `folder`; nothing is mounted. */
export async function makeExt4(root: string, folder: string, image: string, mebibytes: number): Promise<void> {
  const features = '^has_journal,^metadata_csum';
  const args = ['-q', '-t', 'ext4', '-O', features, '-m', '0', '-E', 'lazy_itable_init=1', '-d', folder];
  await runTool(root, 'usr/sbin/mke2fs', [...args, image, `${mebibytes}M`]);
}
