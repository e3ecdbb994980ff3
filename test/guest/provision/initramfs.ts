/** The guest's whole file system: busybox, our init script and test programs, i915 and what it depends on. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programSource } from '../paths.js';
import { once } from './cache.js';
import { type CpioEntry, cpioArchive } from './cpio.js';
import type { Kernel } from './kernels.js';
import { moduleClosure } from './modules.js';
import type { Progress } from './progress.js';
import { rootBusybox } from './qemu-root.js';

const WANTED_MODULES = ['i915'];
/** For a disk and a folder shared with the host; ext4 asks for its checksum by the algorithm's name. */
const STORAGE_MODULES = ['virtio_pci', 'virtio_blk', 'ext4', '9pnet_virtio', '9p'];
const STORAGE_ALGORITHMS = ['crc32c_generic'];
/** Inserted after i915, whose card is then number 0. */
const SECOND_CARD_MODULES = ['vgem'];
const FOLDERS = ['bin', 'dev', 'proc', 'sys', 'tmp', 'run', 'etc', 'modules'];

export interface GuestProgram {
  readonly name: string;
  readonly file: string;
}

/**
 * The archive's path; built when anything in it changed.
 * @param storage with modules for a disk and a shared folder
 */
export async function provisionInitramfs(
  root: string,
  cache: string,
  kernel: Kernel,
  programs: readonly GuestProgram[],
  storage: boolean,
  progress: Progress,
): Promise<string> {
  const init = readFileSync(programSource('init.sh'));
  const binaries = programs.map(({ name, file }) => ({ name, content: readFileSync(file) }));
  const vmlinuz = readFileSync(kernel.vmlinuz);
  const key = createHash('sha256')
    .update(kernel.release)
    .update(vmlinuz)
    .update(init)
    .update(storage ? 'storage' : '');
  for (const { content } of binaries) key.update(content);
  const file = join(cache, 'initramfs', `${kernel.release}-${key.digest('hex').slice(0, 16)}.cpio`);
  await once(file, async (temporary) => {
    progress(`building the initramfs of ${kernel.release}`);
    const groups = [{ order: 'order', modules: await moduleClosure(root, kernel, WANTED_MODULES) }];
    if (storage) {
      groups.push(
        { order: 'storage', modules: await moduleClosure(root, kernel, STORAGE_MODULES, STORAGE_ALGORITHMS) },
        { order: 'second-card', modules: await moduleClosure(root, kernel, SECOND_CARD_MODULES) },
      );
    }
    const modules = new Map(groups.flatMap((group) => group.modules).map(({ name, content }) => [name, content]));
    const entries: CpioEntry[] = [
      ...FOLDERS.map((path): CpioEntry => ({ kind: 'folder', path })),
      // The kernel opens this for /init before anything is mounted; without it init has no standard output.
      { kind: 'character', path: 'dev/console', major: 5, minor: 1 },
      { kind: 'file', path: 'bin/busybox', content: readFileSync(rootBusybox(root)), executable: true },
      { kind: 'link', path: 'bin/sh', target: 'busybox' },
      { kind: 'file', path: 'init', content: init, executable: true },
      ...binaries.map(
        ({ name, content }): CpioEntry => ({ kind: 'file', path: `bin/${name}`, content, executable: true }),
      ),
      ...[...modules].map(([name, content]): CpioEntry => ({ kind: 'file', path: `modules/${name}.ko`, content })),
      ...groups.map(
        ({ order, modules: ordered }): CpioEntry => ({
          kind: 'file',
          path: `modules/${order}`,
          content: Buffer.from(ordered.map(({ name }) => `${name}\n`).join('')),
        }),
      ),
    ];
    writeFileSync(temporary, cpioArchive(entries));
  });
  return file;
}
