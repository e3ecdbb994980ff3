/** A small Debian root that holds a browser without a window and a VNC viewer. Nothing of it is installed on this machine. */
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { once } from '../../guest/provision/cache.js';
import { isRoot, MMDEBSTRAP, needHostPackages } from '../../guest/provision/host-packages.js';
import { debianMirror } from '../../guest/provision/mirror.js';
import { type Progress, throttled } from '../../guest/provision/progress.js';
import { runIsolated } from '../../guest/provision/run-command.js';

const SUITE = 'trixie';
/** The package gvncviewer has gvnccapture, which writes what it sees as it is (PNG, not JPEG). */
const PACKAGES = ['chromium-headless-shell', 'gvncviewer', 'fonts-dejavu-core'];
/** Raised whenever the recipe below changes. */
const RECIPE = 1;

/** The root, made if it is not in the cache yet. */
export async function provisionViewers(cache: string, progress: Progress): Promise<string> {
  if (!isRoot()) {
    throw new XengtError('XENGT_E_UNAVAILABLE', 'Provisioning the browser needs root (mmdebstrap and chroot)');
  }
  const root = join(cache, `viewers-root-${RECIPE}`);
  await once(root, async (temporary) => {
    await needHostPackages([MMDEBSTRAP], progress);
    const mirror = await debianMirror();
    progress(`making a ${SUITE} root with Chromium and a VNC viewer (about two minutes)`);
    await runIsolated(
      'mmdebstrap',
      [
        '--variant=essential',
        '--aptopt=Apt::Install-Recommends "false"',
        `--include=${PACKAGES.join(',')}`,
        ...['doc', 'man', 'locale', 'info'].map((unwanted) => `--dpkgopt=path-exclude=/usr/share/${unwanted}/*`),
        SUITE,
        temporary,
        `deb ${mirror} ${SUITE} main`,
      ],
      { onLine: throttled(progress, '  ') },
    );
  });
  return root;
}

/**
 * What to run so that a program of the root finds the root's own /proc and /dev, in mounts and processes of its own that end
 * with it.
 */
export function inViewers(root: string, command: readonly string[]): { command: string; args: string[] } {
  const script = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"';
  const isolated = [
    'unshare',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--',
    'sh',
    '-c',
    script,
    root,
    ...command,
  ];
  return { command: 'setpriv', args: ['--pdeathsig', 'KILL', '--', ...isolated] };
}
