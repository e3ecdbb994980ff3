/**
 * The disk with the Intel GPU Tools' tests, from the only suite that packages them. Its packages are extracted, never
 * installed: the tests need the C library and a few others, no system. Guests mount the disk read-only and share it.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { once } from './cache.js';
import { makeDiskImage } from './disk-image.js';
import { E2FSPROGS, isRoot, MMDEBSTRAP, needHostPackages } from './host-packages.js';
import { debianMirror } from './mirror.js';
import { type Progress, throttled } from './progress.js';
import { runIsolated } from './run-command.js';

const SUITE = 'forky';
/** The tests load and unload drivers themselves, by kmod's library and the index that its depmod makes, and sleep by rtcwake. */
const PACKAGES = ['igt-gpu-tools-tests', 'busybox-static', 'kmod', 'util-linux'];
/** Raised whenever the recipe below changes, so that an old disk is not taken for the new one. */
const RECIPE = 4;

/** What a package's installation would have linked, and where a guest mounts things. */
const LINKS = ['bin', 'sbin', 'lib', 'lib64'];
const MOUNT_POINTS = ['dev', 'proc', 'sys', 'run', 'tmp', 'usr/lib/modules'];
const UNWANTED = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/info',
  'usr/share/locale',
  'usr/share/i18n',
  'usr/lib/locale',
  'var/cache',
  'var/lib/apt',
  'var/lib/dpkg',
];

async function extract(root: string, progress: Progress): Promise<void> {
  if (!isRoot()) throw new XengtError('XENGT_E_UNAVAILABLE', 'Provisioning IGT needs root (mmdebstrap)');
  await needHostPackages([MMDEBSTRAP, E2FSPROGS], progress);
  const mirror = await debianMirror();
  progress(`fetching IGT of ${SUITE} from ${mirror}`);
  await runIsolated(
    'mmdebstrap',
    [
      '--variant=extract',
      `--include=${PACKAGES.join(',')}`,
      // The suite is in the making: its index on a mirror may be older than it says it is valid for.
      '--aptopt=Acquire::Check-Valid-Until "false"',
      SUITE,
      root,
      `deb ${mirror} ${SUITE} main`,
    ],
    { onLine: throttled(progress, '  ') },
  );
  for (const path of UNWANTED) rmSync(join(root, path), { recursive: true, force: true });
  for (const name of LINKS) if (!existsSync(join(root, name))) symlinkSync(`usr/${name}`, join(root, name));
  // Some tests call other programs by a shell.
  symlinkSync('busybox', join(root, 'usr/bin/sh'));
  for (const name of MOUNT_POINTS) mkdirSync(join(root, name), { recursive: true });
}

/** The disk image's path; made if it is not in the cache yet. */
export async function provisionIgtDisk(cache: string, progress: Progress): Promise<string> {
  const disk = join(cache, `igt-${RECIPE}.ext4`);
  const made = await once(disk, async (temporary) => {
    const root = `${temporary}-root`;
    rmSync(root, { recursive: true, force: true });
    await extract(root, progress);
    progress('making the disk image');
    await makeDiskImage(root, temporary, '256M');
    rmSync(root, { recursive: true, force: true });
  });
  progress(`IGT ${made ? 'fetched' : 'in the cache'}`);
  return disk;
}
