/** What xenstored refuses, and what is wrong with the way to it. */
import { XengtError } from '../../../base/index.js';

/** Names that xenstored answers with (struct xsd_errors of io/xs_wire.h). */
export const XENSTORED_ERRNOS = [
  'EINVAL',
  'EACCES',
  'EEXIST',
  'EISDIR',
  'ENOENT',
  'ENOMEM',
  'ENOSPC',
  'EIO',
  'ENOTEMPTY',
  'ENOSYS',
  'EROFS',
  'EBUSY',
  'EAGAIN',
  'EISCONN',
  'E2BIG',
] as const;

export type XenstoredErrno = (typeof XENSTORED_ERRNOS)[number];

/** Those of the way there: not connected (any more), no answer in time, an answer that breaks the protocol. */
export type LinkErrno = 'ENOTCONN' | 'ETIMEDOUT' | 'EPROTO';

const MEANING: Readonly<Partial<Record<string, string>>> = {
  ENOENT: 'there is no such node',
  EACCES: 'permission denied',
  EINVAL: 'xenstored does not understand it',
  ENOSPC: 'a quota of xenstored is exhausted',
  ENOMEM: 'xenstored is out of memory',
  EAGAIN: 'others kept changing the same nodes',
  E2BIG: 'the answer is too long',
  EROFS: 'the store is read-only',
};

export class XenstoreError extends XengtError {
  /** Name of the errno; one that xenstored made up is kept as it came. */
  readonly errno: string;
  /** What was asked about: a path, or a domain. */
  readonly subject: string;
  /** Why, without what was asked. */
  readonly reason: string;

  constructor(errno: string, step: string, subject: string, reason = MEANING[errno], options?: { cause?: unknown }) {
    const what = subject === '' ? step : `${step} ${subject}`;
    super('XENGT_E_XEN', `xenstore: ${what}: ${reason === undefined ? errno : `${reason} (${errno})`}`, options);
    this.name = 'XenstoreError';
    this.errno = errno;
    this.subject = subject;
    this.reason = reason ?? errno;
  }
}

export function isErrno(error: unknown, errno: XenstoredErrno | LinkErrno): boolean {
  return error instanceof XenstoreError && error.errno === errno;
}
