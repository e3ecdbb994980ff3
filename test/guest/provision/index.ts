/**
 * Provisioning: everything a guest needs, from Debian packages and our own sources, into one cache folder. A second
 * call finds it all there and takes well under a second.
 */
import { cacheFolder } from '../paths.js';
import { dropPartials, withCacheLock } from './cache.js';
import { provisionIgtDisk } from './igt-disk.js';
import { provisionInitramfs } from './initramfs.js';
import { checkKernelName, type Kernel, provisionKernel } from './kernels.js';
import { provisionPrograms } from './program.js';
import { type Progress, showProgress } from './progress.js';
import { provisionQemuRoot } from './qemu-root.js';

export type { Kernel } from './kernels.js';
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

/** What a guest needs that runs IGT. */
export interface IgtProvisioned {
  readonly qemuRoot: string;
  readonly image: GuestImage;
  /** A disk image with IGT, read only. */
  readonly disk: string;
}

/** Provisions QEMU and the named kernels, once for all processes that ask at the same time. */
export async function provision(kernels: readonly string[], progress: Progress = showProgress): Promise<Provisioned> {
  for (const name of kernels) checkKernelName(name);
  const cache = cacheFolder();
  return withCacheLock(cache, progress, async () => {
    dropPartials(cache);
    const qemuRoot = await provisionQemuRoot(cache, progress);
    const programs = await provisionPrograms(qemuRoot, cache, progress);
    const images = new Map<string, GuestImage>();
    for (const name of new Set(kernels)) {
      const kernel = await provisionKernel(qemuRoot, cache, name, progress);
      const initramfs = await provisionInitramfs(qemuRoot, cache, kernel, programs, false, progress);
      images.set(name, { kernel, initramfs });
    }
    return { qemuRoot, images };
  });
}

/** Provisions QEMU, one kernel with the modules that IGT needs, and IGT. */
export async function provisionIgt(name: string, progress: Progress = showProgress): Promise<IgtProvisioned> {
  checkKernelName(name);
  const cache = cacheFolder();
  return withCacheLock(cache, progress, async () => {
    dropPartials(cache);
    const qemuRoot = await provisionQemuRoot(cache, progress);
    const programs = await provisionPrograms(qemuRoot, cache, progress);
    const kernel = await provisionKernel(qemuRoot, cache, name, progress);
    const initramfs = await provisionInitramfs(qemuRoot, cache, kernel, programs, true, progress);
    const disk = await provisionIgtDisk(cache, progress);
    return { qemuRoot, image: { kernel, initramfs }, disk };
  });
}
