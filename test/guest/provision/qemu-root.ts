/**
 * A small Debian root that holds QEMU (the vfio-user client exists from 10.1, newer than many hosts have), the guests'
 * static busybox, and an apt that can fetch each guest kernel's package. Nothing of it is installed on the host, and
 * nothing is mounted: QEMU runs from it through the root's own dynamic loader.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { once } from './cache.js';
import { isRoot, MMDEBSTRAP, needHostPackages } from './host-packages.js';
import { aptProxyConfiguration, debianMirror } from './mirror.js';
import { type Progress, throttled } from './progress.js';
import { runCommand, runIsolated } from './run-command.js';

const BASE_SUITE = 'trixie';
const QEMU_SUITE = 'trixie-backports';
/** The suites whose kernels can be guests; the root's apt knows all of them. */
export const SUITES = ['bookworm', 'trixie', 'trixie-backports'] as const;
export type Suite = (typeof SUITES)[number];

const PACKAGES = ['qemu-system-x86', 'busybox-static', 'xz-utils', 'zstd'];
/** Raised whenever the recipe below changes, so that an old root is not taken for the new one. */
const RECIPE = 1;

/** Runs a program of the root with the root as its file system. */
export function inRoot(root: string, command: readonly string[], onLine?: (line: string) => void): Promise<string> {
  // The host's resolver may have changed since the root was made (other network, other container).
  if (existsSync('/etc/resolv.conf')) {
    rmSync(join(root, 'etc/resolv.conf'), { force: true });
    copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'));
  }
  return runIsolated('chroot', [root, ...command], { cwd: '/', ...(onLine === undefined ? {} : { onLine }) });
}

async function makeRoot(temporary: string, progress: Progress): Promise<void> {
  if (!isRoot()) {
    throw new XengtError('XENGT_E_UNAVAILABLE', 'Provisioning the guest rig needs root (mmdebstrap and chroot)');
  }
  await needHostPackages([MMDEBSTRAP], progress);
  const mirror = await debianMirror();
  progress(`making a ${BASE_SUITE} root from ${mirror} (about half a minute)`);
  const sources = SUITES.map((suite) => `deb ${mirror} ${suite} main`);
  const unwanted = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*'];
  await runIsolated(
    'mmdebstrap',
    [
      '--variant=apt',
      '--include=ca-certificates',
      ...unwanted.map((path) => `--dpkgopt=path-exclude=${path}`),
      BASE_SUITE,
      temporary,
      ...sources,
    ],
    { onLine: throttled(progress, '  ') },
  );
  const proxies = await aptProxyConfiguration();
  if (proxies.length > 0) writeFileSync(join(temporary, 'etc/apt/apt.conf.d/90proxy'), `${proxies.join('\n')}\n`);
  progress(`adding QEMU from ${QEMU_SUITE}`);
  const show = throttled(progress, '  ');
  await inRoot(temporary, ['apt-get', 'update'], show);
  await inRoot(temporary, ['apt-get', 'install', '-y', '--no-install-recommends', '-t', QEMU_SUITE, ...PACKAGES], show);
  await inRoot(temporary, ['apt-get', 'clean']);
}

/** The root, made if it is not in the cache yet. */
export async function provisionQemuRoot(cache: string, progress: Progress): Promise<string> {
  const root = join(cache, `qemu-root-${RECIPE}`);
  const made = await once(root, (temporary) => makeRoot(temporary, progress));
  const version = await runCommand(qemuCommand(root).command, [...qemuCommand(root).args, '--version'], {
    env: qemuCommand(root).env,
  });
  progress(`QEMU ${/version (\S+)/.exec(version)?.[1] ?? 'of unknown version'} ${made ? 'made' : 'in the cache'}`);
  return root;
}

/**
 * Fetches packages (`name` or `name=version`) with the root's apt and unpacks them, without installing, into one folder
 * on the root's file system. The caller takes what it needs out of the folder and removes it.
 */
export async function unpackPackages(root: string, packages: readonly string[], progress: Progress): Promise<string> {
  const inside = '/var/tmp/packages';
  const outside = join(root, inside);
  rmSync(outside, { recursive: true, force: true });
  mkdirSync(outside, { recursive: true });
  progress(`fetching ${packages.join(' ')}`);
  const fetch = `cd ${inside} && exec apt-get download -o APT::Sandbox::User=root "$@"`;
  await inRoot(root, ['sh', '-c', fetch, 'sh', ...packages], throttled(progress, '  '));
  for (const file of readdirSync(outside)) {
    progress(`unpacking ${file}`);
    await inRoot(root, ['dpkg-deb', '-x', `${inside}/${file}`, `${inside}/unpacked`]);
    rmSync(join(outside, file));
  }
  return join(outside, 'unpacked');
}

/** How to start the root's QEMU from the host without chroot: by the root's loader, with the root's libraries. */
export function qemuCommand(root: string): { command: string; args: string[]; env: Record<string, string> } {
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  return {
    command: join(libraries, 'ld-linux-x86-64.so.2'),
    args: [
      '--library-path',
      libraries,
      join(root, 'usr/bin/qemu-system-x86_64'),
      '-L',
      join(root, 'usr/share/seabios'),
      '-L',
      join(root, 'usr/share/qemu'),
    ],
    env: { QEMU_MODULE_DIR: join(libraries, 'qemu') },
  };
}

export function rootBusybox(root: string): string {
  return join(root, 'usr/bin/busybox');
}
