/**
 * fuse: the tree as files. The kernel's protocol for file systems in user space is spoken here, over /dev/fuse itself: it is
 * small, errors and permissions come out exactly as in sysfs, and nothing needs to be installed.
 */
export { type Mounted, mountTree } from './mount.js';
export { type Places, placesOf } from './places.js';
