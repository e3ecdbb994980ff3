/** Which texts are paths, and which may be watched (Xen's docs/misc/xenstore.txt). */
import { XenstoreError } from './errors.js';
import { PATH_MAX } from './wire.js';

const PATH = /^\/(?:[A-Za-z0-9_@-]+(?:\/[A-Za-z0-9_@-]+)*)?$/;
const SPECIAL = /^@[A-Za-z0-9_-]+$/;
const ALLOWED = "an absolute path of letters, digits, '-', '_' and '@', without empty parts";

/** xenstored would end the connection, or answer EINVAL without saying why. */
export function checkPath(path: string, step: string): void {
  if (path.length > PATH_MAX) {
    throw new XenstoreError('EINVAL', step, `${path.slice(0, 60)}…`, `paths have at most ${PATH_MAX} bytes`);
  }
  if (!PATH.test(path)) throw new XenstoreError('EINVAL', step, JSON.stringify(path), `allowed: ${ALLOWED}`);
}

export function checkWatched(path: string): void {
  if (!SPECIAL.test(path)) checkPath(path, 'WATCH');
}

/** True of the path itself too. */
export function isUnder(path: string, parent: string): boolean {
  return path === parent || parent === '/' || path.startsWith(`${parent}/`);
}
