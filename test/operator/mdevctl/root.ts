/** A folder that holds Debian's own mdevctl and what it is linked with. Nothing of it is installed on this machine. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
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
/** What a package's installation would have linked, and where things are mounted. */
const LINKS = ['bin', 'sbin', 'lib', 'lib64'];
const MOUNT_POINTS = ['sys', 'proc', 'dev', 'run', 'tmp', 'etc/mdevctl.d'];

/** The root, made if it is not in the cache yet. */
export async function provisionMdevctl(cache: string, progress: Progress): Promise<string> {
  if (!isRoot()) throw new XengtError('XENGT_E_UNAVAILABLE', 'Provisioning mdevctl needs root (mmdebstrap and chroot)');
  const root = join(cache, `mdevctl-root-${RECIPE}`);
  await once(root, async (temporary) => {
    await needHostPackages([MMDEBSTRAP], progress);
    const mirror = await debianMirror();
    progress(`fetching mdevctl of ${SUITE}`);
    const parts = ['--variant=extract', '--include=mdevctl,dash,coreutils', SUITE, temporary];
    await runIsolated('mmdebstrap', [...parts, `deb ${mirror} ${SUITE} main`], { onLine: throttled(progress, '  ') });
    for (const name of LINKS) {
      if (!existsSync(join(temporary, name))) symlinkSync(`usr/${name}`, join(temporary, name));
    }
    for (const name of MOUNT_POINTS) mkdirSync(join(temporary, name), { recursive: true });
  });
  return root;
}
