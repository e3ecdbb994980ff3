/** A clean Debian root that has what the package depends on, systemd, mandoc and shells to look at what it brings, and nothing else. */
import type { Progress } from '../../guest/provision/progress.js';
import { type DebianRoot, debianRoot } from '../debian-root.js';

const CLEAN: DebianRoot = {
  name: 'clean',
  recipe: 4,
  packages: [
    'nodejs',
    'libstdc++6',
    'systemd',
    'systemd-sysv',
    'apt',
    'curl',
    'mdevctl',
    'mandoc',
    'zsh',
    'fish',
    'bash-completion',
  ],
  says: 'what the package depends on (about a minute)',
};

/** The root, made if it is not in the cache yet. */
export function provisionCleanRoot(cache: string, progress: Progress): Promise<string> {
  return debianRoot(CLEAN, cache, progress);
}
