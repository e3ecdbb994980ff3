/**
 * How a refusal is told by a file system: the error numbers of Linux (include/uapi/asm-generic/errno-base.h and errno.h),
 * and which of them each code of the catalogue becomes.
 */
import { type ErrorCode, XengtError } from '../../base/index.js';

export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  EFBIG: 27,
  ENOSPC: 28,
  ENOSYS: 38,
  EDQUOT: 122,
} as const;

export type ErrnoName = keyof typeof ERRNO;

/** What a refusal of the tree itself is in the catalogue, for the faces that know no error numbers. */
const CODES: Readonly<Partial<Record<ErrnoName, ErrorCode>>> = {
  ENOENT: 'XENGT_E_NOT_FOUND',
  ENODEV: 'XENGT_E_NOT_FOUND',
  EAGAIN: 'XENGT_E_BUSY',
  EBUSY: 'XENGT_E_BUSY',
  EMFILE: 'XENGT_E_BUSY',
  EDQUOT: 'XENGT_E_BUSY',
  EEXIST: 'XENGT_E_EXISTS',
  ENOSPC: 'XENGT_E_NO_SPACE',
};

/** A refusal with its error number. */
export class TreeRefusal extends XengtError {
  readonly errno: ErrnoName;
  constructor(errno: ErrnoName, message: string, options?: { cause?: unknown }) {
    super(CODES[errno] ?? 'XENGT_E_CONFIG', message, options);
    this.name = 'TreeRefusal';
    this.errno = errno;
  }
}

const OF_CODE: Readonly<Partial<Record<ErrorCode, ErrnoName>>> = {
  XENGT_E_CONFIG: 'EINVAL',
  XENGT_E_USAGE: 'EINVAL',
  XENGT_E_NOT_FOUND: 'ENODEV',
  XENGT_E_EXISTS: 'EEXIST',
  XENGT_E_NO_SPACE: 'ENOSPC',
  XENGT_E_BUSY: 'EBUSY',
  XENGT_E_NO_FAILSAFE: 'EBUSY',
  XENGT_E_UNAVAILABLE: 'ENODEV',
  XENGT_E_NO_ADDON: 'ENODEV',
  XENGT_E_XEN: 'ENODEV',
};

/** Where a disk is full below us, it is full for whoever writes here. */
function fullDisk(cause: unknown): ErrnoName | null {
  if (!(cause instanceof Error && 'code' in cause)) return null;
  return cause.code === 'ENOSPC' || cause.code === 'EDQUOT' ? cause.code : null;
}

/** What a file system answers for whatever was thrown. */
export function errnoOf(error: unknown): ErrnoName {
  if (error instanceof TreeRefusal) return error.errno;
  if (error instanceof XengtError) return fullDisk(error.cause) ?? OF_CODE[error.code] ?? 'EIO';
  return 'EIO';
}
