/** A small Debian root that holds Prometheus and promtool. Nothing of it is installed on this machine. */
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { once } from '../../guest/provision/cache.js';
import { isRoot, MMDEBSTRAP, needHostPackages } from '../../guest/provision/host-packages.js';
import { debianMirror } from '../../guest/provision/mirror.js';
import { type Progress, throttled } from '../../guest/provision/progress.js';
import { runIsolated } from '../../guest/provision/run-command.js';

const SUITE = 'trixie';
/** Raised whenever the recipe below changes. */
const RECIPE = 1;

/** The root, made if it is not in the cache yet. */
export async function provisionPrometheus(cache: string, progress: Progress): Promise<string> {
  if (!isRoot()) {
    throw new XengtError('XENGT_E_UNAVAILABLE', 'Provisioning Prometheus needs root (mmdebstrap and chroot)');
  }
  const root = join(cache, `prometheus-root-${RECIPE}`);
  await once(root, async (temporary) => {
    await needHostPackages([MMDEBSTRAP], progress);
    const mirror = await debianMirror();
    progress(`making a ${SUITE} root with Prometheus (about half a minute)`);
    await runIsolated(
      'mmdebstrap',
      [
        '--variant=essential',
        '--aptopt=Apt::Install-Recommends "false"',
        '--include=prometheus',
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
