/** Compiles what Xen guests run besides the guest rig's programs: static, so that it runs on nothing but a kernel. */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../guest/paths.js';
import { once } from '../../guest/provision/cache.js';
import { GCC, LIBC_DEV, needHostPackages } from '../../guest/provision/host-packages.js';
import type { GuestProgram } from '../../guest/provision/initramfs.js';
import type { Progress } from '../../guest/provision/progress.js';
import { inRoot, unpackPackages } from '../../guest/provision/qemu-root.js';
import { runCommand } from '../../guest/provision/run-command.js';

const NAME = 'xengt-mode';

/** `root` is the guest rig's, whose apt fetches the kernel's DRM headers. */
export async function provisionModeProgram(root: string, cache: string, progress: Progress): Promise<GuestProgram> {
  const source = join(projectRoot(), 'test', 'xen', 'program', 'mode.c');
  const key = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const file = join(cache, 'programs', `${NAME}-${key}`);
  await once(file, async (temporary) => {
    await needHostPackages([GCC, LIBC_DEV], progress);
    const headers = join(cache, 'include', 'drm-headers');
    await once(headers, async (folder) => {
      await inRoot(root, ['apt-get', 'update']);
      const unpacked = await unpackPackages(root, ['libdrm-dev'], progress);
      renameSync(join(unpacked, 'usr/include/libdrm'), folder);
    });
    progress(`compiling ${NAME}`);
    const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-isystem', headers];
    await runCommand('gcc', [...flags, '-o', temporary, source]);
  });
  return { name: NAME, file };
}
