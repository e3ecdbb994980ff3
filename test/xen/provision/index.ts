/** Provisioning of the Xen rig: the machine's QEMU, its hypervisor and dom0, and the guests' disks, into one cache folder. */
import { dropPartials, withCacheLock } from '../../guest/provision/cache.js';
import { type Progress, showProgress } from '../../guest/provision/progress.js';
import { xenCacheFolder } from '../paths.js';
import { type Dom0, provisionDom0 } from './dom0.js';
import { provisionDom0Initramfs } from './dom0-initramfs.js';
import { provisionToolsRoot } from './tools-root.js';

export { showProgress } from '../../guest/provision/progress.js';
export { type GuestDisk, provisionGuestDisks } from './guest-disk.js';
export { buildPayload } from './payload.js';
export { qemu } from './tools-root.js';

export interface XenRig {
  readonly tools: string;
  readonly dom0: Dom0;
  readonly initramfs: string;
}

export function provisionXen(progress: Progress = showProgress): Promise<XenRig> {
  const cache = xenCacheFolder();
  return withCacheLock(cache, progress, async () => {
    dropPartials(cache);
    const tools = await provisionToolsRoot(cache, progress);
    const dom0 = await provisionDom0(tools, cache, progress);
    const initramfs = await provisionDom0Initramfs(tools, cache, dom0, progress);
    return { tools, dom0, initramfs };
  });
}
