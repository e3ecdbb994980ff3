/**
 * Where sockets are when the tree is mounted. A mounted tree hides what its folder held, and holds no sockets of its own: should
 * the API socket be in that folder, it and the guests' sockets go into a folder beside it, and a link in the tree leads there.
 */
import { basename, dirname, join, relative } from 'node:path';
import { XengtError } from '../../base/index.js';

export interface Places {
  /** Where the daemon serves the API. */
  readonly api: string;
  /** Where guests meet the vGPUs that are made through the tree. */
  readonly sockets: string;
  /** Links at the root of the tree: name, target. */
  readonly links: readonly (readonly [name: string, target: string])[];
}

/** @throws XengtError XENGT_E_CONFIG */
export function placesOf(api: string, sysfs: string | undefined): Places {
  const folder = dirname(api);
  const inside = sysfs === undefined ? '..' : relative(sysfs, folder);
  if (sysfs === undefined || inside.startsWith('..')) return { api, sockets: folder, links: [] };
  if (inside !== '') {
    throw new XengtError('XENGT_E_CONFIG', `sysfs: ${sysfs} would hide ${folder}, where the API socket is`);
  }
  const sockets = `${sysfs}.sockets`;
  const name = basename(api);
  return { api: join(sockets, name), sockets, links: [[name, `../${basename(sockets)}/${name}`]] };
}
