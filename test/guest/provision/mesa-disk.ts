/**
 * The disk with Mesa, Intel's VA-API drivers and programs that use them, from the stable suite. Its packages are installed
 * (some programs need links that only an installation makes), and a short film is encoded there for the video decoder.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { once } from './cache.js';
import { makeDiskImage } from './disk-image.js';
import { E2FSPROGS, isRoot, MMDEBSTRAP, needHostPackages } from './host-packages.js';
import { debianMirror } from './mirror.js';
import { type Progress, throttled } from './progress.js';
import { inRoot } from './qemu-root.js';
import { runIsolated } from './run-command.js';

const SUITE = 'trixie';
const PACKAGES = [
  ...['libgl1-mesa-dri', 'libegl1', 'libegl-mesa0', 'libgles2', 'libgl1', 'libglx-mesa0', 'mesa-vulkan-drivers'],
  ...['mesa-utils-bin', 'kmscube', 'glmark2-es2-drm', 'vulkan-tools', 'vkmark', 'weston'],
  // The second is for Haswell, which the first does not know.
  ...['intel-media-va-driver', 'i965-va-driver', 'vainfo', 'ffmpeg'],
];
/** Raised whenever the recipe below changes, so that an old disk is not taken for the new one. */
const RECIPE = 4;
const SIZE = '1G';

/** Where a guest finds the film, and how many pictures it has. */
export const FILM = { path: '/usr/share/xengt/film.mp4', pictures: 250 } as const;

const UNWANTED = ['usr/share/doc', 'usr/share/man', 'usr/share/info', 'usr/share/locale', 'var/cache', 'var/lib/apt'];

async function install(root: string, progress: Progress): Promise<void> {
  if (!isRoot()) throw new XengtError('XENGT_E_UNAVAILABLE', 'Provisioning Mesa needs root (mmdebstrap and chroot)');
  await needHostPackages([MMDEBSTRAP, E2FSPROGS], progress);
  const mirror = await debianMirror();
  progress(`installing Mesa of ${SUITE} from ${mirror} (about two minutes)`);
  await runIsolated(
    'mmdebstrap',
    [
      '--variant=essential',
      '--aptopt=Apt::Install-Recommends "false"',
      ...UNWANTED.slice(0, 4).map((path) => `--dpkgopt=path-exclude=/${path}/*`),
      `--include=${PACKAGES.join(',')}`,
      SUITE,
      root,
      `deb ${mirror} ${SUITE} main`,
    ],
    { onLine: throttled(progress, '  ') },
  );
}

/** Moving, textured pictures with frames between others, as films have them: the decoder's reference lists are used. */
async function encodeFilm(root: string): Promise<void> {
  await inRoot(root, ['mkdir', '-p', '/usr/share/xengt']);
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25', '-frames:v', `${FILM.pictures}`];
  const codec = ['-c:v', 'libx264', '-profile:v', 'main', '-pix_fmt', 'yuv420p', '-threads', '1'];
  await inRoot(root, ['ffmpeg', '-hide_banner', '-loglevel', 'error', ...source, ...codec, '-y', FILM.path]);
}

/** The disk image's path; made if it is not in the cache yet. */
export async function provisionMesaDisk(cache: string, progress: Progress): Promise<string> {
  const disk = join(cache, `mesa-${RECIPE}.ext4`);
  const made = await once(disk, async (temporary) => {
    const root = `${temporary}-root`;
    rmSync(root, { recursive: true, force: true });
    await install(root, progress);
    await encodeFilm(root);
    for (const path of UNWANTED) rmSync(join(root, path), { recursive: true, force: true });
    progress('making the disk image');
    await makeDiskImage(root, temporary, SIZE);
    rmSync(root, { recursive: true, force: true });
  });
  progress(`Mesa ${made ? 'installed' : 'in the cache'}`);
  return disk;
}
