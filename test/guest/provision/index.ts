/**
 * Provisioning: everything a guest needs, from Debian packages and our own sources, into one cache folder. A second
 * call finds it all there and takes well under a second.
 */
import { cacheFolder } from '../paths.js';
import { dropPartials, withCacheLock } from './cache.js';
import { provisionIgtDisk } from './igt-disk.js';
import { provisionInitramfs } from './initramfs.js';
import { checkKernelName, type Kernel, provisionKernel } from './kernels.js';
import { provisionMesaDisk } from './mesa-disk.js';
import { provisionPrograms } from './program.js';
import { type Progress, showProgress } from './progress.js';
import { provisionQemuRoot } from './qemu-root.js';

export type { Kernel } from './kernels.js';
export { FILM } from './mesa-disk.js';
export { type Progress, showProgress } from './progress.js';
export { qemuCommand, SUITES } from './qemu-root.js';

/** What can be booted: a kernel with its initramfs. */
export interface GuestImage {
  readonly kernel: Kernel;
  readonly initramfs: string;
}

export interface Provisioned {
  readonly qemuRoot: string;
  /** By the name that was asked for. */
  readonly images: ReadonlyMap<string, GuestImage>;
}

/** What a guest needs that runs programs from a disk. */
export interface DiskProvisioned {
  readonly qemuRoot: string;
  readonly image: GuestImage;
  /** A disk image, read only. */
  readonly disk: string;
}

/**
 * Provisions QEMU and the named kernels, once for all processes that ask at the same time.
 * @param storage with modules for a disk and a shared folder
 */
export async function provision(
  kernels: readonly string[],
  progress: Progress = showProgress,
  storage = false,
): Promise<Provisioned> {
  for (const name of kernels) checkKernelName(name);
  const cache = cacheFolder();
  return withCacheLock(cache, progress, async () => {
    dropPartials(cache);
    const qemuRoot = await provisionQemuRoot(cache, progress);
    const programs = await provisionPrograms(qemuRoot, cache, progress);
    const images = new Map<string, GuestImage>();
    for (const name of new Set(kernels)) {
      const kernel = await provisionKernel(qemuRoot, cache, name, progress);
      const initramfs = await provisionInitramfs(qemuRoot, cache, kernel, programs, storage, progress);
      images.set(name, { kernel, initramfs });
    }
    return { qemuRoot, images };
  });
}

type ProvisionDisk = (cache: string, progress: Progress) => Promise<string>;

async function provisionWithDisk(
  name: string,
  provisionDisk: ProvisionDisk,
  progress: Progress,
): Promise<DiskProvisioned> {
  checkKernelName(name);
  const cache = cacheFolder();
  return withCacheLock(cache, progress, async () => {
    dropPartials(cache);
    const qemuRoot = await provisionQemuRoot(cache, progress);
    const programs = await provisionPrograms(qemuRoot, cache, progress);
    const kernel = await provisionKernel(qemuRoot, cache, name, progress);
    const initramfs = await provisionInitramfs(qemuRoot, cache, kernel, programs, true, progress);
    const disk = await provisionDisk(cache, progress);
    return { qemuRoot, image: { kernel, initramfs }, disk };
  });
}

/** Provisions QEMU, one kernel with the modules that a disk needs, and IGT. */
export function provisionIgt(name: string, progress: Progress = showProgress): Promise<DiskProvisioned> {
  return provisionWithDisk(name, provisionIgtDisk, progress);
}

/** The same with Mesa. */
export function provisionMesa(name: string, progress: Progress = showProgress): Promise<DiskProvisioned> {
  return provisionWithDisk(name, provisionMesaDisk, progress);
}
