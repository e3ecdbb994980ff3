/**
 * xen: the daemon in dom0. It follows the host's domains through xenstore, gives those a vGPU whose device model asks for one
 * (packaging/device-model), takes it back when they go, and knows them by name.
 */
export { XEN_MODES, XenDomains, type XenDomainsOptions, type XenMode } from './domains.js';
export { Follower, type FollowerOptions } from './follower.js';
export { processMark, runningProcess } from './process-mark.js';
export { nameFor, parseRequest } from './request.js';
