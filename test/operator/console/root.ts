/** A small Debian root that holds a browser without a window and a VNC viewer. */
import type { Progress } from '../../guest/provision/progress.js';
import { type DebianRoot, DOCUMENTATION, debianRoot } from '../debian-root.js';

const VIEWERS: DebianRoot = {
  name: 'viewers',
  recipe: 1,
  // The package gvncviewer has gvnccapture, which writes what it sees as it is (PNG, not JPEG).
  packages: ['chromium-headless-shell', 'gvncviewer', 'fonts-dejavu-core'],
  says: 'Chromium and a VNC viewer (about two minutes)',
  without: DOCUMENTATION,
};

/** The root, made if it is not in the cache yet. */
export function provisionViewers(cache: string, progress: Progress): Promise<string> {
  return debianRoot(VIEWERS, cache, progress);
}

/**
 * What to run so that a program of the root finds the root's own /proc and /dev, in mounts and processes of its own that end
 * with it.
 */
export function inViewers(root: string, command: readonly string[]): { command: string; args: string[] } {
  const script = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"';
  const isolated = [
    'unshare',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--',
    'sh',
    '-c',
    script,
    root,
    ...command,
  ];
  return { command: 'setpriv', args: ['--pdeathsig', 'KILL', '--', ...isolated] };
}
