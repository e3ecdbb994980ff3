/** A clean Debian root that has what the package depends on, systemd and mandoc to look at what it brings, and nothing else. */
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { once } from '../../guest/provision/cache.js';
import { isRoot, MMDEBSTRAP, needHostPackages } from '../../guest/provision/host-packages.js';
import { debianMirror } from '../../guest/provision/mirror.js';
import { type Progress, throttled } from '../../guest/provision/progress.js';
import { runIsolated } from '../../guest/provision/run-command.js';

/** The first release whose Node.js is new enough. */
const SUITE = 'trixie';
const PACKAGES = ['nodejs', 'libstdc++6', 'systemd', 'mandoc'];
/** Raised whenever the recipe below changes. */
const RECIPE = 1;

/** The root, made if it is not in the cache yet. */
export async function provisionCleanRoot(cache: string, progress: Progress): Promise<string> {
  if (!isRoot()) throw new XengtError('XENGT_E_UNAVAILABLE', 'A clean root for the package needs root (mmdebstrap)');
  const root = join(cache, `clean-root-${RECIPE}`);
  await once(root, async (temporary) => {
    await needHostPackages([MMDEBSTRAP], progress);
    const mirror = await debianMirror();
    progress(`making a clean ${SUITE} root (about a minute)`);
    await runIsolated(
      'mmdebstrap',
      [
        '--variant=essential',
        '--aptopt=Apt::Install-Recommends "false"',
        `--include=${PACKAGES.join(',')}`,
        SUITE,
        temporary,
        `deb ${mirror} ${SUITE} main`,
      ],
      { onLine: throttled(progress, '  ') },
    );
  });
  return root;
}
