/** Guest kernels: fetched as Debian packages by the root's apt and only unpacked, or found in a folder of the user's. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { once } from './cache.js';
import type { Progress } from './progress.js';
import { inRoot, SUITES, type Suite, unpackPackages } from './qemu-root.js';

export interface Kernel {
  /** What the user called it: a suite, or the folder. */
  readonly name: string;
  readonly release: string;
  readonly vmlinuz: string;
  /** The folder `lib/modules/RELEASE`. */
  readonly modules: string;
}

export function isSuite(name: string): name is Suite {
  return (SUITES as readonly string[]).includes(name);
}

/** The packages that a kernel's image or modules may be in; a kernel's other dependencies only install it. */
const KERNEL_PACKAGE = /^linux-(image|base|binary|modules)-\d/;

/** `Depends` of one package version that are kernel parts, as `name=version`. */
async function kernelDependencies(root: string, wanted: string): Promise<string[]> {
  const shown = await inRoot(root, ['apt-cache', 'show', wanted]);
  const depends = /^Depends: (.*)$/m.exec(shown)?.[1] ?? '';
  const found: string[] = [];
  for (const clause of depends.split(',')) {
    const match = /^\s*(\S+) \(= (\S+)\)\s*$/.exec(clause);
    if (match?.[1] !== undefined && KERNEL_PACKAGE.test(match[1])) found.push(`${match[1]}=${match[2]}`);
  }
  return found;
}

/** Follows `linux-image-amd64` of a suite to the packages with the files; newer kernels are split over several. */
async function kernelPackages(root: string, suite: Suite): Promise<string[]> {
  await inRoot(root, ['apt-get', 'update']);
  const all: string[] = [];
  const open = await kernelDependencies(root, `linux-image-amd64/${suite}`);
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    if (all.includes(next)) continue;
    all.push(next);
    open.push(...(await kernelDependencies(root, next)));
  }
  if (all.length === 0) {
    throw new XengtError('XENGT_E_UNAVAILABLE', `The mirror has no linux-image-amd64 in ${suite}`);
  }
  return all;
}

async function fetchKernel(root: string, suite: Suite, temporary: string, progress: Progress): Promise<void> {
  const packages = await kernelPackages(root, suite);
  const unpacked = await unpackPackages(root, packages, progress);
  const kernel = findKernel(suite, unpacked);
  mkdirSync(join(temporary, 'lib/modules'), { recursive: true });
  copyFileSync(kernel.vmlinuz, join(temporary, 'vmlinuz'));
  renameSync(kernel.modules, join(temporary, 'lib/modules', kernel.release));
  writeFileSync(join(temporary, 'packages'), `${packages.join('\n')}\n`);
  rmSync(unpacked, { recursive: true, force: true });
}

function firstExisting(paths: readonly string[]): string | undefined {
  return paths.find((path) => existsSync(path));
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** Finds image and modules in an unpacked kernel package, an installed root, or the image itself with modules beside. */
export function findKernel(name: string, path: string): Kernel {
  if (!existsSync(path)) throw new XengtError('XENGT_E_CONFIG', `--kernel ${name}: ${path} does not exist`);
  const isFile = statSync(path).isFile();
  const tree = isFile ? dirname(basename(dirname(path)) === 'boot' ? dirname(path) : path) : path;
  const wantedRelease = isFile ? /^vmlinuz-(.+)$/.exec(basename(path))?.[1] : undefined;
  const moduleTrees = ['lib/modules', 'usr/lib/modules', 'modules']
    .flatMap((folder) =>
      namesIn(join(tree, folder)).map((release) => ({ release, folder: join(tree, folder, release) })),
    )
    .filter((found) => existsSync(join(found.folder, 'kernel')))
    .filter((found) => wantedRelease === undefined || found.release === wantedRelease);
  const modules = moduleTrees[0];
  if (modules === undefined) {
    throw new XengtError('XENGT_E_CONFIG', `--kernel ${name}: no lib/modules/RELEASE/kernel under ${tree}`);
  }
  const { release } = modules;
  const vmlinuz = isFile
    ? path
    : firstExisting([
        join(tree, 'vmlinuz'),
        join(tree, 'boot', `vmlinuz-${release}`),
        join(tree, `vmlinuz-${release}`),
        join(tree, 'usr/lib/modules', release, 'vmlinuz'),
        join(modules.folder, 'vmlinuz'),
      ]);
  if (vmlinuz === undefined) throw new XengtError('XENGT_E_CONFIG', `--kernel ${name}: no vmlinuz under ${tree}`);
  return { name, release, vmlinuz, modules: modules.folder };
}

/** Refuses a name that is neither a suite nor a path, before anything is fetched. */
export function checkKernelName(name: string): void {
  if (isSuite(name) || name.includes('/')) return;
  throw new XengtError('XENGT_E_CONFIG', `--kernel ${name}: allowed are ${SUITES.join(', ')} or a path with a /`);
}

/** A kernel by suite name, fetched if it is not in the cache yet, or by path. */
export async function provisionKernel(root: string, cache: string, name: string, progress: Progress): Promise<Kernel> {
  if (!isSuite(name)) return findKernel(name, name);
  const folder = join(cache, 'kernels', name);
  const made = await once(folder, (temporary) => fetchKernel(root, name, temporary, progress));
  const kernel = findKernel(name, folder);
  progress(`kernel ${kernel.release} (${name}) ${made ? 'fetched' : 'in the cache'}`);
  return kernel;
}

/** A module's file as the kernel's own loader wants it: decompressed by the root's tools where it is packed. */
export async function unpackModule(root: string, file: string, to: string): Promise<void> {
  const unpackers: Readonly<Record<string, string>> = { '.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip' };
  const suffix = /\.ko(\.\w+)?$/.exec(file)?.[1];
  if (suffix === undefined) {
    copyFileSync(file, to);
    return;
  }
  const tool = unpackers[suffix];
  if (tool === undefined) throw new XengtError('XENGT_E_CONFIG', `${file}: modules packed as ${suffix} are not known`);
  const inside = `/var/tmp/module-${process.pid}.ko`;
  const outside = join(root, inside);
  copyFileSync(file, outside + suffix);
  try {
    await inRoot(root, ['sh', '-c', `${tool} -dc ${inside}${suffix} > ${inside}`]);
    copyFileSync(outside, to);
  } finally {
    rmSync(outside, { force: true });
    rmSync(outside + suffix, { force: true });
  }
}
