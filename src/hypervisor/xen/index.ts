/**
 * xen: HVM guests of a stock Xen (4.17 or newer), of which this runs in dom0. Per guest one ioreq server takes the accesses
 * to the device; the guest's memory is mapped as it is asked for, and its page tables can be protected from writing.
 *
 * Use: one `XenServer` per guest, all on one `Waiter`; the mediator's thread does nothing but `waiter.run(ns, budget)` in a
 * loop, and `server.tick(now)` about once a second.
 */
export type { HostAperture } from './bars.js';
export { XEN_RULES, XenCounters, type XenCounts, type XenRule } from './counters.js';
export { XenGuest } from './guest.js';
export { HOST_BAR, type HostBar, hostBar } from './host-bar.js';
export type { XenNative } from './native.js';
export { destroyLeftoverServer, XenServer, type XenServerOptions } from './server.js';
