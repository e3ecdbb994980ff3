/** What a failed call to Xen means to an operator. */
import { constants } from 'node:os';
import { XengtError } from '../../base/index.js';
import { errnoName } from '../native.js';

const { errno } = constants;

/** The step that failed, by errno; what is not here is said by its name. */
const REASONS: Readonly<Record<number, string>> = {
  [errno.ENOENT]:
    '/dev/xen/privcmd is missing; this must run in dom0, with the modules xen-privcmd and xen-evtchn loaded',
  [errno.ENXIO]: 'the hypervisor does not answer; this must run in dom0',
  [errno.EACCES]: 'permission denied; this must run as root in dom0',
  [errno.EPERM]: 'Xen does not permit it; this must run as root in dom0, and the domain must be an HVM guest',
  [errno.ESRCH]: 'there is no such domain (any more)',
  [errno.EOPNOTSUPP]: 'the domain is no HVM guest, or this Xen cannot do it',
  [errno.EINVAL]: 'Xen refuses it; the domain must be an HVM guest',
  [errno.ENOSPC]: 'the table is full (of ioreq servers a domain can have 8, of event channels dom0 has a limit)',
  [errno.ENOMEM]: 'Xen or dom0 is out of memory',
  [errno.EMFILE]: 'out of descriptors',
  [errno.EOVERFLOW]: 'it has more than 128 vCPUs, and the page of requests has room for 128',
  [errno.EBUSY]: 'another device model of the domain has it',
  [errno.EEXIST]: 'it is taken already',
  [errno.ENOSYS]: "Xen's libraries are not loaded",
};

/** @param result a negative result of the addon */
export function xenReason(result: number): string {
  const reason = REASONS[-result];
  return reason === undefined ? errnoName(result) : `${reason} (${errnoName(result)})`;
}

/** Passes a result through. @throws XengtError when it is an errno: not found, busy, or XENGT_E_XEN */
export function xenCheck(result: number, domid: number, step: string): number {
  if (result >= 0) return result;
  const text = `domain ${domid}: ${step}: ${xenReason(result)}`;
  throw new XengtError(-result === errno.ESRCH ? 'XENGT_E_NOT_FOUND' : 'XENGT_E_XEN', text);
}

/** The domain is gone, or what was asked about it is. */
export function isGone(result: number): boolean {
  return result === -errno.ESRCH || result === -errno.ENOENT;
}
