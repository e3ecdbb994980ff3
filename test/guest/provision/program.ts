/** Compiles the guest's test programs: static, so that they run on nothing but a kernel. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { programSource } from '../paths.js';
import { once } from './cache.js';
import { GCC, LIBC_DEV, needHostPackages } from './host-packages.js';
import type { GuestProgram } from './initramfs.js';
import type { Progress } from './progress.js';
import { inRoot, unpackPackages } from './qemu-root.js';
import { runCommand } from './run-command.js';

interface Program {
  readonly name: string;
  /** Its C files, under test/guest/program. */
  readonly folder: string;
  /** Files of another's that it is made of as well. */
  readonly shares: readonly string[];
}

const PROGRAMS: readonly Program[] = [
  { name: 'xengt-exec', folder: 'exec', shares: [] },
  { name: 'xengt-font', folder: 'font', shares: [] },
  { name: 'xengt-picture', folder: 'picture', shares: [] },
  { name: 'xengt-load', folder: 'load', shares: ['exec/device.c', 'exec/device.h'] },
];

/** The kernel's DRM interface headers, from the package that Debian ships them in. */
async function provisionHeaders(root: string, cache: string, progress: Progress): Promise<string> {
  const folder = join(cache, 'drm-headers');
  await once(folder, async (temporary) => {
    await inRoot(root, ['apt-get', 'update']);
    const unpacked = await unpackPackages(root, ['libdrm-dev'], progress);
    renameSync(join(unpacked, 'usr/include/libdrm'), temporary);
    rmSync(unpacked, { recursive: true, force: true });
  });
  return folder;
}

async function compile(
  { name, folder, shares }: Program,
  root: string,
  cache: string,
  progress: Progress,
): Promise<GuestProgram> {
  const own = readdirSync(programSource(folder)).sort();
  const files = [...own.map((file) => join(folder, file)), ...shares];
  const key = createHash('sha256');
  for (const file of files) key.update(file).update(readFileSync(programSource(file)));
  const target = join(cache, 'programs', `${name}-${key.digest('hex').slice(0, 16)}`);
  await once(target, async (temporary) => {
    await needHostPackages([GCC, LIBC_DEV], progress);
    const headers = await provisionHeaders(root, cache, progress);
    progress(`compiling ${name}`);
    const units = files.filter((file) => file.endsWith('.c')).map((file) => programSource(file));
    const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-isystem', headers];
    await runCommand('gcc', [...flags, '-o', temporary, ...units]);
  });
  return { name, file: target };
}

export async function provisionPrograms(root: string, cache: string, progress: Progress): Promise<GuestProgram[]> {
  const programs: GuestProgram[] = [];
  for (const program of PROGRAMS) programs.push(await compile(program, root, cache, progress));
  return programs;
}
