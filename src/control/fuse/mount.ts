/** Putting the tree into the host's file system, and taking it out again. */
import { mkdirSync, realpathSync, statSync, writeSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { reasonOf, XengtError } from '../../base/index.js';
import type { Log } from '../log.js';
import { noteMount } from '../own-mount.js';
import type { Tree } from '../tree/index.js';
import { type FuseNative, fuseNative } from './native.js';
import { Session } from './session.js';

export interface MountOptions {
  readonly tree: Tree;
  /** A folder, made if missing; what is in it is hidden while the tree is mounted. */
  readonly path: string;
  readonly log: Log;
}

export interface Mounted {
  unmount(): void;
}

/**
 * Mounts `tree`. From then on this process must not wait for a file below `path` with its main thread: it is the one that answers.
 * @throws XengtError XENGT_E_CONFIG with what is missing, XENGT_E_NO_ADDON
 */
export function mountTree({ tree, path, log }: MountOptions): Mounted {
  const native = fuseNative();
  prepare(native, path);
  // Before the mount stands: afterwards this would ask ourselves.
  const real = realpathSync(path);
  const fd = native.fuseOpen();
  if (fd < 0) throw refusal(path, `/dev/fuse can not be opened (${getSystemErrorName(fd)}); load the module fuse`);
  const mounted = native.fuseMount(fd, path);
  if (mounted < 0) {
    native.close(fd);
    throw refusal(path, `${getSystemErrorName(mounted)}; mounting needs CAP_SYS_ADMIN (root, or a user namespace)`);
  }
  const forget = noteMount(real);
  let unmounted = false;
  const session = new Session({
    tree,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    nowMs: Date.now(),
    log,
    // Once closed, the descriptor's number may be somebody else's.
    reply: (message) => {
      if (!unmounted) reply(fd, message, log);
    },
  });
  const pump = native.fusePump(fd, (request) => {
    if (request !== null) {
      if (!unmounted) void session.handle(request);
    } else if (!unmounted) {
      log.error(`sysfs: ${path} was unmounted by somebody else`);
    }
  });
  if (typeof pump === 'number') {
    native.fuseUnmount(path);
    native.close(fd);
    forget();
    throw refusal(path, getSystemErrorName(pump));
  }
  return {
    unmount: () => {
      if (unmounted) return;
      unmounted = true;
      const gone = native.fuseUnmount(path);
      forget();
      native.fuseStop(pump);
      // Whoever still has a file open gets ENOTCONN from here on.
      native.close(fd);
      // EINVAL: it was unmounted by somebody else.
      if (gone < 0 && getSystemErrorName(gone) !== 'EINVAL') {
        throw new XengtError('XENGT_E_IO', `sysfs: cannot unmount ${path}: ${getSystemErrorName(gone)}`);
      }
    },
  };
}

function refusal(path: string, reason: string): XengtError {
  return new XengtError('XENGT_E_CONFIG', `sysfs: cannot mount at ${path}: ${reason}`);
}

/** Makes the folder. A mount whose daemon died answers ENOTCONN to everything: it is taken away first. */
function prepare(native: FuseNative, path: string): void {
  try {
    if (!statSync(path, { throwIfNoEntry: false })) mkdirSync(path, { recursive: true, mode: 0o755 });
    if (!statSync(path).isDirectory()) throw refusal(path, 'it is no folder');
  } catch (error) {
    if (error instanceof XengtError) throw error;
    const dead = error instanceof Error && 'code' in error && error.code === 'ENOTCONN';
    if (!dead) throw refusal(path, reasonOf(error));
    const gone = native.fuseUnmount(path);
    if (gone < 0) throw refusal(path, `a daemon that died left it mounted, and ${getSystemErrorName(gone)}`);
  }
}

/** An answer goes to the kernel in one write. */
function reply(fd: number, message: Buffer, log: Log): void {
  try {
    writeSync(fd, message);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    // ENOENT: who asked was interrupted and no longer waits. ENODEV, EBADF: unmounted meanwhile.
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'EBADF') return;
    log.error(`sysfs: the kernel does not take an answer: ${reasonOf(error)}`);
  }
}
