/** A small Debian root with some packages, for what the rig tries with real programs. Nothing of it is installed on this machine. */
import { join } from 'node:path';
import { XengtError } from '../../src/base/index.js';
import { once } from '../guest/provision/cache.js';
import { isRoot, MMDEBSTRAP, needHostPackages } from '../guest/provision/host-packages.js';
import { debianMirror } from '../guest/provision/mirror.js';
import { type Progress, throttled } from '../guest/provision/progress.js';
import { runIsolated } from '../guest/provision/run-command.js';

/** The first release whose Node.js is new enough. */
const SUITE = 'trixie';

export interface DebianRoot {
  /** Of its folder in the cache. */
  readonly name: string;
  /** Raised whenever what is in it changes. */
  readonly recipe: number;
  readonly packages: readonly string[];
  /** For whoever waits: with what, and how long it takes. */
  readonly says: string;
  /** Folders below /usr/share that are left out. */
  readonly without?: readonly string[];
}

/** What only people read. */
export const DOCUMENTATION = ['doc', 'man', 'locale', 'info'];

/**
 * @returns the root's folder, made if it is not in the cache yet
 * @throws XengtError XENGT_E_UNAVAILABLE without root's rights
 */
export async function debianRoot(wanted: DebianRoot, cache: string, progress: Progress): Promise<string> {
  const { name, recipe, packages, says, without = [] } = wanted;
  if (!isRoot()) throw new XengtError('XENGT_E_UNAVAILABLE', `A root with ${says} needs root (mmdebstrap and chroot)`);
  const root = join(cache, `${name}-root-${recipe}`);
  await once(root, async (temporary) => {
    await needHostPackages([MMDEBSTRAP], progress);
    const mirror = await debianMirror();
    progress(`making a ${SUITE} root with ${says}`);
    await runIsolated(
      'mmdebstrap',
      [
        '--variant=essential',
        '--aptopt=Apt::Install-Recommends "false"',
        `--include=${packages.join(',')}`,
        ...without.map((unwanted) => `--dpkgopt=path-exclude=/usr/share/${unwanted}/*`),
        SUITE,
        temporary,
        `deb ${mirror} ${SUITE} main`,
      ],
      { onLine: throttled(progress, '  ') },
    );
  });
  return root;
}
