/** A small Debian root that holds Prometheus and promtool. */
import type { Progress } from '../../guest/provision/progress.js';
import { type DebianRoot, DOCUMENTATION, debianRoot } from '../debian-root.js';

const PROMETHEUS: DebianRoot = {
  name: 'prometheus',
  recipe: 1,
  packages: ['prometheus'],
  says: 'Prometheus (about half a minute)',
  without: DOCUMENTATION,
};

/** The root, made if it is not in the cache yet. */
export function provisionPrometheus(cache: string, progress: Progress): Promise<string> {
  return debianRoot(PROMETHEUS, cache, progress);
}
