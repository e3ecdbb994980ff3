/** What the addon does for a mount. */
import { XengtError } from '../../base/index.js';
import { requireNative } from '../../hypervisor/index.js';

/** Results as those of the rest of the addon: zero or more is the result, below zero is -errno. */
export interface FuseNative {
  /** Descriptor of /dev/fuse. */
  fuseOpen(): number;
  fuseMount(fd: number, path: string): number;
  fuseUnmount(path: string): number;
  /** Hands over each request, and null when there will be no more. The descriptor must stay open until `fuseStop`. */
  fusePump(fd: number, onRequest: (request: Buffer | null) => void): FusePump | number;
  fuseStop(pump: FusePump): number;
  close(fd: number): number;
}

/** The thread that waits for requests; only the addon looks into it. */
export type FusePump = object;

/** @throws XengtError XENGT_E_NO_ADDON */
export function fuseNative(): FuseNative {
  const native = requireNative();
  if (isFuseNative(native)) return native;
  throw new XengtError('XENGT_E_NO_ADDON', 'the native addon is older than this program, `npm rebuild` builds it anew');
}

function isFuseNative(native: object): native is FuseNative {
  return 'fuseOpen' in native;
}
